"""One score for one pair, as pixels: what a model, its levels and its calibration say of a picture and its mask."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np
from PIL import Image

from segqc.base.devices import without_autocast
from segqc.base.errors import BadInput
from segqc.calibration.calibration import Calibration
from segqc.data.grid import box_to_pixels, image_to_grid, map_to_pixels, mask_to_grid
from segqc.data.heat import PackedHeat
from segqc.data.instances import Instances
from segqc.data.labels import VOID, LabelSpace
from segqc.data.tiles import Tiling, tile_pictures
from segqc.model.batches import pairs_at_once, read_batch
from segqc.model.levels import check_levels
from segqc.model.quality_model import QualityModel
from segqc.model.reading import Reading
from segqc.model.regions import worst_region
from segqc.model.runtime import compile_model
from segqc.model.tiled import read_pair
from segqc.objects.judge import ObjectFinder
from segqc.verdict import JudgedObject, Score, SuspectRegion, Verdict


class PairScorer:
    """A trained model, ready to score pairs of pixels.

    Parameters
    ----------
    model : QualityModel
        In evaluation mode, on its device; from here on for scoring alone, since its encoder is folded
        (`ImageEncoder.fold`).
    levels : sequence of int, optional
        Noise levels to read, by their index in the model's ladder; by default those that its score is made of. Others
        give another score.
    calibration : Calibration, optional
        What a score means; fitted on scores of this model and these levels.
    source : dict, optional
        Where the model comes from, as in an audit's summary.json: its folder and its fingerprint.
    runtime : "auto", "onnx" or "torch"
        What computes the model: see `segqc.model.runtime.compile_model`.
    tiles : int, optional
        Tiles along a side in which pictures are scored (`segqc.data.tiles`), 1 being the picture as a whole; by default
        those that the model was trained on.

    Raises
    ------
    BadInput
        The runtime cannot be used, or the model's scores cannot be read from tiles.
    ValueError
        Levels that the ladder does not have, repeated or not ascending, or not all for a model whose score needs all;
        too many tiles.
    """

    def __init__(
        self,
        model: QualityModel,
        levels: Sequence[int] | None = None,
        calibration: Calibration | None = None,
        source: dict[str, str] | None = None,
        runtime: str = "auto",
        tiles: int | None = None,
    ) -> None:
        self.model, self.source = model, source
        self.tiling = Tiling(model.config.tiles if tiles is None else tiles, model.config.grid_size)
        if self.tiles > 1 and model.method.needs_all_levels:
            reason = f"method {model.method.name!r} has no class posterior, by which tiles are merged"
            raise BadInput("tiles", reason, "leave it out")
        if model.encoder is not None:
            model.encoder.fold()
        self.levels = None if levels is None else check_levels(levels, model)
        self.calibration = calibration
        model.compiled = compile_model(model, runtime)

    @property
    def runtime(self) -> Literal["onnx", "torch"]:
        """What computes the model."""
        return "torch" if self.model.compiled is None else "onnx"

    @property
    def tiles(self) -> int:
        """Tiles along a side in which pictures are scored."""
        return self.tiling.count

    @property
    def labels(self) -> LabelSpace:
        """Classes that masks may have."""
        return self.model.config.label_space

    @property
    def highest_score(self) -> float:
        """The largest score that there is: 1, or infinity where scores are a negative log-likelihood."""
        return math.inf if self.model.method.needs_all_levels else 1.0

    def judge_pair(self, image: Image.Image, mask: np.ndarray) -> Verdict:
        """The verdict on an RGB picture and its mask, uint8 `[H, W]` with 255 where void; why there is none is in its
        `error`.
        """
        try:
            picture, grid = self.prepare(image, mask)
            score = self.score_reading(self.read(picture, grid, with_features=False), grid, mask)
        except ValueError as error:
            return Verdict(score=None, decision="review", error=str(error))
        region = (
            SuspectRegion(score.worst_class, score.expected_class, score.worst_box)
            if score.worst_class and score.worst_box
            else None
        )
        known = {} if self.calibration is None else vars(self.calibration.judge(score.score))
        return Verdict(
            score=score.score,
            worst_region=region,
            draw_heatmap=score.draw_heatmap,
            find_objects=self._decided(score.find_objects),
            **known,
        )

    def _decided(
        self, find_objects: Callable[[], list[JudgedObject]] | None
    ) -> Callable[[], list[JudgedObject]] | None:
        """What finds the objects, with what a calibration makes of them."""
        if find_objects is None or self.calibration is None or self.calibration.objects is None:
            return find_objects
        return partial(self.calibration.objects.judge_all, find_objects)

    def score_pair(self, image: Image.Image, mask: np.ndarray) -> Score:
        """Score an RGB picture and its mask, uint8 `[H, W]` with 255 where void."""
        return self.score_grid(*self.prepare(image, mask), mask)

    def prepare(self, image: Image.Image, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Picture uint8 `[3, I, I]` and mask uint8 `[S, S]` for the network, or the picture's tiles `[T, 3, I, I]` and
        the mask on the grid of them all; needs no network, so that threads can read ahead.

        Raises
        ------
        ValueError
            Picture and mask differ in size, or the mask is void throughout.
        """
        if image.size != (mask.shape[1], mask.shape[0]):
            raise ValueError(
                f"Expected picture and mask of one size, but got {image.size[0]}x{image.size[1]} "
                f"and {mask.shape[1]}x{mask.shape[0]}"
            )
        if (mask == VOID).all():
            raise ValueError("Expected a mask with labelled pixels, but it is void throughout")
        size, tiling = self.model.config.image_size, self.tiling
        picture = image_to_grid(image, size) if self.tiles == 1 else tile_pictures(image, tiling, size)
        return picture, mask_to_grid(mask, tiling.side, self.labels)

    def score_grid(
        self, image: np.ndarray, grid: np.ndarray, mask: np.ndarray, instances: Instances | None = None
    ) -> Score:
        """Score what `prepare` made of a picture and of its `mask`, uint8 `[H, W]`, which says how fine the heat map
        is; `instances` are its objects where it has others than its connected components.
        """
        return self.score_reading(self.read(image, grid), grid, mask, instances)

    def read(self, image: np.ndarray, grid: np.ndarray, with_features: bool = True) -> Reading:
        """What the model says of what `prepare` made of a pair."""
        with without_autocast(self.model.device):
            return read_pair(self.model, image, grid, self.levels, with_features)

    @property
    def at_once(self) -> int:
        """Pairs that `read_many` shows the model at once."""
        return pairs_at_once(self.model, self.levels) if self.tiles == 1 else 1

    def read_many(self, images: Sequence[np.ndarray], grids: Sequence[np.ndarray]) -> list[Reading]:
        """`read` of several pairs in one forward: the same but for rounding, which depends on a pair's company."""
        with without_autocast(self.model.device):
            return read_batch(self.model, np.stack(images), np.stack(grids), self.levels)

    def score_reading(
        self, reading: Reading, grid: np.ndarray, mask: np.ndarray, instances: Instances | None = None
    ) -> Score:
        """`score_grid` of what was read of the pair."""
        numbers = self.model.score_reading(reading, grid)
        region = worst_region(reading.heat, grid, reading.posterior)
        size = (mask.shape[1], mask.shape[0])
        draw_heatmap: Callable[[], np.ndarray]
        find_objects: Callable[[], list[JudgedObject]] | None = None
        if reading.posterior is None:
            draw_heatmap = partial(map_to_pixels, reading.heat, size)
        else:
            draw_heatmap = packed = PackedHeat.pack(reading.posterior, mask)
            find_objects = ObjectFinder.of(reading.posterior, packed, self.labels, instances)
        return Score(
            score=numbers.score,
            agreement=numbers.agreement,
            density=numbers.density,
            features=reading.features,
            feature_names=self.model.config.feature_names,
            worst_class=self.labels.name(region.observed) if region else None,
            expected_class=self.labels.name(region.expected) if region and region.expected is not None else None,
            worst_box=box_to_pixels(region.box, len(grid), size) if region else None,
            draw_heatmap=draw_heatmap,
            find_objects=find_objects,
        )
