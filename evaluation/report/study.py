"""What is judged: the images of an audit with their ground truth, how good each prediction is, and what baselines may
look at.
"""

import csv
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
from rich.console import Console

from evaluation.baselines.base import Example
from evaluation.metrics.class_table import Backend, class_rows
from evaluation.metrics.classes import ClassMetrics, reduce_classes
from evaluation.metrics.mask_features import mask_features
from evaluation.ranking.judging import Quality
from evaluation.report.config import EvaluateConfig
from segqc.base.console import make_progress
from segqc.base.errors import BadInput
from segqc.base.files import read_json
from segqc.base.parallel import ordered_map
from segqc.data.images import read_mask
from segqc.data.labels import VOID, LabelSpace
from segqc.data.pairs import Pair, find_voc, voc_pairs
from segqc.model.folder import load_model

_UNDEFINED = ("diagonal", "exclude")
COVARIATES = 4  # the first mask features: area, boundary length, classes, components


@dataclass(frozen=True)
class Audit:
    """Scores of an audit by id, of the predictions that could be scored; and its summary.json."""

    folder: Path
    rows: dict[str, dict[str, str]]
    summary: dict[str, Any]

    def column(self, name: str, ids: list[str]) -> np.ndarray:
        """A column of scores.csv, float64 `[n]`, NaN where an id or its value is missing."""
        return np.array([float(self.rows.get(id_, {}).get(name) or "nan") for id_ in ids])


@dataclass(frozen=True)
class Study:
    """Judged images in the order of their ids.

    Attributes
    ----------
    audit : Audit
        The method on trial.
    labels : LabelSpace
    examples : list of Example
        Predictions, with whatever else there is.
    truths : list of Path
    quality : Quality
    features : float64 `[n, 7]`
        `evaluation.metrics.mask_features`, without class frequencies.
    classes : list of dict
        `evaluation.metrics.class_table.class_rows` of all images.
    left_out : dict of str to str
        Predictions of the audit that are not judged, and why.
    """

    audit: Audit
    labels: LabelSpace
    examples: list[Example]
    truths: list[Path]
    quality: Quality
    features: np.ndarray
    classes: list[dict[str, Any]]
    left_out: dict[str, str]

    @property
    def ids(self) -> list[str]:
        return [example.id for example in self.examples]


def read_audit(folder: Path) -> Audit:
    """Read scores.csv and summary.json.

    Raises
    ------
    BadInput
        When the folder is no finished audit.
    """
    path = Path(folder) / "scores.csv"
    if not path.is_file() or not (Path(folder) / "summary.json").is_file():
        raise BadInput(folder, "holds no finished audit", "write one with `segqc audit --out` of this folder")
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    return Audit(Path(folder), rows, read_json(Path(folder) / "summary.json"))


