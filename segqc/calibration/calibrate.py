"""`segqc calibrate`: reads an audit and what is known of some of its predictions, and writes a calibration.

The statistics are those of `segqc.calibration.fit`. This module collects their data and checks that they are a random
sample.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from segqc.base.errors import BadInput
from segqc.calibration.calibration import Calibration, Goals
from segqc.calibration.config import CalibrateConfig
from segqc.calibration.conformal import MIN_CURVE_PAIRS
from segqc.calibration.dice_table import read_dice_table, some
from segqc.calibration.fit import Evidence, fit_calibration
from segqc.calibration.known_objects import known_objects
from segqc.calibration.sample import note_unfair_sample
from segqc.calibration.storage import CALIBRATION, save_calibration
from segqc.data.inspection.survey import commonest_reason
from segqc.results.review import review_of
from segqc.results.table import AuditTable, is_scored, read_audit_table, unscored_reasons


def calibrate(config: CalibrateConfig) -> tuple[Calibration, Path]:
    """Fit a calibration and write it.

    Returns
    -------
    Calibration
        The calibration; its `notes` are remarks on its sources.
    Path
        The file that was written.

    Raises
    ------
    BadInput
        There is no audit, nothing is known of its predictions, or a file cannot be used.
    """
    if config.level == "object":
        _refuse_what_is_of_pictures(config)
    goals = Goals(**{field.name: getattr(config, field.name) for field in dataclasses.fields(Goals)})
    table = read_audit_table(config.audit)
    model = table.summary.get("model", {}).get("fingerprint")
    if not isinstance(model, str):
        raise BadInput(
            table.folder,
            "does not say which model gave its scores: it has no summary.json",
            "give a folder written by `segqc audit`",
        )
    scores = {row["id"]: float(row["score"]) for row in table.rows if is_scored(row)}
    if not scores:
        why = commonest_reason(unscored_reasons(table.rows))
        raise BadInput(
            config.audit,
            "has no scored prediction" + (f"; {why}" if why else ""),
            "mend the predictions and audit again",
        )
    notes: list[str] = []
    accepted, labels = (None, None) if config.level == "object" else _of_pictures(config, table, scores, notes)
    objects = None if config.level == "picture" else known_objects(table, scores, notes)
    try:
        evidence = Evidence(
            model,
            list(scores.values()),
            levels=table.summary.get("config", {}).get("levels"),
            accepted=accepted,
            labelled=None if labels is None else ([scores[id_] for id_ in labels], list(labels.values())),
            objects=objects,
            ground_truth=config.ground_truth,
            tiles=table.summary.get("config", {}).get("tiles") or 1,
            audit=table.folder.name,
            notes=notes,
        )
        calibration = fit_calibration(evidence, goals, config.seed)
    except ValueError as error:
        raise BadInput(config.audit, str(error), "audit, accept or label more predictions") from error
    out = config.out or table.folder / CALIBRATION
    save_calibration(out, calibration)
    return calibration, out


def _refuse_what_is_of_pictures(config: CalibrateConfig) -> None:
    given = {"--accepted": config.accepted, "--labels": config.labels, "--ground-truth": config.ground_truth or None}
    for option, value in given.items():
        if value is not None:
            raise BadInput(option, "is of pictures, not of objects", "leave it out, or calibrate with --level both")


def _of_pictures(
    config: CalibrateConfig, table: AuditTable, scores: Mapping[str, float], notes: list[str]
) -> tuple[list[float] | None, dict[str, float] | None]:
    """Scores of the accepted predictions, and Dice of the labelled ones by id."""
    accepted = None if config.accepted is None else _accepted(config.accepted, table, scores, notes)
    labels = None if config.ground_truth else _labels(config, table, scores, notes)
    if accepted is None and labels is None and not config.ground_truth:
        fix = "accept some in the gallery and give --accepted review.json, or audit with ground truth, or give --labels"
        raise BadInput(config.audit, "says nothing about the quality of its predictions", fix)
    return accepted, labels


def _accepted(path: Path, table: AuditTable, scores: Mapping[str, float], notes: list[str]) -> list[float]:
    """Scores of the accepted predictions, from a saved review or a list of ids."""
    if path.suffix.lower() == ".json":
        review = review_of(path, table.rows)
        reviewed = set(review.items)
        ids = [id_ for id_, item in review.items.items() if item.verdict == "accept"]
        note_unfair_sample("reviewed", reviewed, scores, notes)
    else:
        try:
            ids = list(
                dict.fromkeys(
                    line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()
                )
            )
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(
                path, f"is not a readable text file: {error}", "give a review saved by the gallery, or an id a line"
            ) from error
        notes.append("the accepted predictions came as a list: it is taken for the accepted ones among a random sample")
    known = [id_ for id_ in ids if id_ in scores]
    _note_unknown(path, [id_ for id_ in ids if id_ not in scores], notes)
    if not known:
        raise BadInput(
            path, "accepts no scored prediction of this audit", "accept some, or give the audit that was reviewed"
        )
    return [scores[id_] for id_ in known]


def _labels(
    config: CalibrateConfig, table: AuditTable, scores: Mapping[str, float], notes: list[str]
) -> dict[str, float] | None:
    """Dice of labelled predictions by id, from a CSV or from the audit itself; None where none is known, or too few
    that nobody asked for.
    """
    if config.labels is not None:
        dice = read_dice_table(config.labels, scores, notes)
    else:
        dice = {row["id"]: row["dice"] for row in table.rows if row.get("dice") is not None}
    _note_unknown(config.labels or "the audit", [id_ for id_ in dice if id_ not in scores], notes)
    dice = {id_: value for id_, value in dice.items() if id_ in scores}
    if not dice:
        return None
    if config.accepted is not None and config.labels is None and len(dice) < MIN_CURVE_PAIRS:  # nobody asked for them
        left_aside = f"the audit's own {len(dice)} Dice values were left aside"
        notes.append(f"{left_aside}: it takes {MIN_CURVE_PAIRS} to estimate Dice from a score")
        return None
    if len(dice) > 1 and min(dice.values()) == 1:
        raise BadInput(
            config.audit,
            "has a Dice of 1 throughout: these seem to be the true masks themselves",
            "say so with --ground-truth",
        )
    note_unfair_sample("labelled", set(dice), scores, notes)
    return dice


def _note_unknown(source: Path | str, ids: list[str], notes: list[str]) -> None:
    if ids:
        name = source.name if isinstance(source, Path) else source
        notes.append(f"{len(ids)} ids of {name} have no score in the audit and were left out ({some(ids)})")
