"""The gallery in headless Chromium: what it shows, how it is driven, and that it stays alone on its machine."""

import dataclasses
from collections.abc import Iterator

import pytest
from gallery_browser import Opened, launch, needs_chromium, pair
from gallery_pictures import HOSTILE, Pictures, failed_entry

from segqc.data.labels import VOC_LABELS
from segqc.gallery.layers import GalleryEntry
from segqc.gallery.page import write_gallery

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator:
    yield from launch()


@pytest.fixture
def show(browser, tmp_path) -> Iterator:
    """Function that writes a gallery of entries, opens it and returns an `Opened`; checks at the end that nothing was
    complained about.
    """
    opened: list[Opened] = []

    def open_page(entries: list[GalleryEntry], address: str = "", title: str = "A title", **context) -> Opened:
        path = tmp_path / "page.html"
        write_gallery(path, entries, VOC_LABELS, title, {"mean_dice": 0.5, "model": {"method": "mixing"}})
        opened.append(Opened(browser, path, address, **context))
        return opened[-1]

    yield open_page
    for each in opened:
        each.page.context.close()
        # Chromium's advice on reading pixels is about these tests, which read them.
        assert [text for text in each.complaints if "willReadFrequently" not in text] == []
        # It asks for no file but itself and, in the large view, the original photos.
        assert not [file for file in set(each.files) if not file.endswith(("_photo.png", "/page.html"))]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Pictures:
    return Pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def entries(pictures) -> list[GalleryEntry]:
    """Six scored pairs, cats and cows by turns, Dice falling where the score falls, and two errors."""
    scored = [
        pictures.entry(index, label=(8, 10)[index % 2], dice=(0.3, 0.1, 0.2, 0.6, 0.5, None)[index])
        for index in range(6)
    ]
    return [*scored, failed_entry("bad_one", "the image is missing"), failed_entry("bad_two", "another size")]


def test_opens_worst_first_with_errors_apart(show, entries):
    opened = show(entries)
    assert opened.ids() == pair(0, 1, 2, 3, 4, 5)
    assert opened.count() == "6 of 6 shown, 2 errors"
    assert opened.page.title() == "A title"
    opened.page.locator("#errors-summary").click()
    assert opened.page.locator("#errors-body tr").all_inner_texts() == [
        "bad_one\tthe image is missing",
        "bad_two\tanother size",
    ]


def test_every_picture_of_a_card_is_drawn(show, entries):
    opened = show(entries)
    photo = opened.page.locator("#grid li").first.locator("img")
    assert photo.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64
    opened.page.keyboard.press("h")
    for name, size in (("prediction", None), ("heat", 64)):
        layer = opened.page.locator(f"#grid li:first-child canvas.{name}")
        layer.wait_for()
        # The middle of the mask is coloured, the middle of the heat map bright; nothing covers the corner.
        pixels = layer.evaluate(
            "c => [c.width, ...[[0, 0], [c.width >> 1, c.height >> 1]].map(([x, y]) =>"
            " [...c.getContext('2d').getImageData(x, y, 1, 1).data])]"
        )
        assert pixels[0] == size or size is None
        assert pixels[1][3] == 0
        assert pixels[2][3] > 100
    # The worst box: a quarter of the picture from its left edge, and a quarter of it wide.
    frame, box = (opened.page.locator(f"#grid li:first-child {name}").bounding_box() for name in (".frame", ".box"))
    assert box["x"] - frame["x"] == pytest.approx(frame["width"] / 4, abs=1)
    assert box["width"] == pytest.approx(frame["width"] / 4, abs=1)


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("id", (0, 1, 2, 3, 4, 5)),
        ("dice", (1, 2, 0, 4, 3, 5)),
        ("worst", (0, 2, 4, 1, 3, 5)),
        ("score", (0, 1, 2, 3, 4, 5)),
    ],
)
def test_sorts_and_turns_round(show, entries, sort, order):
    opened = show(entries)
    opened.page.select_option("#sort", sort)
    assert opened.ids() == pair(*order)
    opened.page.click("#direction")
    turned = {
        "id": (5, 4, 3, 2, 1, 0),
        "dice": (3, 4, 0, 2, 1, 5),
        "worst": (1, 3, 5, 0, 2, 4),
        "score": (5, 4, 3, 2, 1, 0),
    }[sort]
    assert opened.ids() == pair(*turned)  # the one without a Dice stays last


def test_slices_are_sorted_by_their_volumes(show, entries):
    weights, volumes = (1, 9, 1, 9, 1, 1), "abcabc"
    slices = [
        dataclasses.replace(entry, row=entry.row | {"volume": volumes[place], "volume_weight": weights[place]})
        for place, entry in enumerate(entries[:6])
    ]
    score = [float(entry.row["score"]) for entry in slices]
    means = {
        volume: sum(score[i] * weights[i] for i in places) / sum(weights[i] for i in places)
        for volume, places in (("a", (0, 3)), ("b", (1, 4)), ("c", (2, 5)))
    }
    opened = show(slices)
    opened.page.select_option("#sort", "volume")
    assert opened.ids() == pair(*sorted(range(6), key=lambda place: (-means[volumes[place]], place)))
    assert not show(entries).page.locator("#sort option[value=volume]").count()


