"""One score per pair, with the place in the picture: what the audit writes and what `segqc.load(folder)` gives a
pipeline.

qc = segqc.load(folder)
qc(image, mask)          a Verdict, or a list of them: the score, what the calibration makes of it, the worst region
qc.attach(model)         the same for every mask that a segmentation model predicts
qc.score(images, masks)  a list of Score: the parts that the score is made of
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from segqc.base.devices import without_autocast
from segqc.base.errors import BadInput
from segqc.base.storage.paths import as_path
from segqc.calibration.calibration import Calibration
from segqc.calibration.storage import find_calibration
from segqc.data.arrays import as_image, as_labels, as_list, as_mask, is_batch, is_floating, is_path
from segqc.data.grid import box_to_pixels, image_to_grid, map_to_pixels, mask_to_grid
from segqc.data.heat import PackedHeat
from segqc.data.instances import Instances
from segqc.data.labels import VOID, LabelSpace
from segqc.data.tiles import Tiling, tile_pictures
from segqc.model.catalogue import BUNDLED
from segqc.model.folder import fingerprint, load_model, model_folder
from segqc.model.levels import check_levels
from segqc.model.quality_model import QualityModel
from segqc.model.regions import worst_region
from segqc.model.runtime import compile_model
from segqc.model.tiled import read_pair
from segqc.objects.judge import ObjectFinder
from segqc.verdict import JudgedObject, Score, SuspectRegion, Verdict

if TYPE_CHECKING:
    from segqc.hook import QualityHook, Seen


class QualityControl:
    """A trained model, ready to score. Obtain one by `segqc.load(folder)`.

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

    def __call__(self, images: Any, masks: Any) -> Verdict | list[Verdict]:
        """Judge one pair or a batch; each pair's verdict is its own, whatever its companions.

        Parameters
        ----------
        images : Pillow image, path, array or tensor, or a batch or sequence of them
            As in `score`.
        masks : as in `score`, or float array or tensor `[K, h, w]`, a batch `[N, K, h, w]` or a sequence of them
            Class indices of the picture's size, or logits or probabilities of any size, of which the largest counts.

        Returns
        -------
        Verdict
            For a single picture.
        list of Verdict
            For a batch or a sequence. A pair that cannot be scored stops nothing: its verdict says why, and is for
            review.

        Raises
        ------
        ValueError
            Counts that differ; for a single pair also what makes it unusable, as in `score`.
        BadInput
            For a single pair, a file that cannot be read.
        """
        pictures = as_list(images, (3,))
        is_array = not (isinstance(masks, Image.Image | Sequence) or is_path(masks))
        single_mask = (3,) if is_array and is_floating(masks) else (2,)
        predicted = as_list(masks, single_mask)
        if len(pictures) != len(predicted):
            raise ValueError(f"Expected as many pictures as masks, but got {len(pictures)} and {len(predicted)}")
        if not is_batch(images):
            return self._verdict(pictures[0], predicted[0])
        return [self._verdict_or_reason(image, mask) for image, mask in zip(pictures, predicted, strict=True)]

    def judge_pair(self, image: Image.Image, mask: np.ndarray) -> Verdict:
        """The verdict on an RGB picture and its mask, uint8 `[H, W]` with 255 where void; why there is none is in its
        `error`.
        """
        try:
            score = self._score(*self.prepare(image, mask), mask, with_features=False)
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

    def _verdict(self, image: Any, mask: Any) -> Verdict:
        """The verdict on one pair in any form; raises ValueError for one that cannot be scored."""
        picture = as_image(image)
        verdict = self.judge_pair(picture, as_labels(mask, self.labels, picture.size))
        if verdict.error is not None:
            raise ValueError(verdict.error)
        return verdict

    def _verdict_or_reason(self, image: Any, mask: Any) -> Verdict:
        try:
            return self._verdict(image, mask)
        except (ValueError, BadInput) as error:
            return Verdict(score=None, decision="review", error=str(error))

    def attach(self, model: Any, **options: Any) -> "QualityHook":
        """Judge every mask that a segmentation model, or any callable, predicts, without changing what it returns: see
        `segqc.hook.attach`.
        """
        from segqc.hook import attach

        return attach(self, model, **options)

    def watch(self, model: Any, **options: Any) -> "AbstractContextManager[Seen]":
        """Judge what a segmentation model predicts inside a `with` block, by its own thread or task: see
        `segqc.hook.attach.watch`.
        """
        from segqc.hook.attach import watch

        return watch(self, model, **options)

    def score(self, images: Any, masks: Any) -> list[Score]:
        """Score one pair or a batch; each pair's numbers are those that `segqc audit` writes, whatever its companions.

        Parameters
        ----------
        images : Pillow image, path, array or tensor, or a batch or sequence of them
            RGB `[H, W, 3]` or `[3, H, W]`, or grey `[H, W]` inside a sequence; uint8, or floats in [0, 1].
        masks : Pillow image, path, integer array or tensor, or a batch or sequence of them
            Class indices `[H, W]`, of the picture's size.

        Returns
        -------
        list of Score
            One per pair, also for a single pair.

        Raises
        ------
        ValueError
            Counts or sizes that differ, unknown labels, a mask that is void throughout.
        BadInput
            A file that cannot be read.
        """
        pictures, labelled = as_list(images, (3,)), as_list(masks, (2,))
        if len(pictures) != len(labelled):
            raise ValueError(f"Expected as many pictures as masks, but got {len(pictures)} and {len(labelled)}")
        return [
            self.score_pair(as_image(image), as_mask(mask, self.labels))
            for image, mask in zip(pictures, labelled, strict=True)
        ]

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
        return self._score(image, grid, mask, True, instances)

    def _score(
        self,
        image: np.ndarray,
        grid: np.ndarray,
        mask: np.ndarray,
        with_features: bool,
        instances: Instances | None = None,
    ) -> Score:
        with without_autocast(self.model.device):
            reading = read_pair(self.model, image, grid, self.levels, with_features)
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


