"""The review page as somebody uses it for a day: seeing, deciding, narrow screens, what the page says, accessibility.

Each test is a line of docs/review-cases.md.
"""

import json
import re
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from gallery_browser import Opened, launch, needs_chromium, pair
from gallery_pictures import Pictures, failed_entry
from PIL import Image

from segqc.data.labels import VOC_LABELS
from segqc.gallery.page import write_gallery
from segqc.results.review import REVIEW_TAGS, read_review

pytestmark = needs_chromium
case = pytest.mark.case
LONG, WIDE, PHONE = (2000, 1500), {"width": 1366, "height": 768}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator:
    yield from launch()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A page of eight pairs, cats and cows by turns, and an error; the first picture is large, the second upright, the
    third wide.
    """
    folder = tmp_path_factory.mktemp("cases")
    pictures = Pictures(folder)
    sizes = [LONG, (300, 400), (600, 200), *[(64, 48)] * 5]
    entries = [pictures.entry(index, size=size, label=(8, 10)[index % 2]) for index, size in enumerate(sizes)]
    summary = {"config": {"predictions": "runs/deeplab"}, "model": {"folder": "models/voc-fast"}, "seconds": 12.5}
    write_gallery(
        folder / "page.html", [*entries, failed_entry("bad", "missing")], VOC_LABELS, "Review", summary, name="my/audit"
    )
    return folder


@pytest.fixture
def show(browser, folder) -> Iterator:
    """Function that opens the page, or another one; checks at the end that nothing was complained about."""
    opened: list[Opened] = []

    def open_page(address: str = "", path: Path | None = None, **options) -> Opened:
        opened.append(Opened(browser, path or folder / "page.html", address, **options))
        return opened[-1]

    yield open_page
    for each in opened:
        each.page.context.close()
        assert each.complaints == []


def zoom(page) -> int:
    return int(page.locator("#zoom").inner_text().removesuffix(" %"))


def settled(page) -> bytes:
    """What the panels look like, once it no longer changes."""
    before = b""
    for _ in range(40):
        page.wait_for_timeout(50)
        now = page.locator("#panels").screenshot()
        if now == before:
            return now
        before = now
    raise AssertionError("the panels never come to rest")


def keys(page, letters: str) -> None:
    for letter in letters:
        page.keyboard.press(letter)


# See
# ----------------------------------------------------------------------------------------------------------------------


@case("See", "zoom by wheel, + - 0, double click, buttons", "all panels zoom together, up to single pixels, and back")
def test_wheel_keys_double_click_and_buttons_zoom(show):
    page = show("#open=pair_0000").page
    fit = zoom(page)
    middle = page.locator("#panels canvas").first.bounding_box()
    x, y = middle["x"] + middle["width"] / 2, middle["y"] + middle["height"] / 2
    page.mouse.move(x, y)
    page.mouse.wheel(0, -500)
    page.wait_for_timeout(50)
    wheeled = zoom(page)
    assert wheeled > 2 * fit
    keys(page, "+")
    assert zoom(page) == pytest.approx(1.5 * wheeled, abs=2)
    keys(page, "-0")
    assert zoom(page) == fit
    page.mouse.dblclick(x, y)
    assert zoom(page) == 100  # one pixel of the picture a pixel of the page
    page.mouse.dblclick(x, y)
    assert zoom(page) == fit
    page.click("#zoom-in")
    page.click("#zoom-in")
    page.click("#zoom-out")
    assert zoom(page) == pytest.approx(1.5 * fit, abs=1)
    page.click("#zoom-fit")
    for _ in range(20):
        keys(page, "+")
    assert zoom(page) == 2400
    keys(page, "j")
    assert zoom(page) < 2400  # the next picture is seen whole


@case("See", "two fingers", "zoom where they are; one finger moves what is zoomed")
def test_two_fingers_zoom(show):
    page = show("#open=pair_0000", viewport=PHONE, has_touch=True).page
    box = page.locator("#panels canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    fit = zoom(page)
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, *apart: float) -> None:
        points = [{"x": x + part, "y": y, "id": number} for number, part in enumerate(apart)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", -20)
    fingers("touchStart", -20, 20)
    for apart in (30, 50, 80):
        fingers("touchMove", -apart, apart)
    fingers("touchEnd")
    assert zoom(page) == pytest.approx(4 * fit, abs=2)


@case("See", "drag, Shift + arrows", "move what is zoomed; the picture never leaves its panel")
def test_dragging_and_arrows_move_the_picture(show):
    page = show("#open=pair_0000").page
    canvas = page.locator("#panels canvas").first
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    place = lambda: [int(part) for part in re.findall(r"\d+", page.locator("#readout").inner_text())[:2]]  # noqa: E731
    page.mouse.dblclick(x, y)
    page.mouse.move(x, y)
    start = place()
    page.mouse.down()
    page.mouse.move(x + 100, y + 40, steps=3)
    page.mouse.up()
    page.mouse.move(x, y)
    dragged = place()
    assert (start[0] - dragged[0], start[1] - dragged[1]) == (pytest.approx(100, abs=1), pytest.approx(40, abs=1))
    page.keyboard.press("Shift+ArrowRight")
    page.mouse.move(x + 1, y)
    assert place()[0] == pytest.approx(dragged[0] + 81, abs=1)
    assert page.locator("#detail-title").inner_text().split()[1] == "pair_0000"
    for _ in range(40):
        page.keyboard.press("Shift+ArrowLeft")
    page.mouse.move(box["x"] + 1, y)
    assert place()[0] <= 2


@case("See", "full resolution", "the original file, where the page reaches it; else a preview, whose size is said")
def test_the_original_is_shown_where_it_is_and_a_preview_says_its_size(show, folder, tmp_path):
    opened = show("#open=pair_0000")
    opened.wait_until(lambda: (folder / "0_photo.png").as_uri() in opened.files)
    settled(opened.page)
    assert opened.page.locator("#readout").inner_text() == ""
    shutil.copy(folder / "page.html", tmp_path / "elsewhere.html")  # a page that was sent alone
    opened = show("#open=pair_0000", tmp_path / "elsewhere.html")
    opened.wait_until(
        lambda: (
            opened.page.locator("#readout").inner_text()
            == "Preview: 1,024 of 2,000 px wide; the original is not where it was."
        )
    )
    opened.complaints[:] = [text for text in opened.complaints if "ERR_FILE_NOT_FOUND" not in text]


@case("See", "V held", "the masks blink: gone at once, back every 0.4 s; let go, they stay")
def test_masks_blink_while_the_key_is_held(show):
    page = show("#open=pair_0000").page
    whole = settled(page)
    states = []
    page.keyboard.down("v")
    for _ in range(12):
        states.append(page.evaluate("document.documentElement.hasAttribute('data-blink')"))
        page.wait_for_timeout(100)
    assert states[0]
    assert set(states) == {True, False}
    page.keyboard.up("v")
    assert not page.evaluate("document.documentElement.hasAttribute('data-blink')")
    assert settled(page) == whole


@case("See", "class under the pointer", "its name, that of the ground truth, and the heat, for the pixel pointed at")
def test_the_class_under_the_pointer_is_named(show):
    page = show("#open=pair_0000").page
    settled(page)
    box = page.locator("#panels canvas").nth(1).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert re.fullmatch(r"\d+, \d+ · cat · truth: cat · heat \d+ %", page.locator("#readout").inner_text())
    above = 0.4 * min(box["height"], box["width"] * 3 / 4)  # the mask covers the middle half of the picture's height
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2 - above)
    assert "background · truth: background" in page.locator("#readout").inner_text()


@case("See", "classes one by one", "each has a switch; C shows one alone after the other")
def test_classes_are_switched_one_by_one(show, tmp_path):
    pictures = Pictures(tmp_path)
    entry = pictures.entry(0, size=(120, 90))
    mask = np.zeros((90, 120), np.uint8)
    mask[20:70, 10:50], mask[20:70, 60:110] = 8, 12
    Image.fromarray(mask).save(entry.prediction)
    write_gallery(tmp_path / "page.html", [entry], VOC_LABELS, "Title", {})
    page = show("#open=pair_0000", tmp_path / "page.html").page
    chips = page.locator("#classes-shown button")
    assert chips.all_inner_texts() == ["cat", "dog"]
    both = settled(page)
    chips.first.click()
    assert chips.first.get_attribute("aria-pressed") == "false"
    without_cat = settled(page)
    assert without_cat != both
    chips.first.click()
    said = []
    for _ in range(3):
        keys(page, "c")
        said.append(page.locator("#detail-announcer").inner_text().strip())
    assert said == ["Only cat is shown.", "Only dog is shown.", "All classes are shown."]
    page.mouse.move(0, 0)
    page.locator("#detail-title").focus()
    keys(page, "cc")
    page.keyboard.press("Shift+C")
    assert page.locator("#detail-announcer").inner_text().strip() == "Only cat is shown."


@case(
    "See", "a mask on a black and on a white photo", "its outline has a contrast of at least 3 to 1, whatever its class"
)
@pytest.mark.parametrize("ground", [0, 255])
def test_outlines_stand_out_on_dark_and_on_light_photos(show, tmp_path, ground):
    pictures = Pictures(tmp_path)
    entries = [pictures.entry(index, size=(200, 150), label=index + 1, worst_box="") for index in range(4)]
    for entry in entries:
        Image.new("RGB", (200, 150), (ground,) * 3).save(entry.image)
    write_gallery(tmp_path / "page.html", entries, VOC_LABELS, "Title", {})
    opened = show("#opacity=0", tmp_path / "page.html")
    opened.page.locator("#grid canvas.prediction").nth(3).wait_for()
    for frame in opened.page.locator("#grid .frame").all():
        frame.screenshot(path=tmp_path / "frame.png")
        level = np.asarray(Image.open(tmp_path / "frame.png").convert("L")).astype(float) / 255
        luminance = level**2.2
        contrast = (np.maximum(luminance, (ground / 255) ** 2.2) + 0.05) / (
            np.minimum(luminance, (ground / 255) ** 2.2) + 0.05
        )
        height, width = level.shape
        rim = contrast[height // 2, : width // 2].max()  # where the outline's left side crosses the middle
        assert rim >= 3


@case("See", "wide, upright and square pictures", "as many columns as make them largest, and the panel is filled")
def test_pictures_use_the_panel_whatever_their_shape(show):
    page = show("#open=pair_0000").page
    for width, height in ((2000, 1500), (300, 400), (600, 200)):
        stage, canvas = page.locator("#panels").bounding_box(), page.locator("#panels canvas").first.bounding_box()
        drawn = min(canvas["width"] / width, canvas["height"] / height)
        for columns in (1, 2, 3, 4):
            lines = -(-4 // columns)
            cell = (stage["width"] - 24 - 8 * (columns - 1)) / columns, (stage["height"] - 8 * (lines - 1)) / lines - 22
            assert drawn >= 0.98 * min(cell[0] / width, cell[1] / height)
        keys(page, "s")
        alone = page.locator("#panels canvas").bounding_box()
        assert min(alone["width"] / width, alone["height"] / height) > drawn
        keys(page, "sj")


# Decide
# ----------------------------------------------------------------------------------------------------------------------


def saved(page, path: Path, name: str) -> dict:
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == name
    download.value.save_as(path)
    return json.loads(path.read_text("utf-8"))


@case("Decide", "reasons", "number keys 1 to 9, in the grid and in the large view; own ones too; saved and read back")
def test_number_keys_give_reasons_which_are_saved_and_read_back(show, tmp_path):
    opened = show()
    page = opened.page
    keys(page, "j2r1")  # a reason, the verdict, on to the next, a reason
    assert opened.focused() == "pair_0001"
    assert page.locator("#grid .reasons").all_inner_texts()[:2] == ["missed object", "wrong class"]
    assert page.locator("#grid .badge").all_inner_texts()[:2] == ["Rejected", "Unsure"]
    page.keyboard.press("Enter")
    page.locator("#own-tag").fill("hair <b>")
    page.keyboard.press("Enter")
    page.locator("#detail-title").focus()
    keys(page, "j61")
    assert page.locator("#tags [aria-pressed=true]").all_inner_texts() == ["1\nwrong class", "6\nhair <b>"]
    keys(page, "1z")  # undone: the reason is back
    assert page.locator("#tags [aria-pressed=true]").count() == 2
    page.keyboard.press("Escape")
    review = saved(page, tmp_path / "review.json", "review_my_audit.json")
    assert review["tags"] == ["hair <b>"]
    assert [item["tags"] for item in review["items"].values()] == [
        ["missed object"],
        ["wrong class", "hair <b>"],
        ["wrong class", "hair <b>"],
    ]
    assert read_review(tmp_path / "review.json").items["pair_0000"].tags == ("missed object",)
    page.evaluate("localStorage.clear()")
    page.reload()
    with page.expect_file_chooser() as chooser:
        page.click("#load")
    chooser.value.set_files(tmp_path / "review.json")
    page.get_by_text("Loaded 3 verdicts").wait_for()
    assert page.locator("#grid .reasons").all_inner_texts()[2] == "wrong class, hair <b>"
    keys(page, "j")
    page.keyboard.press("Enter")
    assert page.locator("#tags button").all_inner_texts() == [
        f"{place}\n{tag}" for place, tag in enumerate([*REVIEW_TAGS, "hair <b>"], start=1)
    ]


@case("Decide", "Shift + A, Accept all shown", "accepts what is shown and has no verdict; one Z takes all of it back")
def test_all_that_are_shown_are_accepted_at_once_and_undone_at_once(show):
    opened = show("#class=cat")
    page = opened.page
    keys(page, "jr")
    page.keyboard.press("Shift+A")
    assert page.locator("#grid .badge").all_inner_texts() == ["Rejected", "Accepted", "Accepted", "Accepted"]
    assert "Accepted 3 that had no verdict. 1 other keeps its verdict." in page.locator("#announcer").inner_text()
    assert page.locator("#progress").inner_text() == "4 of 8 reviewed"
    keys(page, "z")
    assert page.locator("#progress").inner_text() == "1 of 8 reviewed"
    page.click("#accept-shown")
    assert page.locator("#progress").inner_text() == "4 of 8 reviewed"


@case("Decide", "A, R, U after a filter was chosen", "judge the current card; no filter ever changes by a letter")
@pytest.mark.parametrize("control", ["#review-filter", "#sort"])
def test_letters_never_change_a_filter(show, control):
    opened = show()
    page = opened.page
    keys(page, "jj")
    page.locator(control).focus()
    before = page.locator(control).input_value()
    keys(page, "r")
    assert page.locator(control).input_value() == before
    assert opened.focused() == "pair_0002"
    assert page.locator("#grid .badge").all_inner_texts()[1] == "Rejected"
    page.select_option("#review-filter", "todo")
    keys(page, "aru")
    assert page.input_value("#review-filter") == "todo"
    assert opened.ids() == pair(0, 5, 6, 7)
    assert opened.focused() == "pair_0005"


@case("Decide", "filters and undo while one is at a picture", "one stays there, or at the next that is still shown")
def test_the_place_is_never_lost(show):
    opened = show()
    page = opened.page
    keys(page, "jjjj")
    page.check("#legend input[value=cat]")  # the current one is a cow: the next cat
    assert page.locator("#judge-whom").inner_text() == "#5 pair_0004"
    page.click("#class-clear")
    assert page.locator("#judge-whom").inner_text() == "#5 pair_0004"
    page.select_option("#review-filter", "todo")
    page.locator("#grid .card.current").focus()
    keys(page, "r")
    assert opened.focused() == "pair_0005"
    keys(page, "z")
    assert opened.focused() == "pair_0004"
    page.keyboard.press("Enter")
    keys(page, "rrk")  # the list waits while one reads: one back is the second rejected
    assert page.locator("#detail-title").inner_text().split()[1] == "pair_0005"
    page.keyboard.press("Escape")
    opened.wait_until(lambda: opened.focused() == "pair_0006")
    page.select_option("#sort", "dice")
    assert page.locator("#judge-whom").inner_text() == "#1 pair_0000"  # another order is read from its beginning


@case("Decide", "Enter after the page has opened", "opens the first picture")
def test_enter_works_after_load(show):
    page = show().page
    page.keyboard.press("Enter")
    assert page.locator("#detail-title").inner_text().split()[1] == "pair_0000"


@case(
    "Decide",
    "Esc and Enter in the search",
    "Esc clears box and filter at once, Enter keeps both; the grid has the focus",
)
def test_escape_and_enter_leave_the_search_in_one_state(show):
    opened = show()
    page = opened.page
    keys(page, "/")
    page.keyboard.type("0003")
    opened.wait_until(lambda: opened.ids() == pair(3))
    page.keyboard.press("Enter")
    assert (page.input_value("#search"), opened.ids(), opened.focused()) == ("0003", pair(3), "pair_0003")
    keys(page, "/")
    page.keyboard.press("Escape")
    assert (page.input_value("#search"), len(opened.ids())) == ("", 8)
    assert opened.focused() == "pair_0003"
    keys(page, "/")
    page.keyboard.type("nothing")
    opened.wait_until(lambda: opened.ids() == [])
    page.keyboard.press("Escape")
    opened.wait_until(lambda: opened.focused() is not None)


@case("Decide", "a button that goes when it is pressed", "the focus goes to the current card, never to nowhere")
def test_the_focus_is_never_lost(show):
    opened = show("#class=cat&q=pair")
    page = opened.page
    for button in ("#class-clear", "#reset"):
        page.locator(button).focus()
        page.keyboard.press("Enter")
        assert opened.focused() == "pair_0000", button
    page.select_option("#review-filter", "reject")
    assert page.evaluate("document.activeElement.id") in ("review-filter", "empty-reset")
    page.locator("#empty-reset").focus()
    page.keyboard.press("Enter")
    assert opened.focused() == "pair_0000"
    page.keyboard.press("Enter")
    page.locator("#next").focus()
    for _ in range(9):
        page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "next"  # at the end too
    page.keyboard.press("Escape")
    opened.wait_until(lambda: opened.focused() == "pair_0007")


@case(
    "Decide",
    "Sample for a calibration",
    "a random order of all from its beginning; Save writes its gapless beginning alone",
)
def test_the_sample_starts_at_its_beginning_and_is_saved_alone(show, tmp_path):
    opened = show("#class=cat")
    page = opened.page
    keys(page, "jjj")
    page.click("#sample-button")
    order = opened.ids()
    assert sorted(order) == pair(*range(8))
    assert order != sorted(order)
    assert opened.focused() == order[0]
    keys(page, "ara")
    assert "3 reviewed, 2 accepted" in page.locator("#sample-words").inner_text()
    page.locator("#grid .card").nth(5).focus()
    keys(page, "a")  # with a gap before it: no part of the sample yet
    review = saved(page, tmp_path / "c.json", "calibration_my_audit.json")
    assert list(review["items"]) == order[:3]
    page.click("#sample-button")
    assert opened.ids() == pair(0, 2, 4, 6)  # as it was before
    page.click("#sample-button")
    assert opened.focused() == order[3]
    page.fill("#search", "pair")  # whoever filters has left the sample
    opened.wait_until(lambda: not page.locator("#sample-words").is_visible())


# Narrow screens, and what the page says
# ----------------------------------------------------------------------------------------------------------------------


@case("Narrow", "the large view at 390 and 860 px", "buttons and note can be used; nothing scrolls sideways")
@pytest.mark.parametrize("width", [390, 860])
def test_the_large_view_of_a_narrow_screen_has_buttons_and_note(show, width):
    page = show("#open=pair_0000", viewport={"width": width, "height": 844}).page
    for verdict in ("accept", "reject", "unsure"):
        box = page.locator(f"#detail [data-verdict={verdict}]").bounding_box()
        assert box["y"] + box["height"] <= 844
        assert box["height"] >= 24
    page.fill("#note", "typed by thumb")
    page.click("#tags [data-tag='bad outline']")
    page.click("#detail [data-verdict=reject]")
    assert page.locator("#detail-title").inner_text().split()[1] == "pair_0001"
    assert page.locator("#panels canvas").bounding_box()["height"] > 0.4 * 844
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("#close")
    assert "typed by thumb" in page.locator("#grid .card").first.get_attribute("aria-label")


@case("Narrow", "bars of a telephone", "at most 15 % of its height, in the grid and in the large view")
@pytest.mark.parametrize("height", [667, 844])
def test_bars_take_at_most_15_per_cent_of_a_telephone(show, height):
    page = show(viewport={"width": 390, "height": height}).page
    view = page.locator("#scroller").bounding_box()
    assert (height - view["height"]) / height <= 0.15
    page.keyboard.press("Enter")
    head, judges = page.locator("#detail .head").bounding_box(), page.locator(".detail-judge").bounding_box()
    assert (head["height"] + judges["height"]) / height <= 0.15


@case("Narrow", "390, 860, 1440 and 2560 px, and 200 % zoom", "cards and controls are there; nothing scrolls sideways")
@pytest.mark.parametrize("size", [(390, 844), (860, 1100), (1440, 900), (2560, 1440), (720, 450)])
def test_no_width_scrolls_sideways(show, size):
    page = show(viewport={"width": size[0], "height": size[1]}).page
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert page.locator("#grid .card").first.is_visible()
    page.keyboard.press("Enter")
    assert page.locator("#detail").bounding_box()["width"] <= size[0]
    assert page.locator("#panels canvas").first.bounding_box()["height"] > 100


@case(
    "Say",
    "the header",
    "says what was audited, that a higher score is worse, and what to do first; nothing of its cost",
)
def test_the_header_says_what_was_audited_and_what_to_do(show):
    header = show().page.locator("header").inner_text()
    for words in ("8 predictions of deeplab, judged by the model voc-fast", "A higher score is worse", "A accepts"):
        assert words in header
    assert "econds" not in header


# Accessibility
# ----------------------------------------------------------------------------------------------------------------------


@case("Accessibility", "axe-core on page, large view and help, light and dark, wide and narrow", "no finding")
@pytest.mark.parametrize(("scheme", "viewport"), [("light", WIDE), ("dark", WIDE), ("light", PHONE)])
def test_axe_finds_nothing(show, scheme, viewport):
    axe = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    source = (resources.files(axe) / "axe.min.js").read_text("utf-8")
    page = show(color_scheme=scheme, viewport=viewport).page
    page.evaluate(source)
    keys(page, "ja2r")
    for key, where in ((None, "page"), ("Enter", "large view"), ("?", "help")):
        if key:
            page.keyboard.press(key)
        found = page.evaluate("() => axe.run()")
        assert len(found["passes"]) >= 15  # it has looked at something
        assert [(where, rule["id"], rule["impact"], rule["nodes"][0]["html"]) for rule in found["violations"]] == []
