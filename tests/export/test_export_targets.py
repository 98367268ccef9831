"""Each target's files, read back by plain parsers here and by the real consumer where it is installed."""

import csv
import json
import os
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from export_audit import CLASSES, NAMES, SIZE, mask_of, write_audit
from PIL import Image
from tiny import LABELS

from segqc.data.labels import LabelSpace
from segqc.export.config import ExportConfig
from segqc.export.run import export

# what masks of classes can say: void is none
PREDICTED = [np.where(mask_of(index) == 255, 0, mask_of(index)) for index in range(len(NAMES))]


@pytest.fixture(scope="module")
def audit(tmp_path_factory) -> Path:
    return write_audit(tmp_path_factory.mktemp("audit"))


@pytest.fixture(params=["rle", "polygon"])
def shapes(request) -> str:
    return request.param


@pytest.fixture
def exported(audit, tmp_path, shapes):
    """Function that exports to a target and returns the folder."""

    def run(to: str, **changes: object) -> Path:
        export(
            ExportConfig(
                **(
                    {
                        "audit": audit,
                        "to": to,
                        "out": tmp_path / to,
                        "classes": CLASSES,
                        "shapes": shapes,
                        "tolerance": 0.0,
                    }
                    | changes
                )
            )
        )
        return tmp_path / to

    return run


# Label Studio
# ---------------------------------------------------------------------------------------------------------------------


def test_label_studio_tasks(exported, shapes):
    tasks = json.loads((exported("labelstudio") / "tasks.json").read_text("utf-8"))
    assert [task["data"]["id"] for task in tasks] == NAMES
    assert tasks[1]["data"]["image"] == "/data/local-files/?d=sub/with%20space.png"
    assert tasks[1]["data"][
        "reason"
    ] == "cat where dog was expected between (4, 5) and (24, 20); score 0.8, rank 2; p-value 0.02; " + (
        "expected Dice 0.20 (0.00 to 1.00); decision fail"
    )
    first = tasks[0]["predictions"][0]
    assert first["score"] == pytest.approx(0.1)  # a confidence: the lowest is shown first
    assert sorted(tasks, key=lambda task: task["predictions"][0]["score"]) == tasks
    box = next(result for result in first["result"] if result["type"] == "rectanglelabels")
    assert {name: box["value"][name] for name in ("x", "y", "width", "height")} == {
        "x": 10,
        "y": pytest.approx(16.6667),
        "width": 50,
        "height": 50,
    }
    assert box["meta"]["text"] == [tasks[0]["data"]["reason"]]
    kinds = {result["type"] for result in first["result"]} - {"rectanglelabels"}
    assert kinds == {"polygonlabels" if shapes == "polygon" else "brushlabels"}
    # it has no box
    assert not [result for result in tasks[4]["predictions"][0]["result"] if result["type"] == "rectanglelabels"]
    ids = [result["id"] for task in tasks for result in task["predictions"][0]["result"]]
    assert len(ids) == len(set(ids))


def test_label_studio_validates_its_tasks_and_decodes_its_masks(exported, shapes):
    interface = pytest.importorskip("label_studio_sdk.label_interface", reason="label-studio-sdk is not installed")
    from label_studio_sdk.converter.brush import decode_rle

    folder = exported("labelstudio")
    project = interface.LabelInterface((folder / "label_config.xml").read_text("utf-8"))
    project.validate()
    for index, task in enumerate(json.loads((folder / "tasks.json").read_text("utf-8"))):
        project.validate_task({"data": task["data"]})
        assert project.validate_prediction(task["predictions"][0], return_errors=True) == []
        if shapes == "rle":
            seen = np.zeros_like(PREDICTED[index])
            for result in task["predictions"][0]["result"]:
                if result["type"] == "brushlabels":
                    mask = (
                        decode_rle(result["value"]["rle"]).reshape(
                            result["original_height"], result["original_width"], 4
                        )[..., 3]
                        > 0
                    )
                    seen[mask] = LABELS.names.index(result["value"]["brushlabels"][0])
            assert (seen == PREDICTED[index]).all()


def test_label_studio_can_be_told_to_show_the_lowest_prediction_score_first():
    types = pytest.importorskip("label_studio_sdk.types", reason="label-studio-sdk is not installed")
    assert "Uncertainty sampling" in str(types.ProjectSamplingEnum)


