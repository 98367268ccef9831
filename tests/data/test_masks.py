"""Every encoding of a mask that exists in the wild, and every way for a file to be bad."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from segqc.base.errors import BadInput
from segqc.data.labels import VOC_LABELS, LabelSpace
from segqc.data.masks import read_mask, write_mask
from segqc.data.pictures import exif_orientation, picture_orientation, read_image

THREE = LabelSpace(("background", "cat", "dog"))
MASK = np.array([[0, 1, 2, 255], [2, 2, 1, 0], [255, 0, 0, 1]], np.uint8)
CLASSES = np.where(MASK == 255, 0, MASK).astype(np.uint8)


def png(bits: int, colour_type: int, rows: np.ndarray, extra: bytes = b"") -> bytes:
    """A PNG written by hand: `rows` are the packed bytes of each row; `extra` goes before the pixel data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, packed = rows.shape
    width = packed * 8 // bits
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + extra + data + chunk(b"IEND", b"")


def save(path, array, mode=None, **options):
    image = Image.fromarray(array)
    if mode == "P":
        image.putpalette(options.pop("palette", VOC_LABELS.palette.tobytes()))
    image.save(path, **options)
    return path


def test_write_then_read_and_the_colours_are_the_palettes(tmp_path):
    write_mask(tmp_path / "new" / "m.png", MASK, THREE)
    np.testing.assert_array_equal(read_mask(tmp_path / "new" / "m.png", THREE), MASK)
    image = Image.open(tmp_path / "new" / "m.png")
    assert image.mode == "P"
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), THREE.palette[MASK])


@pytest.mark.parametrize(
    ("mask", "message"), [(MASK.astype(int), "uint8"), (MASK[0], "uint8"), (MASK + 3, "below 3"), (MASK[:0], "uint8")]
)
def test_write_refuses_what_is_no_mask(tmp_path, mask, message):
    with pytest.raises(ValueError, match=message):
        write_mask(tmp_path / "m.png", mask, THREE)
    assert not (tmp_path / "m.png").exists()


@pytest.mark.parametrize("suffix", [".png", ".PNG"])
def test_palette_masks_are_read_by_index_whatever_their_colours(tmp_path, suffix):
    path = save(tmp_path / f"m{suffix}", MASK, "P", palette=bytes(range(255, -1, -1)) * 3, format="PNG")
    np.testing.assert_array_equal(read_mask(path, THREE), MASK)


def test_palette_masks_with_transparency_and_with_few_colours(tmp_path):
    np.testing.assert_array_equal(read_mask(save(tmp_path / "a.png", MASK, "P", transparency=0), THREE), MASK)
    np.testing.assert_array_equal(
        read_mask(save(tmp_path / "b.png", MASK, "P", transparency=bytes([0, 128, 255])), THREE), MASK
    )
    few = save(tmp_path / "c.png", CLASSES, "P", palette=VOC_LABELS.palette[:3].tobytes(), bits=2)
    np.testing.assert_array_equal(read_mask(few, THREE), CLASSES)


def test_grey_masks_of_8_and_16_bits(tmp_path):
    np.testing.assert_array_equal(read_mask(save(tmp_path / "a.png", MASK), THREE), MASK)
    wide = save(tmp_path / "b.png", MASK.astype(np.uint16))
    assert Image.open(wide).mode.startswith("I;16")
    np.testing.assert_array_equal(read_mask(wide, THREE), MASK)
    with pytest.raises(BadInput, match="no class: 300, 65535 "):
        read_mask(save(tmp_path / "c.png", np.array([[300, 65535]], np.uint16)), THREE)


