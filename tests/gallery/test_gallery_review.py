"""The review in headless Chromium: judging by keys and by mouse, notes, what is kept and what is saved, filters,
comparison, plot.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from gallery_browser import Opened, launch, needs_chromium, pair
from gallery_pictures import HOSTILE, Pictures, failed_entry

from segqc.data.labels import VOC_LABELS
from segqc.gallery.layers import GalleryEntry
from segqc.gallery.page import write_gallery
from segqc.gallery.rows import compare_rows
from segqc.results.review import read_review
from segqc.results.table import audit_fingerprint

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator:
    yield from launch()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Pictures:
    return Pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def entries(pictures) -> list[GalleryEntry]:
    """Eight scored pairs with a calibration's columns, and an error."""
    scored = [
        pictures.entry(
            index, label=(8, 10)[index % 2], dice=None, p_value=(index + 1) / 10, expected_dice=0.1 * index,
            expected_dice_low=0.0,
            expected_dice_high=1.0,
            decision=("fail", "fail", "review", "review", "pass", "pass", "pass", "pass")[index],
        )
        for index in range(8)
    ]  # fmt: skip
    return [*scored, failed_entry("bad_one", "the image is missing")]


@pytest.fixture
def show(browser, tmp_path) -> Iterator:
    """Function that opens a gallery of entries in one browser context, and checks at the end that nothing was
    complained about.
    """
    context = browser.new_context(viewport={"width": 1366, "height": 768}, accept_downloads=True)
    opened: list[Opened] = []

    def open_page(entries: list[GalleryEntry], address: str = "", name: str = "page.html", **options) -> Opened:
        write_gallery(tmp_path / name, entries, VOC_LABELS, "A title", {"mean_dice": 0.5}, **options)
        opened.append(Opened(browser, tmp_path / name, address, context))
        return opened[-1]

    yield open_page
    for each in opened:
        assert each.complaints == []
    context.close()


def save(page, path: Path) -> dict:
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "review_A_title.json"
    download.value.save_as(path)
    return json.loads(path.read_text("utf-8"))


