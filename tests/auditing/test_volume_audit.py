"""An audit of volumes scores slices as it does pictures, ranks volumes by them, and compares in three dimensions."""

import csv
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from command_line import segqc
from nifti import SPACING, body, flipped, moved, save, write_set
from PIL import Image

from evaluation.metrics.classes import image_metrics, mean_dice
from segqc.auditing.api import audit
from segqc.auditing.volume_score import slice_weight, volume_score, worst_slices
from segqc.base.files import read_json, write_json
from segqc.results.schema import VOLUME_TABLE, audit_columns, names

pytest.importorskip("nibabel")
CLASSES = "background,first,second"
WINDOW = (-200.0, 400.0)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def folders_of(root: Path) -> list[object]:
    return [
        "--predictions", root / "predictions", "--images", root / "imagesTr", "--ground-truth", root / "labelsTr",
    ]  # fmt: skip


def command(root: Path, model: Path, *more: object) -> list[object]:
    return ["audit", "--model", model, *folders_of(root), "--out", root / "audit", "--device", "cpu", *more]


def run_python(root: Path, model: Path, **changes: object):
    folders = {"predictions": root / "predictions", "images": root / "imagesTr", "ground_truth": root / "labelsTr"}
    return audit(**(folders | {"model": model, "out": root / "audit", "device": "cpu", "intensity": WINDOW} | changes))


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return write_set(tmp_path_factory.mktemp("volumes"), 3)


@pytest.fixture(scope="module")
def report(root, tiny_model):
    return run_python(root, tiny_model)


def test_the_mean_of_slices_is_the_dice_of_the_volume_where_the_model_is_right() -> None:
    rng = np.random.default_rng(0)
    truth, prediction = (rng.random((5, 8, 9)) < share for share in (0.3, 0.4))
    prediction[1], truth[2] = False, False  # a slice that is missed, and one that is invented
    heat = (truth != prediction).astype(np.float32)
    masks = prediction.astype(np.uint8)
    scores = [1 - mean_dice(mask, other.astype(np.uint8), 2) for mask, other in zip(masks, truth, strict=True)]
    weights = [slice_weight(mask, doubt, [1]) for mask, doubt in zip(masks, heat, strict=True)]
    np.testing.assert_allclose(weights, prediction.sum((1, 2)) + truth.sum((1, 2)))
    assert volume_score(scores, weights) == pytest.approx(1 - mean_dice(masks, truth.astype(np.uint8), 2))


def test_a_volume_without_any_foreground_is_scored_by_the_plain_mean() -> None:
    empty = np.zeros((4, 4), np.uint8)
    assert slice_weight(empty, np.zeros((4, 4), np.float32), [1]) == 0
    assert slice_weight(np.full((4, 4), 255, np.uint8), np.ones((4, 4), np.float32), [1]) == 0
    assert volume_score([0.2, 0.4], [0, 0]) == pytest.approx(0.3)
    assert worst_slices(["a", "b", "c"], [0.9, 0.5, 0.8], [1, 100, 10]) == ["b", "c", "a"]


def test_slices_are_rows_and_volumes_are_ranked_by_them(root, report) -> None:
    rows = table(root / "audit" / "scores.csv")
    assert tuple(rows[0]) == audit_columns(calibrated=False, volumes=True)
    assert len(rows) == 18
    assert {row["volume"] for row in rows} == {"case_0", "case_1", "case_2"}
    assert {row["spacing"] for row in rows} == {"2;1.5"}
    volumes = table(root / "audit" / "volumes.csv")
    assert tuple(volumes[0]) == names(VOLUME_TABLE)
    assert [row["rank"] for row in volumes] == ["1", "2", "3"]
    for row in volumes:
        slices = [item for item in report.rows if item["volume"] == row["id"]]
        scores, weights = ([item[name] for item in slices] for name in ("score", "volume_weight"))
        assert float(row["score"]) == pytest.approx(np.average(scores, weights=weights))
        assert (
            row["worst_slices"].split(";")[0]
            == max(slices, key=lambda item: item["score"] * item["volume_weight"])["id"]
        )
        assert (row["slices"], row["scored"], row["spacing"]) == ("6", "6", "4;2;1.5")
    scores = [float(row["score"]) for row in volumes]
    assert scores == sorted(scores, reverse=True)
    assert pyarrow.parquet.read_table(root / "audit" / "volumes.parquet").column("score").to_pylist() == scores
    summary = read_json(root / "audit" / "summary.json")["volumes"]
    assert (summary["volumes"], summary["scored"], summary["errors"]) == (3, 3, 0)
    assert summary["worst"]["id"] == volumes[0]["id"]
    assert (root / "audit" / "heatmaps" / "case_0" / "002.png").is_file()


