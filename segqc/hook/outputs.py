"""The masks in what a segmentation model returned, whatever library it comes from.

    torchvision                     {"out": [N, K, h, w], ...}
    segmentation_models_pytorch     [N, K, h, w], or [N, 1, h, w] for one class;
                                    with a classification head, a tuple that begins so
    Hugging Face                    .logits [N, K, h, w];
                                    queries: .class_queries_logits [N, Q, K + 1] and .masks_queries_logits [N, Q, h, w]
    after post-processing           a list of [H, W], one a picture
    pipelines of Hugging Face       a list of {"label", "mask"}, or of such lists
    ONNX Runtime, TFLite, yours     the same, channels first or last, also quantised to 8 bits,
                                    or class indices [N, H, W], [N, 1, H, W], [N, H, W, 1], also as floats

Results of Ultralytics and Segment Anything are refused with the way that works (`segqc.hook.foreign`).

What counts is the class with the highest score after bilinear interpolation to the picture's size, as these libraries
do it themselves. With a Hugging Face processor its own post-processing is asked, so that the judged mask is the one
that its users get.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segqc.data.arrays import as_array, highest_class, is_0_and_255, is_floating
from segqc.data.cells import pixel_of_cell
from segqc.data.labels import VOID, LabelSpace
from segqc.hook.classes import ClassTable
from segqc.hook.foreign import Segments, find_segments, refuse_foreign
from segqc.hook.notices import Notices


class MaskReader:
    """Finds the masks in a model's output and translates its classes.

    Parameters
    ----------
    labels : LabelSpace
        Classes of the quality model.
    classes : sequence of str, int or None, optional
        See `ClassTable`.
    binary_threshold : float, optional
        For segmenters with one channel, and those without a channel for the background: scores above it are
        foreground. 0 for logits, 0.5 for probabilities; by default the one or the other, as all scores lie in [0, 1]
        or not.
    image_processor : optional
        A Hugging Face image processor, whose `post_process_semantic_segmentation` is used where it has one.

    Raises
    ------
    ValueError
        `classes` with an index that the quality model does not have, or a threshold that is no number.
    """

    def __init__(
        self,
        labels: LabelSpace,
        classes: Sequence[Any] | None = None,
        binary_threshold: float | None = None,
        image_processor: Any = None,
    ) -> None:
        if binary_threshold is not None and not np.isfinite(binary_threshold):
            raise ValueError(f"Expected `binary_threshold` to be a finite number, but got {binary_threshold}")
        self.labels, self.classes, self.binary_threshold = labels, ClassTable(labels, classes), binary_threshold
        self.post_process = getattr(image_processor, "post_process_semantic_segmentation", None)
        self._notices = Notices()

    def find(self, output: Any, sizes: Sequence[tuple[int, int]]) -> list[Any]:
        """One item a picture: scores `[K, h, w]`, class indices `[h, w]` or `Segments`.

        Parameters
        ----------
        output : what the model returned
        sizes : sequence of (height, width)
            Sizes of the pictures.

        Raises
        ------
        ValueError
            There are no masks, not as many as pictures, or masks of another kind.
        """
        refuse_foreign(output)
        queries, masks = _part(output, "class_queries_logits"), _part(output, "masks_queries_logits")
        logits = _part(output, "logits")
        segments = find_segments(output, len(sizes))
        if segments is not None:
            items: list[Any] = list(segments)
        elif self.post_process is not None and (queries is not None or logits is not None):
            items = list(self.post_process(output, target_sizes=[tuple(size) for size in sizes]))
        elif queries is not None and masks is not None:
            items = list(query_scores(queries, masks))
        else:
            found = next((value for value in (_part(output, "out"), logits) if value is not None), output)
            items = self._items(found, len(sizes))
        if len(items) != len(sizes):
            raise ValueError(f"Expected as many masks as pictures, but got {len(items)} and {len(sizes)}")
        return items

    def read(self, raw: Any, size: tuple[int, int]) -> np.ndarray:
        """One found mask as uint8 `[H, W]` of the quality model's classes; the picture's (height, width) in `size`.

        Raises
        ------
        ValueError
            Another number of classes than the quality model has, or scores that are not finite.
        """
        if isinstance(raw, Segments):
            return self._by_names(raw, size)
        return self.classes.translate(self._by_scores(raw, size) if is_floating(raw) else self._by_indices(raw, size))

    def _by_scores(self, raw: Any, size: tuple[int, int]) -> np.ndarray:
        """The segmenter's classes, uint8 `[H, W]`, by the highest of scores `[K, h, w]`; K: none of them."""
        scores = raw.detach() if isinstance(raw, Tensor) else torch.from_numpy(np.ascontiguousarray(raw))
        if len(scores) == 1 and self.classes.count == 2:
            scores = torch.cat([torch.full_like(scores, self._threshold(scores)), scores])
        if len(scores) != self.classes.count:
            reason = f"Expected scores of {self.classes.count} classes, but the model gives {len(scores)}"
            raise ValueError(f"{reason}: say with classes= which of the quality model's classes each of them is")
        if self.classes.lacks_background and (self.binary_threshold is not None or _are_independent(scores)):
            scores = torch.cat([scores, torch.full_like(scores[:1], self._threshold(scores))])
        elif self.classes.lacks_background:
            self._notices.once(_NO_BACKGROUND)
        return highest_class(scores, size).cpu().numpy()

    def _threshold(self, scores: Tensor) -> float:
        """The score above which a class is there."""
        if self.binary_threshold is not None:
            return self.binary_threshold
        if not _in_unit_interval(scores):
            return 0.0
        self._notices.once(_PROBABILITIES)
        return 0.5

    def _by_indices(self, raw: Any, size: tuple[int, int]) -> np.ndarray:
        """The segmenter's classes, uint8 `[H, W]`, from class indices `[h, w]`, by nearest neighbour."""
        array = as_array(raw)
        mask = _resized(array.astype(np.int64), size)
        if np.issubdtype(array.dtype, np.signedinteger):
            mask = np.where(mask == -1, VOID, mask)
        if is_0_and_255(mask):
            if self.classes.count == 2:
                mask = mask // 255
                self._notices.once(_BINARY)
            elif not mask.all():
                self._notices.once(_VOID)
        outside = (mask < 0) | ((mask >= self.classes.count) & (mask != VOID))
        if outside.any():
            found = np.unique(mask[outside])[:8].tolist()
            raise ValueError(f"Expected class indices 0 to {self.classes.count - 1}, but got {found}")
        return mask.astype(np.uint8)

    def _by_names(self, segments: Segments, size: tuple[int, int]) -> np.ndarray:
        """The quality model's classes, uint8 `[H, W]`, from masks with names; elsewhere the background, or void."""
        background = self.labels.background
        mask = np.full(size, VOID if background is None else background, np.uint8)
        for name, inside in segments.parts:
            mask[_resized(inside, size)] = self.classes.named(name)
        unknown = sorted({name for name in segments.names if self.classes.named(name) == VOID})
        if unknown:
            self._notices.once(f"the quality model does not know all classes; not judged: {', '.join(unknown)}")
        return mask

    def _items(self, value: Any, count: int) -> list[Any]:
        """One item a picture from an array, or from a list that holds one first, or one a picture."""
        if isinstance(value, Mapping):
            value = list(value.values())
        if isinstance(value, list | tuple) and value:
            if len(value) == count and all(getattr(item, "ndim", 0) == 2 for item in value):
                return [_whole(item) if is_floating(item) else item for item in value]
            value = value[0]
        if not isinstance(value, Tensor | np.ndarray):
            raise ValueError(
                f"Expected masks or scores of classes in the model's output, but found {type(value).__name__}"
            )
        if self._holds_scores(value, count):
            return list(self._scores(value))
        return list(_class_indices(_whole(value) if is_floating(value) else value, count))

    def _holds_scores(self, value: Any, count: int) -> bool:
        """Whether an array holds scores of classes, and not class indices, of `count` pictures."""
        classes = self.classes.count
        one_each = value.ndim == 4 or (value.ndim == 3 and count == 1)
        if one_each and classes in (value.shape[-3], value.shape[-1]):
            return True
        if not is_floating(value) or value.ndim == 2:
            return False
        one_channel = 1 in (value.shape[-3], value.shape[-1])
        return value.ndim > 4 or (one_each and not (one_channel and _may_be_indices(value, classes)))

    def _scores(self, value: Any) -> Any:
        """Float scores `[N, K, h, w]` of classes, from those of one picture or several, classes first or last."""
        value = value[None] if value.ndim == 3 else value
        if value.ndim != 4:
            raise _wrong_shape(value)
        if not is_floating(value):  # quantised, or one-hot: only their order counts
            value = value.float() if isinstance(value, Tensor) else value.astype(np.float32)
        counts = (self.classes.count, 1)
        if value.shape[1] not in counts and value.shape[3] in counts:
            return value.permute(0, 3, 1, 2) if isinstance(value, Tensor) else value.transpose(0, 3, 1, 2)
        return value


