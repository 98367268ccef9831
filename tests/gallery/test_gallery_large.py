"""A gallery of ten thousand entries in headless Chromium: few nodes, little work a frame, whatever one does."""

from collections.abc import Iterator

import pytest
from gallery_browser import Opened, launch, needs_chromium
from gallery_pictures import Pictures

from segqc.data.labels import VOC_LABELS
from segqc.gallery.layers import GalleryEntry
from segqc.gallery.page import write_gallery

pytestmark = needs_chromium

COUNT = 10_000
MOST_CARDS = 80  # cards that 2.5 windows of 1366 x 768 hold, with room to spare
MOST_NODES = 4_000  # elements of the whole page: cards, controls, histograms, and the legend of 21 classes


@pytest.fixture(scope="module")
def browser() -> Iterator:
    yield from launch()


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory) -> Iterator[Opened]:
    """The page, with counters of what its script does to it; its pictures lie beside it."""
    folder = tmp_path_factory.mktemp("large")
    pictures = Pictures(folder)
    first = [pictures.entry(index, size=(16, 12), label=1 + index) for index in range(20)]
    entries = [
        GalleryEntry(
            dict(first[i % 20].row) | {"id": f"pair_{i:05d}", "rank": i + 1, "score": 1 - i / COUNT}
            | {"dice": (i * 37 % COUNT) / COUNT},
            first[i % 20].image,
        )
        for i in range(COUNT)
    ]  # fmt: skip
    write_gallery(folder / "page.html", entries, VOC_LABELS, "Ten thousand", {})
    page = Opened(browser, folder / "page.html")
    page.page.evaluate(
        """() => {
          window.work = [];
          new MutationObserver((records) => {
            const count = (nodes) => [...nodes].reduce((sum, node) =>
              sum + 1 + (node.querySelectorAll?.('*').length ?? 0), 0);
            work.push(records.reduce((sum, { addedNodes }) => sum + count(addedNodes), 0));
          }).observe(document.body, { childList: true, subtree: true });
        }"""
    )
    yield page
    assert page.complaints == []
    page.page.context.close()


def work_during(opened: Opened, action) -> list[int]:
    """Nodes that the page's script added while `action` ran, by batch: what makes a frame long."""
    opened.page.evaluate("() => { work.length = 0; }")
    action()
    opened.page.wait_for_timeout(50)
    return opened.page.evaluate("work")


def assert_small(opened: Opened) -> None:
    assert 0 < opened.page.locator("#grid li").count() <= MOST_CARDS
    assert opened.page.evaluate("document.querySelectorAll('*').length") <= MOST_NODES


def test_opens_with_few_nodes_and_only_the_pictures_in_sight(opened):
    assert opened.count() == "10,000 of 10,000 shown"
    assert_small(opened)
    assert len(opened.files) <= 1 + 2 * MOST_CARDS


def test_scrolling_builds_only_what_comes_into_sight(opened):
    page = opened.page
    steps = 60

    def scroll() -> None:
        page.evaluate(
            f"""() => new Promise((done) => {{
              const box = document.getElementById('scroller');
              let step = 0;
              const move = () => {{
                box.scrollTop += 150; if (++step < {steps}) requestAnimationFrame(move); else done(); }};
              requestAnimationFrame(move);
            }})"""
        )

    work = work_during(opened, scroll)
    per_card = page.evaluate("document.querySelector('#grid li').querySelectorAll('*').length + 1")
    # three lines of cards at once at most, where one comes into sight every other frame
    assert max(work) <= 12 * per_card
    assert sum(work) <= 300 * per_card  # 9,000 px are some 35 lines of 4
    assert_small(opened)
    for share in (0.5, 1, 0.25, 0):
        page.evaluate(
            f"() => {{ const box = document.getElementById('scroller'); box.scrollTop = {share} * box.scrollHeight; }}"
        )
        page.wait_for_timeout(50)
        assert_small(opened)


def test_a_verdict_touches_one_card(opened):
    page = opened.page
    page.keyboard.press("j")
    page.keyboard.press("r")

    def judge() -> None:
        for _ in range(4):
            page.keyboard.press("r")

    work = work_during(opened, judge)
    # A verdict may bring a line of cards into sight when the focus moves down; it never draws the list anew.
    assert sum(work) <= 4 * 8 * page.evaluate("document.querySelector('#grid li').querySelectorAll('*').length + 1")
    assert_small(opened)


def test_sorting_filtering_and_the_plot_stay_small(opened):
    page = opened.page
    page.select_option("#sort", "dice")
    assert opened.ids()[0] == "pair_00000"
    page.fill("#search", "pair_0999")
    opened.wait_until(lambda: opened.count() == "10 of 10,000 shown")
    page.fill("#search", "")
    page.locator("#low").fill("150")
    opened.wait_until(lambda: opened.count() == "2,500 of 10,000 shown")
    page.keyboard.press("Escape")
    page.click("#reset")
    page.click("#plot-button")
    opened.wait_until(
        lambda: "10,000 of 10,000 entries" in (page.locator("#plot canvas").get_attribute("aria-label") or "")
    )
    assert_small(opened)
    page.locator("#grid .card").first.focus()
    page.keyboard.press("End")
    opened.wait_until(lambda: opened.focused() == opened.ids()[-1])
    assert_small(opened)


def test_a_slider_does_not_make_the_browser_refuse_the_address(opened):
    page = opened.page
    page.evaluate(
        """() => {
          const low = document.getElementById('low');
          for (let step = 0; step < 250; step++) {
            low.value = step % 200; low.dispatchEvent(new Event('input', { bubbles: true })); }
          low.value = 0; low.dispatchEvent(new Event('input', { bubbles: true }));
        }"""
    )
    opened.wait_until(lambda: "low=" not in page.url)
    assert opened.complaints == []
