"""Calibration of objects: bounds that hold where the objects of a picture resemble each other, and what is withheld."""

import csv
import json
import math

import numpy as np
import pyarrow.parquet
import pytest
from command_line import segqc
from PIL import Image

import segqc as package
from segqc.base.files import read_json, write_json
from segqc.base.tables import write_table
from segqc.calibration.calibration import Goals
from segqc.calibration.fit import Evidence, fit_calibration
from segqc.calibration.hierarchical import fewest_pictures, hierarchical_quantile
from segqc.calibration.objects import ObjectTruths, fit_objects
from segqc.calibration.storage import load_calibration, save_calibration
from segqc.data.masks import read_mask, write_mask
from segqc.demo.scenes import DEMO_LABELS
from segqc.results.schema import OBJECT_DECISION_COLUMNS, object_columns

DECIDED = ("expected_iou_low", "expected_iou_high", "decision")


def crowds(rng: np.random.Generator, pictures: int) -> ObjectTruths:
    """Scenes of one to two objects, and crowds of forty that are easier; all objects of a picture share its trouble."""
    counts = np.where(rng.random(pictures) < 0.3, 40, rng.integers(1, 3, pictures))
    owner = np.repeat(np.arange(pictures), counts)
    trouble = np.where(counts == 40, 0.1, 0.4) * rng.random(pictures)
    expected = rng.random(len(owner))
    error = trouble[owner] + 0.02 * rng.normal(size=len(owner))
    ious = np.clip(expected - error, 0, 1)
    scores = 1 - expected + 0.3 * trouble[owner] * rng.normal(size=len(owner))
    return ObjectTruths(owner, scores, expected, ious)


def by_picture(pictures: np.ndarray, values: np.ndarray) -> float:
    """Mean over the pictures of the mean of their values."""
    totals, counts = np.bincount(pictures, values), np.bincount(pictures)
    return float((totals[counts > 0] / counts[counts > 0]).mean())


def test_the_quantile_is_that_of_all_pictures_with_the_new_one_at_infinity():
    rng = np.random.default_rng(0)
    for level in (0.5, 0.8, 0.9):
        for pictures in (1, 4, 9, 12):
            owner = np.repeat(np.arange(pictures), rng.integers(1, 5, pictures))
            values = rng.integers(0, 6, len(owner)).astype(float)
            weights = 1 / np.bincount(owner)[owner] / (pictures + 1)
            reached = [value for value in np.unique(values) if weights[values <= value].sum() >= level - 1e-9]
            assert hierarchical_quantile(values, owner, level) == (reached[0] if reached else None)
    assert [fewest_pictures(level) for level in (0.5, 0.8, 0.9, 0.95)] == [1, 4, 9, 19]
    assert hierarchical_quantile(np.arange(8.0), np.arange(8), 0.9) is None
    assert hierarchical_quantile(np.arange(9.0), np.arange(9), 0.9) == 8
    assert hierarchical_quantile([], [], 0.9) is None


def test_the_quantile_of_all_objects_together_breaks_the_promise_and_that_by_pictures_keeps_it():
    rng, ours, pooled = np.random.default_rng(1), [], []
    new = crowds(rng, 2000)
    error = np.abs(new.ious - new.expected)
    for _ in range(200):
        known = crowds(rng, 30)
        seen = np.abs(known.ious - known.expected)
        ours.append(by_picture(new.pictures, error <= hierarchical_quantile(seen, known.pictures, 0.9)))
        together = np.sort(seen)[math.ceil(0.9 * (len(seen) + 1)) - 1]
        pooled.append(by_picture(new.pictures, error <= together))
    assert 0.9 - 3 * np.std(ours) / 200**0.5 <= np.mean(ours) < 0.96
    assert np.mean(pooled) < 0.75


def test_interval_and_threshold_keep_what_they_promise():
    rng, covered, missed = np.random.default_rng(2), [], []
    new = crowds(rng, 1000)
    bad = new.ious < 0.5
    for seed in range(100):
        fitted = fit_objects(crowds(rng, 40), seed=seed)
        low, high = fitted.interval.ends(new.expected)
        covered.append(by_picture(new.pictures, (low <= new.ious) & (new.ious <= high)))
        missed.append(by_picture(new.pictures[bad], new.scores[bad] < fitted.threshold))
    assert np.mean(covered) >= 0.9 - 3 * np.std(covered) / 10
    assert np.mean(missed) <= 0.1 + 3 * np.std(missed) / 10
    assert np.mean(missed) > 0.03, "a threshold that passes nothing would do, too"
    assert (high - low).mean() < 0.8, "as would an interval that holds everything"


