"""What a model folder's config.json says about its weights."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from ncsnpp import NCSNppConfig
from segqc.data.labels import LabelSpace
from segqc.gumbel import NoiseLadder, context_ladder, mixing_ladder, paper_ladder, structured_ladder
from segqc.model.catalogue import Method

MODEL_FORMAT = "segqc-model-1"


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
    inlier_norm: tuple[float, ...] = ()  # mean score norm of the inliers per level: the unit of the `paper` heat map
    training: dict[str, Any] = field(default_factory=dict)  # how the weights came to be
    format: str = MODEL_FORMAT

    @cached_property
    def label_space(self) -> LabelSpace:
        return LabelSpace.from_dict(self.labels)

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

    def hardly_seen(self, fewest: int = 50) -> dict[int, int]:
        """Foreground classes that were in fewer than `fewest` training pictures, with the number; empty where training
        kept no count.
        """
        counts = self.training.get("class_pictures", [])
        return {c: counts[c] for c in self.label_space.foreground if c < len(counts) and counts[c] < fewest}

    @property
    def parametrisation(self) -> Literal["eps", "posterior"]:
        """What the network's output means: the paper's eps, or logits of the class posterior."""
        return "eps" if self.method == "paper" else "posterior"

    @property
    def score_levels(self) -> tuple[int, ...]:
        """Levels that a score reads unless told otherwise: all; of `structured`, the first that sees the mask.

        A second level costs a pass and gained nothing: docs/results-voc.md.
        """
        levels = tuple(range(len(self.ladder)))
        return next((i,) for i in levels if self.ladder.keep[i] > 0) if self.method == "structured" else levels

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Features per noise level. The clean input of `paper` has no noise to predict, so only its norm is defined."""
        return ("norm",) if self.method == "paper" else ("norm", "error", "surprise")


def make_ladder(method: Method, num_classes: int) -> NoiseLadder:
    """The noise ladder of a method."""
    ladders = {
        "structured": structured_ladder,
        "mixing": mixing_ladder,
        "paper": lambda: paper_ladder(num_classes),
        "segmenter": context_ladder,
    }
    return ladders[method]()