# CVAT
# ----------------------------------------------------------------------------------------------------------------------


def test_cvat_annotations(exported, shapes):
    folder = exported("cvat")
    root = ElementTree.parse(folder / "annotations.xml").getroot()
    images = root.findall("image")
    assert [image.get("name") for image in images] == [f"{name}.png" for name in NAMES]
    assert (folder / "images.txt").read_text("utf-8").splitlines() == [f"{name}.png" for name in NAMES]
    labels = json.loads((folder / "labels.json").read_text("utf-8"))
    declared = {label["name"]: {attribute["name"] for attribute in label["attributes"]} for label in labels}
    assert list(declared) == ["cat", "dog", "cow", "suspect"]
    assert [label.findtext("name") for label in root.iter("label")] == list(declared)
    for index, image in enumerate(images):
        seen = np.zeros_like(PREDICTED[index])
        for shape in image:
            assert {attribute.get("name") for attribute in shape} <= declared[shape.get("label")]
            if shape.tag == "mask":
                left, top, width, height = (int(shape.get(name)) for name in ("left", "top", "width", "height"))
                lengths = [int(length) for length in shape.get("rle").split(",")]
                mask = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(height, width)
                seen[top : top + height, left : left + width][mask] = LABELS.names.index(shape.get("label"))
        assert shapes == "polygon" or (seen == PREDICTED[index]).all()
        assert image.find("tag/attribute[@name='reason']").text.startswith("cat where dog" if index else "unlikely cat")
        assert (image.find("box") is None) == (index == 4)
        assert bool(image.findall("polygon")) == (shapes == "polygon")


def test_cvat_texts_that_xml_cannot_hold_and_labels_that_are_taken(tmp_path, audit):
    classes = tmp_path / "classes.json"
    classes.write_text(json.dumps(["background", "suspect", "a<b>&\u0001", "suspect region"]))
    export(ExportConfig(audit=audit, to="cvat", out=tmp_path / "cvat", classes=str(classes)))
    root = ElementTree.parse(tmp_path / "cvat" / "annotations.xml").getroot()
    assert [label.findtext("name") for label in root.iter("label")] == [
        "suspect",
        "a<b>&\ufffd",
        "suspect region",
        "suspect region region",
    ]
    assert [label["name"] for label in json.loads((tmp_path / "cvat" / "labels.json").read_text())] == [
        label.findtext("name") for label in root.iter("label")
    ]


def test_cvat_sdk_takes_labels_and_shapes(exported):
    models = pytest.importorskip("cvat_sdk.models", reason="cvat-sdk is not installed")
    folder = exported("cvat")
    labels = json.loads((folder / "labels.json").read_text("utf-8"))
    models.TaskWriteRequest(name="queue", labels=[models.PatchedLabelRequest(**label) for label in labels])
    for image in ElementTree.parse(folder / "annotations.xml").getroot().findall("image"):
        for polygon in image.findall("polygon"):
            points = [float(value) for corner in polygon.get("points").split(";") for value in corner.split(",")]
            models.LabeledShapeRequest(type=models.ShapeType("polygon"), frame=0, label_id=1, points=points)


def test_cvat_sdk_uploads_in_the_order_of_the_queue(exported, audit, monkeypatch):
    """With "predefined" its client names the order of the files to the server, whatever the order of their names."""
    uploading = pytest.importorskip("cvat_sdk.core.uploading", reason="cvat-sdk is not installed")
    names = (exported("cvat") / "images.txt").read_text("utf-8").splitlines()
    sent: list[dict[str, object]] = []
    uploader = uploading.DataUploader(client=None)
    monkeypatch.setattr(uploader, "_tus_start_upload", lambda url, **_: None)
    monkeypatch.setattr(uploader, "_split_files_by_requests", lambda resources: ([], [], 0))
    monkeypatch.setattr(uploader, "_tus_finish_upload", lambda url, fields, **_: sent.append(fields))
    files = [audit.parent / "pictures" / name for name in names]
    uploader.upload_files("http://localhost", files, sorting_method="predefined")
    assert sent[0]["upload_file_order"] == [Path(name).name for name in names]
    assert names != sorted(names)  # by which CVAT sorts if it is not told


