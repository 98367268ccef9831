"""The review queue: what goes into it, in which order, what is said about it, and that nothing vanishes on the way."""

import csv
import json
import math
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from export_audit import CLASSES, NAMES, SCORES, write_audit
from PIL import Image
from tiny import LABELS
from typer.testing import CliRunner

from segqc.base.errors import BadInput
from segqc.base.files import write_json
from segqc.base.storage.paths import common_folder
from segqc.base.tables import write_table
from segqc.cli.app import app
from segqc.export.config import ExportConfig
from segqc.export.queue import Locator, reason_of
from segqc.export.run import TARGETS, ExportReport, export
from segqc.export.xml_files import xml_text
from segqc.results.review import REVIEW_TAGS, read_review
from segqc.results.schema import OBJECT_COLUMNS, names
from segqc.results.table import audit_fingerprint, read_audit_table


def run(audit: Path, out: Path, to: str = "csv", **changes: object) -> ExportReport:
    return export(ExportConfig(**({"audit": audit, "to": to, "out": out, "classes": CLASSES} | changes)))


def queue(out: Path) -> list[dict[str, str]]:
    with (out / "queue.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    return write_audit(tmp_path)


# The table
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffixes", [(".csv",), (".parquet",), (".csv", ".parquet")])
def test_an_audit_is_read_back_the_same_from_either_table(tmp_path, suffixes):
    table = read_audit_table(write_audit(tmp_path, suffixes=suffixes))
    assert [row["id"] for row in table.rows] == [*NAMES, "mask gone", "unscored", "no score"]
    assert [row["score"] for row in table.rows] == [*SCORES, 0.3, None, None]
    assert (table.rows[0]["rank"], table.rows[0]["p_value"], table.rows[0]["width"]) == (1, 0.01, 40)
    # saved reviews hold it
    assert audit_fingerprint(table.rows) == audit_fingerprint(reversed(table.rows)) == "1ca11d676354784b"


def test_rows_come_in_the_order_of_ranks_whoever_sorted_the_file(tmp_path, audit):
    lines = (audit / "scores.csv").read_text("utf-8").splitlines()
    (tmp_path / "mine.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]), "utf-8-sig")
    assert [row["id"] for row in read_audit_table(tmp_path / "mine.csv").rows][: len(NAMES)] == NAMES


def test_relative_paths_are_found_from_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    folder = write_audit(Path("."))
    monkeypatch.chdir(tmp_path)
    report = run(tmp_path / "project" / folder, tmp_path / "out")
    assert report.exported == len(NAMES)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no scores.parquet and no scores.csv"), ("a,b\n1,2\n", "columns id, score"), (b"\xff\xfe", "readable CSV")],
)
def test_what_is_no_audit_is_refused_with_its_name(tmp_path, content, words):
    if content is not None:
        path = tmp_path / "scores.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadInput, match=words):
        read_audit_table(tmp_path)


def test_a_model_that_is_gone_is_no_reason_to_guess_classes(audit, tmp_path):
    with pytest.raises(BadInput, match="--classes"):
        run(audit, tmp_path / "out", classes=None)


def test_classes_come_from_the_audits_model(audit, tmp_path, tiny_model):
    write_json(audit / "summary.json", {"model": {"folder": str(tiny_model)}})
    assert read_audit_table(audit).labels().names[:2] == ("background", "bird")


# The queue
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", TARGETS)
@pytest.mark.parametrize("shapes", ["rle", "polygon"])
def test_every_target_counts_and_lists_what_it_cannot_export(audit, tmp_path, to, shapes):
    report = run(audit, tmp_path / "out", to, shapes=shapes)
    assert (report.exported, report.left_out) == (5, 0)
    assert {problem.id for problem in report.skipped} == {"mask gone", "unscored", "no score"}
    listed = json.loads((tmp_path / "out" / "export.json").read_text())
    assert {problem["id"]: problem["reason"] for problem in listed["not_exported"]}["unscored"] == "has no image"
    assert "does not exist" in str(listed["not_exported"])
    assert (listed["exported"], listed["left_out_by_filters"]) == (5, 0)
    assert listed["audit"] == audit_fingerprint(read_audit_table(audit).rows)
    assert all(path.exists() for path in report.files)
    assert not list((tmp_path / "out").glob(".*"))
    first = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    run(audit, tmp_path / "out", to, shapes=shapes)
    assert first == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}, (
        "the same queue twice is the same bytes"
    )


