"""Ablation of the score network: the method's density head, fitted on seven features of the mask in place of the
network's outputs.

It sees neither the picture nor any score: it can only notice that a mask has an unusual size, outline, number of
classes or number of components.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from evaluation.baselines.base import Baseline, Example, Group
from evaluation.baselines.heuristics import describe, read_each, training_fingerprint, training_log_prior
from evaluation.metrics.mask_features import MASK_FEATURES
from segqc.base.errors import BadInput
from segqc.base.files import read_json, write_json
from segqc.data.folds import split_validation
from segqc.density import DensityHead


class FeatureMixture(Baseline):
    """Negative log-likelihood of the mask features under a Gaussian mixture fitted on ground-truth masks
    (`segqc.density.DensityHead`).

    A mask without foreground is suspect, because its features are far from those of all other masks, unless some
    training masks have no foreground either.

    Parameters
    ----------
    seed : int
        Random seed for the mixture's initialisation and for the held-out part that chooses the number of components.
    """

    name = "mixture of mask features"
    group: Group = "mask"
    needs = "the mask, and ground-truth masks of a training set"
    learns = True

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, training: Sequence[Example], folder: Path, console: Console | None = None) -> None:
        """Keep the mixture in ``mixture.safetensors`` and the class prior in ``class_prior.json``; unreadable masks are
        left out with a warning.

        Raises
        ------
        BadInput
            When fewer than two training masks can be read, or all of them have the same features.
        """
        folder = Path(folder)
        self.log_prior_ = training_log_prior(training, folder)
        header = {
            "training": training_fingerprint(training),
            "seed": self.seed,
            "features": list(MASK_FEATURES),
            "prior": self.log_prior_.tolist(),
        }
        marker, density = folder / "mixture.json", folder / "mixture.safetensors"
        if not (marker.is_file() and read_json(marker) == header and density.is_file()):
            marker.unlink(missing_ok=True)
            # By id: the initialisation of the mixture depends on the order of its rows.
            ordered = sorted(training, key=lambda example: example.id)
            described = zip(ordered, read_each(ordered, self._features), strict=True)
            rows = {example.id: row for example, row in described if row is not None}
            ids, held_out = split_validation(list(rows), seed=self.seed)
            columns = len(MASK_FEATURES)
            train, check = (np.array([rows[id_] for id_ in part]).reshape(-1, columns) for part in (ids, held_out))
            try:
                DensityHead.fit(train, check, self.seed).save(density)
            except ValueError as error:
                raise BadInput(
                    folder, f"gets training masks whose features have no density: {error}", "check the training pairs"
                ) from error
            write_json(marker, header)
        # Also after a fresh fit: what is scored with is what is kept.
        self.density_ = DensityHead.load(density)

    def score(self, audited: Sequence[Example]) -> np.ndarray:
        rows = read_each(audited, self._features)
        present = [number for number, row in enumerate(rows) if row is not None]
        scores = np.full(len(rows), np.nan)
        if present:
            scores[present] = self.density_.score(np.array([rows[number] for number in present]))
        return scores

    def _features(self, example: Example) -> np.ndarray:
        return describe(example, self.log_prior_)