def test_volumes_are_measured_as_medpy_does_in_three_dimensions(root, report) -> None:
    binary = pytest.importorskip("medpy.metric").binary
    classes = table(root / "audit" / "volume_classes.csv")
    assert len(classes) == 6
    means: dict[str, list[float]] = {}
    for row in classes:
        case, label = int(row["id"][-1]), int(row["label"])
        truth = body(case)[1]
        masks = [found == label for found in (moved(truth, case), truth)]
        assert float(row["dice"]) == pytest.approx(binary.dc(*masks), abs=1e-9)
        assert float(row["msd"]) == pytest.approx(binary.assd(*masks, voxelspacing=SPACING), abs=1e-9)
        assert float(row["hd95"]) == pytest.approx(binary.hd95(*masks, voxelspacing=SPACING), abs=1e-9)
        means.setdefault(row["id"], []).append(float(row["hd95"]))
    for row in report.volumes:
        assert row["hd95"] == pytest.approx(np.mean(means[row["id"]]))
        assert (row["missed"], row["spurious"]) == (0, 0)


def test_the_same_audit_again_reads_what_is_there(root, report, tiny_model) -> None:
    written = {path: path.stat().st_mtime_ns for path in (root / "audit" / "slices").rglob("*.png")}
    done = segqc(*command(root, tiny_model, "--intensity", "-200,400"))
    assert done.returncode == 0, done.stderr
    assert "18 of 18 pairs were scored before" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert [float(row["score"]) for row in table(root / "audit" / "volumes.csv")] == [
        row["score"] for row in report.volumes
    ]


def test_scores_do_not_depend_on_how_a_volume_is_stored(report, tiny_model, tmp_path) -> None:
    picture, labels = body(0)
    save(tmp_path / "imagesTr" / "case_0.nii", picture[::-1, ::-1], flipped())
    save(tmp_path / "predictions" / "case_0.nii.gz", moved(labels, 0).astype(np.float32))
    alone = run_python(tmp_path, tiny_model, ground_truth=None)
    expected = {row["id"]: row["score"] for row in report.rows if row["volume"] == "case_0"}
    assert {row["id"]: row["score"] for row in alone.rows} == expected
    assert alone.volumes[0]["dice"] is None
    assert not (tmp_path / "audit" / "volume_classes.csv").exists()


def test_what_cannot_be_used_is_a_row_in_both_tables(tiny_model, tmp_path) -> None:
    write_set(tmp_path, 3)
    (tmp_path / "predictions" / "case_1.nii.gz").write_bytes(b"\x1f\x8bno volume")
    save(tmp_path / "predictions" / "case_2.nii.gz", body(2)[1][:, :, :4])
    save(tmp_path / "predictions" / "case_9.nii.gz", body(2)[1])
    (tmp_path / "labelsTr" / "case_0.nii.gz").write_bytes(b"no volume")
    done = segqc(*command(tmp_path, tiny_model, "--strict"))
    assert done.returncode == 1
    assert "1 of 4 volumes scored, 3 errors" in done.stdout
    assert "knows no range of intensities" in done.stdout + done.stderr
    for name in ("volumes.csv", "scores.csv"):
        reasons = {row["id"]: row["reason"] for row in table(tmp_path / "audit" / name) if row["status"] == "error"}
        assert set(reasons) == {"case_1", "case_2", "case_9"}
        assert "24x20x6" in reasons["case_2"]
    assert "not compared" in table(tmp_path / "audit" / "volumes.csv")[0]["reason"]


def test_a_set_of_which_nothing_can_be_read_ends_with_its_reason(tiny_model, tmp_path) -> None:
    write_set(tmp_path, 1)
    (tmp_path / "predictions" / "case_0.nii.gz").write_bytes(b"\x1f\x8bno volume")
    done = segqc(*command(tmp_path, tiny_model))
    assert done.returncode == 2
    assert "nothing could be scored" in done.stderr
    assert "not a readable NIfTI file" in done.stderr
    done = segqc("audit", "--model", tiny_model, "--predictions", tmp_path / "labelsTr", "--out", tmp_path / "b")
    assert (done.returncode, "--images" in done.stderr) == (2, True)


def test_empty_slices_are_scored_and_counted(tiny_model, tmp_path) -> None:
    picture, labels = body(0)
    labels[..., 4:] = 0
    save(tmp_path / "imagesTr" / "ct.nii", picture)
    save(tmp_path / "predictions" / "ct.nii", labels)
    report = run_python(tmp_path, tiny_model, ground_truth=None)
    empty = sum(not labels[..., place].any() for place in range(labels.shape[2]))
    assert (report.volumes[0]["scored"], report.volumes[0]["empty"]) == (6, empty)
    assert all(row["status"] == "ok" for row in report.rows)