@pytest.mark.parametrize("to", TARGETS)
def test_an_empty_queue_is_a_file_too(audit, tmp_path, to):
    report = run(audit, tmp_path / "out", to, min_score=5.0)
    assert (report.exported, report.left_out) == (0, 6)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"top": 2}, [0, 1]),
        ({"decisions": ("review", "pass")}, [2, 3, 4]),
        ({"decisions": ("fail",), "top": 1}, [0]),
        ({"min_score": 0.7}, [0, 1, 2]),
        ({"max_p_value": 0.03}, [0, 1, 2]),
    ],
)
def test_filters_and_order(audit, tmp_path, changes, expected):
    run(audit, tmp_path / "out", **changes)
    assert [row["image"].removesuffix(".png") for row in queue(tmp_path / "out")] == [
        name if name[0] != "=" else f"'{name}" for name in (NAMES[i] for i in expected)
    ]


def test_the_objects_of_exported_predictions_come_along(audit, tmp_path):
    columns = names(OBJECT_COLUMNS)
    objects = [dict.fromkeys(columns) | {"id": name, "object": i, "rank": 5 - i} for i, name in enumerate(NAMES)]
    write_table(audit / "objects.parquet", objects[::-1], columns)
    report = run(audit, tmp_path / "out", top=2)
    assert tmp_path / "out" / "objects.csv" in report.files
    with (tmp_path / "out" / "objects.csv").open(encoding="utf-8", newline="") as file:
        assert [(row["id"], row["rank"]) for row in csv.DictReader(file)] == [(NAMES[1], "4"), (NAMES[0], "5")]
    write_table(audit / "objects.parquet", [{"id": "a"}], ("id",))
    with pytest.raises(BadInput, match="lacks the columns object, rank"):
        run(audit, tmp_path / "out")
    (audit / "objects.parquet").write_bytes(b"no table")
    with pytest.raises(BadInput, match=r"objects\.parquet: is not a Parquet file"):
        run(audit, tmp_path / "out")


def test_equal_scores_come_in_the_order_of_their_ids(tmp_path, audit):
    text = (audit / "scores.csv").read_text("utf-8")
    (audit / "scores.parquet").unlink()
    for score in ("0.8", "0.7"):
        text = text.replace(f",{score},", ",0.9,")
    (audit / "scores.csv").write_text(text, "utf-8")
    run(audit, tmp_path / "out", top=3)
    assert [row["id"] for row in queue(tmp_path / "out")] == sorted(NAMES[:3])


def test_only_what_a_reviewer_did_not_accept(audit, tmp_path):
    items = {
        NAMES[0]: {"verdict": "accept", "note": "", "score": 0.9},
        NAMES[2]: {
            "verdict": "reject",
            "note": "the tail \ud83d is missing",
            "score": 0.7,
            "tags": ["bad outline", "my own"],
        },
        NAMES[3]: {"verdict": "unsure", "note": "", "score": 0.6},
        "of another audit": {"verdict": "reject", "note": "", "score": 0.1},
    }
    review = {"format": "segqc-review-1", "audit": audit_fingerprint(read_audit_table(audit).rows), "items": items}
    (tmp_path / "review.json").write_text(json.dumps(review))
    report = run(audit, tmp_path / "out", review=tmp_path / "review.json")
    rows = queue(tmp_path / "out")
    assert [(row["id"], row["verdict"]) for row in rows] == [(NAMES[2], "reject"), (NAMES[3], "unsure")]
    assert rows[0]["note"] == "the tail ? is missing"
    assert [row["tags"] for row in rows] == ["bad outline;my own", ""]
    assert report.left_out == 4


