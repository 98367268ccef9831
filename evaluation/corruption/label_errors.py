"""Ground-truth audit: put known errors into a share of the masks, and see whether a score ranks them first.

No predictions are involved, and no score comes from a model that has seen the mask: the pairs are dealt into k folds,
and each fold is scored by a model trained on the others, errors included, as it would be with a real dataset of unknown
quality.

    inject_label_errors   a copy of the dataset in VOC's layout with errors in 20 % of its masks, and a list of them
    cross_fitted_scores   k trainings, each scores the fold that it did not see; `segqc_trainer` is the training of this package
    judge_label_errors    AUROC, average precision and precision of the ranking, overall and per type of error
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console

from evaluation.corruption.corruptions import CORRUPTIONS, VOID, Context, Corrupted, Corruption, corrupt
from evaluation.corruption.suite import mask_context
from evaluation.ranking.correlation import bootstrap_interval
from evaluation.ranking.selective import auroc, average_precision, precision_at
from segqc.auditing.ground_truth import train_without
from segqc.base.console import make_progress
from segqc.base.errors import BadInput
from segqc.base.files import atomic_path, read_json, write_json
from segqc.base.fingerprints import stable_seed
from segqc.base.journal import Journal
from segqc.base.parallel import ordered_map
from segqc.base.tables import write_table
from segqc.data.folds import folds
from segqc.data.images import read_image, read_mask, write_mask
from segqc.data.labels import LabelSpace
from segqc.data.pairs import Pair, VocFolder, dataset_fingerprint
from segqc.model.folder import load_model
from segqc.quality_control import QualityControl
from segqc.training.config import TrainConfig

LABEL_ERRORS = ("class_swap", "other_mask", "missing_object", "shift", "spurious_blob")
"""Types of error that annotators and file systems make."""

LARGEST_DICE = 0.95
"""A corrupted mask that agrees better than this with the original is no label error that anybody would correct."""

MANIFEST = "label_errors.json"
_MEASURES = ("auroc", "average_precision", "precision")
JUDGEMENT_COLUMNS = (
    "error",
    "injected",
    "masks",
    *(f"{measure}{end}" for measure in _MEASURES for end in ("", "_low", "_high")),
)

Train = Callable[[int, int, int, Path], Any]
Measure = Callable[[Any, Image.Image, np.ndarray], dict[str, float]]


@dataclass(frozen=True)
class LabelError:
    """An injected error: where, of which kind and strength, how many pixels, and the Dice of the mask with the
    original.
    """

    id: str
    corruption: str
    strength: int
    changed_pixels: int
    dice: float


def inject_label_errors(
    pairs: Sequence[Pair],
    labels: LabelSpace,
    out: Path,
    share: float = 0.2,
    seed: int = 0,
    corruptions: Sequence[Corruption] = tuple(CORRUPTIONS[name] for name in LABEL_ERRORS),
    console: Console | None = None,
) -> list[LabelError]:
    """Write a copy of the dataset in VOC's layout to `out`, with errors in `share` of the masks.

    Which pairs get an error, and which of the corruptions at which strength, follows from (seed, id). Pictures are hard
    links where the file system has them, copies elsewhere. `label_errors.json` and `.csv` list the errors; a finished
    copy is not written again.

    Parameters
    ----------
    pairs : sequence of Pair
        With masks; those that are void throughout are left out.
    out : Path
        Read it with `segqc.data.pairs.voc_pairs(out, "train")`.
    share : float
        Of the masks that are copied, in (0, 1).

    Returns
    -------
    list of LabelError, by id

    Raises
    ------
    BadInput
        A file that cannot be read, a `share` that cannot be reached, or `out` holds another copy.
    """
    if not 0 < share < 1:
        raise ValueError(f"Expected argument `share` to lie between 0 and 1, but got {share}")
    settings = {
        "data": dataset_fingerprint(pairs),
        "labels": labels.to_dict(),
        "share": share,
        "seed": seed,
        "corruptions": {corruption.name: list(corruption.settings) for corruption in corruptions},
    }
    if (Path(out) / MANIFEST).is_file():
        there = read_json(Path(out) / MANIFEST)
        if there["settings"] != settings:
            raise BadInput(
                out, "holds a copy of other pairs, or with other errors", "choose another folder, or delete it"
            )
        return [LabelError(**error) for error in there["errors"]]

    voc = VocFolder(Path(out))
    context = mask_context(pairs, labels)
    # mask_context has checked it
    pairs = [pair for pair in pairs if (read_mask(pair.mask, labels) != VOID).any()]  # type: ignore[arg-type]
    wanted = max(1, round(share * len(pairs)))
    errors: list[LabelError] = []
    with make_progress(console) as progress:
        for pair in progress.track(
            sorted(pairs, key=lambda pair: (stable_seed("label error", seed, pair.id), pair.id)),
            description="copying masks",
        ):
            mask = read_mask(pair.mask, labels)  # type: ignore[arg-type]
            found = _draw_error(mask, pair.id, corruptions, seed, context) if len(errors) < wanted else None
            if found:
                corruption, strength, result = found
                errors.append(LabelError(pair.id, corruption.name, strength, result.changed, result.dice))
                mask = result.mask
            write_mask(voc.masks / f"{pair.id}.png", mask, labels)
            _link_or_copy(pair.image, voc.images / f"{pair.id}{pair.image.suffix}")
    if len(errors) < wanted:
        raise BadInput(
            out,
            f"got errors in {len(errors)} of {len(pairs)} masks instead of {wanted}",
            "lower the share, or give more corruptions",
        )
    with atomic_path(voc.image_sets / "train.txt") as temporary:
        temporary.write_text("".join(f"{id_}\n" for id_ in sorted(pair.id for pair in pairs)), encoding="utf-8")
    errors.sort(key=lambda error: error.id)
    write_table(
        Path(out) / "label_errors.csv",
        [asdict(error) for error in errors],
        [field.name for field in fields(LabelError)],
    )
    write_json(Path(out) / MANIFEST, {"settings": settings, "errors": [asdict(error) for error in errors]})
    return errors


def quality_score(qc: QualityControl, image: Image.Image, mask: np.ndarray) -> dict[str, float]:
    """What `cross_fitted_scores` asks of a model unless told otherwise: `score`, higher = worse."""
    return {"score": float(qc.score_pair(image, mask).score)}


def quality_and_cleanlab(qc: QualityControl, image: Image.Image, mask: np.ndarray) -> dict[str, float]:
    """`score`, and beside it `cleanlab`: `cleanlab_scores` fed with the same model's averaged class posterior on the
    mask grid.

    Raises `BadInput` for a model without posterior (method `paper`), or when cleanlab is not installed.
    """
    picture, grid = qc.prepare(image, mask)
    reading = qc.model.read(picture, grid, qc.levels)
    if reading.posterior is None:
        raise BadInput(
            "cleanlab", "needs class probabilities, and the method 'paper' has none", "train with another --method"
        )
    score = qc.model.score_reading(reading, grid).score
    return {"score": float(score), "cleanlab": float(cleanlab_scores([grid], [reading.posterior])[0])}  # type: ignore[arg-type]


def cross_fitted_scores(
    train: Train,
    pairs: Sequence[Pair],
    labels: LabelSpace,
    folder: Path,
    k: int = 3,
    seed: int = 0,
    *,
    scorer_id: str,
    measure: Measure = quality_score,
    console: Console | None = None,
) -> dict[str, dict[str, float]]:
    """Score every mask by a model that was not trained on it.

    A pair's numbers are kept as soon as they are known: the same call continues a killed run, and does not train again
    for a fold that is scored.

    Parameters
    ----------
    train : callable
        (fold, k, seed, folder for models) -> model, trained without what `segqc.data.folds.folds` deals to that fold.
        Called again after a kill: it should continue its own training.
    pairs : sequence of Pair
        With masks that have labelled pixels, each id once.
    folder : Path
        Of the models and the scores.
    k, seed : int
        Number and seed of the `folds`.
    scorer_id : str
        What the numbers depend on beside the pairs (settings of the training, measure): numbers kept under another name
        are not used.
    measure : callable
        (model, picture, mask uint8 `[H, W]`) -> numbers by name, higher = worse.

    Returns
    -------
    dict of str to dict of str to float, by id in the order of `pairs`

    Raises
    ------
    BadInput
        A file that cannot be read.
    ValueError
        A fold would be empty, or an id occurs twice.
    """
    fold_of = folds([pair.id for pair in pairs], k, seed)
    if len(fold_of) < len(pairs):
        raise ValueError("Expected every id once, but one occurs twice")
    header = {"scorer": scorer_id, "data": dataset_fingerprint(pairs), "labels": labels.to_dict()}

    def read(pair: Pair) -> tuple[str, Image.Image, np.ndarray]:
        image = read_image(pair.image)
        return pair.id, image, read_mask(pair.mask, labels, size=image)  # type: ignore[arg-type]

    found: dict[str, dict[str, float]] = {}
    for fold in range(k):
        name = f"fold-{fold}-of-{k}-seed-{seed}"
        held_out = [pair for pair in pairs if fold_of[pair.id] == fold]
        with Journal(Path(folder) / ".progress" / f"{name}.jsonl", header) as journal:
            todo = [pair for pair in held_out if pair.id not in journal]
            if todo:
                model = train(fold, k, seed, Path(folder))
                with make_progress(console) as progress:  # after the training, which has a progress bar of its own
                    for id_, image, mask in progress.track(
                        ordered_map(read, todo), total=len(todo), description=f"scoring fold {fold + 1} of {k}"
                    ):
                        journal.append(id_, measure(model, image, mask))
            found |= {pair.id: journal.rows[pair.id] for pair in held_out}
    return {pair.id: found[pair.id] for pair in pairs}


def segqc_trainer(config: TrainConfig, console: Console | None = None) -> Train:
    """`segqc train` as the `train` of `cross_fitted_scores`, on the pairs that `config` names; its `out`, `fold`,
    `folds` and `seed` are not used.
    """

    def fit(fold: int, k: int, seed: int, folder: Path) -> QualityControl:
        return QualityControl(
            load_model(train_without(fold, replace(config, folds=k, seed=seed), folder, console), config.device)
        )

    return fit


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


def judge_label_errors(
    scores: Mapping[str, float], errors: Sequence[LabelError], resamples: int = 1000, seed: int = 0
) -> list[dict[str, float | int | str]]:
    """How well a score finds the injected errors: one row for all of them, then one per type, that type against the
    clean masks.

    Each has the `JUDGEMENT_COLUMNS`: AUROC, average precision, and precision at the number of injected errors, with 95
    % intervals from a bootstrap over masks; `masks` counts corrupted and clean ones. `scores` (higher = more suspect)
    holds all of `errors` and the clean masks, by id.

    Raises
    ------
    ValueError
        No errors, an error without score, or a score that is not finite.
    """
    missing = sorted({error.id for error in errors} - scores.keys())
    if missing or not errors:
        raise ValueError(
            f"Expected a score for every injected error, but there is none for {', '.join(missing[:5]) or 'any: the list is empty'}"
        )
    kinds = {error.id: error.corruption for error in errors}
    rows: list[dict[str, float | int | str]] = []
    for kind in ("all", *sorted(set(kinds.values()))):
        ids = [id_ for id_ in scores if kind in ("all", kinds.get(id_, kind))]
        values, positive = np.array([scores[id_] for id_ in ids], float), np.array([id_ in kinds for id_ in ids])
        row: dict[str, float | int | str] = {"error": kind, "injected": int(positive.sum()), "masks": len(ids)}
        for name, statistic in zip(_MEASURES, (auroc, average_precision, _precision), strict=True):
            interval = bootstrap_interval(statistic, values, positive, resamples=resamples, seed=seed)
            row |= {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
        rows.append(row)
    return rows


def _precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """Precision at the number of positives; NaN without any."""
    count = int(positive.sum())
    return precision_at(scores, positive, count) if count else float("nan")


def _draw_error(
    mask: np.ndarray, id_: str, corruptions: Sequence[Corruption], seed: int, context: Context
) -> tuple[Corruption, int, Corrupted] | None:
    """The first error in a random order of types and strengths that can be made and is large enough to matter."""
    kinds = [(corruption, strength) for corruption in corruptions for strength in corruption.strengths]
    for i in np.random.default_rng(stable_seed("kind of label error", seed, id_)).permutation(len(kinds)):
        result = corrupt(mask, id_, *kinds[i], seed, context)
        if result is not None and result.dice <= LARGEST_DICE:
            return *kinds[i], result
    return None


def _link_or_copy(source: Path, target: Path) -> None:
    """A hard link where the file system allows one between the two places, else a copy."""
    with atomic_path(target) as temporary:
        try:
            os.link(source.resolve(), temporary)
        except OSError:
            shutil.copyfile(source, temporary)
