"""Audits of annotation files, tables and data sets by the command line: the same scores as of the mask files."""

import json
from pathlib import Path

import pytest
from command_line import segqc

from segqc.auditing.prediction_job import read_truths
from segqc.data.labels import VOC_LABELS, LabelSpace
from segqc.data.masks import read_mask
from segqc.demo.scenes import DEMO_LABELS
from segqc.export.shapes import class_masks, coco_rle
from segqc.results.table import read_audit_table


@pytest.fixture(scope="module")
def scored(tiny_voc, tiny_predictions, tiny_model, tmp_path_factory) -> dict[str, tuple[float, float | None]]:
    """Score and Dice of each prediction, audited as mask files."""
    return audited(
        tmp_path_factory.mktemp("files") / "audit", tiny_model, tiny_predictions,
        "--images", tiny_voc / "JPEGImages", "--ground-truth", tiny_voc / "SegmentationClass",
    )  # fmt: skip


def audited(out: Path, model: Path, predictions: Path, *options: object) -> dict[str, tuple[float, float | None]]:
    done = segqc(
        "audit", "--model", model, "--predictions", predictions, *options, "--device", "cpu", "--no-heatmaps",
        "--out", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = done.stdout[done.stdout.index("Wrote ") :].splitlines()[0].partition(f"{out}: ")[2]
    names = said.removesuffix(" (tables as .parquet, too)").split(", ")
    assert {"scores.csv", "objects.csv", "gallery.html"} < {*names}
    assert {*names} <= {path.name for path in out.iterdir()}, "no heat maps, among others"
    return {row["id"]: (row["score"], row["dice"]) for row in read_audit_table(out).rows if row["status"] == "ok"}


def coco_of(masks: Path, names: list[str]) -> dict:
    """A COCO data set of the masks, one annotation for each class of each."""
    images, annotations = [], []
    for number, name in enumerate(names):
        mask = read_mask(masks / f"{name}.png", DEMO_LABELS)
        images.append({"id": number, "file_name": f"{name}.jpg", "width": mask.shape[1], "height": mask.shape[0]})
        for index, region in class_masks(mask, DEMO_LABELS):
            annotations.append(
                {"id": len(annotations), "image_id": number, "category_id": index, "segmentation": coco_rle(region)}
            )
    categories = [{"id": index, "name": DEMO_LABELS.names[index]} for index in DEMO_LABELS.foreground]
    return {"images": images, "annotations": annotations, "categories": categories}


def test_coco_results_are_audited_evaluated_and_resumed(tiny_voc, tiny_predictions, tiny_model, scored, tmp_path):
    pytest.importorskip("pycocotools")
    names = (tiny_voc / "ImageSets" / "Segmentation" / "val.txt").read_text().split()
    truth = tmp_path / "instances_val.json"
    truth.write_text(json.dumps(coco_of(tiny_voc / "SegmentationClass", names)))
    results = [
        {"image_id": found["image_id"], "category_id": found["category_id"], "segmentation": found["segmentation"]}
        | {"score": 0.9}
        for found in coco_of(tiny_predictions, names)["annotations"]
    ]
    low = results[0] | {"score": 0.1}
    (tmp_path / "results.json").write_text(json.dumps([low, *results]))
    options = ["--images", tiny_voc / "JPEGImages", "--ground-truth", truth]
    out = tmp_path / "audit"
    rows = audited(out, tiny_model, tmp_path / "results.json", *options)
    assert {id_: score for id_, (score, _) in rows.items()} == {id_: score for id_, (score, _) in scored.items()}
    again = segqc(
        "audit", "--model", tiny_model, "--predictions", tmp_path / "results.json", *options, "--device", "cpu",
        "--no-heatmaps", "--out", out,
    )  # fmt: skip
    assert f"{len(names)} of {len(names)} pairs were scored before" in again.stdout
    assert "annotations passed over: 1 with a score below 0.5 (--min-score)" in again.stdout
    done = segqc("evaluate", "--audit", out, "--out", tmp_path / "evaluation", "--deep-svdd", "none", "--resamples", 20)
    assert done.returncode == 0, done.stderr
    assert f"{len(names)} images" in done.stdout


def test_a_data_set_and_a_table_bring_pictures_and_true_masks(tiny_voc, tiny_predictions, tiny_model, scored, tmp_path):
    of_data = audited(tmp_path / "data", tiny_model, tiny_predictions, "--data", tiny_voc, "--split", "val")
    lines = ["image,mask,prediction"]
    for path in sorted(tiny_predictions.glob("*.png")):
        files = tiny_voc / "JPEGImages" / f"{path.stem}.jpg", tiny_voc / "SegmentationClass" / path.name, path
        lines.append(",".join(map(str, files)))
    (tmp_path / "list.csv").write_text("\n".join(lines))
    of_table = audited(tmp_path / "table", tiny_model, tmp_path / "list.csv")
    assert of_data == of_table == scored


def test_true_masks_are_read_by_the_names_that_their_data_set_gives():
    """Names of a data set count where they are the model's; a folder in VOC's layout may hold any classes."""
    model = LabelSpace(("background", "cat", "dog"))
    assert read_truths(model, LabelSpace(("background", "dog", "cat")))[0].value_classes == {
        0: 0,
        1: 2,
        2: 1,
        255: 255,
    }
    by_number, said = read_truths(model, LabelSpace(("background", "pit", "bar")))
    assert by_number is None
    assert "by the model's numbers" in said[0]
    assert read_truths(model, VOC_LABELS)[0] is None
    assert read_truths(VOC_LABELS, VOC_LABELS) == (None, ())
    subset, said = read_truths(model, LabelSpace(("background", "cow", "cat")))
    assert (subset.value_classes, said[0][-3:]) == ({0: 0, 1: 0, 2: 1, 255: 255}, "cow")
