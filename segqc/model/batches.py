"""Many pairs in one forward, for an accelerator: a pair alone leaves most of it idle. A CPU gains nothing by it."""

from collections.abc import Sequence

import numpy as np
import torch

from segqc.gumbel import Levels
from segqc.model.quality_model import QualityModel
from segqc.model.reading import Reading

_PICTURES_PER_FORWARD = 16
_CELLS_PER_FORWARD = 256 * 64 * 64  # cells of all passes: bounds the memory of a forward


def pairs_at_once(model: QualityModel, levels: Sequence[int] | None = None) -> int:
    """Pairs that share a forward on the model's device."""
    if model.device.type == "cpu":
        return 1
    cells = len(model.passes(levels)[2]) * model.config.grid_size**2
    return max(1, min(_PICTURES_PER_FORWARD, _CELLS_PER_FORWARD // cells))


@torch.inference_mode()
def read_batch(
    model: QualityModel,
    pictures: np.ndarray,
    masks: np.ndarray,
    levels: Sequence[int] | None = None,
    with_features: bool = True,
) -> list[Reading]:
    """`QualityModel.read` of M pairs in one forward.

    What is read of a pair is the same but for rounding, which depends on its company.

    Parameters
    ----------
    model : QualityModel
    pictures : ndarray `[M, 3, I, I]` uint8
    masks : ndarray `[M, S, S]` uint8
    levels, with_features
        As for `QualityModel.read`.
    """
    count, device = len(pictures), model.device
    context = model.context(model.image_features(torch.from_numpy(pictures).to(device)))
    onehot, valid = model.one_hot(torch.from_numpy(masks).to(device))
    chosen, every, noise = model.passes(levels)
    at = Levels(every.logit_keep.repeat(count), every.temperature.repeat(count))
    shown = onehot.repeat_interleave(len(noise), 0), valid.repeat_interleave(len(noise), 0)
    drawn = noise.repeat(count, 1, 1, 1) if model.config.draws else noise
    maps, probability = model.read_passes(context, *shown, at, drawn, with_features)
    return [
        model.reading(own, predicted.mean(0), onehot[n], valid[n], chosen)
        for n, (own, predicted) in enumerate(zip(maps.split(len(noise)), probability.split(len(noise)), strict=True))
    ]