def test_datumaro_reads_the_cvat_file(exported, audit, shapes):
    datumaro = pytest.importorskip("datumaro", reason="datumaro is not installed")
    folder = exported("cvat", images_root=audit.parent / "pictures")
    os.symlink(audit.parent / "pictures", folder / "images")
    for item in datumaro.Dataset.import_from(str(folder), "cvat"):
        expected = PREDICTED[NAMES.index(item.id)]
        masks = [annotation for annotation in item.annotations if annotation.type.name == "mask"]
        assert bool(masks) == (shapes == "rle")
        assert all((mask.image.astype(bool) == (expected == mask.label + 1)).all() for mask in masks)


# COCO
# ----------------------------------------------------------------------------------------------------------------------


def test_coco_file(exported, shapes):
    content = json.loads((exported("coco") / "annotations.json").read_text("utf-8"))
    assert [image["file_name"] for image in content["images"]] == [f"{name}.png" for name in NAMES]
    assert [image["segqc"]["score"] for image in content["images"]] == [pytest.approx(0.9 - 0.1 * i) for i in range(5)]
    assert {category["id"]: category["name"] for category in content["categories"]} == {1: "cat", 2: "dog", 3: "cow"}
    for annotation in content["annotations"]:
        mask = PREDICTED[annotation["image_id"] - 1] == annotation["category_id"]
        x, y, width, height = annotation["bbox"]
        assert mask[y : y + height, x : x + width].sum() == mask.sum() == annotation["area"]
        assert isinstance(annotation["segmentation"], list) == (shapes == "polygon")
    assert len(content["annotations"]) == sum(len(np.unique(mask[mask > 0])) for mask in PREDICTED)


def test_pycocotools_reads_the_coco_file(exported, capsys):
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    index = coco.COCO(str(exported("coco") / "annotations.json"))
    capsys.readouterr()
    for annotation in index.loadAnns(index.getAnnIds()):
        expected = PREDICTED[annotation["image_id"] - 1] == annotation["category_id"]
        assert (index.annToMask(annotation).astype(bool) == expected).all()


def test_readers_of_coco_keep_the_order_of_the_queue(exported, audit, capsys):
    """pycocotools lists pictures as the file does; torchvision sorts their ids, which therefore count the queue."""
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    from torchvision.datasets import CocoDetection

    folder = exported("coco", images_root=audit.parent / "pictures")
    index = coco.COCO(str(folder / "annotations.json"))
    pictures = CocoDetection(str(audit.parent / "pictures"), str(folder / "annotations.json"))
    capsys.readouterr()
    for ids in (index.getImgIds(), pictures.ids):
        assert [image["segqc"]["id"] for image in index.loadImgs(ids)] == NAMES
    assert [picture.size for picture, _ in pictures] == [SIZE] * len(NAMES)


def test_datumaro_reads_the_coco_file(exported, audit, tmp_path):
    datumaro = pytest.importorskip("datumaro", reason="datumaro is not installed")
    folder = exported("coco", images_root=audit.parent / "pictures")
    (tmp_path / "data" / "annotations").mkdir(parents=True)
    os.symlink(audit.parent / "pictures", tmp_path / "data" / "images")
    os.symlink(folder / "annotations.json", tmp_path / "data" / "annotations" / "instances_default.json")
    items = list(datumaro.Dataset.import_from(str(tmp_path / "data"), "coco_instances"))
    items.sort(key=lambda item: item.attributes["id"])  # it has an order of its own; the ids count the queue
    assert [item.id for item in items] == NAMES
    for item in items:
        expected = PREDICTED[NAMES.index(item.id)]
        for mask in (annotation for annotation in item.annotations if annotation.type.name == "mask"):
            assert (mask.image.astype(bool) == (expected == mask.label + 1)).all()


def test_categories_without_background_begin_at_one(tmp_path, audit):
    classes = tmp_path / "classes.json"
    classes.write_text(json.dumps({"names": list(LABELS.names), "background": None}))
    export(ExportConfig(audit=audit, to="coco", out=tmp_path, classes=str(classes)))
    assert [category["id"] for category in json.loads((tmp_path / "annotations.json").read_text())["categories"]] == [
        1,
        2,
        3,
        4,
    ]
    assert LabelSpace(LABELS.names, background=None).foreground == (0, 1, 2, 3)


