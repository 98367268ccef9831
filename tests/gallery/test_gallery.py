"""The file of the gallery: its data blocks, its pictures, and that nothing in it can run.

The page is tested in test_gallery_page.py.
"""

import base64
import html.parser
import io
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from gallery_data import page_data
from gallery_pictures import HOSTILE, Pictures, failed_entry
from PIL import Image

from segqc.data.labels import VOC_LABELS
from segqc.data.masks import write_mask
from segqc.gallery import page as gallery
from segqc.gallery import store
from segqc.gallery.about import introduction
from segqc.gallery.page import write_gallery
from segqc.gallery.store import script_json
from segqc.results.schema import COLUMNS


@pytest.fixture
def pictures(tmp_path) -> Pictures:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return Pictures(folder)


class Scripts(html.parser.HTMLParser):
    """Collects script elements as an HTML parser sees them: (attributes, text)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tag: str | None = None
        self.found: list[tuple[dict, str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tag = tag
        if tag == "script":
            self.found.append((dict(attrs), ""))

    def handle_data(self, data):
        if self.tag == "script" and self.found:
            attributes, text = self.found[-1]
            self.found[-1] = (attributes, text + data)

    def handle_endtag(self, tag):
        self.tag = None

    def json(self, name: str):
        return next(json.loads(text) for attributes, text in self.found if attributes.get("id") == name)

    @property
    def names(self) -> set[str]:
        return {attributes["id"] for attributes, _ in self.found if "id" in attributes}


def photo_in(packet: dict) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(packet["photo"])))


def raster_in(packet: dict, name: str) -> np.ndarray:
    width, height, text = packet[name]
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(height, width)


def scripts_of(path: Path) -> Scripts:
    return Scripts(path.read_text("utf-8"))


# The file
# ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE)
def test_script_json_is_inert_and_loses_nothing(text):
    written = script_json({text: [text]})
    assert written.isascii()
    assert not set("<>&") & set(written)
    assert json.loads(written) == {text: [text]}


def test_bytes_depend_on_the_input_alone(tmp_path, pictures):
    entries = [pictures.entry(index) for index in range(9)] + [failed_entry("bad", "missing")]
    for name, workers in (("one.html", 1), ("two.html", 4)):
        write_gallery(tmp_path / name, entries, VOC_LABELS, "Title", {"a": 1}, workers=workers)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_progress_counts_every_entry_in_order(tmp_path, pictures):
    seen = []
    entries = [pictures.entry(0), failed_entry("bad", "missing"), pictures.entry(1)]
    write_gallery(tmp_path / "page.html", entries, VOC_LABELS, "Title", {}, on_progress=seen.append)
    assert seen == [1, 2, 3]


def test_pictures_show_photo_prediction_heat_and_truth(tmp_path, pictures):
    write_gallery(tmp_path / "page.html", [pictures.entry(0, size=(800, 400))], VOC_LABELS, "Title", {})
    scripts = scripts_of(tmp_path / "page.html")
    small, fine = scripts.json("pictures-0"), scripts.json("pictures-0.fine")
    assert (photo_in(small).size, photo_in(fine).size) == ((240, 120), (800, 400))
    assert {name: raster_in(small, name).shape for name in ("prediction", "heat", "truth")} == {
        "prediction": (256, 512), "heat": (48, 96), "truth": (256, 512)
    }  # fmt: skip
    mask = np.asarray(Image.open(pictures.folder / "0_pred.png"))
    np.testing.assert_array_equal(raster_in(fine, "prediction"), mask)
    assert set(np.unique(raster_in(small, "prediction"))) == {0, 8}
    assert np.abs(np.array(photo_in(small).getpixel((120, 60))) - [127, 127, 0]).max() < 12
    row = page_data(tmp_path / "page.html")["rows"][0]
    assert row["layers"] == ["photo", "prediction", "heat", "truth"]
    assert row["worst_box"] == [200, 100, 400, 200]
    assert (row["width"], row["height"], row["fine"]) == (800, 400, True)


def test_the_worst_get_fine_previews_while_there_is_room(tmp_path, pictures, monkeypatch):
    entries = [pictures.entry(index, size=(800, 400)) for index in range(3)]
    write_gallery(tmp_path / "all.html", entries, VOC_LABELS, "Title", {})
    sizes = [len(json.dumps(scripts_of(tmp_path / "all.html").json(f"pictures-{index}.fine"))) for index in range(2)]
    monkeypatch.setattr(store.FineBudget.__init__, "__defaults__", (sizes[0] + sizes[1] // 2,))
    write_gallery(tmp_path / "page.html", entries, VOC_LABELS, "Title", {})
    scripts = scripts_of(tmp_path / "page.html")
    assert [row["fine"] for row in page_data(tmp_path / "page.html")["rows"]] == [True, False, False]
    assert {name for name in scripts.names if "fine" in name} == {"pictures-0.fine"}


def test_a_page_never_holds_more_than_200_million_bytes_of_pictures(tmp_path, pictures):
    # Grain as strong as a camera's at high sensitivity, on which JPEG spends most; VOC photos take less.
    rng = np.random.default_rng(0)
    entry = pictures.entry(0, size=(1500, 1125))
    photo = np.asarray(Image.open(entry.image)).astype(float)
    Image.fromarray(np.clip(photo + rng.normal(0, 15, photo.shape), 0, 255).astype(np.uint8)).save(entry.image)
    write_gallery(tmp_path / "page.html", [entry], VOC_LABELS, "Title", {})
    scripts = scripts_of(tmp_path / "page.html")
    small = next(len(text) for attributes, text in scripts.found if attributes.get("id") == "pictures-0")
    assert gallery.INLINE_COUNT * small + store.FINE_BUDGET < 200_000_000


def test_the_original_is_named_where_a_browser_shows_its_very_pixels(tmp_path, pictures):
    entries = [pictures.entry(index) for index in range(5)]
    photo = Image.open(entries[0].image)
    turned = photo.getexif()
    turned[0x0112] = 6
    photo.save(entries[1].image, exif=turned)
    photo.convert("RGBA").save(entries[2].image)
    photo.save(entries[3].image, format="TIFF")
    folder = tmp_path / "audit"
    folder.mkdir()
    write_gallery(folder / "page.html", entries, VOC_LABELS, "Title", {})
    sources = [row["source"] for row in page_data(folder / "page.html")["rows"]]
    assert sources == ["../pictures/0_photo.png", "", "", "", "../pictures/4_photo.png"]


@pytest.mark.parametrize("content", [None, b"", b"\x89PNG\r\n\x1a\n broken"])
@pytest.mark.parametrize(
    ("kind", "layer"), [("photo", "photo"), ("pred", "prediction"), ("heat", "heat"), ("truth", "truth")]
)
def test_a_missing_or_broken_picture_costs_only_its_layer(tmp_path, pictures, kind, layer, content):
    entries = [pictures.entry(0), pictures.entry(1)]
    victim = pictures.folder / f"0_{kind}.png"
    victim.unlink()
    if content is not None:
        victim.write_bytes(content)
    write_gallery(tmp_path / "page.html", entries, VOC_LABELS, "Title", {})
    scripts = scripts_of(tmp_path / "page.html")
    shipped = scripts.json("pictures-0")
    assert {"photo", "prediction", "heat", "truth"} - shipped.keys() == {layer}
    first, second = page_data(tmp_path / "page.html")["rows"]
    assert {"photo", "prediction", "heat", "truth"} - set(first["layers"]) == {layer}
    assert victim.name in first["problem"]
    assert second["problem"] == ""


def test_a_mask_of_another_size_is_a_problem_not_a_distorted_layer(tmp_path, pictures):
    entry = pictures.entry(0)
    write_mask(entry.ground_truth, np.zeros((5, 5), np.uint8), VOC_LABELS)
    write_gallery(tmp_path / "page.html", [entry], VOC_LABELS, "Title", {})
    row = page_data(tmp_path / "page.html")["rows"][0]
    assert "truth" not in row["layers"]
    assert "5x5" in row["problem"]


def test_rows_of_a_table_are_understood_whatever_their_types(tmp_path, pictures):
    typed = pictures.entry(
        0, score=np.float32(0.5), dice=float("nan"), rank=np.int64(1), classes="cat;dog", extra=Path("a/b")
    )
    text = pictures.entry(1, score="0.25", dice="", rank="2", width="", height=None, worst_box="", expected_class=None)
    write_gallery(tmp_path / "page.html", [typed, text], VOC_LABELS, "Title", {})
    first, second = page_data(tmp_path / "page.html")["rows"]
    assert (first["score"], first["dice"], first["rank"], first["classes"], first["extra"]) == (
        0.5,
        None,
        1,
        ["cat", "dog"],
        "a/b",
    )
    assert (second["score"], second["dice"], second["rank"], second["worst_box"]) == (0.25, None, 2, None)
    assert (second["width"], second["height"]) == (64, 48)  # from the picture


def test_summary_is_flat_and_the_header_says_what_was_audited_and_not_what_it_cost(tmp_path):
    summary = {
        "model": {"folder": "/models/voc-fast", "levels": (1, float("inf"))}, "mean_dice": np.float64(0.5),
        "seconds": 3.0, "peak_memory_gib": 2.0, "config": {"predictions": "runs/deeplab"},
    }  # fmt: skip
    write_gallery(tmp_path / "page.html", [failed_entry("bad", "missing")], VOC_LABELS, "Title", summary, name="mine")
    data = scripts_of(tmp_path / "page.html").json("rows")
    assert data["summary"]["model.levels"] == [1, None]
    assert data["facts"] == {"mean_dice": 0.5}
    assert data["name"] == "mine"
    for words in (
        "0 predictions of deeplab, judged by the model voc-fast; 1 could",
        "A higher score is worse",
        "Start",
    ):
        assert words in data["intro"]


def test_headings_come_from_the_schema(tmp_path):
    write_gallery(tmp_path / "page.html", [], VOC_LABELS, "Title", {})
    words = scripts_of(tmp_path / "page.html").json("rows")["schema"]
    assert words["p_value"] == {"label": "p-value", "meaning": COLUMNS["p_value"].meaning}
    assert words.keys() == COLUMNS.keys()


def test_the_policy_allows_the_one_script_and_no_address(tmp_path):
    write_gallery(tmp_path / "page.html", [], VOC_LABELS, "</title><script>alert(1)</script>{{script}}", {})
    text = (tmp_path / "page.html").read_text("utf-8")
    scripts = scripts_of(tmp_path / "page.html").found
    code = [script for attributes, script in scripts if attributes.get("type") != "application/json"]
    assert "file:" not in text.split("script-src")[1].split(";")[0]
    assert len(code) == 1
    assert gallery._csp_hash(code[0]) in text.split("Content-Security-Policy")[1].split(">")[0]
    assert "default-src 'none'" in text
    addresses = text.replace("http://www.w3.org/2000/svg", "")  # the name of SVG, which no browser fetches
    assert "http:" not in addresses
    assert "https:" not in addresses


# Pictures beside the page
# ----------------------------------------------------------------------------------------------------


def test_large_audits_keep_their_pictures_beside_the_page(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(gallery, "INLINE_COUNT", 2)
    entries = [pictures.entry(index) for index in range(3)]
    write_gallery(tmp_path / "two.html", [*entries[:2], failed_entry("bad", "missing")], VOC_LABELS, "Title", {})
    assert scripts_of(tmp_path / "two.html").json("rows")["pictures"] is None  # entries without pictures don't count
    write_gallery(tmp_path / "a page#1.html", entries, VOC_LABELS, "Title", {})
    scripts = scripts_of(tmp_path / "a page#1.html")
    assert not [attributes for attributes, _ in scripts.found if attributes.get("id", "").startswith("pictures-")]
    address = scripts.json("rows")["pictures"]
    assert address.startswith("a%20page%231_files/")
    folder = tmp_path / "a page#1_files" / address.split("/")[1] / "0"
    assert sorted(path.name for path in folder.iterdir()) == [
        *(f"{i}.{suffix}" for i in range(3) for suffix in ("jpg", "js")),
        "rows-0.js",
    ]
    assert Image.open(folder / "2.jpg").size == (64, 48)
    script = (folder / "2.js").read_text("ascii")
    packet = json.loads(script.removeprefix('segqcPictures("2",').removesuffix(");\n"))
    assert raster_in(packet, "prediction").shape == (48, 64)
    assert "file:" in (tmp_path / "a page#1.html").read_text("utf-8").split("script-src")[1].split(";")[0]


def test_pictures_beside_are_named_by_their_content_and_old_ones_go_after_the_new_page_is_there(tmp_path, pictures):
    page, files = tmp_path / "page.html", tmp_path / "page_files"
    folders = []
    for label in (8, 8, 10):
        write_gallery(page, [pictures.entry(0, label=label)], VOC_LABELS, "Title", {}, thumbnails="beside")
        folders.append([path.name for path in files.iterdir()])
    assert len(folders[0]) == 1
    assert folders[0] == folders[1] != folders[2]
    assert len(folders[2]) == 1
    (files / "mine").mkdir()
    write_gallery(page, [pictures.entry(0)], VOC_LABELS, "Title", {}, thumbnails="inline")
    assert [path.name for path in files.iterdir()] == ["mine"]  # what the gallery did not write it does not remove


@pytest.mark.parametrize(
    ("predictions", "model", "said"),
    [
        ("out/predictions", "demo/model", "3 predictions, judged by the model. A higher"),
        ("out/deeplab", "demo/model", "3 predictions of deeplab, judged by the model. A higher"),
        ("out/predictions", "runs/voc", "3 predictions, judged by the model voc. A higher"),
    ],
)
def test_names_that_say_nothing_are_left_out(predictions, model, said):
    summary = {"config": {"predictions": predictions}, "model": {"folder": model}}
    assert introduction(summary, "prediction", 3, 0).startswith(said)


def test_a_failed_write_leaves_no_pictures_behind(tmp_path, pictures):
    page = tmp_path / "page.html"
    write_gallery(page, [pictures.entry(0)], VOC_LABELS, "Title", {}, thumbnails="beside")
    before = sorted(tmp_path.rglob("*")), page.read_bytes()

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_gallery(
            page, [pictures.entry(1), pictures.entry(2)], VOC_LABELS, "Title", {}, thumbnails="beside", on_progress=stop
        )
    assert before[1] == page.read_bytes()
    assert {path for path in tmp_path.rglob("*") if pictures.folder not in path.parents} == {
        path for path in before[0] if pictures.folder not in path.parents
    }


def test_a_failed_write_keeps_the_old_page(tmp_path, pictures):
    target = tmp_path / "page.html"
    target.write_text("old")

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_gallery(target, [pictures.entry(0), pictures.entry(1)], VOC_LABELS, "Title", {}, on_progress=stop)
    assert target.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "pictures"]
