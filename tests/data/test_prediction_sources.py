"""Predictions that are no mask files: annotations, tables of paths, a data set with its own true masks."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import LABELS, blobs

from segqc.base.errors import BadInput
from segqc.data.labels import LabelSpace
from segqc.data.mask_sources import annotated_pairs
from segqc.data.masks import read_mask, write_mask
from segqc.data.prediction_sources import FoundPredictions, PredictionSources, find_predictions

WIDTH, HEIGHT = 40, 30
NAMES = ("a", "deep/b", "deep/c")


@pytest.fixture
def images(tmp_path) -> Path:
    """Three pictures, two of them in a folder of their own."""
    for name in NAMES:
        path = tmp_path / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 30)).save(path)
    return tmp_path / "images"


@pytest.fixture
def coco_file(tmp_path) -> Path:
    """The data set's own COCO file: pictures under another folder's name, and categories."""
    content = {
        "images": [
            {"id": number, "file_name": f"val/{name}.jpg", "width": WIDTH, "height": HEIGHT}
            for number, name in enumerate(NAMES)
        ],
        "annotations": [],
        "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "Dog"}, {"id": 30, "name": "zebra"}],
    }
    return write(tmp_path / "instances_val.json", content)


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def runs(left: int, right: int) -> dict:
    """COCO's plain runs of the columns from `left` to `right`."""
    counts = [left * HEIGHT, (right - left) * HEIGHT, (WIDTH - right) * HEIGHT]
    return {"size": [HEIGHT, WIDTH], "counts": counts}


def result(image: object, category: int, left: int, right: int, score: float | None = None) -> dict:
    found = {"image_id": image, "category_id": category, "segmentation": runs(left, right)}
    return found if score is None else found | {"score": score}


def found_of(predictions: Path, images: Path | None, work: Path, labels: LabelSpace | None = LABELS, **more):
    return find_predictions(PredictionSources(predictions, images, **more), labels, work)


def masks(found: FoundPredictions, labels: LabelSpace = LABELS) -> dict[str, np.ndarray]:
    return {pair.id: read_mask(pair.mask, labels) for pair in found.pairs.pairs}


def said(found: FoundPredictions) -> str:
    return "; ".join(found.said)


def test_coco_results(images, coco_file, tmp_path):
    content = [
        result(0, 7, 0, 10, 0.9),
        result("0", 9, 5, 20, 0.6),  # the lower score lies below, whatever the order
        result(0, 9, 20, 30, 0.4),
        result(1, 30, 0, 10, 0.9),
        result(1, 9, 0, 10, 0.9),
        result(1, 99, 0, 10, 0.9),
        result(77, 7, 0, 10, 0.9),
    ]
    results = write(tmp_path / "results.json", content)
    with pytest.raises(BadInput, match="--results-of"):
        found_of(results, images, tmp_path / "w")
    found = found_of(results, images, tmp_path / "w", results_of=coco_file, min_score=0.5)
    read = masks(found)
    assert sorted(read) == ["a", "deep/b", "deep/c"]
    assert found.pairs.problems == []
    assert (read["a"][0, [0, 9, 10, 19, 20]] == [1, 1, 2, 2, 0]).all()
    assert (read["deep/b"][:, :10] == 2).all()
    assert not read["deep/c"].any()
    for line in (
        "empty, without an annotation: 1",
        "150 pixels lie under a later annotation",
        "annotations of no known class, left out: 1 (1 'zebra')",
        "annotations passed over: 1 with a score below 0.5",
        "of category 99, which the COCO file does not list",
        "of pictures that the COCO file does not list",
        "annotations with a score: 4; where they overlap, the highest wins",
    ):
        assert line in said(found), line


def test_the_ground_truth_names_pictures_and_categories_of_results(images, coco_file, tmp_path):
    truth = json.loads(coco_file.read_text())
    truth["annotations"] = [result(number, 7, 0, 10) | {"id": number, "iscrowd": 0} for number in range(2)]
    write(coco_file, truth)
    results = write(tmp_path / "results.json", [result(0, 7, 0, 10)])
    found = found_of(results, images, tmp_path / "w", ground_truth=coco_file)
    truths = {pair.id: read_mask(pair.ground_truth, LABELS) for pair in found.pairs.pairs if pair.ground_truth}
    assert sorted(truths) == list(NAMES)
    assert (truths["a"] == masks(found)["a"]).all()
    assert "ground truth of" in said(found)
    assert found.ground_truth == tmp_path / "w" / "drawn_masks" / "ground_truth"


def test_a_second_run_leaves_drawn_masks_as_they_are(images, coco_file, tmp_path):
    results = write(tmp_path / "results.json", [result(0, 7, 0, 10)])
    first = found_of(results, images, tmp_path / "w", results_of=coco_file)
    stamps = [pair.mask.stat().st_mtime_ns for pair in first.pairs.pairs]
    again = found_of(results, images, tmp_path / "w", results_of=coco_file)
    assert [pair.mask.stat().st_mtime_ns for pair in again.pairs.pairs] == stamps
    write(results, [result(0, 7, 0, 11)])
    changed = found_of(results, images, tmp_path / "w", results_of=coco_file)
    assert masks(changed)["a"][0, 10] == 1