def truths(pictures: int, iou: float = 0.3) -> ObjectTruths:
    owner = np.repeat(np.arange(pictures), 2)
    return ObjectTruths(
        owner, np.linspace(0.2, 0.8, 2 * pictures), np.full(2 * pictures, 0.6), np.full(2 * pictures, iou)
    )


@pytest.mark.parametrize(
    ("pictures", "interval", "threshold", "words"),
    [
        (1, False, False, ("pictures with objects are missing: 19", "such pictures are missing: 8")),
        (9, False, True, ("pictures with objects are missing: 11", "score < 0.2 passes")),
        (20, True, True, ("a random object of a picture", "passes")),
    ],
)
def test_with_few_pictures_it_says_how_many_are_missing(pictures, interval, threshold, words):
    fitted = fit_objects(truths(pictures))
    assert (fitted.interval is not None, fitted.threshold is not None) == (interval, threshold)
    assert [word in said for word, said in zip(words, fitted.statements(), strict=True)] == [True, True]
    ends, decision = fitted.judge(0.9, 0.6)
    assert (ends is not None) == interval
    assert decision == (None if not threshold else "review" if not interval else "fail" if ends[1] < 0.5 else "review")
    assert fitted.judge(0.1, 0.6)[1] == ("pass" if threshold else None)


def test_all_wrong_and_all_right():
    wrong = fit_objects(truths(30, iou=0.0))
    low, _ = wrong.interval.ends(np.array([0.6, 0.0, 1.0]))
    assert (low <= 1e-9).tolist() == [True, True, False]  # no error above 0.6 was seen
    assert wrong.judge(0.7, 0.3)[1] == "fail"
    right = fit_objects(truths(30, iou=0.9))
    assert right.threshold is None
    assert right.bad_objects == 0
    assert "no object with IoU < 0.5 is known" in right.statements()[1]
    assert right.judge(0.1, 0.6)[1] == "review"
    with pytest.raises(ValueError, match="there is none"):
        fit_objects(truths(0))
    with pytest.raises(ValueError, match="an IoU in"):
        fit_objects(truths(3, iou=float("nan")))


def test_it_is_kept_with_the_calibration_of_pictures(tmp_path):
    scores = np.random.default_rng(0).random(40)
    evidence = Evidence("m", scores, labelled=(scores, 1 - scores), objects=truths(30))
    both = fit_calibration(evidence, Goals(iou_limit=0.4, max_missed=0.2))
    save_calibration(tmp_path / "c.json", both)
    assert load_calibration(tmp_path / "c.json") == both
    assert (both.source, both.objects.iou_limit, both.objects.max_missed) == ("labelled", 0.4, 0.2)
    alone = fit_calibration(Evidence("m", scores, objects=truths(30)))
    assert (alone.source, alone.decides, alone.judge(0.5).decision) == ("objects", False, None)
    earlier = read_json(tmp_path / "c.json")
    del earlier["objects"], earlier["goals"]["iou_limit"], earlier["goals"]["max_missed"]
    write_json(tmp_path / "earlier.json", earlier)
    assert load_calibration(tmp_path / "earlier.json").objects is None


@pytest.fixture(scope="module")
def audit_command(tiny_voc, tiny_model, tmp_path_factory):
    """An audit of 24 predictions with their truth: every third is moved, of every fourth a class is another one."""
    folder = tmp_path_factory.mktemp("predicted")
    names = sorted(path.stem for path in (tiny_voc / "SegmentationClass").iterdir())[:24]
    for place, name in enumerate(names):
        mask = read_mask(tiny_voc / "SegmentationClass" / f"{name}.png", DEMO_LABELS)
        mask = np.roll(mask * (mask != 255), 12 * (place % 3 == 0), axis=1)
        mask[(mask > 0) & (place % 4 == 0)] = 1 + place % 5
        write_mask(folder / f"{name}.png", mask, DEMO_LABELS)
    common = ("--predictions", folder, "--voc-root", tiny_voc, "--model", tiny_model, "--device", "cpu")
    return ("audit", *common, "--no-heatmaps")


@pytest.fixture(scope="module")
def compared(audit_command, tmp_path_factory):
    out = tmp_path_factory.mktemp("calibrated") / "audit"
    finished = segqc(*audit_command, "--out", out)
    assert finished.returncode == 0, finished.stderr
    return out


