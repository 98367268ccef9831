"""The pairs that baselines learn from: those that options name, else those that the audit's model was trained on."""

import filecmp
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from evaluation.baselines.base import Example
from evaluation.report.config import EvaluateConfig
from evaluation.report.study import Study
from segqc.auditing.prediction_job import read_truths
from segqc.base.errors import BadInput
from segqc.base.files import read_json
from segqc.base.settings import from_json
from segqc.data.inspection.look import LOOKED_AT, look
from segqc.data.inspection.survey import draw_pairs
from segqc.data.labels import LabelSpace
from segqc.data.options import DataOptions
from segqc.data.pairs import Pair
from segqc.data.reader import PairReader
from segqc.model.config import ModelConfig
from segqc.model.folder import CONFIG
from segqc.training.config import TrainConfig
from segqc.training.pairs import named_pairs

FIX = "give --train-images and --train-masks, --train-data, or --voc-root and --train-set"


@dataclass(frozen=True)
class TrainingPairs:
    """What baselines learn from.

    Attributes
    ----------
    examples : list of Example
        Pairs with true masks, none of them judged.
    said : str
        Where they come from; where there are none, why, and what would bring them.
    """

    examples: list[Example]
    said: str


def training_pairs(config: EvaluateConfig, study: Study, console: Console | None = None) -> TrainingPairs:
    """Find the pairs: `--train-images` and `--train-masks`, or `--train-data`; else the list `--train-set` of
    `--voc-root`; else the pairs that the audit's model was trained on, as its folder remembers them; else the list
    `--train-set` of the Pascal VOC folder that was audited.

    Raises
    ------
    BadInput
        What an option names cannot be used. What is only remembered, and gone, is a reason instead.
    """
    given = _given(config)
    if given is not None:
        return _of_options(given, study, console)
    remembered = _remembered(config, study)
    if isinstance(remembered, TrainingPairs):
        return remembered
    recorded = study.audit.settings.get("voc_root")
    if recorded is not None:
        try:
            voc = TrainConfig(voc_root=study.audit.locate(recorded, "--voc-root"), image_set=config.train_set)
            return _of_options(voc, study, console)
        except BadInput as error:
            remembered = f"{remembered}; {error}"
    return TrainingPairs([], f"no training pairs: {remembered} ({FIX})")


def _given(config: EvaluateConfig) -> TrainConfig | None:
    """The source that the options name; None where they name none."""
    if config.train_images is not None or config.train_masks is not None or config.train_data is not None:
        if (config.train_images is None) != (config.train_masks is None) or (
            config.train_images is not None and config.train_data is not None
        ):
            raise BadInput(
                "training pairs", "expected --train-images together with --train-masks, or --train-data", FIX
            )
        return TrainConfig(
            out=config.out,
            images=config.train_images,
            masks=config.train_masks,
            data=config.train_data,
            split=config.train_split,
        )
    return None if config.voc_root is None else TrainConfig(voc_root=config.voc_root, image_set=config.train_set)


def _of_options(source: TrainConfig, study: Study, console: Console | None) -> TrainingPairs:
    """Pairs that the user names: their masks are looked at, since they may hold other values than the model's."""
    found, where = named_pairs(source, study.labels), _name(source)
    own, said = (None, ()) if found.labels is None else read_truths(study.labels, found.labels)
    seen = look(draw_pairs(found.pairs, LOOKED_AT), own or study.labels, DataOptions(), where, pictures=False)
    if console is not None:
        for line in (*found.said, *said, *seen.settled.said):
            console.print(f"training pairs: {line.removeprefix('ground truth: ')}", soft_wrap=True, highlight=False)
    return _unjudged(found.pairs, seen.labels, study, where, by_id=source.voc_root is not None)


def _remembered(config: EvaluateConfig, study: Study) -> TrainingPairs | str:
    """The pairs that the model was trained on, read as they were then; or why there are none."""
    folder = Path(study.audit.summary["model"]["folder"])
    training = from_json(ModelConfig, read_json(folder / CONFIG)).training
    try:
        source = from_json(TrainConfig, training.get("config", {}))
    except ValueError as error:  # a training of another version, whose settings were others
        return f"the settings that the model {folder.name} was trained with cannot be read: {error}"
    if source.voc_root is None and source.images is None and source.data is None:
        return f"the model {folder.name} does not say on which files it was trained"
    starts = [Path(training["working_directory"])] if "working_directory" in training else []
    starts += [Path(), *folder.resolve().parents]
    try:
        there = replace(
            source,
            out=config.out,
            download=False,
            voc_root=_located(source.voc_root, starts),
            images=_located(source.images, starts),
            masks=_located(source.masks, starts),
            data=_located(source.data, starts),
        )
        found = named_pairs(there, study.labels if source.classes else None)
    except BadInput as error:
        return f"what the model {folder.name} was trained on is not there any more: {error.path}: {error.reason}"
    what = f"the training data of the model {folder.name}, {_name(there)}"
    return _unjudged(found.pairs, study.labels, study, what, by_id=there.voc_root is not None)


def _located(path: Path | None, starts: Sequence[Path]) -> Path | None:
    """A path of a training's configuration, where it leads now; raises `BadInput` where it leads nowhere."""
    if path is None:
        return None
    found = next((start / path for start in starts if (start / path).exists()), None)
    if found is None:
        raise BadInput(path, "does not exist")
    return found


def _unjudged(pairs: Sequence[Pair], read_as: LabelSpace, study: Study, where: str, by_id: bool) -> TrainingPairs:
    """The pairs that are not judged, as examples."""
    reader = PairReader(study.labels, predictions=read_as, pictures=study.reader.pictures, strict_size=True)
    judged = {example.id: example.image for example in study.examples}
    files = {image.resolve() for image in judged.values()}

    def is_judged(pair: Pair) -> bool:
        if pair.image.resolve() in files:
            return True
        if pair.id not in judged:
            return False
        return by_id or filecmp.cmp(pair.image, judged[pair.id], shallow=False)  # another data set may count alike

    kept = [
        Example(pair.id, pair.image, pair.mask, study.labels, reader=reader)
        for pair in pairs
        if pair.mask is not None and not is_judged(pair)
    ]
    if not kept:
        return TrainingPairs([], f"no training pairs: all {len(pairs)} pairs of {where} are judged ({FIX})")
    return TrainingPairs(kept, f"{len(kept)} pairs of {where}")


def _name(source: TrainConfig) -> str:
    """What a screen calls the source."""
    if source.voc_root is not None:
        return f"{source.voc_root}, {source.image_set}"
    if source.data is not None:
        return f"{source.data}" + (f", {source.split}" if source.split else "")
    return str(source.masks)