def test_train_on_volumes_audit_and_whatever_comes_after(tmp_path) -> None:
    write_set(tmp_path, 4)
    small = [
        "--steps",
        2,
        "--image-size",
        64,
        "--grid-size",
        16,
        "--views",
        1,
        "--batch-size",
        4,
        "--method",
        "segmenter",
    ]
    trained = segqc(
        "train", "--data", tmp_path, "--classes", CLASSES, "--out", tmp_path / "model", "--device", "cpu", *small
    )
    assert trained.returncode == 0, trained.stderr
    assert "24 slices of 4 volumes" in trained.stdout
    window = read_json(tmp_path / "model" / "config.json")["pictures"]["volume_intensity"]
    done = segqc(
        *("audit", "--model", tmp_path / "model", "--predictions", tmp_path / "predictions", "--data", tmp_path),
        *("--out", tmp_path / "audit", "--device", "cpu"),
    )
    assert done.returncode == 0, done.stderr
    assert f"intensities {window[0]:g} to {window[1]:g} become 0 to 255" in done.stdout
    assert "The ten most suspect volumes" in done.stdout
    assert "HD95 (mm)" in done.stdout
    first = next((tmp_path / "model" / "training" / "slices" / "images").rglob("*.png"))
    again = tmp_path / "audit" / "slices" / "images" / first.relative_to(first.parents[1])
    np.testing.assert_array_equal(*(np.asarray(Image.open(path)) for path in (first, again)))
    audit_folder = ["--audit", tmp_path / "audit"]
    for arguments in (
        ["gallery", *audit_folder, "--out", tmp_path / "again.html"],
        ["export", *audit_folder, "--to", "coco", "--out", tmp_path / "queue"],
        ["calibrate", *audit_folder, "--out", tmp_path / "calibration.json"],
        ["evaluate", *audit_folder, "--out", tmp_path / "judged", "--resamples", 50, "--deep-svdd", "none"],
    ):
        done = segqc(*arguments)
        assert done.returncode == 0, done.stderr
    assert "case_0/003" in (tmp_path / "again.html").read_text()
    assert len(read_json(tmp_path / "queue" / "annotations.json")["images"]) == 24
    images = table(tmp_path / "judged" / "images.csv")
    assert len(images) == 24
    (row,) = (row for row in images if row["id"] == "case_0/003")
    truth, prediction = (masks[..., 3][::-1, ::-1].T for masks in (body(0)[1], moved(body(0)[1], 0)))
    expected = image_metrics(prediction, truth, 3, spacing=(SPACING[1], SPACING[0]))
    assert (float(row["msd"]), float(row["hd95"])) == pytest.approx((expected.msd, expected.hd95))
    assert "distances in mm" in (tmp_path / "judged" / "report.html").read_text()
    done = segqc("evaluate", *audit_folder, "--ground-truth", tmp_path / "labelsTr", "--out", tmp_path / "b")
    assert (done.returncode, "run the same segqc audit command with --ground-truth" in done.stderr) == (2, True)


def test_a_real_ct_by_the_command_line(shared_data, tmp_path) -> None:
    nibabel, binary = pytest.importorskip("nibabel"), pytest.importorskip("medpy.metric").binary
    root, organs = shared_data / "formats" / "nnunet", [f"organ {index}" for index in range(1, 118)]
    write_json(tmp_path / "classes.json", {"names": ["background", *organs], "void": None})
    small = ["--steps", 2, "--image-size", 64, "--grid-size", 16, "--views", 1, "--batch-size", 4, "--device", "cpu"]
    small += ["--method", "segmenter", "--classes", tmp_path / "classes.json", "--out", tmp_path / "model"]
    trained = segqc("train", "--images", root / "imagesTr", "--masks", root / "labelsTr", *small)
    assert trained.returncode == 0, trained.stderr
    done = segqc(
        "audit", "--model", tmp_path / "model", *folders_of(root), "--out", tmp_path / "audit", "--device", "cpu"
    )
    assert done.returncode == 0, done.stderr
    low, high = read_json(tmp_path / "model" / "config.json")["pictures"]["volume_intensity"]
    assert low < -500 < 0 < high
    rows = table(tmp_path / "audit" / "scores.csv")
    assert sorted(row["id"] for row in rows) == [f"ct/{place:03d}" for place in range(30)]
    (volume,) = table(tmp_path / "audit" / "volumes.csv")
    assert (volume["id"], volume["spacing"], volume["missed"], volume["spurious"]) == ("ct", "3;3;3", "1", "0")
    prediction, truth = (
        np.asarray(nibabel.load(root / part / "ct.nii.gz").dataobj) for part in ("predictions", "labelsTr")
    )
    classes = {int(row["label"]): row for row in table(tmp_path / "audit" / "volume_classes.csv")}
    assert set(classes) == (set(np.unique(prediction)) | set(np.unique(truth))) - {0}
    for label, row in classes.items():
        assert float(row["dice"]) == pytest.approx(binary.dc(prediction == label, truth == label), abs=1e-9)
    assert float(volume["dice"]) == pytest.approx(np.mean([float(row["dice"]) for row in classes.values()]))
    for label in (1, 5, 20, 52):
        masks = prediction == label, truth == label
        assert float(classes[label]["msd"]) == pytest.approx(binary.assd(*masks, voxelspacing=(3, 3, 3)), abs=1e-9)
        assert float(classes[label]["hd95"]) == pytest.approx(binary.hd95(*masks, voxelspacing=(3, 3, 3)), abs=1e-9)