def test_from_an_audit_with_truth_to_decisions_on_objects(compared, audit_command, tiny_model, tmp_path):
    made = segqc("calibrate", "--audit", compared, "--level", "object", "--out", tmp_path / "c.json")
    assert made.returncode == 0, made.stderr
    assert "a random object of a picture" in made.stdout
    calibration = load_calibration(tmp_path / "c.json")
    again = segqc(*audit_command, "--calibration", tmp_path / "c.json", "--out", tmp_path / "out")
    assert again.returncode == 0, again.stderr
    assert "Decisions on objects: " in again.stdout
    assert "Decisions: " not in again.stdout
    table = pyarrow.parquet.read_table(tmp_path / "out" / "objects.parquet")
    rows = table.to_pylist()
    assert tuple(table.column_names) == object_columns(compared=True, calibrated=True)
    before = pyarrow.parquet.read_table(compared / "objects.parquet").to_pylist()
    assert [{name: row[name] for name in before[0]} for row in rows] == before
    for row in rows:
        expected = ((None, None), None)
        if row["kind"] == "predicted":
            expected = calibration.objects.judge(row["score"], row["expected_iou"])
        assert ((row["expected_iou_low"], row["expected_iou_high"]), row["decision"]) == expected
        if row["expected_iou"] is not None:
            assert row["expected_iou_low"] <= row["expected_iou"] <= row["expected_iou_high"]
    counted = json.loads((tmp_path / "out" / "summary.json").read_text())["calibration"]["objects"]
    assert sum(counted.values()) == sum(row["kind"] == "predicted" for row in rows)
    picture = rows[0]["id"]
    scored = {row["id"]: row for row in pyarrow.parquet.read_table(tmp_path / "out" / "scores.parquet").to_pylist()}
    qc = package.load(tiny_model, device="cpu", calibration=tmp_path / "c.json")
    mask = read_mask(scored[picture]["prediction"], DEMO_LABELS)
    verdict = qc(Image.open(scored[picture]["image"]), mask)
    assert verdict.decision is None
    assert [(found.number, found.interval, found.decision) for found in verdict.objects] == [
        (
            row["object"],
            None if row["decision"] is None else (row["expected_iou_low"], row["expected_iou_high"]),
            row["decision"],
        )
        for row in rows
        if row["id"] == picture
    ]
    with pytest.raises(ValueError, match="This policy needs decisions"):
        qc.attach(lambda image: image, policy="raise")
    exported = segqc("export", "--audit", tmp_path / "out", "--to", "csv", "--out", tmp_path / "queue")
    assert exported.returncode == 0, exported.stderr
    with (tmp_path / "queue" / "objects.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == list(table.column_names)
    assert '"expected_iou_low"' in (tmp_path / "out" / "gallery.html").read_text("utf-8")


def test_what_says_nothing_about_objects_is_refused(compared, tiny_model, tmp_path):
    for path in ("scores.csv", "scores.parquet", "summary.json"):
        (tmp_path / path).write_bytes((compared / path).read_bytes())
    rows = pyarrow.parquet.read_table(compared / "objects.parquet").to_pylist()
    for objects, words in (
        (None, "knows the IoU of no object"),
        ([{**row, "iou": None} for row in rows], "knows the IoU of no object"),
        ([{**row, "iou": 1.0} for row in rows], "an IoU of 1 throughout"),
    ):
        if objects is not None:
            write_table(tmp_path / "objects.parquet", objects, object_columns(compared=True, calibrated=False))
        refused = segqc("calibrate", "--audit", tmp_path, "--level", "object")
        assert refused.returncode == 2
        assert words in refused.stderr
    write_table(tmp_path / "objects.parquet", rows, object_columns(compared=True, calibrated=False))
    refused = segqc("calibrate", "--audit", tmp_path, "--level", "object", "--accepted", tmp_path / "ids.txt")
    assert refused.returncode == 2
    assert "--accepted" in refused.stderr
    both = segqc("calibrate", "--audit", tmp_path, "--level", "both", "--max-missed", "0.2")
    assert both.returncode == 0, both.stderr
    made = load_calibration(tmp_path / "calibration.json")
    assert made.decides
    assert made.objects.max_missed == 0.2


def test_the_columns_are_named_once():
    assert tuple(column.name for column in OBJECT_DECISION_COLUMNS) == DECIDED
    plain = object_columns(compared=False, calibrated=False)
    assert object_columns(compared=True, calibrated=True) == (*plain, "iou", *DECIDED)