_PROBABILITIES = (
    "scores lie in [0, 1] and are taken for probabilities, a class being there above 0.5: "
    "give binary_threshold=0 if they are logits, or binary_threshold=0.5 to say so"
)
_NO_BACKGROUND = (
    "none of classes= is the background, so that every pixel is judged as an object: "
    "give binary_threshold= if a pixel may be none of them (0 for logits, 0.5 for probabilities)"
)
_BINARY = "a mask holds 0 and 255 only: 255 is read as the second class"
_VOID = "a mask holds 0 and 255 only: 255 is not judged; if it stands for a class, return class indices"


def _in_unit_interval(scores: Tensor) -> bool:
    low, high = scores.aminmax()
    return bool(low >= 0) and bool(high <= 1)


def _are_independent(scores: Tensor) -> bool:
    """Whether scores `[K, h, w]` are probabilities of classes that do not exclude each other (a sigmoid each)."""
    return _in_unit_interval(scores) and bool((scores.float().sum(0) - 1).abs().max() > 0.02)


def _may_be_indices(value: Any, classes: int) -> bool:
    """Whether floats are whole numbers that are class indices or 255 throughout."""
    array = as_array(value)
    return bool((((array >= 0) & (array < classes) & (array == np.round(array))) | (array == VOID)).all())


