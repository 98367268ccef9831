"""The files of an evaluation: each audited prediction with its picture and its true mask, wherever they lie now.

Also here: how they are read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from rich.console import Console

from evaluation.baselines.base import Example
from evaluation.report.config import EvaluateConfig
from segqc.auditing.first_look import look_at_truths
from segqc.base.errors import BadInput
from segqc.data.inspection.look import LOOKED_AT, look
from segqc.data.inspection.survey import draw_pairs
from segqc.data.inspection.suspicion import MaskRole
from segqc.data.labels import LabelSpace
from segqc.data.layouts import find_dataset
from segqc.data.listing import masks_by_id
from segqc.data.options import DataOptions
from segqc.data.pairs import Pair, masks_of
from segqc.data.path_tables import is_path_table, read_path_table
from segqc.data.reader import PairReader
from segqc.data.voc import find_voc, list_images
from segqc.data.volumes.files import holds_volumes
from segqc.results.table import AuditTable, is_scored, reader_of


@dataclass(frozen=True)
class AuditedFiles:
    """What of an audit can be judged.

    Attributes
    ----------
    pairs : list of (Example, Path)
        Predictions with their true masks, in the order of their ids.
    left_out : dict of str to str
        By id, why others are not judged.
    reader : PairReader
        How pictures, predictions and true masks are read.
    """

    pairs: list[tuple[Example, Path]]
    left_out: dict[str, str]
    reader: PairReader


def audited_files(
    config: EvaluateConfig, audit: AuditTable, labels: LabelSpace, console: Console | None = None
) -> AuditedFiles:
    """Find the picture, the prediction and the true mask of every row of an audit, and look at how masks are read.

    Pictures and predictions are read as the audit read them. Up to 200 true masks, and as many of the folders of other
    opinions, are looked at first; what is decided about them is printed.

    Raises
    ------
    BadInput
        There is no ground truth, or its masks can be read in two ways.
    """
    found, left_out = _rows_with_truth(config, audit)
    files = _Places(config, audit)
    placed = list[tuple[dict[str, Any], Path, Pair]]()
    for row, truth in found:
        try:
            placed.append((row, truth, Pair(row["id"], files.of(row, "image"), files.of(row, "prediction"), truth)))
        except BadInput as error:
            left_out[row["id"]] = str(error)
    reader, where = reader_of(audit, labels), config.ground_truth or config.voc_root
    known = labels if where is not None else reader.truths or labels  # the audit's own masks may be of other classes
    truths, said = look_at_truths([pair for _, _, pair in placed], known, where or "ground truth")
    reader = replace(reader, truths=truths)
    opinions = _Opinions(config, reader, [pair for _, _, pair in placed])
    if console is not None:
        for line in (*said, *opinions.said):
            console.print(line, soft_wrap=True, highlight=False)
    pairs = [(_example(config, row, pair, reader, opinions), truth) for row, truth, pair in placed]
    return AuditedFiles(pairs, left_out, reader)


def _example(
    config: EvaluateConfig, row: Mapping[str, Any], pair: Pair, reader: PairReader, opinions: "_Opinions"
) -> Example:
    assert pair.mask is not None
    probabilities = None if config.probs is None else config.probs / f"{pair.id}.npz"
    return Example(
        pair.id,
        pair.image,
        pair.mask,
        reader.labels,
        probabilities if probabilities is not None and probabilities.is_file() else None,
        opinions.masks["tta"].get(pair.id),
        opinions.masks["second"].get(pair.id),
        reader,
        (int(row["width"]), int(row["height"])) if row.get("width") and row.get("height") else None,
        opinions.readers["tta"],
        opinions.readers["second"],
    )


def _rows_with_truth(
    config: EvaluateConfig, audit: AuditTable
) -> tuple[list[tuple[dict[str, Any], Path]], dict[str, str]]:
    """Scored rows with the file of their true mask, in the order of their ids; and, by id, why others have none."""
    (truths, place), wanted = _true_masks(config, audit), _wanted(config)
    rows, left_out = list[tuple[dict[str, Any], Path]](), dict[str, str]()
    for id_, row in sorted(audit.by_id.items()):
        found = truths.get(id_, [])
        if wanted is not None and id_ not in wanted:
            left_out[id_] = f"is not in the list {config.image_set}"
        elif not is_scored(row):
            left_out[id_] = f"was not scored: {row.get('reason') or 'it has no score'}"
        elif len(found) != 1:
            several = f"has several true masks: {', '.join(path.name for path in found)}"
            left_out[id_] = several if found else f"has no ground truth in {place}"
        else:
            rows.append((row, found[0]))
    return rows, left_out


class _Opinions:
    """Masks of the same pictures from elsewhere, by option: `--second` and `--tta`."""

    def __init__(self, config: EvaluateConfig, reader: PairReader, pairs: Sequence[Pair]) -> None:
        given = {"tta": config.tta, "second": config.second}
        self.masks = {name: {} if folder is None else masks_by_id(folder) for name, folder in given.items()}
        self.readers: dict[str, PairReader | None] = {}
        self.said: list[str] = []
        for name, folder in given.items():
            theirs = [replace(pair, mask=mask) for pair in pairs if (mask := self.masks[name].get(pair.id)) is not None]
            if folder is None or not theirs:
                self.readers[name] = None
                continue
            drawn = draw_pairs(theirs, LOOKED_AT)
            seen = look(drawn, reader.labels, DataOptions(), folder, role=MaskRole(predictions=True), pictures=False)
            self.readers[name] = replace(reader, predictions=seen.labels, strict_size=True)
            self.said += [f"--{name}: {line}" for line in seen.settled.said]


class _Places:
    """Where pictures and predictions are: where the audit's table says, else in the folders of the options."""

    def __init__(self, config: EvaluateConfig, audit: AuditTable) -> None:
        self.config, self.audit = config, audit
        if config.predictions is not None:
            _check_audited(config.predictions, audit)

    def of(self, row: Mapping[str, Any], column: str) -> Path:
        """The file of a row; raises `BadInput` when it is in none of these places."""
        try:
            return self.audit.file(row, column)
        except BadInput:
            elsewhere = self._images if column == "image" else self._predictions
            if row["id"] not in elsewhere:
                raise
            return elsewhere[row["id"]]

    @cached_property
    def _images(self) -> Mapping[str, Path]:
        return {} if self.config.voc_root is None else list_images(voc_root=self.config.voc_root)[0]

    @cached_property
    def _predictions(self) -> Mapping[str, Path]:
        if self.config.predictions is None:
            return {}
        return {id_: paths[0] for id_, paths in masks_of(list(self.audit.by_id), self.config.predictions).items()}


