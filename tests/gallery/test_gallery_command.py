"""`segqc gallery`: the page made again from an audit's folder, alone or beside another audit; and a review of a real
audit from end to end.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from export_audit import CLASSES, NAMES, write_audit
from gallery_browser import Opened, launch, needs_chromium
from gallery_data import page_data
from tiny import LABELS
from typer.testing import CliRunner

from evaluation.ranking.comparison import DiceComparison
from segqc.auditing.config import AuditConfig
from segqc.auditing.run import audit
from segqc.base.errors import BadInput
from segqc.cli.app import app
from segqc.export.config import ExportConfig
from segqc.export.run import export
from segqc.gallery.command import make_gallery
from segqc.gallery.config import GalleryConfig
from segqc.gallery.rows import compare_rows, page_row
from segqc.hook import Inspection, ReviewFolder
from segqc.results.review import read_review
from segqc.results.table import audit_fingerprint, read_audit_table
from segqc.verdict import SuspectRegion, Verdict


def test_the_page_of_a_folder_has_its_rows_pictures_and_fingerprint(tmp_path):
    folder = write_audit(tmp_path)
    assert make_gallery(GalleryConfig(folder, classes=CLASSES)) == folder / "gallery.html"
    data = page_data(folder / "gallery.html")
    assert [row["id"] for row in data["rows"]] == [*NAMES, "mask gone", "unscored", "no score"]
    assert data["rows"][0]["layers"] == ["photo", "prediction", "heat"]
    assert data["rows"][0]["decision"] == "fail"
    assert [row["status"] for row in data["rows"]][5:] == ["ok", "error", "error"]
    assert "does not exist" in data["rows"][5]["problem"]
    assert data["audit"] == audit_fingerprint(read_audit_table(folder).rows)
    assert "rank_change" in data["rows"][0]
    assert data["rows"][0]["rank_change"] is None


def test_a_folder_is_no_page(tmp_path):
    with pytest.raises(BadInput, match="is a folder"):
        make_gallery(GalleryConfig(write_audit(tmp_path), out=tmp_path, classes=CLASSES))


def test_two_audits_side_by_side_show_the_other_mask_only_where_it_is_another_file(tmp_path):
    one, two = write_audit(tmp_path / "one"), write_audit(tmp_path / "two", suffixes=(".csv",))
    table = (
        (two / "scores.csv")
        .read_text("utf-8")
        .replace(",0.5,ok", ",5.0,ok")
        .replace(str(tmp_path / "two" / "predictions" / NAMES[1]), "nowhere")
    )
    (two / "scores.csv").write_text(table, "utf-8")
    make_gallery(GalleryConfig(one, tmp_path / "page.html", compare=two / "scores.csv", classes=CLASSES))
    rows = page_data(tmp_path / "page.html")["rows"]
    assert [row["rank_change"] for row in rows][:6] == [1, 1, 1, 1, -4, 0]
    assert rows[4]["other_score"] == 5.0
    assert "other" in rows[0]["layers"]
    assert "other" not in rows[1]["layers"]
    make_gallery(GalleryConfig(one, tmp_path / "same.html", compare=one, classes=CLASSES))
    assert not [row for row in page_data(tmp_path / "same.html")["rows"] if "other" in row["layers"]]


def test_wrong_arguments_say_what_is_right(tmp_path):
    folder = write_audit(tmp_path)
    for changes, words in (
        ({"ground_truth": tmp_path / "nowhere"}, "nowhere"),
        ({"compare": tmp_path}, "scores.csv"),
        ({"classes": None}, "--classes"),
    ):
        with pytest.raises(BadInput, match=words):
            make_gallery(GalleryConfig(**({"audit": folder, "classes": CLASSES} | changes)))


def test_ranks_are_compared_among_what_both_have_scored():
    rows = [{"id": id_, "status": "ok", "score": score} for id_, score in (("a", 5), ("new", 4), ("b", 3), ("c", 2))]
    others = [{"id": id_, "status": "ok", "score": score} for id_, score in (("old", 9), ("c", 3), ("b", 2), ("a", 2))]
    others.append({"id": "new", "status": "error", "score": None})
    compared, facts = compare_rows(rows, others)
    assert [(row["other_rank"], row["rank_change"]) for row in compared] == [(2, 1), (None, None), (3, 1), (1, -2)]
    assert (facts["in_both"], facts["only_here"], facts["only_in_the_other"]) == (3, 1, 1)
    assert facts["spearman_of_both_scores"] == pytest.approx(-0.8660254)
    assert compare_rows(rows[:1], others)[1]["spearman_of_both_scores"] is None


def test_a_row_without_a_score_is_an_error_whatever_its_status():
    assert page_row({"id": "a", "score": float("nan"), "status": "ok"})["status"] == "error"
    assert page_row({"id": "a", "score": "0.5", "decision": None})["status"] == "ok"


def test_a_hooks_review_folder_is_an_audit_too(tmp_path):
    region, heat = SuspectRegion("cat", "dog", (1, 2, 30, 20)), np.zeros((30, 40), np.float32)
    suspect = Verdict(0.9, worst_region=region, decision="fail", draw_heatmap=lambda: heat)
    verdicts = [
        Verdict(0.1, decision="pass"),
        suspect,
        Verdict(0.5, decision="review"),
        Verdict(None, decision="review", error="all void"),
    ]
    picture, mask = np.zeros((30, 40, 3), np.uint8), np.ones((30, 40), np.uint8)
    ReviewFolder(tmp_path / "review", LABELS)(
        [Inspection(number, picture, mask, verdict) for number, verdict in enumerate(verdicts)]
    )
    table = read_audit_table(tmp_path / "review")
    assert [(row["rank"], row["score"]) for row in table.rows] == [(1, 0.9), (2, 0.5), (3, 0.1), (4, None)]
    data = page_data(make_gallery(GalleryConfig(tmp_path / "review", classes=CLASSES)))
    assert [row["score"] for row in data["rows"]] == [0.9, 0.5, None]
    assert data["facts"]["scored_without_picture"] == 1
    assert data["rows"][0]["layers"] == ["photo", "prediction", "heat"]
    assert data["audit"] == audit_fingerprint(table.rows)
    report = export(ExportConfig(tmp_path / "review", "coco", tmp_path / "queue", classes=CLASSES))
    assert (report.exported, [problem.reason.split(":")[-1].split("(")[0].strip() for problem in report.skipped]) == (
        2, ["all void", "a hook keeps those of suspect predictions only"]
    )  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator:
    yield from launch()


@needs_chromium
def test_a_real_audit_is_reviewed_saved_loaded_compared_and_exported(
    browser, tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path
) -> None:
    predictions = shutil.copytree(tiny_predictions, tmp_path / "predictions")
    sorted(predictions.iterdir())[0].write_bytes(b"broken")
    config = AuditConfig(predictions, tmp_path / "audit", tiny_model, voc_root=tiny_voc, image_set="val", device="cpu")
    report = audit(config, DiceComparison())
    ids = [row["id"] for row in report.rows if row["status"] == "ok"]
    opened = Opened(browser, tmp_path / "audit" / "gallery.html", accept_downloads=True)
    page = opened.page
    assert opened.ids() == ids
    assert opened.count() == "5 of 5 shown, 1 error"
    page.select_option("#sort", "id")
    assert opened.ids() == sorted(ids)
    page.select_option("#sort", "score")
    class_of_worst = report.rows[0]["worst_class"]
    page.check("#class-mode input[value=worst]", force=True)
    page.check(f"#legend input[value='{class_of_worst}']")
    assert opened.ids() == [row["id"] for row in report.rows if row["worst_class"] == class_of_worst]
    page.click("#reset")
    for key in ("Home", *"rra"):  # the focus has gone from the button to the current card
        page.keyboard.press(key)
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(tmp_path / "review.json")
    page.reload()
    assert page.locator("#progress").inner_text() == "3 of 5 reviewed"
    page.evaluate("localStorage.clear()")
    page.reload()
    with page.expect_file_chooser() as chooser:
        page.click("#load")
    chooser.value.set_files(tmp_path / "review.json")
    page.get_by_text("Loaded 3 verdicts").wait_for()
    assert opened.complaints == []
    page.context.close()

    review = read_review(tmp_path / "review.json")
    assert review.audit == audit_fingerprint(read_audit_table(tmp_path / "audit").rows)
    assert {id_: item.verdict for id_, item in review.items.items()} == dict(
        zip(ids, ("reject", "reject", "accept"), strict=False)
    )
    report = export(ExportConfig(tmp_path / "audit", "coco", tmp_path / "queue", review=tmp_path / "review.json"))
    assert (report.exported, report.left_out, len(report.skipped)) == (2, 3, 1)

    done = CliRunner().invoke(
        app,
        [
            "gallery",
            "--audit",
            str(tmp_path / "audit"),
            "--compare",
            str(tmp_path / "audit"),
            "--out",
            str(tmp_path / "new.html"),
        ],
    )
    assert done.exit_code == 0, done.output
    rows = page_data(tmp_path / "new.html")["rows"]
    assert [row["rank_change"] for row in rows] == [0] * 5 + [None]
    assert "truth" in rows[0]["layers"], "the ground truth is found again from the audit's summary"