def load(page, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.click("#load")
    chooser.value.set_files(path)


def badges(opened: Opened) -> dict[str, str]:
    """Verdicts on the cards in sight, by id."""
    found = opened.page.evaluate(
        "[...document.querySelectorAll('#grid li')]"
        ".map((li) => [li.querySelector('.id').textContent, li.querySelector('.badge').textContent])"
    )
    return {id_: badge for id_, badge in found if badge}


def test_keys_judge_and_move_on_and_all_of_it_is_saved_kept_and_read_back(show, entries, tmp_path):
    opened = show(entries)
    page = opened.page
    for key in "jaru":  # to the first card, then a verdict on each of three
        page.keyboard.press(key)
    assert opened.focused() == "pair_0003"
    assert badges(opened) == {"pair_0000": "Accepted", "pair_0001": "Rejected", "pair_0002": "Unsure"}
    assert page.locator("#progress").inner_text() == "3 of 8 reviewed"
    assert page.locator("#announcer").inner_text().strip() == "Unsure: pair_0002. 3 of 8 reviewed."
    assert "unsure" in page.locator("#grid li:nth-child(3) .card").get_attribute("aria-label")
    page.keyboard.press("n")
    page.keyboard.type('a & <b>\n"quoted" rux')  # letters of keys are letters here
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    assert not page.locator("#detail").is_visible()
    saved = save(page, tmp_path / "review.json")
    assert saved == {
        "format": "segqc-review-1",
        "audit": audit_fingerprint(entry.row for entry in entries),
        "name": "A title",
        "tags": [],
        "items": {
            "pair_0000": {"verdict": "accept", "tags": [], "note": "", "score": 2.0},
            "pair_0001": {"verdict": "reject", "tags": [], "note": "", "score": 1.9},
            "pair_0002": {"verdict": "unsure", "tags": [], "note": "", "score": 1.8},
            "pair_0003": {"verdict": "unsure", "tags": [], "note": 'a & <b>\n"quoted" rux', "score": 1.7},
        },
    }
    review = read_review(tmp_path / "review.json")
    assert {id_: item.verdict for id_, item in review.items.items()} == {
        id_: item["verdict"] for id_, item in saved["items"].items()
    }

    page.reload()
    assert badges(opened)["pair_0003"] == "Unsure ✎"
    assert page.locator("#saved").inner_text() == ""
    page.evaluate("localStorage.clear()")
    page.reload()
    assert badges(opened) == {}
    load(page, tmp_path / "review.json")
    page.get_by_text("Loaded 4 verdicts").wait_for()
    assert page.locator("#progress").inner_text() == "4 of 8 reviewed"
    assert page.locator("#saved").inner_text() == ""
    assert save(page, tmp_path / "again.json") == saved


def test_the_same_key_takes_a_verdict_back_and_undo_restores(show, entries):
    opened = show(entries)
    page = opened.page
    page.keyboard.press("j")
    page.keyboard.press("r")
    page.keyboard.press("k")
    page.keyboard.press("r")
    assert badges(opened) == {}
    assert opened.focused() == "pair_0000"  # taking back does not move on
    page.keyboard.press("z")
    assert badges(opened) == {"pair_0000": "Rejected"}
    page.keyboard.press("a")
    page.keyboard.press("z")
    assert badges(opened) == {"pair_0000": "Rejected"}
    assert opened.focused() == "pair_0000"
    page.keyboard.press("z")
    page.keyboard.press("z")
    assert badges(opened) == {}
    assert page.locator("#announcer").inner_text().strip() == "Nothing to undo."
    page.keyboard.press("n")
    page.keyboard.type("many letters")
    page.keyboard.press("Escape")
    page.keyboard.press("z")  # a note is undone as one
    assert page.input_value("#note") == ""


def test_a_card_out_of_sight_is_not_judged(show, pictures):
    opened = show(
        [pictures.entry(index % 8, id=f"pair_{index:04d}", score=100 - index, rank=index + 1) for index in range(80)]
    )
    page = opened.page
    page.evaluate("document.getElementById('scroller').scrollTop = 1e6")
    page.locator("#grid .id", has_text="pair_0079").wait_for()
    page.keyboard.press("r")
    assert page.locator("#progress").inner_text() == "0 of 80 reviewed"
    assert opened.focused() == "pair_0000"
    page.keyboard.press("r")
    assert page.locator("#progress").inner_text() == "1 of 80 reviewed"


def test_the_mouse_judges_on_the_card_and_in_the_bar(show, entries):
    opened = show(entries)
    page = opened.page
    page.click("#grid li:nth-child(2) .judge.reject")
    assert badges(opened) == {"pair_0001": "Rejected"}
    assert not page.locator("#detail").is_visible()
    page.click("#grid li:nth-child(2) .judge.reject")
    assert badges(opened) == {}
    page.click("#grid li:nth-child(3) .card")
    page.click("#detail [data-verdict=accept]")
    assert page.locator("#detail-title").inner_text().split() == ["#4", "pair_0003"]
    page.click("#close")
    page.click("#judge-bar [data-verdict=unsure]")
    assert badges(opened) == {"pair_0002": "Accepted", "pair_0003": "Unsure"}
    assert page.locator("#judge-whom").inner_text() == "#5 pair_0004"


def test_what_is_judged_leaves_the_to_do_list_and_the_next_one_takes_its_place(show, entries):
    opened = show(entries)
    page = opened.page
    page.select_option("#review-filter", "todo")
    page.keyboard.press("Tab")
    for key in "jjaa":
        page.keyboard.press(key)
    assert opened.ids() == pair(0, 3, 4, 5, 6, 7)
    assert opened.focused() == "pair_0003"
    assert page.locator("#review-filter option").all_inner_texts() == [
        "All (8)",
        "To do (6)",
        "Accepted (2)",
        "Rejected (0)",
        "Unsure (0)",
    ]
    page.keyboard.press("Enter")
    page.keyboard.press("r")  # in the large view the list waits until one comes back
    assert page.locator("#detail-title").inner_text().split() == ["#5", "pair_0004"]
    page.keyboard.press("Escape")
    opened.wait_until(lambda: opened.focused() == "pair_0004")
    assert opened.ids() == pair(0, 4, 5, 6, 7)
    page.select_option("#review-filter", "accept")
    assert opened.ids() == pair(1, 2)


def test_a_review_of_another_audit_is_loaded_only_on_demand(show, entries, tmp_path):
    items = {
        "pair_0001": {"verdict": "accept", "note": "", "score": 7.0},
        "elsewhere": {"verdict": "reject", "note": "", "score": 1.0},
    }
    path = tmp_path / "foreign.json"
    path.write_text(json.dumps({"format": "segqc-review-1", "audit": "another", "items": items}))
    opened = show(entries)
    page = opened.page
    load(page, path)
    page.locator("#foreign").wait_for()
    assert "1 of its verdicts" in page.locator("#foreign-words").inner_text()
    page.keyboard.press("Escape")
    assert badges(opened) == {}
    load(page, path)
    page.click("#foreign-load")
    assert badges(opened) == {"pair_0001": "Accepted"}
    assert "1 of its verdicts are on entries that are not here" in page.locator("#announcer").inner_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not json", "not JSON"),
        ("[]", "no review"),
        ('{"format": "segqc-review-2", "items": {}}', "no review"),
        ('{"format": "segqc-review-1", "items": {"pair_0000": {"verdict": "toString"}}}', "pair_0000"),
        ('{"format": "segqc-review-1", "items": {"pair_0000": {"verdict": "accept", "note": 3}}}', "pair_0000"),
    ],
)
def test_a_file_that_is_no_review_changes_nothing_and_says_why(show, entries, tmp_path, text, words):
    path = tmp_path / "wrong.json"
    path.write_text(text)
    opened = show(entries)
    opened.page.keyboard.press("j")
    opened.page.keyboard.press("a")
    load(opened.page, path)
    opened.page.locator("#announcer", has_text=words).wait_for()
    assert badges(opened) == {"pair_0000": "Accepted"}