def make_study(config: EvaluateConfig, console: Console | None = None) -> Study:
    """Find the ground truth of every audited prediction and measure it.

    Raises
    ------
    BadInput
        No finished audit, no ground truth, or fewer than three images that can be judged. One bad image is left out
        with its reason instead.
    """
    audit = read_audit(config.audit)
    audited = Path(audit.summary["config"]["predictions"])
    if config.predictions is not None and config.predictions.resolve() != audited.resolve():
        raise BadInput(
            config.predictions,
            f"is not what {config.audit} audited, which was {audited}",
            "audit these predictions, or name those",
        )
    if config.metrics_backend not in get_args(Backend) or config.undefined not in _UNDEFINED:
        raise BadInput(
            "--metrics-backend, --undefined", f"are one of {get_args(Backend)} and of {_UNDEFINED}", "choose from these"
        )
    labels = load_model(Path(audit.summary["model"]["folder"]), "cpu").config.label_space
    truths, wanted = _truth_folder(config, audit), _wanted(config)
    left_out: dict[str, str] = {}
    todo: list[tuple[Example, Path]] = []
    for id_, row in sorted(audit.rows.items()):
        truth = truths / f"{id_}.png"
        if wanted is not None and id_ not in wanted:
            left_out[id_] = f"is not in the list {config.image_set}"
        elif row["status"] != "ok":
            left_out[id_] = f"was not scored: {row['reason']}"
        elif not truth.is_file():
            left_out[id_] = f"has no ground truth {truth}"
        else:
            optional = (
                _existing(config.probs, id_, ".npz"),
                _existing(config.tta, id_, ".png"),
                _existing(config.second, id_, ".png"),
            )
            todo.append((Example(id_, Path(row["image"]), Path(row["prediction"]), labels, *optional), truth))

    def measure(item: tuple[Example, Path]) -> tuple[Example, Path, list[dict[str, Any]], np.ndarray, float] | str:
        example, path = item
        try:
            mask = example.mask()
            truth = read_mask(path, labels, size=(mask.shape[1], mask.shape[0]))
        except BadInput as error:
            return str(error)
        backend = cast(Backend, config.metrics_backend)
        rows = class_rows(example.id, mask, truth, labels.names, VOID, labels.background, backend=backend)
        features = mask_features(mask, labels.num_classes, labels.background, VOID)
        return example, path, rows, features, float(np.hypot(*mask.shape))

    found = []
    with make_progress(console) as progress:
        task = progress.add_task("measuring", total=len(todo))
        for (example, _), result in zip(todo, ordered_map(measure, todo), strict=True):
            if isinstance(result, str):
                left_out[example.id] = result
            else:
                found.append(result)
            progress.advance(task)
    if len(found) < 3:
        raise BadInput(
            config.audit,
            f"has {len(found)} predictions with readable ground truth",
            "it takes three to judge a ranking",
        )
    undefined = cast(Literal["diagonal", "exclude"], config.undefined)
    means = [reduce_classes([_metrics(row) for row in rows], diagonal, undefined) for _, _, rows, _, diagonal in found]
    # Left out by choice ("exclude") and missed everywhere: no distance, which a correlation must not take for a small
    # one.
    distances = {
        name: np.array([np.nan if getattr(m, name) is None else getattr(m, name) for m in means])
        for name in ("msd", "hd95")
    }
    if any(np.isnan(values).any() for values in distances.values()):
        kept = ~np.isnan(distances["msd"])
        left_out |= {
            item[0].id: "has no class with a defined distance"
            for item, keep in zip(found, kept, strict=True)
            if not keep
        }
        found = [item for item, keep in zip(found, kept, strict=True) if keep]
        means = [mean for mean, keep in zip(means, kept, strict=True) if keep]
        distances = {name: values[kept] for name, values in distances.items()}
    features = np.stack([item[3] for item in found])
    quality = Quality(
        np.array([mean.dice for mean in means]), distances["msd"], distances["hd95"], features[:, :COVARIATES]
    )
    classes = [row for item in found for row in item[2]]
    return Study(
        audit, labels, [item[0] for item in found], [item[1] for item in found], quality, features, classes, left_out
    )


def training_examples(config: EvaluateConfig, labels: LabelSpace, judged: set[str]) -> tuple[list[Example], str]:
    """Pairs that baselines may learn from, none of them judged; and, where there are none, why."""
    if config.voc_root is None:
        return [], "no training pairs: give --voc-root and --train-set"
    pairs: list[Pair] = voc_pairs(config.voc_root, config.train_set)[0]
    kept = [
        Example(pair.id, pair.image, pair.mask, labels)
        for pair in pairs
        if pair.mask is not None and pair.id not in judged
    ]
    return kept, "" if kept else f"no training pairs in the list {config.train_set} that are not judged"


def _metrics(row: dict[str, Any]) -> ClassMetrics:
    return ClassMetrics(**{field.name: row[field.name] for field in fields(ClassMetrics)})


def _truth_folder(config: EvaluateConfig, audit: Audit) -> Path:
    given = audit.summary["config"]
    truth, voc = config.ground_truth or given["ground_truth"], config.voc_root or given["voc_root"]
    if truth is None and voc is None:
        raise BadInput(
            "--voc-root", "no ground truth was given", "name a VOC folder with --voc-root, or masks with --ground-truth"
        )
    folder = Path(truth) if truth is not None else find_voc(voc).masks
    if not folder.is_dir():
        raise BadInput(folder, "does not exist", "name the folder of true masks with --ground-truth")
    return folder


def _wanted(config: EvaluateConfig) -> set[str] | None:
    if config.image_set is None or config.voc_root is None:
        return None
    path = find_voc(config.voc_root).image_sets / f"{config.image_set}.txt"
    if not path.is_file():
        raise BadInput(path, "does not exist", "name a list of ImageSets/Segmentation with --image-set")
    return set(path.read_text(encoding="utf-8").split())


def _existing(folder: Path | None, id_: str, suffix: str) -> Path | None:
    path = None if folder is None else folder / f"{id_}{suffix}"
    return path if path is not None and path.is_file() else None
