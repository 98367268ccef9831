"""The masks in what a segmentation model returned, whatever library it comes from.

    torchvision                     {"out": [N, K, h, w], ...}
    segmentation_models_pytorch     [N, K, h, w], or [N, 1, h, w] for one class;
                                    with a classification head, a tuple that begins so
    Hugging Face                    .logits [N, K, h, w];
                                    queries: .class_queries_logits [N, Q, K + 1] and .masks_queries_logits [N, Q, h, w]
    after post-processing           a list of [H, W], one a picture
    ONNX Runtime, TFLite, yours     the same, channels first or last,
                                    or class indices [N, H, W], [N, 1, H, W], [N, H, W, 1]

What counts is the class with the highest score after bilinear interpolation to the picture's size, as these libraries
do it themselves. With a Hugging Face processor its own post-processing is asked, so that the judged mask is the one
that its users get.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segqc.data.arrays import as_array, highest_class, is_floating
from segqc.data.cells import pixel_of_cell
from segqc.data.labels import VOID, LabelSpace


class MaskReader:
    """Finds the masks in a model's output and translates its classes.

    Parameters
    ----------
    labels : LabelSpace
        Classes of the quality model.
    classes : sequence of str, int or None, optional
        For each class of the segmenter the quality model's class, by name or index; None, or a name that it does not
        know: not judged (void). By default both have the same classes.
    binary_threshold : float
        For segmenters with one channel: scores above it are foreground. 0 for logits, 0.5 for probabilities.
    image_processor : optional
        A Hugging Face image processor, whose `post_process_semantic_segmentation` is used where it has one.

    Attributes
    ----------
    not_judged : list of str
        Names in `classes` that the quality model does not know.

    Raises
    ------
    ValueError
        `classes` with an index that the quality model does not have.
    """

    def __init__(
        self,
        labels: LabelSpace,
        classes: Sequence[Any] | None = None,
        binary_threshold: float = 0.0,
        image_processor: Any = None,
    ) -> None:
        self.labels = labels
        self.binary_threshold = binary_threshold
        self.post_process = getattr(image_processor, "post_process_semantic_segmentation", None)
        self.not_judged = [name for name in classes or () if isinstance(name, str) and name not in labels.names]
        self.num_classes = labels.num_classes if classes is None else len(classes)
        self._translation = None if classes is None else np.array([self._class(name) for name in classes], np.uint8)

    def _class(self, name: Any) -> int:
        if name is None or (isinstance(name, str) and name not in self.labels.names):
            return VOID
        index = self.labels.names.index(name) if isinstance(name, str) else int(name)
        if not (0 <= index < self.labels.num_classes or index == VOID):
            raise ValueError(
                f"Expected classes of the quality model, 0 to {self.labels.num_classes - 1}, but got {index}"
            )
        return index

    def find(self, output: Any, sizes: Sequence[tuple[int, int]]) -> list[Any]:
        """One item a picture: scores `[K, h, w]` or class indices `[h, w]`.

        Parameters
        ----------
        output : what the model returned
        sizes : sequence of (height, width)
            Sizes of the pictures.

        Raises
        ------
        ValueError
            There are no masks, or not as many as pictures.
        """
        queries, masks = _part(output, "class_queries_logits"), _part(output, "masks_queries_logits")
        logits = _part(output, "logits")
        if self.post_process is not None and (queries is not None or logits is not None):
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
        mask = self._by_scores(raw, size) if is_floating(raw) else self._by_indices(raw, size)
        if self._translation is None:
            return mask
        table = np.full(256, VOID, np.uint8)
        table[: len(self._translation)] = self._translation
        return table[mask]

    def _by_scores(self, raw: Any, size: tuple[int, int]) -> np.ndarray:
        """The segmenter's classes, uint8 `[H, W]`, by the highest of scores `[K, h, w]`."""
        scores = raw.detach() if isinstance(raw, Tensor) else torch.from_numpy(np.ascontiguousarray(raw))
        if len(scores) == 1 and self.num_classes == 2:
            scores = torch.cat([torch.full_like(scores, self.binary_threshold), scores])
        if len(scores) != self.num_classes:
            reason = f"Expected scores of {self.num_classes} classes, but the model gives {len(scores)}"
            raise ValueError(f"{reason}: say with classes= which of the quality model's classes each of them is")
        return highest_class(scores, size).cpu().numpy()

    def _by_indices(self, raw: Any, size: tuple[int, int]) -> np.ndarray:
        """The segmenter's classes, uint8 `[H, W]`, from class indices `[h, w]`, by nearest neighbour."""
        mask = as_array(raw).astype(np.int64)
        if mask.shape != size:
            mask = mask[np.ix_(pixel_of_cell(mask.shape[0], size[0]), pixel_of_cell(mask.shape[1], size[1]))]
        outside = (mask < 0) | ((mask >= self.num_classes) & (mask != VOID))
        if outside.any():
            found = np.unique(mask[outside])[:8].tolist()
            raise ValueError(f"Expected class indices 0 to {self.num_classes - 1}, but got {found}")
        return mask.astype(np.uint8)

    def _items(self, value: Any, count: int) -> list[Any]:
        """One item a picture from an array, or from a list that holds one first, or one a picture."""
        if isinstance(value, Mapping):
            value = list(value.values())
        if isinstance(value, list | tuple) and value:
            if len(value) == count and all(getattr(item, "ndim", 0) == 2 for item in value):
                return list(value)
            value = value[0]
        if not isinstance(value, Tensor | np.ndarray):
            raise ValueError(
                f"Expected masks or scores of classes in the model's output, but found {type(value).__name__}"
            )
        return list(self._scores(value) if is_floating(value) else _class_indices(value, count))

    def _scores(self, value: Any) -> Any:
        """Scores `[N, K, h, w]` of classes, from those of one picture or several, classes first or last."""
        value = value[None] if value.ndim == 3 else value
        if value.ndim != 4:
            raise _wrong_shape(value)
        counts = (self.num_classes, 1)
        if value.shape[1] not in counts and value.shape[3] in counts:
            return value.permute(0, 3, 1, 2) if isinstance(value, Tensor) else value.transpose(0, 3, 1, 2)
        return value


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