def load(
    folder: Path | str = BUNDLED,
    device: str | None = None,
    levels: Sequence[int] | None = None,
    calibration: Path | str | None = None,
    runtime: str = "auto",
    tiles: int | None = None,
) -> QualityControl:
    """Load a model: one that comes with segqc, for the 21 classes of Pascal VOC, or a folder written by `segqc train`.

    Parameters
    ----------
    folder : Path or str, optional
        A folder, or a name: "voc", or "voc-fast" for a pipeline that has little time (a lighter encoder and network, a
        coarser picture).
    device : str, optional
        Such as "cpu" or "cuda:1"; by default the first accelerator, else the CPU.
    levels : sequence of int, optional
        Noise levels to read; see `QualityControl`.
    calibration : Path or str, optional
        JSON written by `segqc calibrate`; by default `calibration.json` in the folder, where there is one.
    runtime : "auto", "onnx" or "torch"
        What computes the model; by default ONNX Runtime on a CPU, where it can be used. Its graphs are written when the
        model is first loaded, and kept in the user's cache (`segqc.base.cache`).
    tiles : int, optional
        Score pictures in N x N overlapping tiles, for objects that are small in large pictures; by default as the model
        was trained, most often as a whole.

    Raises
    ------
    BadInput
        The folder is not a whole model, the given calibration was fitted on scores of another one, or the runtime
        cannot be used.

    Examples
    --------
    >>> qc = segqc.load("runs/voc")  # doctest: +SKIP
    >>> worst = max(qc(images, masks), key=lambda verdict: verdict.score)  # doctest: +SKIP
    """
    folder = model_folder(folder)
    model = load_model(folder, device)
    scored_in = model.config.tiles if tiles is None else tiles
    given, name = None if calibration is None else as_path(calibration), fingerprint(folder)
    return QualityControl(
        model,
        levels,
        find_calibration(folder, given, name, levels, model.config.score_levels, scored_in),
        source={"folder": str(folder.resolve()), "fingerprint": name},
        runtime=runtime,
        tiles=tiles,
    )


def predicted_classes(mask: np.ndarray, labels: LabelSpace) -> Sequence[str]:
    """Names of the foreground classes of a mask, in the order of their indices."""
    present = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
    return [labels.name(int(c)) for c in present if c in labels.foreground]