# FiftyOne
# ----------------------------------------------------------------------------------------------------------------------


def test_fiftyone_dataset_on_disk(exported, shapes):
    folder = exported("fiftyone")
    samples = json.loads((folder / "samples.json").read_text("utf-8"))["samples"]
    info = json.loads((folder / "metadata.json").read_text("utf-8"))["info"]
    assert info["default_mask_targets"] == {"1": "cat", "2": "dog", "3": "cow", "255": "void"}
    for index, sample in enumerate(samples):
        assert Path(os.path.normpath(folder / sample["filepath"])).is_file()
        assert (sample["qc_id"], sample["qc_rank"], sample["tags"]) == (
            NAMES[index],
            index + 1,
            [sample["qc_decision"]],
        )
        assert (np.asarray(Image.open(folder / sample["heatmap"]["map_path"])) == 40 * index).all()
        if shapes == "rle":
            mask = Image.open(folder / sample["prediction"]["mask_path"])
            assert (mask.mode, mask.size) == ("L", SIZE)
            assert (np.asarray(mask) == mask_of(index)).all()
        else:
            assert {line["label"] for line in sample["prediction"]["polylines"]} == {
                LABELS.names[c] for c in np.unique(PREDICTED[index]) if c
            }
    assert samples[1]["suspect"]["detections"][0] | {"reason": ""} == {
        "_cls": "Detection", "label": "cat", "bounding_box": [0.1, pytest.approx(1 / 6), 0.5, 0.5], "expected": "dog",
        "reason": "",
    }  # fmt: skip
    assert "suspect" not in samples[4]


def test_fiftyone_survives_a_broken_heat_map(tmp_path):
    audit = write_audit(tmp_path)
    (audit / "heatmaps" / "plain.png").write_bytes(b"broken")
    export(ExportConfig(audit=audit, to="fiftyone", out=tmp_path / "out", classes=CLASSES))
    first = json.loads((tmp_path / "out" / "samples.json").read_text("utf-8"))["samples"][0]
    assert "heatmap" not in first
    assert "plain.png" in first["qc_problem"]


def test_fiftyone_imports_its_dataset(exported, shapes):
    pytest.importorskip("fiftyone", reason="fiftyone is not installed")
    from fiftyone.utils.data.importers import LegacyFiftyOneDatasetImporter

    # The importer alone: what puts its samples into a dataset needs a running MongoDB.
    importer = LegacyFiftyOneDatasetImporter(str(exported("fiftyone")))
    with importer:
        samples = list(importer)
    assert [sample.qc_id for sample in samples] == NAMES
    for index, sample in enumerate(samples):
        assert Path(sample.filepath).is_file()
        assert sample.heatmap.get_map().shape == (SIZE[1], SIZE[0])
        if shapes == "rle":
            assert (sample.prediction.get_mask() == mask_of(index)).all()
        else:
            assert all(line.closed and line.filled for line in sample.prediction.polylines)


# CSV
# ----------------------------------------------------------------------------------------------------------------------


def test_csv_table(exported, shapes):
    with (exported("csv", url_prefix="https://host/") / "queue.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [*NAMES[:4], "'=formula"]  # a spreadsheet must not run it
    assert rows[2]["image"] == "https://host/quote%22%26%3Camp%3E.png"
    for index, row in enumerate(rows):
        found = json.loads(row["shapes"])
        assert set(found) == {LABELS.names[c] for c in np.unique(PREDICTED[index]) if c}
        assert all(isinstance(shape, list) == (shapes == "polygon") for shape in found.values())


def test_datasets_reads_the_csv_table(exported, shapes, tmp_path):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    decode = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed").decode
    path = exported("csv") / "queue.csv"
    table = datasets.load_dataset("csv", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert table["id"] == [*NAMES[:4], "'=formula"]
    assert table["score"] == sorted(table["score"], reverse=True)
    for index, text in enumerate(table["shapes"]):
        for name, shape in json.loads(text).items() if shapes == "rle" else ():
            assert (decode(shape).astype(bool) == (PREDICTED[index] == LABELS.names.index(name))).all()
