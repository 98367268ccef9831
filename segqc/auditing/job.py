"""What an audit scores, and which model scores what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from segqc.base.fingerprints import stable_seed
from segqc.data.labels import LabelSpace
from segqc.data.pairs import Pair, Problem
from segqc.data.volumes.slices import SlicedVolume
from segqc.model.folder import fingerprint, load_model
from segqc.quality_control import QualityControl


@dataclass(frozen=True)
class AuditJob:
    """The pairs of an audit and their models.

    Attributes
    ----------
    pairs : list of Pair
        With the masks to score, each id once.
    problems : list of Problem
        What makes no pair: rows with a reason.
    models : sequence of Path
        Model folders, alike but for their weights.
    title : str
        Title of the review page.
    model_of : mapping of str to int, optional
        By id, the place in `models` of the one that scores the pair; None: the only model scores all.
    without : list of str, optional
        Ids of pictures that lack a prediction; None where none is expected.
    judged : str
        What the masks are called in the sheet and the gallery.
    facts : dict
        JSON values to add to the summary.
    predictions : bool
        Whether the masks are predictions, which are looked at before they are scored; true masks were, in training.
    volumes : tuple of SlicedVolume or None
        The volumes whose slices the pairs are; None where the pairs are pictures.
    said : tuple of str
        What was decided when the files were found, to be printed.
    prediction_labels : LabelSpace or None
        The model's classes with the values that stand for them in predicted masks; None: as in training.
    truth_labels : LabelSpace or None
        The model's classes with the values that a data set's true masks have for them; None: those of the model.
    """

    pairs: list[Pair]
    problems: list[Problem]
    models: Sequence[Path]
    title: str
    model_of: Mapping[str, int] | None = None
    without: list[str] | None = None
    judged: str = "prediction"
    facts: dict[str, Any] = field(default_factory=dict)
    predictions: bool = False
    volumes: tuple[SlicedVolume, ...] | None = None
    said: tuple[str, ...] = ()
    prediction_labels: LabelSpace | None = None
    truth_labels: LabelSpace | None = None

    @property
    def compared(self) -> bool:
        """Whether any pair has ground truth."""
        return any(pair.ground_truth is not None for pair in self.pairs)


class Scorers:
    """The models of a job in memory.

    Parameters
    ----------
    models, model_of
        As in `AuditJob`.
    device : torch.device
    levels : sequence of int or None
    runtime, tiles
        As for `QualityControl`.

    Raises
    ------
    BadInput
        A folder is no whole model, or the runtime cannot be used.
    """

    def __init__(
        self,
        models: Sequence[Path],
        model_of: Mapping[str, int] | None,
        device: torch.device,
        levels: Sequence[int] | None,
        runtime: str,
        tiles: int | None = None,
    ) -> None:
        self._model_of = model_of
        self._all = [
            QualityControl(load_model(folder, device), levels, runtime=runtime, tiles=tiles) for folder in models
        ]
        prints = [fingerprint(folder) for folder in models]
        self.fingerprint = prints[0] if model_of is None else f"{stable_seed(*prints):016x}"

    @property
    def any(self) -> QualityControl:
        """One of them, to ask for what they share: classes, method, device."""
        return self._all[0]

    def of(self, pair: Pair) -> QualityControl:
        """The one that scores this pair."""
        return self.any if self._model_of is None else self._all[self._model_of[pair.id]]