def test_a_broken_or_foreign_storage_does_no_harm(show, entries):
    opened = show(entries)
    page = opened.page
    place = f"segqc-review:{audit_fingerprint(entry.row for entry in entries)}"
    for stored in (
        "{",
        "null",
        '{"items": 3}',
        '{"items": [["nobody", {"verdict": "accept"}], ["pair_0000", {"verdict": "constructor"}], 7]}',
    ):
        page.evaluate("([place, stored]) => localStorage.setItem(place, stored)", [place, stored])
        page.reload()
        assert page.locator("#progress").inner_text() == "0 of 8 reviewed", stored
    page.keyboard.press("j")
    page.keyboard.press("a")
    assert page.locator("#progress").inner_text() == "1 of 8 reviewed"


def test_a_browser_that_keeps_nothing_says_so_and_saving_still_works(show, entries, tmp_path):
    opened = show(entries)
    page = opened.page
    page.evaluate(
        "() => { Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }; }"
    )
    page.keyboard.press("j")
    page.keyboard.press("a")
    assert (
        page.locator("#saved").inner_text()
        == "1 change not in a file. This browser keeps nothing: save before you leave."
    )
    assert list(save(page, tmp_path / "review.json")["items"]) == ["pair_0000"]


def test_two_tabs_hold_one_review_and_two_audits_hold_two(show, entries, pictures):
    first = show(entries)
    second = show(entries)
    other = show([pictures.entry(0), pictures.entry(1)], name="other.html")
    first.page.keyboard.press("j")
    first.page.keyboard.press("r")
    second.page.get_by_text("1 of 8 reviewed").wait_for()
    assert badges(second) == {"pair_0000": "Rejected"}
    other.page.reload()
    assert badges(other) == {}