def test_filters_by_text_class_score_and_status(show, entries):
    opened = show(entries)
    page = opened.page
    page.fill("#search", "0003")
    opened.wait_until(lambda: opened.ids() == pair(3))
    page.fill("#search", "nothing like it")
    opened.wait_until(lambda: opened.ids() == [])
    assert page.locator("#empty").is_visible()
    page.fill("#search", "")
    page.check("#legend input[value=cow]")
    assert opened.ids() == pair(1, 3, 5)
    assert opened.count() == "3 of 6 shown"
    page.check("#class-mode input[value=expected]", force=True)
    assert opened.ids() == []
    page.click("#class-clear")
    page.locator("#low").fill("100")  # the middle of 1.5 .. 2.0
    opened.wait_until(lambda: opened.ids() == pair(0, 1, 2))
    page.check("#status input[value=error]", force=True)
    page.click("#reset")
    assert opened.ids() == pair(0, 1, 2, 3, 4, 5)
    page.check("#status input[value=error]", force=True)
    assert opened.ids() == []
    assert page.locator("#errors-body").is_visible()


def test_score_handles_never_cross(show, entries):
    page = show(entries).page
    page.locator("#high").fill("50")
    page.wait_for_timeout(50)
    page.locator("#low").fill("150")
    page.wait_for_timeout(50)
    assert [page.input_value("#low"), page.input_value("#high")] == ["50", "50"]


def test_layers_and_opacity(show, entries):
    opened = show(entries)
    page = opened.page

    def visible() -> set[str]:
        layers = {
            name: page.locator(f"#grid li:first-child .{name}") for name in ("prediction", "truth", "heat", "box")
        }
        return {name for name, layer in layers.items() if layer.is_visible()}

    for key, expected in (
        ("", {"prediction", "box"}),
        ("h", {"prediction", "heat", "box"}),
        ("g", {"truth", "heat", "box"}),
        ("ob", {"prediction", "heat"}),  # back from the ground truth to the prediction
        ("o", {"heat"}),
    ):
        for letter in key:
            page.keyboard.press(letter)
        opened.wait_until(lambda expected=expected: visible() == expected)
    page.click("#layers [data-layer=heat]")
    opened.wait_until(lambda: visible() == set())
    page.keyboard.press("o")
    page.locator("#opacity").fill("20")
    opacity = "canvas => canvas.getContext('2d').getImageData(canvas.width >> 1, canvas.height >> 1, 1, 1).data[3]"
    layer = page.locator("#grid li:first-child .prediction")
    opened.wait_until(lambda: layer.evaluate(opacity) == 51)


def test_keys_move_open_and_close(show, entries):
    opened = show(entries)
    page = opened.page
    current = "document.activeElement.querySelector('.id')?.textContent"
    columns = page.locator("#grid").evaluate(
        "list => getComputedStyle(list).width && Math.floor((list.clientWidth + 12) / 250)"
    )
    page.keyboard.press("j")
    assert page.evaluate(current) == "pair_0000"
    page.keyboard.press("j")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("k")
    assert page.evaluate(current) == "pair_0001"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(current) == pair(1 + columns)[0]
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    assert page.locator("#detail-title").inner_text().split() == ["#1", "pair_0000"]
    assert page.locator("#panels figure").count() == 4
    assert page.locator("#previous").get_attribute("aria-disabled") == "true"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("j")
    assert page.locator("#detail-title").inner_text().split() == ["#3", "pair_0002"]
    opened.wait_for_address("#open=pair_0002")
    page.keyboard.press("Escape")
    assert not page.locator("#detail").is_visible()
    opened.wait_until(lambda: page.evaluate(current) == "pair_0002")  # the focus returns to where one was
    page.keyboard.press("/")
    page.keyboard.type("hog")  # letters of the layer keys are letters here
    assert page.input_value("#search") == "hog"
    assert "heat" not in page.url
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()


def test_the_address_carries_the_state(show, entries):
    address = "#sort=dice&dir=desc&class=cat&low=1.55&heat=1&opacity=35"
    opened = show(entries, address)
    assert opened.ids() == pair(4, 0, 2)
    assert opened.page.input_value("#sort") == "dice"
    assert opened.page.input_value("#opacity") == "35"
    opened.page.keyboard.press("o")
    opened.page.wait_for_url("**overlay=0**", wait_until="commit")
    assert set(opened.page.url.split("#")[1].split("&")) == {*address[1:].split("&"), "overlay=0"}
    opened.page.evaluate("location.hash = 'q=0005'")
    opened.wait_until(lambda: opened.ids() == pair(5))


def test_a_foreign_address_does_no_harm(show, entries):
    opened = show(
        entries,
        "#sort=toString&status=__proto__&by=constructor&low=x&high=&opacity=9e9&open=nobody&class=%3Cb%3E&zzz=1",
    )
    assert opened.ids() == []  # the unknown class filters everything
    opened.page.click("#reset")
    assert opened.ids() == pair(0, 1, 2, 3, 4, 5)
    assert not opened.page.locator("#detail").is_visible()