def test_names_from_an_annotation_file_never_become_paths(images, coco_file, tmp_path):
    """An absolute name finds its picture, whose file is not touched; one that leads elsewhere writes nothing."""
    content = json.loads(coco_file.read_text())
    content["images"][0]["file_name"] = str(images / "a.png")
    content["images"][1]["file_name"] = "../../outside.png"
    content["annotations"] = [result(0, 7, 0, 10), result(1, 7, 0, 10)]
    before = (images / "a.png").read_bytes()
    found = found_of(write(tmp_path / "all.json", content), images, tmp_path / "deep" / "w")
    assert sorted(masks(found)) == ["a", "deep/c"]
    assert [(problem.id, problem.reason) for problem in found.pairs.problems] == [
        ("../../outside", "has no picture, or several files of its name")
    ]
    assert (images / "a.png").read_bytes() == before
    assert not list(tmp_path.rglob("outside*"))


def test_wrong_results_are_refused_or_rows(images, coco_file, tmp_path):
    wrong_size = result(0, 7, 0, 10) | {"segmentation": {"size": [9, 9], "counts": [0, 81]}}
    results = write(tmp_path / "results.json", [wrong_size, result(1, 7, 0, 10)])
    found = found_of(results, images, tmp_path / "w", results_of=coco_file)
    assert sorted(masks(found)) == ["deep/b", "deep/c"]
    assert "Expected runs of size [30, 40], but got [9, 9]" in found.pairs.problems[0].reason
    boxes = write(tmp_path / "boxes.json", [{"image_id": 0, "category_id": 7, "bbox": [0, 0, 9, 9], "score": 0.9}])
    with pytest.raises(BadInput, match="boxes alone"):
        found_of(boxes, images, tmp_path / "w", results_of=coco_file)
    strangers = write(tmp_path / "strangers.json", [result(0, 30, 0, 10)])
    with pytest.raises(BadInput, match="no annotation of a known class: it has zebra"):
        found_of(strangers, images, tmp_path / "w", results_of=coco_file)
    with pytest.raises(BadInput, match="neither a folder nor a file of annotations"):
        found_of(write(tmp_path / "notes.json", {"a": 1}), images, tmp_path / "w")
    with pytest.raises(BadInput, match="not valid JSON"):
        found_of(write(tmp_path / "broken.json", "{"), images, tmp_path / "w")


def test_two_pictures_of_one_name_are_not_chosen_between(images, coco_file, tmp_path):
    content = json.loads(coco_file.read_text())
    content["annotations"] = [result(0, 7, 0, 10), result(1, 7, 0, 10)]
    write(coco_file, content)
    Image.new("RGB", (WIDTH, HEIGHT)).save(images / "a.jpg")
    drawn = annotated_pairs(images, coco_file, tmp_path / "w", LABELS)
    assert [pair.id for pair in drawn.pairs] == ["deep/b", "deep/c"]
    assert [(problem.id, problem.reason) for problem in drawn.problems] == [
        ("val/a", "has no picture, or several files of its name")
    ]


def test_panoptic_predictions(images, coco_file, tmp_path):
    """A prediction's file has no images, and its segments lie in a folder of any name."""
    segments = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    segments[:, :10], segments[:, 10:20] = (5, 1, 0), (6, 0, 0)
    (tmp_path / "pred").mkdir()
    Image.fromarray(segments).save(tmp_path / "pred" / "a.png")
    info = [{"id": 261, "category_id": 7}, {"id": 6, "category_id": 9}]
    content = {"annotations": [{"image_id": 0, "file_name": "a.png", "segments_info": info}]}
    found = found_of(write(tmp_path / "pred.json", content), images, tmp_path / "w", results_of=coco_file)
    assert (masks(found)["a"][0, [0, 10, 20]] == [1, 2, 0]).all()


