"""Pictures and masks in every form that Python users hold them in."""

import numpy as np
import pytest
import torch
from PIL import Image

from segqc.data import arrays as inputs
from segqc.data.arrays import as_image, as_list, as_mask
from segqc.data.labels import VOC_LABELS, LabelSpace

NO_VOID = LabelSpace(("a", "b", "c"), void=None)
VOID_7 = LabelSpace(("a", "b", "c"), void=7)


def rgb(height: int = 4, width: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def pixels(value) -> np.ndarray:
    image = as_image(value)
    assert isinstance(image, Image.Image)
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
@pytest.mark.parametrize("shape", [(4, 6), (1, 1), (1, 9), (300, 2), (5, 5)])
def test_channels_first_and_last_give_the_same_picture(make, shape):
    expected = rgb(*shape)
    np.testing.assert_array_equal(pixels(make(expected)), expected)
    np.testing.assert_array_equal(pixels(make(np.ascontiguousarray(expected.transpose(2, 0, 1)))), expected)


def test_views_that_are_not_contiguous():
    expected = rgb()
    np.testing.assert_array_equal(pixels(expected[::-1, ::2]), expected[::-1, ::2])
    np.testing.assert_array_equal(pixels(torch.from_numpy(expected).permute(2, 0, 1)), expected)
    np.testing.assert_array_equal(pixels(torch.rand(3, 4, 6, requires_grad=True)).shape, (4, 6, 3))


def test_a_shape_that_could_be_either_is_taken_as_channels_last():
    # [3, 5, 3]: three rows of five pixels, or a channels-first picture that is 5 high and 3 wide
    three_rows = rgb(3, 5)
    np.testing.assert_array_equal(pixels(three_rows), three_rows)
    three_by_three = rgb(3, 3)
    np.testing.assert_array_equal(pixels(three_by_three), three_by_three)
    np.testing.assert_array_equal(pixels(three_rows.transpose(2, 0, 1)), three_rows)  # [3, 3, 5] has no other reading


def test_grey_pictures_have_three_equal_channels():
    grey = rgb()[..., 0]
    expected = np.stack([grey] * 3, axis=-1)
    np.testing.assert_array_equal(pixels(grey), expected)
    np.testing.assert_array_equal(pixels(torch.from_numpy(grey)), expected)
    np.testing.assert_array_equal(pixels(grey[:3, :3]), expected[:3, :3])
    np.testing.assert_array_equal(pixels(Image.fromarray(grey)), expected)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "1", "CMYK", "LA"])
def test_pillow_pictures_of_any_mode(mode):
    image = Image.fromarray(rgb()).convert(mode)
    np.testing.assert_array_equal(pixels(image), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_in_the_unit_interval_give_back_the_bytes(dtype):
    expected = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    np.testing.assert_array_equal(pixels((expected / 255).astype(dtype)), expected)
    np.testing.assert_array_equal(pixels(torch.from_numpy((expected / 255).astype(dtype)).permute(2, 0, 1)), expected)


def test_floats_are_rounded_not_cut():
    np.testing.assert_array_equal(pixels(np.full((1, 1, 3), 0.9 / 255)), np.full((1, 1, 3), 1))


@pytest.mark.parametrize("bad", [-0.01, 1.01, 2.64, 255.0, np.nan, np.inf])
def test_floats_outside_the_unit_interval_are_refused(bad):
    array = np.full((4, 6, 3), 0.5, np.float32)
    array[1, 2, 0] = bad
    with pytest.raises(ValueError, match=r"in \[0, 1\].*normalisation"):
        as_image(array)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint16, bool, np.complex64])
def test_other_types_are_refused(dtype):
    with pytest.raises(ValueError, match="uint8 or float"):
        as_image(np.zeros((4, 6, 3), dtype))


@pytest.mark.parametrize(
    "shape", [(), (3,), (4, 6, 4), (4, 6, 1), (4, 3, 6), (1, 3, 4, 6), (0, 6, 3), (3, 0, 6), (0, 0)]
)
def test_other_shapes_are_refused_and_named(shape):
    with pytest.raises(ValueError, match="shape") as caught:
        as_image(np.zeros(shape, np.uint8))
    if 0 not in shape:
        assert str(shape) in str(caught.value)