def test_filters_by_decision_p_value_and_expected_dice(show, entries):
    opened = show(entries)
    page = opened.page
    page.check("#decisions input[value=fail]")
    assert opened.ids() == pair(0, 1)
    page.check("#decisions input[value=review]")
    assert opened.ids() == pair(0, 1, 2, 3)
    page.locator("#p-low").fill("50")  # a quarter of the way from 0.1 to 0.8
    opened.wait_until(lambda: opened.ids() == pair(2, 3))
    page.locator("#expected-high").fill("60")  # of 0 to 0.7
    opened.wait_until(lambda: opened.ids() == pair(2))
    opened.wait_for_address("expected-high=0.21&decision=fail&decision=review")
    page.reload()
    assert opened.ids() == pair(2)
    page.click("#reset")
    assert opened.ids() == pair(0, 1, 2, 3, 4, 5, 6, 7)
    page.select_option("#sort", "p_value")
    page.click("#direction")
    assert opened.ids() == pair(7, 6, 5, 4, 3, 2, 1, 0)
    assert "p-value 0.100" in page.locator("#grid .card", has_text="pair_0000").get_attribute("aria-label")


def test_the_random_order_is_the_same_at_every_visit_and_has_nothing_to_do_with_the_score(show, pictures):
    entries = [
        pictures.entry(index % 8, id=f"pair_{index:04d}", score=100 - index, rank=index + 1) for index in range(24)
    ]
    opened = show(entries)
    opened.page.select_option("#sort", "random")
    shuffled = opened.ids()[:12]  # those in sight
    assert shuffled != sorted(shuffled)
    places = [int(id_.removeprefix("pair_")) for id_ in shuffled]
    assert (
        abs(sum((place - 11.5) * (index - (len(places) - 1) / 2) for index, place in enumerate(places)))
        < 0.6 * 24 * 575 / 12
    )
    opened.page.reload()
    opened.wait_until(lambda: opened.ids()[:12] == shuffled)


def test_controls_of_columns_that_are_absent_are_not_there(show, pictures):
    page = show([pictures.entry(0, dice=None), pictures.entry(1, dice=None)]).page
    assert page.locator("#ranges section").count() == 1
    assert not page.locator("#decision-section").is_visible()
    assert not page.locator("#plot-button").is_visible()
    page.keyboard.press("p")
    assert not page.locator("#plot").is_visible()
    assert page.locator("#sort option").all_inner_texts() == ["Score", "Random (for calibration)", "Id", "Worst class"]


def compared(pictures: Pictures) -> list[GalleryEntry]:
    """Four pairs of which the last was the worst in the other audit, one that only this audit has, and another
    prediction of the first.
    """
    entries = [pictures.entry(index, dice=0.2 * index) for index in range(5)]
    others = [
        {"id": id_, "status": "ok", "score": score} for id_, score in zip(pair(3, 0, 1, 2), (4, 3, 2, 1), strict=True)
    ]
    rows, facts = compare_rows([entry.row for entry in entries], others)
    assert (facts["in_both"], facts["only_here"], facts["only_in_the_other"]) == (4, 1, 0)
    masks = [pictures.entry(20, label=12).prediction, None, None, None, None]
    return [
        GalleryEntry(row, entry.image, entry.prediction, entry.heatmap, entry.ground_truth, mask)
        for row, entry, mask in zip(rows, entries, masks, strict=True)
    ]


def test_two_audits_side_by_side(show, pictures):
    opened = show(compared(pictures), "#sort=change")
    page = opened.page
    assert opened.ids() == pair(0, 1, 2, 3, 4)
    assert page.locator("#grid .rank").all_inner_texts() == ["#1 ↑1", "#2 ↑1", "#3 ↑1", "#4 ↓3", "#5"]
    assert "rank in the other audit 2" in page.locator("#grid .card").first.get_attribute("aria-label")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    assert page.locator("#panels figcaption").all_inner_texts() == [
        "Photo", "Prediction", "Prediction in the other audit", "Heat map\nlow\nhigh", "Ground truth",
    ]  # fmt: skip
    fields = page.locator("#fields").inner_text()
    assert re.search(r"Rank change\s+↑1", fields)
    assert re.search(r"Score in the other audit\s+3", fields)