def test_labelme_yolo_and_brush_folders(images, tmp_path):
    square = [[2, 2], [9, 2], [9, 8], [2, 8]]
    shape = {"label": "cat", "points": square, "shape_type": "polygon"}
    size = {"imageWidth": WIDTH, "imageHeight": HEIGHT}
    write(tmp_path / "labelme/a.json", {"shapes": [shape], "imagePath": "a.png"} | size)
    write(tmp_path / "labelme/deep/b.json", {"shapes": [{"label": "cat"}], "imagePath": "b.png"} | size)
    points = " ".join(f"{x / WIDTH} {y / HEIGHT}" for x, y in square)
    lines = [f"0 {points} 0.9", f"1 {points} 0.3", "0 0.5 0.5 0.1 0.1"]
    write(tmp_path / "yolo/labels/a.txt", "\n".join(lines))
    write(tmp_path / "yolo/labels/deep/b.txt", "5 nonsense of a line that is long enough")
    Image.fromarray(blobs(0, HEIGHT, WIDTH)).save(tmp_path / "x.png")
    with pytest.raises(BadInput, match=r"data\.yaml"):
        found_of(tmp_path / "yolo", images, tmp_path / "w")
    names = write(tmp_path / "data.yaml", "names: [cat, dog]")
    for folder in ("labelme", "yolo"):
        found = found_of(tmp_path / folder, images, tmp_path / "w" / folder, results_of=names, min_score=0.5)
        assert masks(found)["a"][5, 5] == 1, folder
        assert [problem.id for problem in found.pairs.problems] == ["deep/b"], folder
    assert "annotations passed over: 1 box" in said(found)
    brush = tmp_path / "brush"
    brush.mkdir()
    Image.fromarray(255 * (blobs(1, HEIGHT, WIDTH) == 1).astype(np.uint8)).save(
        brush / "task-3-annotation-1-by-1-tag-cat-0.png"
    )
    write(brush / "project.json", [{"id": 3, "data": {"image": "/data/upload/1/0a1b2c3d-c.png"}}])
    found = found_of(brush, images, tmp_path / "w" / "brush")
    assert (masks(found)["deep/c"] == (blobs(1, HEIGHT, WIDTH) == 1)).all()


def test_a_table_of_paths_names_pictures_predictions_and_truths(images, tmp_path):
    for name in ("a", "deep/b"):
        write_mask(tmp_path / "out" / f"{name}.png", blobs(1, HEIGHT, WIDTH, void=False), LABELS)
    rows = [
        "Image Path;prediction;mask;split",
        "images/a.png;out/a.png;out/a.png;val",
        f"{images}/deep/b.png;out/deep/b.png;;train",
        "images/deep/c.png;out/absent.png;;val",
        ";out/a.png;;val",
    ]
    table = write(tmp_path / "list.csv", "\ufeff" + "\n".join(rows) + "\n\n")
    found = found_of(table, None, tmp_path / "w")
    assert [(pair.id, pair.ground_truth is not None) for pair in found.pairs.pairs] == [("a", True), ("deep/b", False)]
    reasons = [problem.reason for problem in found.pairs.problems]
    assert reasons == ["does not exist, but is named in row 4 of list.csv", "names no picture, in row 5"]
    assert "image from 'Image Path'" in said(found)
    part = found_of(table, None, tmp_path / "w", split="val")
    assert [pair.id for pair in part.pairs.pairs] == ["a"]
    with pytest.raises(BadInput, match="choose --split from val, train"):
        found_of(table, None, tmp_path / "w", split="test")
    with pytest.raises(BadInput, match="are named twice"):
        found_of(table, images, tmp_path / "w")
    with pytest.raises(BadInput, match="has no column of predictions"):
        found_of(write(tmp_path / "bare.csv", "image\nimages/a.png\n"), None, tmp_path / "w")


def test_a_data_set_brings_pictures_and_true_masks_in_its_own_numbers(tmp_path):
    """Predictions in one flat folder, true masks with ids of their own and with the classes in another order."""
    for number, city in enumerate(("aa", "bb")):
        stem = f"{city}/{city}_01"
        picture = tmp_path / f"set/images/{stem}.jpg"
        picture.parent.mkdir(parents=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(picture)
        mask = blobs(number, HEIGHT, WIDTH, void=False)
        write_mask(tmp_path / f"pred/{city}_01.png", mask, LABELS)
        other = np.array([0, 9, 7, 8], np.uint8)[mask]
        path = tmp_path / f"set/masks/{stem}.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(other).save(path)
    write(tmp_path / "set/classes.json", {"0": "background", "7": "dog", "8": "cow", "9": "cat"})
    found = found_of(tmp_path / "pred", None, tmp_path / "w", data=tmp_path / "set")
    assert [pair.id for pair in found.pairs.pairs] == ["aa/aa_01", "bb/bb_01"]
    from segqc.data.label_names import in_files_of

    truths = in_files_of(LABELS, found.truth_labels)
    for pair in found.pairs.pairs:
        assert (read_mask(pair.ground_truth, truths) == read_mask(pair.mask, LABELS)).all()


def test_classes_of_another_label_space_by_name():
    from segqc.data.label_names import in_files_of

    files = LabelSpace(("sky", "CAT", "_dog "), void=11, background=None)
    read = in_files_of(LABELS, files)
    assert (read.names, read.background, read.void) == (LABELS.names, 0, 11)
    assert read.value_classes == {0: 0, 1: 1, 2: 2, 11: 255}
    assert in_files_of(replace(LABELS, background=None), files).value_classes == {0: 255, 1: 1, 2: 2, 11: 255}
    assert in_files_of(LABELS, replace(LABELS, void=77)).void == 77
