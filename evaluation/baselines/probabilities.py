"""Scores from the segmenter's own softmax maps: entropies, maximum probability and the Soft Dice Confidence.

All are means over the cells of the maps, which are coarser than the picture; each cell takes the mask's label at the
pixel under the cell's centre. Entropies are in nats, 0 to log K. For a mask without foreground, entropies and maximum
probability measure how sure the segmenter is that everything is background: they do not find an object that it misses
with confidence. The Soft Dice Confidence of such a mask is 0.
"""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.special import entr

from evaluation.baselines.base import Baseline, Example, Group
from evaluation.baselines.heuristics import score_each
from segqc.base.errors import BadInput
from segqc.data.cells import pixel_of_cell
from segqc.data.labels import VOID

BOUNDARY_MARGIN = 2.0
"""Cells of the maps that `interior_entropy` keeps away from a boundary: with maps at an eighth of the input, 16 pixels
of it.
"""

_MAX_VALUES = 2**28  # half a gigabyte in float16: no softmax map of a photograph, but a decompression bomb
_SUM_TOLERANCE = 0.01  # float16 is off by less than 0.001 even for 255 classes

MapScore = Callable[[np.ndarray, np.ndarray, int | None], float]


def read_probabilities(path: Path | str, num_classes: int) -> np.ndarray:
    """Softmax maps of one picture.

    Parameters
    ----------
    path : Path or str
        NPZ with ``probs``, floating, `[K, h, w]`, and optionally ``valid``, two integers (height, width): the maps' top
        left part that shows the picture, the rest being padding.
    num_classes : int
        K.

    Returns
    -------
    ndarray
        float32 `[K, h, w]` cut to the valid part, in [0, 1], summing to 1 over K (rounding to float16 is undone).

    Raises
    ------
    BadInput
        When the file is missing, no NPZ, pickled, too large, or holds anything else: another shape, values that are not
        finite, below 0, or whose sum over the classes is off 1 by more than 0.01 (logits, say).
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(path, "does not exist", "write softmax maps with `segqc predict --probs`")
    try:
        with zipfile.ZipFile(path) as archive:
            size = archive.getinfo("probs.npy").file_size
        if size > 8 * _MAX_VALUES:
            raise BadInput(
                path,
                f"holds probabilities of {size:,} bytes",
                "store them at the resolution of the network's last layer",
            )
        with np.load(path, allow_pickle=False) as arrays:
            probs = np.asarray(arrays["probs"])
            valid = np.asarray(arrays["valid"]) if "valid" in arrays else np.array(probs.shape[1:])
    except BadInput:
        raise
    except KeyError as error:
        raise BadInput(
            path, "has no array called probs", "store the softmax maps [K, h, w] under the key probs"
        ) from error
    except Exception as error:  # a damaged or hostile archive: zipfile, zlib and NumPy raise a dozen kinds
        raise BadInput(path, f"is not a readable NPZ file: {error}", "write it again with numpy.savez") from error
    if (
        probs.ndim != 3
        or probs.shape[0] != num_classes
        or probs.size == 0
        or probs.size > _MAX_VALUES
        or probs.dtype.kind != "f"
    ):
        reason = f"holds {probs.dtype} {list(probs.shape)} under probs, not floating [{num_classes}, height, width]"
        raise BadInput(path, reason, "store the softmax of all classes of this label space")
    if valid.shape != (2,) or valid.dtype.kind not in "iu" or np.any(valid < 1) or np.any(valid > probs.shape[1:]):
        reason = f"says {valid.tolist()} is its valid part, of {list(probs.shape[1:])}"
        raise BadInput(path, reason, "store (height, width) of the part with the picture")
    probs = probs[:, : valid[0], : valid[1]].astype(np.float32)
    total = probs.sum(0)
    # One comparison for all: NaN and infinities fail it too.
    if not (np.all(probs >= 0) and np.all(np.abs(total - 1) <= _SUM_TOLERANCE)):
        raise BadInput(
            path,
            "holds values that are no probabilities: not finite, below 0, or not summing to 1",
            "store the softmax, not logits",
        )
    return probs / total


def mean_entropy(probs: np.ndarray, mask: np.ndarray, background: int | None) -> float:
    """Mean entropy over the picture."""
    return float(_entropy(probs).mean())


def foreground_entropy(probs: np.ndarray, mask: np.ndarray, background: int | None) -> float:
    """Mean entropy over the cells predicted as foreground.

    A mask without any says "background everywhere": its entropy is then the mean over the picture.
    """
    entropy = _entropy(probs)
    foreground = (mask != VOID) & (mask != background)
    return float(entropy[foreground].mean() if foreground.any() else entropy.mean())


def interior_entropy(probs: np.ndarray, mask: np.ndarray, background: int | None) -> float:
    """Mean entropy over the cells more than `BOUNDARY_MARGIN` cells from the nearest cell of another label.

    Every correct boundary is uncertain too, and long ones dominate the mean over the picture. Without a boundary all
    cells count; where none is that far from one, those that are farthest.
    """
    distance = _distance_to_other_label(mask)
    return float(_entropy(probs)[distance > min(BOUNDARY_MARGIN, np.nextafter(distance.max(), 0))].mean())


def one_minus_max(probs: np.ndarray, mask: np.ndarray, background: int | None) -> float:
    """1 - mean over the picture of the largest class probability, in [0, 1 - 1/K]."""
    return 1.0 - float(probs.max(0).astype(np.float64).mean())


def soft_dice_distrust(probs: np.ndarray, mask: np.ndarray, background: int | None) -> float:
    """1 - Soft Dice Confidence (Borges et al. 2024, arXiv 2402.10665), in [0, 1].

    For one class with probabilities p and predicted mask y, SDC = 2 sum(p y) / (sum p + sum y): nearly the expected
    Dice when pixels are independent given the picture. The paper is binary; here it is the mean over the predicted
    foreground classes, as Dice is. With y empty the formula gives SDC = 0: a mask without foreground has the highest
    score, 1.
    """
    confidences = []
    for label in np.unique(mask):
        if label not in (VOID, background):
            p, y = probs[label].astype(np.float64), mask == label
            confidences.append(2 * p[y].sum() / (p.sum() + y.sum()))
    return 1.0 - float(np.mean(confidences)) if confidences else 1.0


class ProbabilityScore(Baseline):
    """One of the functions of this module on the softmax maps of every pair.

    Parameters
    ----------
    name : str
    function : callable
        (probs float32 `[K, h, w]`, mask uint8 `[h, w]`, background index or None) -> float, higher = worse.
    """

    group: Group = "probabilities"
    needs = "softmax maps of the segmenter"
    option = "--probs"

    def __init__(self, name: str, function: MapScore) -> None:
        self.name = name
        self.function = function

    def score(self, audited: Sequence[Example]) -> np.ndarray:
        return score_each(audited, self._one)

    def _one(self, example: Example) -> float:
        if example.probabilities is None:
            return float("nan")
        probs = read_probabilities(example.probabilities, example.labels.num_classes)
        mask = example.mask()
        cells = np.ix_(
            *(pixel_of_cell(length, count) for length, count in zip(mask.shape, probs.shape[1:], strict=True))
        )
        return self.function(probs, mask[cells], example.labels.background)


def probability_baselines() -> list[Baseline]:
    """All of them: three entropies, the maximum probability and the Soft Dice Confidence."""
    return [
        ProbabilityScore("mean entropy", mean_entropy),
        ProbabilityScore("foreground entropy", foreground_entropy),
        ProbabilityScore("entropy off the boundary", interior_entropy),
        ProbabilityScore("1 - max probability", one_minus_max),
        ProbabilityScore("1 - Soft Dice Confidence", soft_dice_distrust),
    ]


def _entropy(probs: np.ndarray) -> np.ndarray:
    """-sum p log p over the classes, in nats: float64 `[h, w]`."""
    return entr(probs).sum(0, dtype=np.float64)


def _distance_to_other_label(mask: np.ndarray) -> np.ndarray:
    """Distance of each cell's centre to that of the nearest cell with another label: float64 `[h, w]`, infinite with
    one label only.
    """
    present = np.unique(mask)
    if len(present) == 1:
        return np.full(mask.shape, np.inf)
    distance = np.zeros(mask.shape)
    for label in present:
        inside = mask == label
        distance[inside] = ndimage.distance_transform_edt(inside)[inside]
    return distance