def _check_audited(predictions: Path, audit: AuditTable) -> None:
    """Raise `BadInput` where another folder was audited, unless that one is gone: then this is where it lies now."""
    recorded = audit.settings.get("predictions")
    try:
        audited = None if recorded is None else audit.locate(recorded, "--predictions")
    except BadInput:
        return
    if audited is not None and audited.resolve() != predictions.resolve():
        raise BadInput(
            predictions,
            f"is not what {audit.folder} audited, which was {audited}",
            "audit these predictions, or name those",
        )


def _true_masks(config: EvaluateConfig, audit: AuditTable) -> tuple[dict[str, list[Path]], Path]:
    """True masks by id, and where they are: in the folder that was given, else in what the audit was given."""
    settings = audit.settings
    truth, voc = config.ground_truth, config.voc_root
    if truth is None and voc is None:
        if settings.get("ground_truth") is not None:
            truth = audit.locate(settings["ground_truth"], "--ground-truth")
        elif settings.get("voc_root") is not None:
            voc = audit.locate(settings["voc_root"], "--voc-root")
        elif settings.get("data") is not None:
            data = audit.locate(settings["data"], "--ground-truth")
            found = find_dataset(data, settings.get("split"), config.out / "data", settings.get("layout", "auto"))
            return {pair.id: [pair.mask] for pair in found.pairs if pair.mask is not None}, data
        else:
            return _of_table(config, audit)
    folder = truth if truth is not None else find_voc(cast(Path, voc)).masks
    if not folder.is_dir():
        raise BadInput(folder, "is not a folder", "name the folder of true masks with --ground-truth")
    if holds_volumes(folder):
        fix = "run the same segqc audit command with --ground-truth: volumes are compared there, and slices then here"
        raise BadInput(folder, "holds volumes, and slices are judged", fix)
    return masks_of(list(audit.by_id), folder), folder


def _of_table(config: EvaluateConfig, audit: AuditTable) -> tuple[dict[str, list[Path]], Path]:
    """The true masks that a table of paths names, where the predictions were given as one."""
    given = audit.settings.get("predictions")
    table = None if given is None else audit.locate(given, "--ground-truth")
    if table is None or not table.is_file() or not is_path_table(table):
        raise BadInput(
            config.audit,
            "was given no ground truth, and neither was this command",
            "name a VOC folder with --voc-root, or true masks with --ground-truth",
        )
    rows = read_path_table(table, audit.settings.get("split"), whole=True).rows
    return {row.id: [row.mask] for row in rows if row.mask is not None}, table


def _wanted(config: EvaluateConfig) -> set[str] | None:
    if config.image_set is None or config.voc_root is None:
        return None
    path = find_voc(config.voc_root).image_sets / f"{config.image_set}.txt"
    if not path.is_file():
        raise BadInput(path, "does not exist", "name a list of ImageSets/Segmentation with --image-set")
    return set(path.read_text(encoding="utf-8").split())
