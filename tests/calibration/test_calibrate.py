"""`segqc calibrate` and `segqc monitor` on tables as an audit and a reviewer leave them."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import tiny_model
from typer.testing import CliRunner

from segqc.base.errors import BadInput
from segqc.base.files import write_json
from segqc.base.tables import write_table
from segqc.calibration.calibrate import calibrate
from segqc.calibration.config import CalibrateConfig, MonitorConfig
from segqc.calibration.dice_table import read_dice_table
from segqc.calibration.fit import Evidence, fit_calibration
from segqc.calibration.monitor import monitor
from segqc.calibration.storage import load_calibration, save_calibration
from segqc.cli.app import app
from segqc.quality_control import QualityControl
from segqc.results.table import audit_fingerprint, read_audit_table

MODEL = "0123456789abcdef"
runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})


def write_audit(folder: Path, scores: np.ndarray, dice: np.ndarray | None = None, **config: object) -> Path:
    """The table and summary of an audit, with one prediction that could not be scored."""
    rows = [{"id": f"p{i}", "score": float(score), "status": "ok", "dice": None} for i, score in enumerate(scores)]
    for row, value in zip(rows, () if dice is None else dice, strict=False):
        row["dice"] = None if np.isnan(value) else float(value)
    rows.append({"id": "broken", "status": "error"})
    write_table(folder / "scores.csv", rows, ("id", "score", "status", "dice"))
    write_json(folder / "summary.json", {"model": {"fingerprint": MODEL}, "config": {"levels": None} | config})
    return folder


def write_review(path: Path, audit: Path, verdicts: dict[str, str]) -> Path:
    items = {id_: {"verdict": verdict, "note": "", "score": None} for id_, verdict in verdicts.items()}
    write_json(
        path, {"format": "segqc-review-1", "audit": audit_fingerprint(read_audit_table(audit).rows), "items": items}
    )
    return path


@pytest.fixture
def scores() -> np.ndarray:
    return np.random.default_rng(0).random(120)


def test_with_too_few_accepted_predictions_decisions_are_withheld(tmp_path: Path, scores):
    """None of three can give a p-value of 0.1: without a word everything passed."""
    audit = write_audit(tmp_path / "audit", scores)
    for count, missing in ((3, 6), (8, 1), (9, 0)):
        review = write_review(tmp_path / "review.json", audit, {f"p{i}": "accept" for i in range(count)})
        calibration, _ = calibrate(CalibrateConfig(audit=audit, accepted=review, out=tmp_path / "c.json"))
        assert calibration.missing == missing
        assert calibration.judge(2.0).p_value == pytest.approx(1 / (count + 1))
        assert calibration.judge(2.0).decision == (None if missing else "review")
        said = " ".join(calibration.statements())
        assert (f"decisions are withheld until {missing} more are accepted" in said) == bool(missing)
    few = fit_calibration(Evidence(MODEL, scores, accepted=scores[:3]))
    with pytest.raises(ValueError, match="accept 6 more predictions"):
        QualityControl(tiny_model(), calibration=few).attach(lambda image: image, policy="raise")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("id,dice\na,0.5\nb,1\n", {"a": 0.5, "b": 1}),
        ("ID; Dice\na;0,5\nb;1\n", {"a": 0.5, "b": 1}),
        ("id\tdice\na\t50%\nb\t100 %\n", {"a": 0.5, "b": 1}),
        ('id,dice,note\na.png,"0,5",x\n\nfolder/b.tif,1,\n', {"a": 0.5, "folder/b": 1}),
    ],
    ids=["plain", "semicolons and decimal commas", "tabs and per cent", "suffixes and quotes"],
)
def test_labels_that_were_written_by_hand(tmp_path: Path, text, found):
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8-sig")
    notes: list[str] = []
    assert read_dice_table(tmp_path / "labels.csv", {"a", "b", "folder/b"}, notes) == found
    assert notes == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,dice\na,0.5\nb,1\na,0.7\n", "more than once for a "),
        ("id,dice\na,0.5\na.png,0.7\n", "more than once for a "),
        ("id,dice\na,50\nb,100\n", "above 1 for a, b .*per cent with a sign"),
        ("id,dice\na,0,5\nb,0,7\n", "more cells than columns for a, b .*semicolons"),
        ("name,dice\na,0.5\n", "lacks the columns id and dice"),
    ],
)
def test_labels_that_may_mean_two_things_are_refused_by_name(tmp_path: Path, text, words):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(BadInput, match=words):
        read_dice_table(tmp_path / "labels.csv", {"a", "b"}, [])


@pytest.mark.parametrize("command", ["calibrate", "monitor"])
def test_the_commands_have_help_with_an_example(command):
    result = runner.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"Example: segqc {command}" in result.output


def test_an_audit_with_dice_is_labelled(tmp_path: Path, scores):
    dice = np.where(np.arange(120) % 2 == 0, 1 - scores, np.nan)
    calibration, path = calibrate(CalibrateConfig(audit=write_audit(tmp_path / "audit", scores, dice, levels=[0, 3])))
    assert path == tmp_path / "audit" / "calibration.json"
    assert load_calibration(path) == calibration
    assert (calibration.model, calibration.levels, calibration.audit) == (MODEL, (0, 3), "audit")
    assert (calibration.source, calibration.counts["audited"], calibration.counts["labelled"]) == ("labelled", 120, 60)
    assert calibration.notes == ()


def test_labels_may_come_from_a_table_of_their_own(tmp_path: Path, scores):
    audit = write_audit(tmp_path / "audit", scores)
    labels = tmp_path / "labels.csv"
    with labels.open("w", newline="") as file:
        csv.writer(file).writerows(
            [("id", "dice"), *((f"p{i}", 1 - scores[i]) for i in range(40)), ("p41", "good"), ("stranger", 0.4)]
        )
    calibration, _ = calibrate(CalibrateConfig(audit=audit, labels=labels, out=tmp_path / "c.json"))
    assert calibration.counts["labelled"] == 40
    assert any("1 rows of labels.csv" in note and "p41" in note for note in calibration.notes)
    assert any("stranger" in note for note in calibration.notes)


def test_a_review_that_took_a_random_sample_is_fair(tmp_path: Path, scores):
    audit = write_audit(tmp_path / "audit", scores)
    verdicts = {f"p{i}": "accept" if scores[i] < 0.7 else "reject" if scores[i] < 0.9 else "unsure" for i in range(60)}
    calibration, _ = calibrate(
        CalibrateConfig(audit=audit, accepted=write_review(tmp_path / "review.json", audit, verdicts))
    )
    assert calibration.source == "accepted"
    assert calibration.accepted == tuple(sorted(score for score in scores[:60] if score < 0.7))
    assert len(calibration.reference) == 120
    assert calibration.notes == ()


@pytest.mark.parametrize(("chosen", "unfair"), [("top", True), ("random", False)])
def test_four_predictions_from_the_top_are_noticed(tmp_path: Path, scores, chosen, unfair):
    audit = write_audit(tmp_path / "audit", scores)
    places = np.argsort(-scores)[:4] if chosen == "top" else np.random.default_rng(1).choice(120, 4, replace=False)
    review = write_review(tmp_path / "review.json", audit, {f"p{i}": "accept" for i in places})
    calibration, _ = calibrate(CalibrateConfig(audit=audit, accepted=review, out=tmp_path / "c.json"))
    assert any("no random sample" in note for note in calibration.notes) is unfair


def test_a_review_of_the_top_of_the_ranking_is_called_unfair(tmp_path: Path, scores):
    audit = write_audit(tmp_path / "audit", scores)
    worst = [f"p{i}" for i in np.argsort(-scores)[:40]]
    calibration, _ = calibrate(
        CalibrateConfig(
            audit=audit, accepted=write_review(tmp_path / "review.json", audit, dict.fromkeys(worst, "accept"))
        )
    )
    assert any(
        "40 reviewed predictions score higher" in note and "too little will be flagged" in note
        for note in calibration.notes
    )


def test_accepted_ids_may_come_as_a_list(tmp_path: Path, scores):
    audit = write_audit(tmp_path / "audit", scores)
    ids = tmp_path / "ids.txt"
    ids.write_text("p3\n\np5\np3\nstranger\n")
    calibration, _ = calibrate(CalibrateConfig(audit=audit, accepted=ids))
    assert calibration.accepted == tuple(sorted(scores[[3, 5]]))
    assert any("stranger" in note for note in calibration.notes)


def test_few_dice_that_nobody_asked_for_do_not_stand_in_the_way_of_accepted_ones(tmp_path: Path, scores):
    audit = write_audit(tmp_path / "audit", scores[:14], 1 - scores[:14])
    (tmp_path / "ids.txt").write_text("p3\np5\n")
    calibration, _ = calibrate(CalibrateConfig(audit=audit, accepted=tmp_path / "ids.txt"))
    assert (calibration.source, calibration.dice) == ("accepted", None)
    assert any("own 14 Dice values were left aside" in note for note in calibration.notes)
    with pytest.raises(BadInput, match="at least 20 labelled pairs"):  # without accepted ones there is nothing else
        calibrate(CalibrateConfig(audit=audit))


def test_true_masks_must_be_announced(tmp_path: Path, scores):
    audit = write_audit(tmp_path / "audit", scores, np.ones(120))
    with pytest.raises(BadInput, match="--ground-truth"):
        calibrate(CalibrateConfig(audit=audit))
    calibration, _ = calibrate(CalibrateConfig(audit=audit, ground_truth=True))
    assert calibration.source == "ground truth"
    result = runner.invoke(app, ["calibrate", "--audit", str(audit), "--ground-truth"])
    assert result.exit_code == 0, result.output
    assert "Warning: fitted on true masks" in result.output


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "says nothing about the quality"),
        ({"accepted": "review.json"}, "another audit"),
        ({"accepted": "none.txt"}, "accepts no scored prediction"),
        ({"accepted": "absent.txt"}, "not a readable text file"),
        ({"labels": "none.txt"}, "columns id and dice"),
        ({"labels": "absent.csv"}, "not a readable CSV"),
        ({"labels": "few.csv"}, "at least 20 labelled pairs .* but got 2"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, scores, content, words):
    audit = write_audit(tmp_path / "audit", scores)
    (tmp_path / "none.txt").write_text("stranger\n")
    (tmp_path / "few.csv").write_text("id,dice\np1,0.5\np2,0.7\n")
    write_json(
        tmp_path / "review.json", {"format": "segqc-review-1", "audit": "other", "items": {"p1": {"verdict": "accept"}}}
    )
    with pytest.raises(BadInput, match=words):
        calibrate(CalibrateConfig(audit=audit, **{name: tmp_path / file for name, file in content.items()}))


def test_a_table_that_does_not_name_its_model_is_refused(tmp_path: Path, scores):
    audit = write_audit(tmp_path / "audit", scores)
    (audit / "summary.json").unlink()
    with pytest.raises(BadInput, match=r"no summary\.json"):
        calibrate(CalibrateConfig(audit=audit, ground_truth=True))


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    scores = rng.random(500)
    path = tmp_path / "calibration.json"
    save_calibration(path, fit_calibration(Evidence(MODEL, scores, accepted=scores[:300])))
    return path


def test_monitor_finds_the_window_that_drifted_and_draws_it(tmp_path: Path, reference: Path):
    rng = np.random.default_rng(2)
    scores = np.concatenate([rng.random(200), rng.random(100) + 0.4])
    shuffled = rng.permutation(300)  # as a ranked table has them; ids are in the order of arrival
    rows = [{"id": f"frame_{i}", "score": float(scores[i]), "status": "ok"} for i in shuffled]
    write_table(tmp_path / "audit" / "scores.csv", [*rows, {"id": "bad", "status": "error"}], ("id", "score", "status"))
    report = monitor(MonitorConfig(scores=tmp_path / "audit" / "scores.csv", calibration=reference, window=100))
    assert [(window.first, window.last, window.drifted) for window in report.windows] == [
        (0, 99, False),
        (100, 199, False),
        (200, 299, True),
    ]
    assert report.whole.last == 299
    assert report.order == "id"
    assert report.plot == tmp_path / "audit" / "drift.png"
    assert Image.open(report.plot).width > 600
    command = [
        "monitor",
        str(tmp_path / "audit"),
        "--calibration",
        str(reference),
        "--window",
        "100",
        "--plot",
        str(tmp_path / "p.png"),
    ]
    result = runner.invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "1 of 3 windows since the calibration have drifted, the last among them" in result.output
    assert runner.invoke(app, [*command, "--strict"]).exit_code == 1


def test_strict_looks_at_every_window_and_not_at_the_last_alone(tmp_path: Path, reference: Path):
    rng = np.random.default_rng(2)
    scores = np.concatenate([rng.random(100), rng.random(100) + 0.4, rng.random(100)])
    rows = [{"id": f"frame_{i}", "score": float(score), "status": "ok"} for i, score in enumerate(scores)]
    write_table(tmp_path / "scores.csv", rows, ("id", "score", "status"))
    command = ["monitor", str(tmp_path / "scores.csv"), "--calibration", str(reference), "--window", "100", "--strict"]
    result = runner.invoke(app, command)
    assert result.exit_code == 1
    assert "1 of 3 windows since the calibration have drifted, the last of them at score 199" in result.output


def test_monitor_takes_the_order_of_time_where_there_is_one(tmp_path: Path, reference: Path):
    scores = np.random.default_rng(2).random(60)
    rows = [
        {"id": f"{59 - i:02d}", "time": 0.5 * i, "score": float(score), "status": "ok"}
        for i, score in enumerate(scores)
    ]
    write_table(tmp_path / "scores.csv", rows, ("id", "time", "score", "status"))
    report = monitor(MonitorConfig(scores=tmp_path / "scores.csv", calibration=reference, window=30))
    assert report.order == "time"
    by_id = monitor(MonitorConfig(scores=tmp_path / "scores.csv", calibration=reference, window=30, order="id"))
    assert [window.statistic for window in report.windows] == pytest.approx(
        [window.statistic for window in by_id.windows][::-1]
    )


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "a,b\n", "id,score\n"])
def test_what_is_no_table_of_an_audit_is_not_a_table_of_few_scores(tmp_path: Path, reference: Path, content):
    (tmp_path / "scores.csv").write_text(content)
    with pytest.raises(BadInput, match=r"scores\.csv: is not the table of an audit"):
        monitor(MonitorConfig(scores=tmp_path / "scores.csv", calibration=reference))


def test_monitor_refuses_what_it_cannot_compare(tmp_path: Path, reference: Path, scores):
    audit = write_audit(tmp_path / "audit", scores)
    with pytest.raises(BadInput, match="names no column"):
        monitor(MonitorConfig(scores=audit, calibration=reference, order="day"))
    with pytest.raises(BadInput, match="at least 20 scores"):
        monitor(MonitorConfig(scores=audit, calibration=reference, window=5))
    with pytest.raises(BadInput, match="only 5 scores"):
        monitor(MonitorConfig(scores=write_audit(tmp_path / "few", scores[:5]), calibration=reference))
    content = json.loads((audit / "summary.json").read_text())
    write_json(audit / "summary.json", content | {"model": {"fingerprint": "other"}})
    with pytest.raises(BadInput, match="but these scores come from model other"):
        monitor(MonitorConfig(scores=audit, calibration=reference))
