"""The contact sheet: layout, awkward entries, text that fits."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segqc.data.labels import VOC_LABELS
from segqc.data.masks import write_mask
from segqc.gallery import contact_sheet as sheet
from segqc.gallery.contact_sheet import best_groups, write_contact_sheet
from segqc.gallery.layers import GalleryEntry
from segqc.gallery.overlay import BOX_RGB
from segqc.gallery.pen import shorten, text_width


def make_entry(folder: Path, index: int, *, size=(60, 40), truth=True, **row) -> GalleryEntry:
    rng = np.random.default_rng(index)
    image, prediction, heat, ground_truth = (
        folder / f"{index}_{kind}" for kind in ("photo.png", "pred.png", "heat.png", "truth.png")
    )
    Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)).save(image)
    mask = np.zeros((size[1], size[0]), np.uint8)
    mask[size[1] // 4 : size[1] // 2, size[0] // 4 : size[0] // 2] = 8
    write_mask(prediction, mask, VOC_LABELS)
    write_mask(ground_truth, mask, VOC_LABELS)
    Image.fromarray(mask * 30).save(heat)
    values = {
        "id": f"pair_{index}",
        "rank": index + 1,
        "score": 1 / (index + 1),
        "status": "ok",
        "classes": "cat",
        "dice": 0.5,
    }
    values |= {"worst_class": "cat", "expected_class": "dog", "worst_box": f"0,0,{size[0] // 2},{size[1] // 2}"}
    return GalleryEntry(values | row, image, prediction, heat, ground_truth if truth else None)


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


@pytest.mark.parametrize("columns", [3, 4])
def test_the_default_page_of_24_is_landscape_and_well_proportioned(columns):
    groups = best_groups(24, columns)
    width, height = sheet._body_size(24, columns, groups)
    assert groups > 1
    assert 1.0 < width / height < 1.9


@pytest.mark.parametrize("rows", [0, 1, 2, 5, 100])
def test_groups_never_exceed_the_rows(rows):
    assert 1 <= best_groups(rows, 4) <= max(1, rows)


def test_sheet_is_written_and_deterministic(tmp_path):
    entries = [make_entry(tmp_path, index) for index in range(5)]
    for name in ("one.png", "two.png"):
        write_contact_sheet(tmp_path / name, entries, VOC_LABELS)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert [path.name for path in tmp_path.glob(".*")] == []
    assert (pixels(tmp_path / "one.png") == BOX_RGB).all(-1).any()


def test_ground_truth_column_only_when_there_is_any(tmp_path):
    without = [make_entry(tmp_path, 0, truth=False)]
    write_contact_sheet(tmp_path / "without.png", without, VOC_LABELS)
    write_contact_sheet(tmp_path / "with.png", [*without, make_entry(tmp_path, 1)], VOC_LABELS, groups=1)
    width = [Image.open(tmp_path / f"{name}.png").width for name in ("without", "with")]
    assert width[1] - width[0] == sheet.SCALE * (sheet.CELL[0] + sheet.GAP)


def test_page_margins_stay_white(tmp_path):
    long_texts = {"id": "long/" * 60, "worst_class": "name " * 60}
    entries = [
        make_entry(tmp_path, index, size=size, **long_texts) for index, size in enumerate([(300, 4), (4, 300), (1, 1)])
    ]
    write_contact_sheet(tmp_path / "sheet.png", entries, VOC_LABELS, title="Title " * 100)
    page = pixels(tmp_path / "sheet.png")
    edge = sheet.MARGIN * sheet.SCALE - 2
    for strip in (page[:, :edge], page[:, -edge:], page[:edge], page[-edge:]):
        assert (strip == 255).all()


def test_errors_are_left_out_and_an_empty_sheet_says_so(tmp_path):
    failed = GalleryEntry({"id": "bad", "status": "error", "reason": "missing"}, tmp_path / "none.jpg")
    write_contact_sheet(tmp_path / "failed.png", [failed], VOC_LABELS)
    write_contact_sheet(tmp_path / "empty.png", [], VOC_LABELS)
    assert (tmp_path / "failed.png").read_bytes() == (tmp_path / "empty.png").read_bytes()
    good = make_entry(tmp_path, 0)
    write_contact_sheet(tmp_path / "good.png", [good], VOC_LABELS)
    write_contact_sheet(tmp_path / "mixed.png", [good, failed], VOC_LABELS)
    assert (tmp_path / "good.png").read_bytes() == (tmp_path / "mixed.png").read_bytes()


@pytest.mark.parametrize("broken", ["photo", "pred", "heat", "truth"])
def test_an_unreadable_picture_leaves_the_others(tmp_path, broken):
    entries = [make_entry(tmp_path, 0), make_entry(tmp_path, 1)]
    write_contact_sheet(tmp_path / "whole.png", entries, VOC_LABELS, groups=1)
    (tmp_path / f"1_{broken}.png").write_bytes(b"\x89PNG broken")
    write_contact_sheet(tmp_path / "broken.png", entries, VOC_LABELS, groups=1)
    whole, damaged = pixels(tmp_path / "whole.png"), pixels(tmp_path / "broken.png")
    changed = (whole != damaged).any(-1)
    first_row_ends = (sheet.MARGIN + sheet.TITLE + sheet.HEADER + sheet.CAPTION + sheet.CELL[1]) * sheet.SCALE
    assert whole.shape == damaged.shape
    assert changed.any()
    assert not changed[:first_row_ends].any()


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "sheet.png"
    target.write_bytes(b"old")

    def fail(*arguments, **options):
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        write_contact_sheet(target, [], VOC_LABELS)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_shorten_fits_and_cuts_no_more_than_it_must():
    text = "2007_000063_a_rather_long_identifier"
    assert shorten(text, 1000, 12) == text
    cut = shorten(text, 100, 12)
    assert cut.endswith("…")
    assert text_width(cut, 12) <= 100
    assert text_width(text[: len(cut)] + "…", 12) > 100
    assert shorten(text, 1, 12) == ""
    assert shorten("two\nlines\tand  spaces", 1000, 12) == "two lines and spaces"


def test_no_group_stays_empty(tmp_path):
    entries = [make_entry(tmp_path, index) for index in range(5)]
    for groups in (3, 4):
        write_contact_sheet(tmp_path / f"{groups}.png", entries, VOC_LABELS, groups=groups)
    assert (tmp_path / "3.png").read_bytes() == (tmp_path / "4.png").read_bytes()


def test_groups_below_one_are_refused(tmp_path):
    with pytest.raises(ValueError, match="groups"):
        write_contact_sheet(tmp_path / "sheet.png", [], VOC_LABELS, groups=0)