def test_the_reviewers_reasons_reach_every_target(audit, tmp_path):
    tags = ["missed object", "<own> & reason"]
    items = {NAMES[2]: {"verdict": "reject", "score": SCORES[2], "tags": tags}}
    write_json(tmp_path / "review.json", {"format": "segqc-review-1", "audit": "x", "items": items})
    for target in ("labelstudio", "cvat", "fiftyone", "coco"):
        run(audit, tmp_path / target, to=target, review=tmp_path / "review.json")
    [task] = json.loads((tmp_path / "labelstudio" / "tasks.json").read_text("utf-8"))
    [choice] = [found["value"] for found in task["predictions"][0]["result"] if found["from_name"] == "tags"]
    assert choice == {"choices": tags}
    view = ElementTree.parse(tmp_path / "labelstudio" / "label_config.xml")
    offered = [choice.get("value") for choice in view.findall("Choices[@name='tags']/Choice")]
    assert offered == [*REVIEW_TAGS, "<own> & reason"]
    marks = ElementTree.parse(tmp_path / "cvat" / "annotations.xml").findall(".//attribute[@name='tags']")
    assert {mark.text for mark in marks} == {"missed object;<own> & reason"}
    [sample] = json.loads((tmp_path / "fiftyone" / "samples.json").read_text("utf-8"))["samples"]
    assert sample["tags"][-2:] == tags
    [image] = json.loads((tmp_path / "coco" / "annotations.json").read_text("utf-8"))["images"]
    assert image["segqc"]["tags"] == "missed object;<own> & reason"


def test_a_review_of_another_audit_is_refused_and_one_of_fewer_rows_is_not(audit, tmp_path):
    """A hook's folder grows while somebody reviews it."""
    items = {NAMES[2]: {"verdict": "reject", "note": "", "score": SCORES[2]}}
    for changed, fits in ((items, True), (items | {"of another audit": items[NAMES[2]]}, False)):
        (tmp_path / "review.json").write_text(json.dumps({"format": "segqc-review-1", "audit": "x", "items": changed}))
        if fits:
            assert run(audit, tmp_path / "out", review=tmp_path / "review.json").exported == 1
        else:
            with pytest.raises(BadInput, match="is a review of another audit"):
                run(audit, tmp_path / "out", review=tmp_path / "review.json")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"format": "other", "items": {}}, "segqc-review-1"),
        ({"format": "segqc-review-1", "items": {"a": {"verdict": "maybe"}}}, "says of a"),
        ({"format": "segqc-review-1", "items": {"a": {"verdict": "accept", "note": 3}}}, "at a"),
        ({"format": "segqc-review-1", "items": {"a": {"verdict": "accept", "score": "high"}}}, "at a"),
        ({"format": "segqc-review-1", "items": {"a": {"verdict": "accept", "tags": "text"}}}, "at a"),
        ([], "is not a review"),
    ],
)
def test_a_review_that_cannot_be_read_names_the_item(tmp_path, content, words):
    write_json(tmp_path / "review.json", content)
    with pytest.raises(BadInput, match=words):
        read_review(tmp_path / "review.json")


