"""An audit of instances: two that touch are two objects by their own ids, in every table and in the evaluation."""

import json

import numpy as np
import pyarrow.parquet
import pytest
from command_line import segqc
from PIL import Image

from evaluation.report.config import EvaluateConfig
from evaluation.report.objects import study_objects
from evaluation.report.study import make_study
from segqc.data.masks import read_mask, write_mask
from segqc.demo.scenes import DEMO_LABELS

IDS = (700, 41_000)


@pytest.fixture(scope="module")
def parted(tiny_voc, tiny_predictions, tmp_path_factory):
    """Folders of class masks and of 16-bit ids: the right half of each picture's largest class is another instance."""
    root = tmp_path_factory.mktemp("parted")
    (root / "ids").mkdir()
    for path in sorted(tiny_predictions.glob("*.png")):
        mask = read_mask(path, DEMO_LABELS)
        largest = 1 + int(np.bincount(mask.ravel(), minlength=8)[1:].argmax())
        ids = np.where(mask == largest, IDS[0], 0).astype(np.uint16)
        columns = np.flatnonzero((mask == largest).any(0))
        ids[:, columns[len(columns) // 2] :][ids[:, columns[len(columns) // 2] :] > 0] = IDS[1]
        write_mask(root / "masks" / path.name, mask, DEMO_LABELS)
        Image.fromarray(ids).save(root / "ids" / path.name)
    return root


def rows_of(out):
    return pyarrow.parquet.read_table(out / "objects.parquet").to_pylist()


def test_touching_instances_are_judged_one_by_one(parted, tiny_voc, tiny_model, tmp_path):
    common = ("--voc-root", tiny_voc, "--model", tiny_model, "--device", "cpu")
    given = ("--predictions", parted / "masks", "--instances", parted / "ids")
    made = segqc("audit", *given, *common, "--out", tmp_path / "out")
    assert made.returncode == 0, made.stderr
    rows = rows_of(tmp_path / "out")
    for path in sorted((parted / "ids").iterdir()):
        ids, mask = np.asarray(Image.open(path)), read_mask(parted / "masks" / path.name, DEMO_LABELS)
        own = {row["object"]: row for row in rows if row["id"] == path.stem}
        assert len(own) == sum(row["id"] == path.stem for row in rows)
        for number in IDS:
            ys, xs = np.nonzero(ids == number)
            box = tuple(own[number][side] for side in ("x0", "y0", "x1", "y1"))
            assert box == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
            assert own[number]["area"] == len(xs)
            assert own[number]["class"] == DEMO_LABELS.name(int(mask[ys[0], xs[0]]))
            assert own[number]["kind"] == "predicted"
        assert all(number > IDS[1] for number in own if number not in IDS)
    study = study_objects(make_study(EvaluateConfig(tmp_path / "out", deep_svdd=("none",))))
    listed = {(row["id"], row["object"]): row["iou"] for row in rows if row["iou"] is not None}
    judged = zip(study.ids, study.columns["object"].tolist(), study.columns["iou"].tolist(), strict=True)
    assert {(id_, number): iou for id_, number, iou in judged} == listed

    (tmp_path / "some").mkdir()
    for path in sorted((parted / "ids").iterdir())[1:]:
        (tmp_path / "some" / path.name).write_bytes(path.read_bytes())
    given = ("--predictions", parted / "masks", "--instances", tmp_path / "some")
    made = segqc("audit", *given, *common, "--out", tmp_path / "fewer")
    scores = pyarrow.parquet.read_table(tmp_path / "fewer" / "scores.parquet").to_pylist()
    assert ["has no instance mask in" in row["reason"] for row in scores if row["status"] == "error"] == [True]


def test_coco_results_are_objects_by_their_places(parted, tiny_voc, tiny_model, tmp_path):
    results, images = [], []
    for number, path in enumerate(sorted((parted / "ids").iterdir())):
        ids, mask = np.asarray(Image.open(path)), read_mask(parted / "masks" / path.name, DEMO_LABELS)
        images.append({"id": number, "file_name": f"{path.stem}.jpg", "width": ids.shape[1], "height": ids.shape[0]})
        for own in IDS:
            category = int(mask[ids == own][0])
            runs = np.diff(np.flatnonzero(np.diff((ids == own).ravel("F"), prepend=False, append=True)), prepend=0)
            segmentation = {"size": list(ids.shape), "counts": runs.tolist()}
            results.append({"image_id": number, "category_id": category, "segmentation": segmentation, "score": 0.9})
    categories = [{"id": place, "name": name} for place, name in enumerate(DEMO_LABELS.names) if place]
    (tmp_path / "of.json").write_text(json.dumps({"images": images, "categories": categories, "annotations": []}))
    (tmp_path / "results.json").write_text(json.dumps(results))
    common = ("--images", tiny_voc / "JPEGImages", "--model", tiny_model, "--device", "cpu", "--no-heatmaps")
    given = ("--predictions", tmp_path / "results.json", "--results-of", tmp_path / "of.json")
    made = segqc("audit", *given, *common, "--out", tmp_path / "out")
    assert made.returncode == 0, made.stderr
    assert "6 masks keep the ids of their objects" in " ".join(made.stdout.split())
    found = {row["object"]: row["id"] for row in rows_of(tmp_path / "out") if row["kind"] == "predicted"}
    assert found == {place: images[(place - 1) // 2]["file_name"][:-4] for place in range(1, 13)}
    refused = segqc("audit", *given, "--instances", parted / "ids", *common, "--out", tmp_path / "twice")
    assert refused.returncode == 2
    assert "annotations bring their own ids" in refused.stderr