def test_one_picture_or_a_batch():
    single, batch = rgb(), np.stack([rgb(seed=1), rgb(seed=2)])
    for make in (np.asarray, torch.from_numpy):
        assert len(as_list(make(single), (3,))) == 1
        items = as_list(make(batch), (3,))
        assert len(items) == 2
        for item, expected in zip(items, batch, strict=True):
            np.testing.assert_array_equal(pixels(item), expected)
    image = Image.fromarray(single)
    assert as_list(image, (3,)) == [image]
    mixed = [image, single, torch.from_numpy(single)]
    assert as_list(mixed, (3,)) == mixed
    assert as_list(tuple(mixed), (3,)) == mixed
    assert as_list([], (3,)) == []
    assert as_list(batch[:0], (3,)) == []


def test_one_mask_or_a_batch():
    masks = np.arange(24).reshape(2, 3, 4) % 3
    assert len(as_list(masks[0], (2,))) == 1
    for make in (np.asarray, torch.from_numpy):
        items = as_list(make(masks), (2,))
        for item, expected in zip(items, masks, strict=True):
            np.testing.assert_array_equal(as_mask(item, VOC_LABELS), expected)


@pytest.mark.parametrize("shape", [(), (5,), (2, 2, 2, 2, 3)])
def test_batches_of_other_dimensions_are_refused(shape):
    with pytest.raises(ValueError, match="one more for a batch"):
        as_list(np.zeros(shape), (3,))


MASK = np.array([[0, 1, 2], [2, 1, 0]])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.int64, np.uint64])
def test_masks_of_any_integer_type(dtype):
    for labels in (VOC_LABELS, NO_VOID, VOID_7):
        mask = as_mask(MASK.astype(dtype), labels)
        assert mask.dtype == np.uint8
        np.testing.assert_array_equal(mask, MASK)


def test_masks_of_every_kind():
    for value in (
        torch.from_numpy(MASK),
        torch.from_numpy(MASK)[None],
        MASK[None],
        MASK.tolist(),
        np.asfortranarray(MASK),
        Image.fromarray(MASK.astype(np.uint8)),
        Image.fromarray(MASK.astype(np.int32)),
    ):
        np.testing.assert_array_equal(as_mask(value, VOC_LABELS), MASK)
    palette = Image.fromarray(MASK.astype(np.uint8))
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    assert palette.mode == "P"
    np.testing.assert_array_equal(as_mask(palette, VOC_LABELS), MASK)  # indices, not colours


def test_bool_masks_are_background_and_the_first_class():
    expected = np.array([[0, 1], [1, 1]])
    np.testing.assert_array_equal(as_mask(expected.astype(bool), VOC_LABELS), expected)
    np.testing.assert_array_equal(as_mask(torch.from_numpy(expected).bool(), VOC_LABELS), expected)
    np.testing.assert_array_equal(as_mask(Image.fromarray(expected.astype(bool)), VOC_LABELS), expected)


def test_void_becomes_255_whatever_its_value():
    np.testing.assert_array_equal(as_mask(np.array([[0, 255]]), VOC_LABELS), [[0, 255]])
    np.testing.assert_array_equal(as_mask(np.array([[0, 7], [7, 2]], np.int16), VOID_7), [[0, 255], [255, 2]])
    np.testing.assert_array_equal(as_mask(np.full((1, 1), 7), VOID_7), [[255]])


def test_the_value_of_another_label_spaces_void_is_unknown():
    with pytest.raises(ValueError, match=r"0 to 2 \(void: 7\), but got 255"):
        as_mask(np.array([[0, 255]]), VOID_7)
    with pytest.raises(ValueError, match="but got 7"):
        as_mask(np.array([[0, 7]]), NO_VOID)


def test_there_can_be_254_labels_beside_void():
    labels = LabelSpace(tuple(f"c{i}" for i in range(255)))
    values = np.arange(256).reshape(16, 16)
    np.testing.assert_array_equal(as_mask(values, labels), values)


@pytest.mark.parametrize("bad", [[-1], [21], [254], [256], [-1, 21, 300], [2**40], [-(2**62)]])
def test_unknown_labels_are_listed(bad):
    mask = np.zeros((4, 5), np.int64)
    mask.flat[: len(bad)] = bad
    with pytest.raises(ValueError, match="class indices 0 to 20") as caught:
        as_mask(mask, VOC_LABELS)
    assert str(caught.value).endswith(", ".join(map(str, sorted(bad))))