def test_an_audit_without_calibration_has_no_decisions_to_choose_from(tmp_path):
    audit = write_audit(tmp_path, calibrated=False)
    assert run(audit, tmp_path / "out").exported == 5
    for changes, option in (({"decisions": ("fail",)}, "--decision"), ({"max_p_value": 0.1}, "--max-p-value")):
        with pytest.raises(BadInput, match=option):
            run(audit, tmp_path / "out", **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"to": "excel"}, "to 'excel'; choose one of labelstudio"),
        ({"shapes": "box"}, "shapes 'box'; choose one of rle, polygon"),
        ({"tolerance": -1.0}, "tolerance to be at least 0"),
        ({"tolerance": math.nan}, "tolerance to be at least 0"),
        ({"tolerance": math.inf}, "tolerance to be at least 0"),
        ({"top": 0}, "top to be at least 1"),
        ({"max_p_value": 5}, "max_p_value to be from 0 to 1"),
    ],
)
def test_wrong_options_say_what_is_right(audit, tmp_path, changes, words):
    with pytest.raises(ValueError, match=words):
        run(audit, tmp_path / "out", **changes)


# What is said
# ---------------------------------------------------------------------------------------------------------------------


def test_the_reason_in_words():
    row = {"score": 1.23456, "rank": 3, "worst_class": "cat", "expected_class": "dog", "worst_box": "1,2,30,40"}
    assert reason_of(row) == "cat where dog was expected between (1, 2) and (30, 40); score 1.235, rank 3"
    row |= {
        "expected_class": None,
        "p_value": 0.0123,
        "expected_dice": 0.4,
        "expected_dice_low": 0.1,
        "expected_dice_high": 0.6,
        "decision": "fail",
    }
    assert reason_of(row).endswith("; p-value 0.0123; expected Dice 0.40 (0.10 to 0.60); decision fail")
    assert reason_of(row).startswith("unlikely cat between")
    assert reason_of({"score": 2.0}) == "score 2"


def test_pictures_are_named_from_their_root_or_by_an_address(tmp_path):
    locate = Locator(tmp_path / "a")
    assert locate(tmp_path / "a" / "b c" / "d&.png") == "b c/d&.png"
    assert (
        Locator(tmp_path / "a", "https://host/x?d=")(tmp_path / "a" / "b c" / 'd&"ü.png')
        == "https://host/x?d=b%20c/d%26%22%C3%BC.png"
    )
    assert Locator(tmp_path / "out", outside=True)(tmp_path / "a" / "b.png") == "../a/b.png"
    with pytest.raises(BadInput, match="--images-root"):
        locate(tmp_path / "elsewhere.png")
    for name in ("line\nbreak.png", "bell\a.png", os.fsdecode(b"latin\xe4.png")):
        with pytest.raises(BadInput, match="rename"):
            locate(tmp_path / "a" / name)
    assert common_folder([tmp_path / "a" / "b" / "1.png", tmp_path / "a" / "2.png"]) == tmp_path / "a"


def test_xml_holds_any_text():
    assert xml_text("a\0b\ud800c\x1b\tü\U0001f600") == "a\ufffdb\ufffdc\ufffd\tü\U0001f600"


# The command
# ----------------------------------------------------------------------------------------------------------------------


def test_pictures_that_a_tool_would_turn_are_named(audit, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8
    picture = tmp_path / "pictures" / f"{NAMES[1]}.png"
    Image.open(picture).save(picture, exif=exif)
    done = CliRunner().invoke(
        app, ["export", "--audit", str(audit), "--to", "csv", "--out", str(tmp_path / "out"), "--classes", CLASSES]
    )
    assert "Warning: 1 images have an EXIF orientation" in done.output
    assert json.loads((tmp_path / "out" / "export.json").read_text("utf-8"))["turned_by_exif"] == [NAMES[1]]


def test_the_command_counts_on_the_console(audit, tmp_path):
    command = ["export", "--audit", audit, "--to", "coco", "--out", tmp_path / "out", "--classes", CLASSES]
    arguments = [*map(str, command), "--decision", "fail", "--decision", "pass"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "4 predictions exported, 1 left out by the filters, 3 could not be exported." in " ".join(
        done.output.split()
    )
    assert "not exported: unscored: has no image" in done.output
    assert len(json.loads((tmp_path / "out" / "annotations.json").read_text())["images"]) == 4
    assert LABELS.names[1] in (tmp_path / "out" / "annotations.json").read_text()