def test_the_plot_finds_pictures_and_selects(show, pictures):
    opened = show(compared(pictures))
    page = opened.page
    page.keyboard.press("p")
    stage = page.locator("#plot .stage")
    stage.wait_for()
    assert page.locator("#plot select option").all_inner_texts() == ["Dice", "Score in the other audit"]
    canvas = page.locator("#plot canvas")
    opened.wait_until(lambda: "5 of 5 entries" in (canvas.get_attribute("aria-label") or ""))
    box = stage.bounding_box()
    left, right, top, bottom = box["x"] + 44, box["x"] + box["width"] - 12, box["y"] + 12, box["y"] + box["height"] - 34

    def point(score: float, dice: float) -> tuple[float, float]:
        """Where the plot draws a point: score from 1.6 to 2.0 with 3 % beside it, Dice from -0.03 to 1.03."""
        return left + (right - left) * (score - 1.588) / 0.424, bottom - (bottom - top) * (dice + 0.03) / 1.06

    page.mouse.move(*point(1.7, 0.6))
    assert "pair_0003" in page.locator("#plot .plot-words").inner_text()
    page.mouse.click(*point(1.7, 0.6))
    assert opened.focused() == "pair_0003"
    ring = page.locator("#plot .ring").bounding_box()
    assert (ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2) == pytest.approx(point(1.7, 0.6), abs=1.5)
    page.mouse.move(*point(1.75, 0.1))
    page.mouse.down()
    page.mouse.move(*point(1.95, 0.5), steps=4)
    page.mouse.up()
    assert opened.ids() == pair(1, 2)
    opened.wait_until(lambda: "2 of 5 entries" in canvas.get_attribute("aria-label"))
    page.mouse.click(*point(1.7, 0.6))
    assert "not among what the filters show" in page.locator("#announcer").inner_text()
    page.click("#reset")
    page.select_option("#plot select", "other_score")
    opened.wait_until(lambda: "4 of 4 entries" in canvas.get_attribute("aria-label"))


def test_hostile_ids_and_notes_are_saved_and_come_back_as_they_are(show, pictures, tmp_path):
    sound = [text for text in HOSTILE if text.isprintable() or text == "__proto__"]
    entries = [pictures.entry(50 + index, id=text, score=float(len(sound) - index)) for index, text in enumerate(sound)]
    opened = show(entries)
    page = opened.page
    page.keyboard.press("j")
    for _ in sound:
        page.keyboard.press("r")
    page.keyboard.press("n")
    page.keyboard.insert_text("</textarea><img src=x onerror=alert(1)>")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    saved = save(page, tmp_path / "review.json")
    assert set(saved["items"]) == set(sound)
    assert "__proto__" in sound
    page.evaluate("localStorage.clear()")
    page.reload()
    load(page, tmp_path / "review.json")
    page.get_by_text(f"{len(sound)} of {len(sound)} reviewed").first.wait_for()
    assert page.locator("img[src=x]").count() == 0
    assert save(page, tmp_path / "again.json") == saved


def test_pictures_beside_the_page_are_shown_and_a_missing_one_says_so(show, entries, tmp_path):
    opened = show(entries, thumbnails="beside")
    page = opened.page
    photo = page.locator("#grid li").first.locator("img")
    assert photo.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64
    page.locator("#grid li:first-child canvas.prediction").wait_for()  # of a script beside the page
    assert all(address.startswith(tmp_path.as_uri()) for address in opened.files)
    next(tmp_path.glob("page_files/*/0/1.jpg")).unlink()
    next(tmp_path.glob("page_files/*/0/2.js")).unlink()
    page.reload()
    page.get_by_text("picture not found beside the page").wait_for()
    opened.complaints[:] = [text for text in opened.complaints if "ERR_FILE_NOT_FOUND" not in text]


def test_every_control_is_reached_by_tab_and_named(show, entries):
    page = show(entries).page
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.className || document.activeElement.value"
            )
        )
    wanted = {
        "skip",
        "search",
        "sort",
        "direction",
        "review-filter",
        "low",
        "high",
        "p-low",
        "p-high",
        "opacity",
        "load",
        "card current",
    }
    assert wanted <= set(seen)
    nameless = """() => [...document.querySelectorAll('button, input, select, textarea')].filter((node) =>
      !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length))
      .map((node) => node.outerHTML)"""
    assert page.evaluate(nameless) == []
