"""What `cross_fitted_scores` may ask of a model about a mask: its own score, and cleanlab's of the same posterior."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from evaluation.corruption.context import VOID
from segqc.base.errors import BadInput
from segqc.model.tiled import read_pair
from segqc.quality_control import QualityControl


def quality_score(qc: QualityControl, image: Image.Image, mask: np.ndarray) -> dict[str, float]:
    """What `cross_fitted_scores` asks of a model unless told otherwise: `score`, higher = worse."""
    return {"score": float(qc.score_pair(image, mask).score)}


def quality_and_cleanlab(qc: QualityControl, image: Image.Image, mask: np.ndarray) -> dict[str, float]:
    """`score`, and beside it `cleanlab`: `cleanlab_scores` fed with the same model's averaged class posterior on the
    mask grid.

    Raises `BadInput` for a model without posterior (method `paper`), or when cleanlab is not installed.
    """
    picture, grid = qc.prepare(image, mask)
    reading = read_pair(qc.model, picture, grid, qc.levels)
    if reading.posterior is None:
        raise BadInput(
            "cleanlab", "needs class probabilities, and the method 'paper' has none", "train with another --method"
        )
    score = qc.model.score_reading(reading, grid).score
    return {"score": float(score), "cleanlab": float(cleanlab_scores([grid], [reading.posterior])[0])}  # type: ignore[arg-type]


def cleanlab_scores(masks: Sequence[np.ndarray], probabilities: Sequence[np.ndarray]) -> np.ndarray:
    """Label quality by `cleanlab.segmentation.rank.get_label_quality_scores` (softmin of the probabilities of the given
    labels), higher = worse.

    Parameters
    ----------
    masks : sequence of uint8 `[H, W]`
        255 where void; void pixels are left out, which cleanlab itself cannot.
    probabilities : sequence of float `[K, H, W]`
        Out-of-sample class probabilities of the same pixels.

    Returns
    -------
    float64 `[n]`
        1 - cleanlab's quality, in [0, 1]; 0 for a mask that is void throughout: it gives no label that could be wrong.

    Raises
    ------
    BadInput
        cleanlab is not installed.
    """
    try:
        from cleanlab.segmentation.rank import get_label_quality_scores
    except ImportError as error:
        raise BadInput("cleanlab", "is not installed", "pip install cleanlab") from error
    scores = []
    for mask, given in zip(masks, probabilities, strict=True):
        known = mask != VOID
        if not known.any():
            scores.append(0.0)
            continue
        # Its ranking of an image knows no neighbours: the labelled pixels pass as an image of one row.
        quality, _ = get_label_quality_scores(
            mask[known][None, None].astype(int), given[:, known][None, :, None], verbose=False
        )
        scores.append(1 - float(quality[0]))
    return np.array(scores)
