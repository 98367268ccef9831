"""Networks that guess at pictures which they were not trained on.

Segment noise wants the mistakes that a segmentation model makes on new pictures. A network's own belief about its
training pictures has hardly any: it has learned their masks. So the training pairs are split in two, each half gets a
plain segmenter (level t = 0, the same network, a fraction of the steps), and each half is guessed at by the other's
(cross-fitting, as in Chernozhukov et al. 2018 or in confident learning). They are needed in training only and are
thrown away with it.
"""

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import torch
from accelerate import Accelerator
from rich.console import Console
from torch import Tensor

from segqc.base.fingerprints import stable_seed
from segqc.model.quality_model import QualityModel
from segqc.training.feature_cache import Key
from segqc.training.resolved import ResolvedTrainConfig
from segqc.training.samples import TrainingData
from segqc.training.trainer import Trainer

FOLDS = 2


def fold_of(row: int, seed: int, groups: Sequence[str] | None = None) -> int:
    """The fold of a pair, by its place in the list: a fixed coin toss, so that a resumed run splits alike.

    Where pairs have groups, two or more, whole groups are dealt to the folds: a network that was trained on the frame
    before guesses better than on new pictures.
    """
    if groups is not None and len(set(groups)) >= FOLDS:
        return _dealt(tuple(groups), seed)[groups[row]]
    return stable_seed(seed, "fold", row) % FOLDS


@functools.lru_cache(maxsize=4)
def _dealt(groups: tuple[str, ...], seed: int) -> dict[str, int]:
    """The fold of each group: the largest first, each to the fold that has fewest pairs."""
    sizes, filled = Counter(groups), [0] * FOLDS
    fold: dict[str, int] = {}
    for name in sorted(sizes, key=lambda name: (-sizes[name], stable_seed(seed, "fold", name))):
        fold[name] = filled.index(min(filled))
        filled[fold[name]] += sizes[name]
    return fold


class CrossFitted:
    """One plain segmenter per fold, each trained on the pairs of the others.

    Parameters
    ----------
    models : list of QualityModel
        Model k has seen no pair of fold k.
    seed : int
        Seed by which pairs are dealt into folds.
    groups : sequence of str, optional
        Group of each row; see `fold_of`.
    """

    def __init__(self, models: Sequence[QualityModel], seed: int, groups: Sequence[str] | None = None) -> None:
        self.models, self.seed, self.groups = list(models), seed, groups

    @classmethod
    def train(
        cls,
        config: ResolvedTrainConfig,
        build: Callable[[ResolvedTrainConfig], QualityModel],
        data: TrainingData,
        accelerator: Accelerator,
        console: Console | None,
    ) -> "CrossFitted":
        """Train what is missing, each in a run folder of its own below `training/`.

        Parameters
        ----------
        config : ResolvedTrainConfig
            Configuration of the run that wants the guesses; its `guess_steps` are the steps of each guesser.
        build : callable
            A fresh model for a configuration.
        data : TrainingData
            Pairs of that run.
        accelerator, console
            As for `Trainer`.
        """
        models = []
        for fold in range(FOLDS):
            own = dataclasses.replace(
                config,
                method="segmenter",
                steps=config.guess_steps,
                seed=config.seed + fold,
                out=config.out / "training" / f"guesser-{fold}",
            )
            (own.out / "training").mkdir(parents=True, exist_ok=True)
            model = build(own).to(accelerator.device)
            rows = [row for row in data.train_rows if fold_of(row, config.seed, data.groups) != fold]
            others = dataclasses.replace(data, train_rows=rows)
            trainer = Trainer(own, model, others, accelerator, console, task=f"guesser {fold + 1} of {FOLDS}")
            trainer.run()
            model.network.load_state_dict(trainer.best_network()[1])
            models.append(model.eval().requires_grad_(False))
        return cls(models, config.seed, data.groups)

    def belief(self, features: Sequence[Tensor], keys: Sequence[Key]) -> np.ndarray:
        """log p(class | picture), float32 `[M, K, S, S]`, of M pictures by `image_features` and (row, view), each from
        a network that has not seen it.
        """
        folds = np.array([fold_of(row, self.seed, self.groups) for row, _ in keys])
        beliefs: np.ndarray | None = None
        for fold in np.unique(folds):
            mine = np.flatnonzero(folds == fold)
            shown = [maps[torch.from_numpy(mine).to(maps.device)] for maps in features]
            of_fold = self.models[fold].belief(shown).cpu().numpy()
            if beliefs is None:
                beliefs = np.empty((len(keys), *of_fold.shape[1:]), np.float32)
            beliefs[mine] = of_fold
        if beliefs is None:
            raise ValueError("Expected at least one picture, but got none")
        return beliefs