def test_labels_that_wrap_around_are_unknown():
    with pytest.raises(ValueError, match="class indices"):
        as_mask(np.array([[2**64 - 1]], np.uint64), VOC_LABELS)
    with pytest.raises(ValueError, match="class indices"):
        as_mask(np.array([[-1]], np.int8), VOC_LABELS)  # 255 as a byte, but not void


def test_a_long_list_of_unknown_labels_is_cut():
    with pytest.raises(ValueError, match=r"but got 30, 31, 32, 33, 34, 35, 36, 37$"):
        as_mask(np.arange(30, 60).reshape(5, 6), VOC_LABELS)


@pytest.mark.parametrize("shape", [(), (5,), (4, 5, 3), (2, 4, 5), (1, 1, 4, 5), (0, 5), (4, 0), (1, 0, 5)])
def test_masks_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"shape \[H, W\]"):
        as_mask(np.zeros(shape, np.uint8), VOC_LABELS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, object, "U1"])
def test_masks_that_are_no_integers_are_refused(dtype):
    with pytest.raises(ValueError, match="integer class indices"):
        as_mask(np.zeros((4, 5)).astype(dtype), VOC_LABELS)


def test_an_rgb_picture_is_no_mask():
    with pytest.raises(ValueError, match=r"shape \[H, W\]"):
        as_mask(Image.fromarray(rgb()), VOC_LABELS)


def test_inputs_are_not_changed():
    mask, image = np.array([[0, 7]]), rgb()
    before = image.copy()
    as_mask(mask, VOID_7)[:] = 1
    np.asarray(as_image(image))
    np.testing.assert_array_equal(mask, [[0, 7]])
    np.testing.assert_array_equal(image, before)


def test_a_label_space_without_void_has_no_void_in_memory_either() -> None:
    """As in mask files: 255 is then an unknown label."""
    with pytest.raises(ValueError, match="255"):
        as_mask(np.array([[0, 255]]), LabelSpace(("a", "b", "c"), void=None))


def test_the_highest_class_is_the_same_at_once_and_one_by_one(monkeypatch):
    scores = torch.randn(5, 7, 9, generator=torch.Generator().manual_seed(0))
    for size in ((7, 9), (20, 13), (3, 4)):
        expected = torch.nn.functional.interpolate(scores[None], size, mode="bilinear", align_corners=False)[0].argmax(
            0
        )
        for limit in (2**26, 0):
            monkeypatch.setattr(inputs, "_VALUES_AT_ONCE", limit)
            found = inputs.highest_class(scores, size)
            assert found.dtype == torch.uint8
            assert torch.equal(found.long(), expected)


def test_of_equal_scores_the_first_class_counts():
    assert inputs.highest_class(torch.zeros(3, 2, 2), (2, 2)).sum() == 0
    assert inputs.highest_class(torch.zeros(3, 2, 2), (4, 4)).sum() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.uint8])
@pytest.mark.parametrize("layout", ["classes first", "classes last", "columns first"])
def test_the_highest_class_of_every_type_and_layout(dtype, layout):
    """Of few values, so that most pixels have several highest classes; float64 differs where float32 does not."""
    rng = np.random.default_rng(3)
    values = torch.from_numpy(rng.integers(0, 3, (6, 8, 9))).to(dtype)
    if dtype == torch.float64:
        values += torch.from_numpy(rng.integers(0, 2, (6, 8, 9))) * 1e-12
    order = {"classes first": (0, 1, 2), "classes last": (1, 2, 0), "columns first": (0, 2, 1)}[layout]
    scores = values.permute(order).contiguous().permute(tuple(np.argsort(order)))
    expected = values.double().numpy().argmax(0)
    np.testing.assert_array_equal(inputs.highest_class(scores, (8, 9)).numpy(), expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(bad):
    scores = torch.zeros(3, 2, 2)
    scores[1, 0, 1] = bad
    with pytest.raises(ValueError, match="finite scores"):
        inputs.highest_class(scores, (2, 2))
