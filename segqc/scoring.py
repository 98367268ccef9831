"""One score per pair, with the place in the picture: what the audit writes and what `segqc.load(folder).score(...)` returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segqc.artifact import load_model
from segqc.grid import box_to_pixels, image_to_grid, map_to_pixels, mask_to_grid
from segqc.inputs import as_image, as_list, as_mask
from segqc.labels import VOID, LabelSpace
from segqc.quality_model import QualityModel
from segqc.regions import worst_region


@dataclass(frozen=True)
class Score:
    """What the model says of one mask.

    Attributes
    ----------
    score : float
        Higher = worse. `mixing`: 1 - agreement, in [0, 1]. `paper`: negative log-likelihood under the density of inliers, unbounded.
    agreement : float or None
        Estimated Dice of the mask in [0, 1] (`mixing`).
    density : float or None
        Negative log-likelihood of the per-level features under the inliers' mixture.
    features : ndarray `[L, F]` float64
        Features per noise level, named by `feature_names`.
    feature_names : tuple of str
    heatmap : ndarray `[H, W]` float32 in [0, 1]
        How suspect each pixel is, at the picture's size.
    worst_class, expected_class : str or None
        In the most suspect region: the class that the mask has there, and the one that was expected instead.
    worst_box : (x0, y0, x1, y1) or None
        That region in pixels, half-open.
    """

    score: float
    agreement: float | None
    density: float | None
    features: np.ndarray
    feature_names: tuple[str, ...]
    heatmap: np.ndarray
    worst_class: str | None
    expected_class: str | None
    worst_box: tuple[int, int, int, int] | None


class QualityControl:
    """A trained model, ready to score. Obtain one by `segqc.load(folder)`.

    Parameters
    ----------
    model : QualityModel
        In evaluation mode, on its device.
    levels : sequence of int, optional
        Noise levels to read, by their index in the model's ladder; all by default. Fewer are faster, and another score.

    Raises
    ------
    ValueError
        Levels that the ladder does not have, repeated or not ascending, or not all for a model whose score needs all.
    """

    def __init__(self, model: QualityModel, levels: Sequence[int] | None = None) -> None:
        self.model = model
        self.levels = None if levels is None else check_levels(levels, model)

    @property
    def labels(self) -> LabelSpace:
        """Classes that masks may have."""
        return self.model.config.label_space

    def score(self, images: Any, masks: Any) -> list[Score]:
        """Score one pair or a batch; each pair's numbers are those that `segqc audit` writes, whatever its companions.

        Parameters
        ----------
        images : Pillow image, array or tensor, or a batch or sequence of them
            RGB `[H, W, 3]` or `[3, H, W]`, or grey `[H, W]` inside a sequence; uint8, or floats in [0, 1].
        masks : Pillow image, integer array or tensor, or a batch or sequence of them
            Class indices `[H, W]`, of the picture's size.

        Returns
        -------
        list of Score
            One per pair, also for a single pair.

        Raises
        ------
        ValueError
            Counts or sizes that differ, unknown labels, a mask that is void throughout.
        """
        pictures, labelled = as_list(images, (3,)), as_list(masks, (2,))
        if len(pictures) != len(labelled):
            raise ValueError(f"Expected as many pictures as masks, but got {len(pictures)} and {len(labelled)}")
        return [self.score_pair(as_image(image), as_mask(mask, self.labels)) for image, mask in zip(pictures, labelled, strict=True)]

    def score_pair(self, image: Image.Image, mask: np.ndarray) -> Score:
        """Score an RGB picture and its mask, uint8 `[H, W]` with 255 where void."""
        return self.score_grid(*self.prepare(image, mask), image.size)

    def prepare(self, image: Image.Image, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Picture uint8 `[3, I, I]` and mask uint8 `[S, S]` for the network; needs no network, so that threads can read ahead.

        Raises
        ------
        ValueError
            Picture and mask differ in size, or the mask is void throughout.
        """
        if image.size != (mask.shape[1], mask.shape[0]):
            raise ValueError(f"Expected picture and mask of one size, but got {image.size[0]}x{image.size[1]} and {mask.shape[1]}x{mask.shape[0]}")
        if (mask == VOID).all():
            raise ValueError("Expected a mask with labelled pixels, but it is void throughout")
        config = self.model.config
        return image_to_grid(image, config.image_size), mask_to_grid(mask, config.grid_size, self.labels)

    def score_grid(self, image: np.ndarray, mask: np.ndarray, size: tuple[int, int]) -> Score:
        """Score what `prepare` returned; `size` is the picture's (width, height)."""
        reading = self.model.read(image, mask, self.levels)
        numbers = self.model.score_reading(reading, mask)
        region = worst_region(reading.heat, mask, reading.posterior)
        return Score(
            **numbers,
            features=reading.features,
            feature_names=self.model.config.feature_names,
            heatmap=map_to_pixels(reading.heat, size),
            worst_class=self.labels.name(region.observed) if region else None,
            expected_class=self.labels.name(region.expected) if region and region.expected is not None else None,
            worst_box=box_to_pixels(region.box, self.model.config.grid_size, size) if region else None,
        )


def check_levels(levels: Sequence[int], model: QualityModel) -> tuple[int, ...]:
    """The levels as a tuple, if a score can be read from them; see `QualityControl`."""
    chosen, count = tuple(levels), len(model.config.ladder)
    if not chosen or list(chosen) != sorted(set(chosen)) or not 0 <= chosen[0] <= chosen[-1] < count:
        raise ValueError(f"Expected ascending noise levels in 0..{count - 1}, but got {', '.join(map(str, chosen)) or 'none'}")
    if model.config.parametrisation == "eps" and len(chosen) < count:
        raise ValueError(f"The score of method 'paper' is a density over all {count} noise levels: read them all")
    return chosen


def load(folder: Path | str, device: str | None = None, levels: Sequence[int] | None = None) -> QualityControl:
    """Load a model folder written by `segqc train`.

    Parameters
    ----------
    folder : Path or str
    device : str, optional
        Such as "cpu" or "cuda:1"; by default the first accelerator, else the CPU.
    levels : sequence of int, optional
        Noise levels to read; see `QualityControl`.

    Raises
    ------
    BadInput
        The folder is not a whole model.

    Examples
    --------
    >>> qc = segqc.load("runs/voc")  # doctest: +SKIP
    >>> worst = max(qc.score(images, masks), key=lambda s: s.score)  # doctest: +SKIP
    """
    return QualityControl(load_model(Path(folder), device), levels)


def predicted_classes(mask: np.ndarray, labels: LabelSpace) -> Sequence[str]:
    """Names of the foreground classes of a mask, in the order of their indices."""
    present = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
    return [labels.name(int(c)) for c in present if c in labels.foreground]