def test_1500_entries_scroll_with_few_cards(show, pictures):
    first = pictures.entry(0)
    many = [
        GalleryEntry(dict(first.row) | {"id": f"pair_{i:04d}", "rank": i + 1, "score": 1 - i / 1500}, first.image)
        for i in range(1500)
    ]
    opened = show(many)
    page = opened.page
    assert opened.count() == "1,500 of 1,500 shown"
    for share in (0.25, 0.5, 1, 0):
        page.evaluate(
            f"() => {{ const box = document.getElementById('scroller'); box.scrollTop = {share} * box.scrollHeight; }}"
        )
        expected = "pair_1499" if share == 1 else "pair_0000" if share == 0 else None
        if expected:
            page.locator("#grid .id", has_text=expected).wait_for()
        assert 0 < page.locator("#grid li").count() < 60
    page.keyboard.press("j")
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.querySelector('.id').textContent") == "pair_1499"
    assert page.locator("#grid li").count() < 60
    assert page.evaluate("document.querySelectorAll('.card').length") < 60


def test_hostile_texts_stay_texts(show, pictures):
    hostile = [
        pictures.entry(
            100 + index, id=text, reason=text, note=text, worst_class=text, expected_class=text[::-1], classes=text
        )
        for index, text in enumerate(HOSTILE)
    ]
    opened = show([*hostile, *(failed_entry(text, text) for text in HOSTILE)], title=HOSTILE[1])
    page = opened.page
    assert opened.ids() == HOSTILE
    page.keyboard.press("j")
    for _ in HOSTILE:
        page.keyboard.press("Enter")
        assert page.locator("#detail img[src=x]").count() == 0
        page.keyboard.press("Escape")
        page.keyboard.press("j")
    page.locator("#errors-summary").click()
    assert page.locator("#errors-body td").first.inner_text() == HOSTILE[0]
    assert page.locator("img[src=x]").count() == 0
    assert page.title() == HOSTILE[1]


def test_a_broken_photo_shows_its_reason_in_place(show, pictures):
    entry = pictures.entry(90)
    entry.image.write_bytes(b"broken")
    opened = show([entry])
    assert "90_photo.png" in opened.page.locator("#grid .placeholder").inner_text()


def test_an_empty_audit_and_one_without_scores_open(show):
    opened = show([])
    assert opened.count() == "0 of 0 shown"
    opened = show([failed_entry("bad", "missing")])
    assert opened.count() == "0 of 0 shown, 1 error"


def test_a_view_that_was_closed_leaves_the_address_at_once(show, entries):
    # Opened, moved on and closed quicker than the pause between two changes of the address; then it is read.
    address = show(entries).page.evaluate(
        """() => {
          document.querySelector("#grid .card").click();
          for (const id of ["next", "close"]) document.getElementById(id).click();
          const detail = document.getElementById("detail");
          return new Promise((read) => detail.addEventListener("close", () => read(location.hash)));
        }"""
    )
    assert "open" not in address


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_theme_follows_the_system_until_it_is_switched(show, entries, scheme):
    page = show(entries, color_scheme=scheme).page
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == scheme
    page.click("#theme-button")
    assert page.evaluate(theme) == {"light": "dark", "dark": "light"}[scheme]
    page.reload()
    assert page.evaluate(theme) == {"light": "dark", "dark": "light"}[scheme]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_have_contrast_and_controls_have_names(show, entries, scheme):
    page = show(entries, color_scheme=scheme).page
    # Contrast ratio of WCAG 2, section 1.4.3.
    ratio = """(selectors) => {
      const linear = (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
      const luminance = (text) => text.match(/[\\d.]+/g).slice(0, 3).map((value) => linear(value / 255))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
      const ground = (node) => {
        for (; node; node = node.parentElement) {
          const colour = getComputedStyle(node).backgroundColor;
          if (!/, 0\\)$/.test(colour)) return luminance(colour);
        }
        return 1;
      };
      return selectors.map((selector) => {
        const node = document.querySelector(selector);
        const [a, b] = [luminance(getComputedStyle(node).color), ground(node)].sort((x, y) => y - x);
        return [selector, (a + 0.05) / (b + 0.05)];
      });
    }"""
    words = [
        "h1",
        ".facts dt",
        ".caption",
        ".id",
        ".score",
        ".small-print",
        "#count",
        ".toggle",
        "#errors-summary",
        "#legend .number",
    ]
    for selector, contrast in page.evaluate(ratio, words):
        assert contrast >= 4.5, f"{selector}: {contrast:.2f}"
    nameless = """() => [...document.querySelectorAll('button, input, select')].filter((node) =>
      !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length))
      .map((node) => node.outerHTML)"""
    assert page.evaluate(nameless) == []


def test_fits_a_laptop_and_a_telephone_without_scrolling_sideways(show, entries):
    page = show(entries).page
    for width, height in ((1366, 768), (420, 800), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("#grid .card").first.is_visible()
