"""Objects on the review page: listed for each prediction, gone to, and sorted by."""

import re
from collections.abc import Iterator

import pytest
from gallery_browser import Opened, launch, needs_chromium, pair
from gallery_data import page_data
from gallery_pictures import Pictures

from segqc.data.labels import VOC_LABELS
from segqc.gallery.page import write_gallery
from segqc.gallery.rows import OBJECTS_SHOWN, page_objects

case = pytest.mark.case


def found(id_: str, score: float, kind: str = "predicted", **changes) -> dict:
    box = {"x0": 10, "y0": 10, "x1": 20, "y1": 20}
    names = {"class": "cat", "expected_class": "dog", "expected_iou": None if kind == "missed" else 1 - score}
    return {"id": id_, "kind": kind, "score": score} | names | box | changes


def test_the_worst_objects_of_each_picture_are_kept_in_their_order():
    kept = page_objects([found("a", 1 - number / 100, area=7) for number in range(30)])
    assert [row["score"] for row in kept] == [1 - number / 100 for number in range(OBJECTS_SHOWN)]
    assert "area" not in kept[0]


@pytest.fixture(scope="module")
def browser() -> Iterator:
    yield from launch()


@case(
    "See",
    "objects",
    "listed worst first; X or a click goes to one, which is framed; pictures are sorted by their worst",
)
@needs_chromium
def test_objects_are_listed_gone_to_and_sorted_by(browser, tmp_path):
    pictures = Pictures(tmp_path)
    entries = [
        pictures.entry(index, size=(400, 300), suspect_objects=index % 2, missed_objects=index) for index in range(3)
    ]
    objects = [
        found("pair_0002", 0.9, "missed", x0=300, y0=200, x1=320, y1=220),
        found("pair_0002", 0.8),
        found("pair_0001", 0.3, expected_iou_low=0.0, expected_iou_high=0.314, decision="fail"),
    ]
    of_id = {id_: [row for row in objects if row["id"] == id_] for id_ in pair(0, 1, 2)}
    write_gallery(tmp_path / "page.html", entries, VOC_LABELS, "Title", {}, objects_of=of_id.__getitem__)
    assert [len(row["objects"]) for row in page_data(tmp_path / "page.html")["rows"]] == [0, 1, 2]
    opened = Opened(browser, tmp_path / "page.html")
    page = opened.page
    page.select_option("#sort", "object")
    assert opened.ids() == pair(2, 1, 0)
    page.select_option("#sort", "suspects")
    assert opened.ids() == pair(1, 2, 0)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    listed = page.locator("#objects button")
    assert [" ".join(text.split()) for text in listed.all_inner_texts()] == ["missed dog 0.90", "cat → dog 0.80"]
    page.keyboard.press("x")
    assert page.locator("#detail-announcer").inner_text().startswith("Object 1 of 2: missed dog")
    box = page.locator("#panels canvas").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert re.match(r"3(09|10|11), 2(09|10|11) ·", page.locator("#readout").inner_text())
    listed.nth(1).click()
    assert listed.nth(1).get_attribute("aria-pressed") == "true"
    page.keyboard.press("k")
    (text,) = page.locator("#objects button").all_inner_texts()
    assert " ".join(text.split()) == "cat → dog fail, IoU 0.00 to 0.31 0.30"
    assert opened.complaints == []
    page.context.close()


@case("See", "objects of large audits", "objects and fields come from beside the page when a picture is opened")
@needs_chromium
def test_a_large_page_reads_the_details_of_what_is_opened(browser, tmp_path):
    pictures = Pictures(tmp_path)
    entries = [pictures.entry(index, size=(400, 300), agreement=index / 8, suspect_objects=1) for index in range(3)]
    objects = {id_: [found(id_, 0.3 + index / 10)] for index, id_ in enumerate(pair(0, 1, 2))}
    page_file = tmp_path / "page.html"
    write_gallery(page_file, entries, VOC_LABELS, "Title", {}, objects_of=objects.__getitem__, thumbnails="beside")
    assert not {"objects", "agreement", "source"} & set(page_data(page_file)["rows"][0])
    opened = Opened(browser, page_file)
    page = opened.page
    page.select_option("#sort", "object")
    assert opened.ids() == pair(2, 1, 0)
    assert not [file for file in opened.files if "rows-" in file]
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    for score, agreement in (("0.50", "0.25"), ("0.40", "0.125")):
        opened.wait_until(lambda score=score: page.locator("#objects .number").all_inner_texts() == [score])
        assert agreement in page.locator("#fields dd").all_inner_texts()
        page.keyboard.press("x")
        assert page.locator("#detail-announcer").inner_text().startswith("Object 1 of 1: cat → dog")
        page.keyboard.press("j")
    assert len([file for file in opened.files if "rows-" in file]) == 1
    assert opened.complaints == []
    page.context.close()


@needs_chromium
def test_a_large_page_says_that_the_details_are_gone(browser, tmp_path):
    page_file = tmp_path / "page.html"
    write_gallery(page_file, [Pictures(tmp_path).entry(0)], VOC_LABELS, "Title", {}, thumbnails="beside")
    (script,) = tmp_path.rglob("rows-0.js")
    script.unlink()
    page = Opened(browser, page_file).page
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.locator("#fields dd", has_text="not found beside the page").wait_for()
    assert "pair_0000" in page.locator("#fields dd").all_inner_texts()
    page.context.close()
