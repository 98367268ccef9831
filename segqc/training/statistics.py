"""What the training pairs are like: pictures per class, and the look of each class."""

from collections.abc import Sequence

import numpy as np
import torch

from segqc.data.dataset import PairDataset
from segqc.data.labels import LabelSpace
from segqc.model.quality_model import QualityModel
from segqc.training.feature_cache import FeatureCache


def class_pictures(
    source: FeatureCache | PairDataset, rows: Sequence[int], labels: LabelSpace
) -> tuple[list[int], int]:
    """In how many of the training pairs (`rows` of the source) each class occurs, by class index, and how many have no
    foreground class.
    """
    view = 0 if isinstance(source, FeatureCache) else None
    counts, empty = np.zeros(256, np.int64), 0
    for index in rows:
        present = np.unique(source.mask(index, view))
        counts[present] += 1
        empty += not np.isin(present, labels.foreground).any()
    return counts[: labels.num_classes].tolist(), empty


def class_looks(
    model: QualityModel, source: FeatureCache | PairDataset, rows: Sequence[int], at_most: int = 1000
) -> np.ndarray:
    """Mean feature of each class under the frozen encoder's coarsest map, `[K, C]`, over the first training pairs;
    zeros for classes they lack.

    A model without an encoder has no features to compare classes by: all zeros, `[K, 1]`.
    """
    classes, config = model.config.num_classes, model.config
    if config.encoder is None:
        return np.zeros((classes, 1))
    total, weight = 0.0, np.zeros((classes, 1))
    for index in rows[:at_most]:
        if isinstance(source, FeatureCache):
            sample = source[index, 0]
            maps, mask = sample["features"][-1].double().numpy(), sample["mask"].numpy()
        else:
            sample = source.sample(index, None)
            maps = (
                model.image_features(torch.from_numpy(sample["image"])[None].to(model.device))[-1][0]
                .double()
                .cpu()
                .numpy()
            )
            mask = sample["mask"]
        side = maps.shape[-1]
        cell = np.arange(len(mask)) * side // len(mask)
        share = np.zeros((classes, side, side))  # cells of the grid in each cell of the map, by class
        rows, columns = np.nonzero(mask < classes)
        np.add.at(share, (mask[rows, columns], cell[rows], cell[columns]), 1.0)
        total = total + share.reshape(classes, -1) @ maps.reshape(len(maps), -1).T
        weight += share.sum((1, 2))[:, None]
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
