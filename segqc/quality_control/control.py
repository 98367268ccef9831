"""Pictures and masks in any form, as pipelines have them; and a model by its folder or name."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from segqc.base.errors import BadInput
from segqc.base.storage.paths import as_path
from segqc.calibration.storage import find_calibration
from segqc.data.arrays import as_image, as_labels, as_list, as_mask, is_batch, is_floating, is_path
from segqc.model.catalogue import BUNDLED
from segqc.model.folder import fingerprint, load_model, model_folder
from segqc.quality_control.pair_scorer import PairScorer
from segqc.verdict import Score, Verdict

if TYPE_CHECKING:
    from segqc.hook import QualityHook, Seen


class QualityControl(PairScorer):
    """A trained model, ready to judge pictures and masks in any form. Obtain one by `segqc.load(folder)`.

    Its parameters and what it raises are those of `PairScorer`.
    """

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
        Noise levels to read; see `PairScorer`.
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
