"""Statistics of the training pairs: pictures per class, how often each is drawn, and the mean encoder feature of each
class.
"""

from collections.abc import Sequence

import numpy as np

from segqc.data.labels import LabelSpace
from segqc.model.quality_model import QualityModel
from segqc.training.samples import Samples, SampleSource, collate
from segqc.training.schedule import Draw


def class_pictures(source: SampleSource, rows: Sequence[int], labels: LabelSpace) -> tuple[list[int], int]:
    """Count pictures by what they show.

    Parameters
    ----------
    source : SampleSource
    rows : sequence of int
        The pairs to count.
    labels : LabelSpace of K classes

    Returns
    -------
    counts : list of int
        Pairs in which each class occurs, by class index.
    empty : int
        Pairs without any foreground class.
    """
    counts, empty = np.zeros(256, np.int64), 0
    for index in rows:
        present = np.unique(source.mask(index, source.first_view(index)))
        counts[present] += 1
        empty += not np.isin(present, labels.foreground).any()
    return counts[: labels.num_classes].tolist(), empty


def repeat_factors(source: SampleSource, rows: Sequence[int], labels: LabelSpace, share: float) -> np.ndarray:
    """How often each pair is drawn for one draw of others, so that rare classes are seen more often.

    Repeat factor sampling (Gupta et al. 2019, arXiv 1908.03195, section 6): a class that a share f < `share` of the
    pictures shows has the factor sqrt(share / f), a picture the greatest factor of its classes. What pictures look like
    changes with it, what a mask is like given its picture does not.

    Parameters
    ----------
    source : SampleSource
    rows : sequence of int
        The pairs that are trained on.
    labels : LabelSpace of K classes
    share : float
        Share of the pictures, in [0, 1].

    Returns
    -------
    ndarray `[len(rows)]` float64
        At least 1.
    """
    shown = np.zeros((len(rows), labels.num_classes), bool)
    for place, index in enumerate(rows):
        present = np.unique(source.mask(index, source.first_view(index)))
        shown[place, present[present < labels.num_classes]] = True
    frequency = shown.mean(0).clip(min=1 / max(1, len(rows)))
    of_class = np.sqrt(np.maximum(1.0, share / frequency))
    return np.where(shown, of_class, 1.0).max(1, initial=1.0)


def class_looks(model: QualityModel, source: SampleSource, rows: Sequence[int], at_most: int = 1000) -> np.ndarray:
    """Mean feature of each class under the frozen encoder's coarsest map, over the first `at_most` pairs of `rows`.

    Returns
    -------
    ndarray `[K, C]` float64
        Zeros for classes that the pairs lack. A model without an encoder has no features to compare classes by: all
        zeros, `[K, 1]`.
    """
    classes, config = model.config.num_classes, model.config
    if config.encoder is None:
        return np.zeros((classes, 1))
    total, weight = np.zeros((classes, 1)), np.zeros((classes, 1))
    for index in rows[:at_most]:
        batch = collate([Samples(source, [index])[Draw(0, source.first_view(index), 0, 0, 0)]])
        maps = batch.image_features(model)[-1][0].double().cpu().numpy()
        share = _shares(batch.masks[0].numpy(), maps.shape[-1], classes)
        total = total + share.reshape(classes, -1) @ maps.reshape(len(maps), -1).T
        weight += share.sum((1, 2))[:, None]
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)


def _shares(mask: np.ndarray, side: int, classes: int) -> np.ndarray:
    """Cells of a mask `[S, S]` that lie in each cell of a coarser map, by class: float64 `[K, side, side]`."""
    cell = np.arange(len(mask)) * side // len(mask)
    shares = np.zeros((classes, side, side))
    rows, columns = np.nonzero(mask < classes)
    np.add.at(shares, (mask[rows, columns], cell[rows], cell[columns]), 1.0)
    return shares