def _whole(value: Any) -> np.ndarray:
    """Class indices from floats that are whole numbers."""
    array = as_array(value)
    if not (array == np.round(array)).all():
        raise ValueError(
            f"Expected scores [N, K, h, w] or whole class indices, but got fractions of shape {tuple(array.shape)}"
        )
    return array.astype(np.int64)


def _resized(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`[h, w]` at another size, by nearest neighbour."""
    if mask.shape == size:
        return mask
    return mask[np.ix_(pixel_of_cell(mask.shape[0], size[0]), pixel_of_cell(mask.shape[1], size[1]))]


def _class_indices(value: Any, count: int) -> Any:
    """Class indices `[N, H, W]` of `count` pictures, from an array that may lack N or have an axis of one channel."""
    may_have_channel = value.ndim == 4 or (value.ndim == 3 and count == 1)
    if may_have_channel and value.shape[-1] == 1:
        value = value.squeeze(-1)
    elif may_have_channel and value.shape[-3] == 1:
        value = value.squeeze(-3)
    value = value[None] if value.ndim == 2 else value
    if value.ndim != 3:
        raise _wrong_shape(value)
    return value


def _wrong_shape(value: Any) -> ValueError:
    return ValueError(f"Expected scores [N, K, h, w] or class indices [N, H, W], but got {tuple(value.shape)}")


def query_scores(class_logits: Tensor, mask_logits: Tensor) -> Tensor:
    """Class scores of mask classification (Cheng et al. 2021, equation 4): sum over queries of p(class | query) p(pixel
    | query).

    Parameters
    ----------
    class_logits : Tensor, `[N, Q, K + 1]`
        The last is "no object".
    mask_logits : Tensor, `[N, Q, h, w]`

    Returns
    -------
    Tensor, `[N, K, h, w]`
        In [0, Q]; dividing by their sum over classes would make them probabilities, and leaves the highest where it is.
    """
    return torch.einsum("nqk,nqhw->nkhw", class_logits.softmax(-1)[..., :-1], mask_logits.sigmoid())


def _part(output: Any, name: str) -> Any:
    """A named part of an output that is a dictionary or an object."""
    return output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