@pytest.mark.parametrize(
    ("bits", "packed", "expected"),
    [(1, [0b01000000], [0, 1, 0, 0, 0, 0, 0, 0]), (2, [0b00011000], [0, 1, 2, 0]), (4, [0x01, 0x20], [0, 1, 2, 0])],
)
def test_grey_masks_of_few_bits_keep_their_numbers(tmp_path, bits, packed, expected):
    (tmp_path / "m.png").write_bytes(png(bits, 0, np.array([packed], np.uint8)))
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", THREE), [expected])


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_palette_masks_of_few_bits_keep_their_numbers(tmp_path, bits):
    colours = bytes([9, 9, 9, 200, 0, 0])
    palette = struct.pack(">I", len(colours)) + b"PLTE" + colours + struct.pack(">I", zlib.crc32(b"PLTE" + colours))
    (tmp_path / "m.png").write_bytes(png(bits, 3, np.array([[1]], np.uint8), palette))
    assert read_mask(tmp_path / "m.png", THREE).tolist() == [[0] * (8 // bits - 1) + [1]]


def test_grey_masks_with_alpha(tmp_path):
    path = save(tmp_path / "m.png", np.dstack([MASK, np.full_like(MASK, 7)]))
    assert Image.open(path).mode == "LA"
    np.testing.assert_array_equal(read_mask(path, THREE), MASK)


def test_rgb_masks_are_decoded_when_every_colour_is_the_palettes(tmp_path):
    np.testing.assert_array_equal(read_mask(save(tmp_path / "a.png", THREE.palette[MASK]), THREE), MASK)
    alpha = np.dstack([THREE.palette[MASK], np.full_like(MASK, 255)])
    np.testing.assert_array_equal(read_mask(save(tmp_path / "b.png", alpha), THREE), MASK)


def test_rgb_masks_of_other_colours_are_refused_with_the_colours(tmp_path):
    wrong = THREE.palette[MASK].copy()
    wrong[0, 0] = (1, 2, 3)
    with pytest.raises(BadInput, match=r"m\.png: is an RGB image with the wrong palette.*#010203"):
        read_mask(save(tmp_path / "m.png", wrong), THREE)
    with pytest.raises(BadInput, match="wrong palette"):  # the colour of class 3, which this space does not have
        read_mask(save(tmp_path / "m.png", VOC_LABELS.palette[MASK + 3]), THREE)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.uint64, ">i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_and_npz_of_any_integer_type_and_order(tmp_path, dtype, order):
    array = np.array(MASK, dtype=dtype, order=order)
    np.save(tmp_path / "m.npy", array)
    np.savez(tmp_path / "one.npz", anything=array)
    np.savez_compressed(tmp_path / "two.npz", mask=array, probs=np.zeros(3, np.float16))
    for name in ("m.npy", "one.npz", "two.npz"):
        mask = read_mask(tmp_path / name, THREE)
        assert mask.dtype == np.uint8
        assert mask.flags.c_contiguous
        np.testing.assert_array_equal(mask, MASK)


def test_npy_of_bool_is_two_classes(tmp_path):
    np.save(tmp_path / "m.npy", MASK == 1)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.npy", THREE), MASK == 1)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (MASK.astype(np.float32) / 2, "float32"),
        (MASK.astype(complex), "complex"),
        (MASK.astype(str), "<U3"),
        (np.array([[None]]), "object"),
        (np.zeros(3, [("名", "i4")]), "version 3"),
        (np.stack([MASK, MASK]), r"shape \[2, 3, 4\]"),
        (np.stack([MASK, MASK], -1), r"shape \[3, 4, 2\]"),
        (MASK[0], r"shape \[4\]"),
        (np.uint8(1), r"shape \[\]"),
        (MASK[:0], r"shape \[0, 4\]"),
        (-MASK.astype(int), "no class: -255, -2, -1 "),
    ],
)
def test_npy_of_other_things_is_refused(tmp_path, array, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # numpy's word on format 3.0
        np.save(tmp_path / "m.npy", array)
        np.savez(tmp_path / "m.npz", mask=array)
    for name in ("m.npy", "m.npz"):
        with pytest.raises(BadInput, match=message):
            read_mask(tmp_path / name, THREE)


def test_npy_is_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    np.save(tmp_path / "m.npy", np.array([[Trap()]], dtype=object), allow_pickle=True)
    with pytest.raises(BadInput, match="object"):
        read_mask(tmp_path / "m.npy", THREE)
    assert not (tmp_path / "sprung").exists()


def test_npz_with_two_arrays_and_no_mask_is_refused_by_name(tmp_path):
    np.savez(tmp_path / "m.npz", a=MASK, b=MASK)
    with pytest.raises(BadInput, match="it has: a, b"):
        read_mask(tmp_path / "m.npz", THREE)
    np.savez(tmp_path / "m.npz")
    with pytest.raises(BadInput, match="it has: none"):
        read_mask(tmp_path / "m.npz", THREE)


def test_unknown_labels_are_listed(tmp_path):
    with pytest.raises(BadInput, match=r"m\.png: holds labels that are no class: 7, 9 \(known: 0 to 2, 255 = void\)"):
        read_mask(save(tmp_path / "m.png", np.array([[7, 9, 0, 255]], np.uint8)), THREE)
    with pytest.raises(BadInput, match=r"no class: 3, 4, 5, 6, 7, 8, 9, 10, \.\.\. "):
        read_mask(save(tmp_path / "m.png", np.arange(100, dtype=np.uint8)[None]), THREE)


def test_void_is_255_in_memory_whatever_it_is_in_files(tmp_path):
    labels = LabelSpace(("a", "b", "c"), void=200)
    path = save(tmp_path / "m.png", np.array([[0, 200, 2]], np.uint8))
    assert read_mask(path, labels).tolist() == [[0, 255, 2]]
    write_mask(tmp_path / "w.png", np.array([[0, 255, 2]], np.uint8), labels)
    assert np.asarray(Image.open(tmp_path / "w.png")).tolist() == [[0, 200, 2]]
    with pytest.raises(BadInput, match="255"):
        read_mask(save(tmp_path / "m.png", MASK), labels)
    with pytest.raises(BadInput, match="no void"):
        read_mask(save(tmp_path / "m.png", MASK), LabelSpace(("a", "b", "c"), void=None))


def test_size_must_be_the_images(tmp_path):
    path = save(tmp_path / "m.png", MASK)
    assert read_mask(path, THREE, size=(4, 3)).shape == (3, 4)
    with pytest.raises(BadInput, match="is 4x3 pixels but its image is 3x4"):
        read_mask(path, THREE, size=(3, 4))


def test_a_jpeg_named_png_is_no_mask_but_an_image(tmp_path):
    rgb = np.full((8, 8, 3), 90, np.uint8)
    save(tmp_path / "m.png", rgb, format="JPEG")
    save(tmp_path / "i.jpg", rgb, format="PNG")
    save(tmp_path / "b.jpg", rgb, format="PPM")
    with pytest.raises(BadInput, match="is not a PNG"):
        read_mask(tmp_path / "m.png", THREE)
    np.testing.assert_allclose(np.asarray(read_image(tmp_path / "m.png")), rgb, atol=3)
    np.testing.assert_array_equal(np.asarray(read_image(tmp_path / "i.jpg")), rgb)
    with pytest.raises(BadInput, match="is none of JPEG, PNG, TIFF, BMP"):
        read_image(tmp_path / "b.jpg")


@pytest.mark.parametrize("read", [read_image, lambda path: read_mask(path, THREE)], ids=["image", "mask"])
def test_missing_empty_and_folders(tmp_path, read):
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    for name, message in (
        ("none.png", "does not exist"),
        ("empty.png", "0 bytes"),
        ("folder.png", "is a folder"),
        ("nul\0.png", "nul"),
    ):
        with pytest.raises(BadInput, match=message):
            read(tmp_path / name)


def test_masks_of_other_suffixes_are_refused(tmp_path):
    with pytest.raises(BadInput, match=r"ends in \.jpg"):
        read_mask(save(tmp_path / "m.jpg", MASK), THREE)


def test_images_of_any_mode_come_as_rgb(tmp_path):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    rgb = np.dstack([grey] * 3)
    cases = {
        "L": grey, "I;16": grey.astype(np.uint16) * 256 + 17, "LA": np.dstack([grey, grey]),
        "RGBA": np.dstack([rgb, grey]), "RGB": rgb,
    }  # fmt: skip
    for mode, array in cases.items():
        path = save(tmp_path / "i.png", array)
        assert Image.open(path).mode.startswith(mode)
        image = read_image(path)
        assert image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), rgb)
    path = save(tmp_path / "p.png", grey // 20, "P", transparency=bytes([0, 10, 20]))
    np.testing.assert_array_equal(np.asarray(read_image(path)), VOC_LABELS.palette[grey // 20])
    Image.fromarray(rgb).convert("CMYK").save(tmp_path / "c.jpg")
    assert read_image(tmp_path / "c.jpg").mode == "RGB"


def test_exif_orientation_is_not_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 4)).save(tmp_path / "i.jpg", exif=exif)
    assert read_image(tmp_path / "i.jpg").size == (8, 4)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize(
    ("orientation", "words"),
    [(6, "has EXIF orientation 6, which is not applied"), (3, "rotate the mask"), (None, "rotate the mask")],
)
def test_a_mask_of_a_picture_on_its_side_is_not_to_be_resized(tmp_path, suffix, orientation, words):
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.new("RGB", (3, 4)).save(tmp_path / f"i{suffix}", exif=exif)
    image, mask = read_image(tmp_path / f"i{suffix}"), save(tmp_path / "m.png", MASK)
    with pytest.raises(BadInput, match=words) as raised:
        read_mask(mask, THREE, size=image)
    assert ("resize" in str(raised.value)) == (orientation != 6)
    assert picture_orientation(tmp_path / f"i{suffix}") == exif_orientation(image) == (orientation or 1)
    assert read_mask(mask, THREE, size=image.transpose(Image.Transpose.ROTATE_90)).shape == MASK.shape


def test_what_says_nothing_readable_of_its_orientation_is_upright(tmp_path):
    for exif in (b"", b"Exif\0\0rubbish", b"Exif\0\0MM\0*\0\0\0\b\0\1\1\x12\0\3\0\0\0\1\0\x63\0\0\0\0\0\0"):
        image = Image.new("RGB", (3, 4))
        image.info["exif"] = exif
        assert exif_orientation(image) == 1
    (tmp_path / "x.jpg").write_bytes(b"x")
    assert picture_orientation(tmp_path / "x.jpg") == picture_orientation(tmp_path / "none.jpg") == 1


@pytest.mark.parametrize("factor", [1.5, 3])  # PIL warns above the limit and raises above twice the limit
def test_bombs_are_refused_by_a_limit_that_can_be_moved(tmp_path, monkeypatch, factor):
    path = save(tmp_path / "m.png", np.zeros((10, 12), np.uint8))
    np.save(tmp_path / "m.npy", np.zeros((10, 12), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(120 / factor))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        for read in (
            lambda: read_mask(path, THREE),
            lambda: read_image(path),
            lambda: read_mask(tmp_path / "m.npy", THREE),
        ):
            with pytest.raises(BadInput, match="MAX_IMAGE_PIXELS"):
                read()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert read_mask(path, THREE).shape == read_mask(tmp_path / "m.npy", THREE).shape == (10, 12)


def test_an_npy_header_that_promises_terabytes_allocates_nothing(tmp_path):
    np.lib.format.write_array_header_1_0(
        stream := io.BytesIO(), {"descr": "|u1", "fortran_order": False, "shape": (10**6, 10**6)}
    )
    (tmp_path / "m.npy").write_bytes(stream.getvalue())
    with pytest.raises(BadInput, match="1,000,000,000,000 pixels"):
        read_mask(tmp_path / "m.npy", THREE)


def whole_files(folder):
    """One good file of each kind, 40 x 30 pixels of texture."""
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 3, (30, 40)).astype(np.uint8)
    np.save(folder / "m.npy", mask)
    np.savez_compressed(folder / "m.npz", mask=mask)
    write_mask(folder / "m.png", mask, THREE)
    save(folder / "i.png", rng.integers(0, 256, (30, 40, 3)).astype(np.uint8))
    save(folder / "i.jpg", rng.integers(0, 256, (30, 40, 3)).astype(np.uint8))
    return {name: (folder / name).read_bytes() for name in ("m.npy", "m.npz", "m.png", "i.png", "i.jpg")}


def read_any(path):
    if path.name.startswith("m"):
        assert read_mask(path, THREE, (40, 30)).shape == (30, 40)
    else:
        assert read_image(path).size[0] > 0


@pytest.mark.parametrize("name", ["m.npy", "m.npz", "m.png", "i.png", "i.jpg"])
def test_files_cut_short_are_refused(tmp_path, name):
    content = whole_files(tmp_path)[name]
    for share in (0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9):
        (tmp_path / name).write_bytes(content[: int(share * len(content))])
        with pytest.raises(BadInput, match=name):
            read_any(tmp_path / name)


@pytest.mark.parametrize("name", ["m.npy", "m.npz", "m.png", "i.png", "i.jpg"])
def test_random_damage_raises_nothing_but_bad_input(tmp_path, name):
    content = whole_files(tmp_path)[name]
    rng = np.random.default_rng(1)
    refused = 0
    for trial in range(150):
        damaged = bytearray(content)
        if trial % 3 == 0:  # noise from some byte on, beginning with the first
            start = 0 if trial == 0 else int(rng.integers(len(content)))
            damaged[start:] = rng.bytes(len(content) - start)
        else:  # a few bytes, half of the time in the header
            for place in rng.integers(0, 64 if trial % 3 == 1 else len(content), 3):
                damaged[place] = rng.integers(256)
        (tmp_path / name).write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read_any(tmp_path / name)
            except BadInput:
                refused += 1
    assert refused > 30


@pytest.mark.parametrize("name", ["m.npy", "m.npz", "m.png", "i.jpg"])
def test_random_bytes_and_text_are_refused(tmp_path, name):
    signatures = (b"\x89PNG\r\n\x1a\n", b"\x93NUMPY\x01\x00", b"PK\x05\x06" + b"\0" * 18, b"\xff\xd8\xff")
    for content in (*signatures, b"hello", b"\0", np.random.default_rng(0).bytes(5000)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=name):
            read_any(tmp_path / name)


def test_real_masks_and_predictions_are_read(voc_root, shared_data):
    for folder in (voc_root / "VOC2012" / "SegmentationClass", shared_data / "voc" / "deeplab_out" / "mnv2_513_quant"):
        for path in sorted(folder.glob("*.png"))[:40]:
            np.testing.assert_array_equal(read_mask(path, VOC_LABELS), np.asarray(Image.open(path)))
