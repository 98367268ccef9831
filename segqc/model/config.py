"""What a model folder's config.json says about its weights."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ncsnpp import NCSNppConfig
from segqc.data.labels import LabelSpace
from segqc.data.pictures import PictureReading
from segqc.gumbel import NoiseLadder
from segqc.model.catalogue import Method
from segqc.model.methods import find_method

MODEL_FORMAT = "segqc-model-1"

FEW_PICTURES = 50
"""Training pictures of a class below which the model has hardly seen it."""


@dataclass(frozen=True)
class ModelConfig:
    """Everything a model folder must say about its weights."""

    method: Method
    labels: dict[str, Any]  # LabelSpace.to_dict()
    image_size: int
    grid_size: int
    encoder: str | None
    network: NCSNppConfig
    ladder: NoiseLadder
    draws: int  # noise draws per level when scoring; 0: the noise-free input
    classifier: bool = False  # the network sees what the encoder's ImageNet classifier sees and says at each place
    noise_seed: int = 0  # of the fixed scoring noise
    mask_only: bool = False  # the network never sees the picture
    # tiles along a side in which pictures are scored unless told otherwise: as training cut them
    tiles: int = 1
    pictures: dict[str, Any] = field(default_factory=dict)  # PictureReading.to_dict(): how picture files are read
    # mean score norm of the inliers at each of `score_levels`: the unit of the heat map of method `paper`
    inlier_norm: tuple[float, ...] = ()
    training: dict[str, Any] = field(default_factory=dict)  # how the weights came to be
    format: str = MODEL_FORMAT

    @cached_property
    def label_space(self) -> LabelSpace:
        return LabelSpace.from_dict(self.labels)

    @property
    def picture_reading(self) -> PictureReading:
        """How picture files are read, as they were in training."""
        return PictureReading.from_dict(self.pictures)

    @property
    def num_classes(self) -> int:
        return len(self.labels["names"])

    @property
    def empty_share(self) -> float:
        """Share of training masks without foreground, one pseudo-count on either side; 0.5 where training kept no
        count.
        """
        empty, pairs = self.training.get("empty_pictures"), self.training.get("train_pairs")
        return 0.5 if empty is None or pairs is None else (empty + 1) / (pairs + 2)

    def hardly_seen(self, fewest: int = FEW_PICTURES) -> dict[int, int]:
        """Foreground classes that were in fewer than `fewest` training pictures, with the number; empty where training
        kept no count.
        """
        counts = self.training.get("class_pictures", [])
        return {c: counts[c] for c in self.label_space.foreground if c < len(counts) and counts[c] < fewest}

    @property
    def score_levels(self) -> tuple[int, ...]:
        """Indices of the levels that a score reads unless told otherwise."""
        return find_method(self.method).score_levels(self.ladder)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Features per noise level."""
        return find_method(self.method).feature_names
