"""objects.csv: the objects of all masks in one ranking, the same numbers as from Python, and after a restart."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image
from scipy import ndimage
from tiny import LABELS, blobs

import segqc
from evaluation.ranking.comparison import DiceComparison
from segqc.auditing.config import AuditConfig
from segqc.auditing.objects import rank_objects
from segqc.auditing.run import audit
from segqc.base.lazy import Computed
from segqc.data.masks import read_mask, write_mask
from segqc.demo.scenes import DEMO_LABELS
from segqc.gallery.layers import GalleryEntry, Layers
from segqc.gallery.object_sheet import ObjectSheet, largest_suspects, surroundings
from segqc.results.schema import OBJECT_COLUMNS, names

WRITTEN = ("objects.csv", "objects.parquet", "objects.png")


def config(voc: Path, predictions: Path, model: Path, out: Path) -> AuditConfig:
    return AuditConfig(predictions=predictions, images=voc / "JPEGImages", model=model, out=out, device="cpu")


@pytest.fixture(scope="module")
def audited(tiny_voc, tiny_predictions, tiny_model, tmp_path_factory):
    return audit(config(tiny_voc, tiny_predictions, tiny_model, tmp_path_factory.mktemp("objects") / "out"))


def test_objects_are_one_ranking_with_the_numbers_that_python_gives(audited, tiny_model) -> None:
    with (audited.out / "objects.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == names(OBJECT_COLUMNS)
    assert [int(row["rank"]) for row in rows] == list(range(1, len(rows) + 1))
    assert [float(row["score"]) for row in rows] == sorted((row["score"] for row in audited.objects), reverse=True)
    qc = segqc.load(tiny_model, device="cpu")
    for picture in audited.rows:
        mask = read_mask(picture["prediction"], DEMO_LABELS)
        own = [row for row in audited.objects if row["id"] == picture["id"]]
        found = qc(Image.open(picture["image"]), mask).objects
        assert [(row["object"], row["kind"], row["class"], row["score"], row["x0"], row["y1"]) for row in own] == [
            (item.number, item.kind, item.name, item.score, item.box[0], item.box[3]) for item in found
        ]
        suspect = [item.kind for item in found if item.score > 0.5]
        assert picture["suspect_objects"] == suspect.count("predicted")
        assert picture["missed_objects"] == suspect.count("missed")
    predicted = [row for row in audited.objects if row["kind"] == "predicted"]
    assert predicted
    assert all(0 <= row["expected_iou"] <= 1 and row["area"] >= 10 for row in predicted)


def test_the_columns_are_those_of_a_reference(tiny_voc, tiny_model, tmp_path) -> None:
    """Ragged masks with void, against true masks with void: every object of at least 10 pixels and no other, counted by
    SciPy on whole masks and by sets of pixels.
    """
    names, rng = sorted(path.stem for path in (tiny_voc / "SegmentationClass").iterdir())[:2], np.random.default_rng(0)
    masks = {}
    for name in names:
        blocks = np.kron(rng.choice([0, 0, 0, 1, 2, 3, 255], (17, 22)), np.ones((4, 4), int))[:66, :88]
        masks[name] = np.where(rng.random((66, 88)) < 0.25, 0, blocks).astype(np.uint8)
        write_mask(tmp_path / "masks" / f"{name}.png", masks[name], DEMO_LABELS)
    given = config(tiny_voc, tmp_path / "masks", tiny_model, tmp_path / "out")
    given = dataclasses.replace(given, ground_truth=tiny_voc / "SegmentationClass", heatmaps=False)
    rows = [row for row in audit(given, DiceComparison()).objects if row["kind"] == "predicted"]
    found = {(row["id"], row["class"], row["x0"], row["y0"], row["x1"], row["y1"], row["area"]): row for row in rows}
    expected = {}
    for name, mask in masks.items():
        truth = read_mask(tiny_voc / "SegmentationClass" / f"{name}.png", DEMO_LABELS)
        for label in (1, 2, 3):
            parts, count = ndimage.label(mask == label, np.ones((3, 3)))
            true_parts, _ = ndimage.label(truth == label, np.ones((3, 3)))
            for part in range(1, count + 1):
                inside = parts == part
                if inside.sum() < 10:
                    continue
                ys, xs = np.nonzero(inside)
                box = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
                union = (inside & (truth != 255)) | np.isin(
                    true_parts, np.unique(true_parts[inside & (true_parts > 0)])
                )
                known = (inside & (truth != 255)).sum()
                iou = (inside & (truth == label)).sum() / union.sum() if known >= 10 else None
                border = box[0] == 0 or box[1] == 0 or box[2] == 88 or box[3] == 66
                expected[name, DEMO_LABELS.name(label), *box, inside.sum()] = (iou, border)
    assert found.keys() == expected.keys()
    assert len(expected) > 30
    assert {row["area"] for row in rows} >= {10, 11}
    for key, (iou, border) in expected.items():
        assert found[key]["touches_border"] == border
        assert found[key]["iou"] == (None if iou is None else pytest.approx(iou))
    assert {iou is None for iou, _ in expected.values()} == {True, False}


def test_parquet_has_the_types_of_the_schema(audited) -> None:
    table = pyarrow.parquet.read_table(audited.out / "objects.parquet")
    assert table.to_pylist()[0].keys() == audited.objects[0].keys()
    types = {"integer": "int64", "number": "double", "boolean": "bool", "text": "string"}
    for column in OBJECT_COLUMNS:
        found = [row[column.name] for row in audited.objects]
        assert str(table.schema.field(column.name).type) in (types[column.kind], "null")
        assert table.column(column.name).to_pylist() == found


def test_a_stopped_audit_continues_to_the_same_objects(audited, tiny_voc, tiny_predictions, tiny_model) -> None:
    before = {name: (audited.out / name).read_bytes() for name in WRITTEN}
    (journal,) = (audited.out / ".progress").glob("*.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:3]) + lines[3][: len(lines[3]) // 2])
    for name in WRITTEN:
        (audited.out / name).unlink()
    again = audit(config(tiny_voc, tiny_predictions, tiny_model, audited.out))
    assert again.objects == audited.objects
    assert {name: (audited.out / name).read_bytes() for name in WRITTEN} == before


def test_the_sheet_shows_crops_around_the_boxes(tmp_path: Path) -> None:
    for box, size in (((0, 0, 3, 3), (640, 480)), ((600, 100, 640, 480), (640, 480)), ((5, 5, 9, 30), (32, 40))):
        x0, y0, x1, y1 = surroundings(box, size)
        assert 0 <= x0 <= box[0] < box[2] <= x1 <= size[0]
        assert 0 <= y0 <= box[1] < box[3] <= y1 <= size[1]
    Image.fromarray(np.zeros((60, 80, 3), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(blobs(0, 60, 80)).save(tmp_path / "mask.png")
    row = json.loads(
        '{"id": "a", "rank": 1, "kind": "missed", "class": "cat", "expected_class": "dog", "x0": 10, "y0": 5, '
        '"x1": 20, "y1": 9, "area": 31, "score": 0.75}'
    )
    entries = [GalleryEntry({"id": "a"}, tmp_path / "a.png", tmp_path / "mask.png")]
    entries += [GalleryEntry({"id": "b"}, tmp_path / "none.png", tmp_path / "mask.png")]
    sheet = ObjectSheet([row, row | {"id": "b", "rank": 2}, row | {"id": "c", "rank": 3}], LABELS)
    for entry in entries:
        sheet.add(Layers(entry, LABELS))
    sheet.write(tmp_path / "sheet.png")
    with_objects = Image.open(tmp_path / "sheet.png")
    assert (np.asarray(with_objects) == (255, 64, 129)).all(-1).any()  # the box
    ObjectSheet([], LABELS).write(tmp_path / "sheet.png")
    assert Image.open(tmp_path / "sheet.png").width > 100


def test_the_sheet_takes_the_largest_suspect_object_of_each_picture() -> None:
    made = [("a", 0.9, 10), ("b", 0.8, 7), ("a", 0.7, 90), ("c", 0.6, 5), ("b", 0.4, 99), ("d", 0.3, 4)]
    objects = [{"id": i, "score": s, "area": a, "rank": n} for n, (i, s, a) in enumerate(made, 1)]
    assert [row["rank"] for row in largest_suspects(objects, 9)] == [2, 3, 4]
    assert [row["rank"] for row in largest_suspects(objects, 1)] == [2]


def test_each_pictures_objects_are_unpacked_once_however_many_rows_are_made() -> None:
    unpacked: list[int] = []

    def objects_of(picture: int) -> list[dict[str, object]]:
        unpacked.append(picture)
        return [{"object": n, "score": (7 * n + 3 * picture) % 10 / 10} for n in range(20)]

    ids = ["c", "a", "b"]
    ranked = rank_objects(ids, Computed(len(ids), objects_of), ("rank", "id", "object", "score"))
    rows = [*ranked, *ranked]
    assert unpacked == [0, 1, 2]
    assert rows[:60] == rows[60:]
    expected = sorted((-row["score"], ids[n], row["object"]) for n in range(3) for row in objects_of(n))
    assert [(-row["score"], row["id"], row["object"]) for row in rows[:60]] == expected
    assert [row["rank"] for row in rows[:60]] == list(range(1, 61))
    assert list(rows[0]) == ["rank", "id", "object", "score"]
