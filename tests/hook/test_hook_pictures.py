"""What a hook makes of a model's inputs: the pictures as they were before normalisation, and a warning where they
cannot have been.
"""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from segqc.hook.pictures import IMAGENET_MEAN, IMAGENET_STD, PictureReader, inner_processor, valid_part


def rgb(height: int = 6, width: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def normalised(picture: np.ndarray, mean=IMAGENET_MEAN, std=IMAGENET_STD, scale: float = 255) -> torch.Tensor:
    """[3, H, W], as torchvision's transforms and Hugging Face's processors make it."""
    values = (torch.from_numpy(picture).float() / scale - torch.tensor(mean)) / torch.tensor(std)
    return values.permute(2, 0, 1)


def read_all(reader: PictureReader, *args, **kwargs) -> list[np.ndarray]:
    return [reader.read(item) for item in reader.find(args, kwargs)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_normalisation_is_undone(dtype):
    pictures = [rgb(seed=1), rgb(seed=2)]
    batch = torch.stack([normalised(picture) for picture in pictures]).to(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read_all(PictureReader(), batch)
    for picture, back in zip(pictures, found, strict=True):
        assert back.dtype == np.uint8
        assert np.abs(back.astype(int) - picture).max() <= (1 if dtype == torch.bfloat16 else 0)


def test_a_users_own_mean_and_std_as_numbers_or_triples():
    picture = rgb()
    minus_one_to_one = torch.from_numpy(picture).permute(2, 0, 1)[None] / 127.5 - 1
    np.testing.assert_array_equal(read_all(PictureReader(0.5, 0.5), minus_one_to_one)[0], picture)
    np.testing.assert_array_equal(read_all(PictureReader((0.5,) * 3, (0.5,) * 3), minus_one_to_one)[0], picture)
    plain = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
    np.testing.assert_array_equal(read_all(PictureReader(0, 1), plain)[0], picture)


def test_channels_last_and_numpy():
    picture = rgb()
    batch = normalised(picture).permute(1, 2, 0)[None].numpy()
    np.testing.assert_array_equal(read_all(PictureReader(), batch)[0], picture)


def test_bytes_and_pillow_images_were_never_normalised():
    pictures = [rgb(seed=1), rgb(seed=2)]
    for value in (
        np.stack(pictures),
        torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2),
        [Image.fromarray(p) for p in pictures],
        pictures,
    ):
        for picture, back in zip(pictures, read_all(PictureReader(), value), strict=True):
            np.testing.assert_array_equal(back, picture)
    np.testing.assert_array_equal(read_all(PictureReader(), pictures[0])[0], pictures[0])


def processor(**settings) -> SimpleNamespace:
    """The attributes of a Hugging Face image processor that matter."""
    standard = {
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.2, 0.3, 0.4],
        "do_normalize": True,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
    }
    return SimpleNamespace(**(standard | settings))


def test_a_processors_own_settings():
    picture, mean, std = rgb(), [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]
    batch = normalised(picture, mean, std)[None]
    np.testing.assert_array_equal(read_all(PictureReader(image_processor=processor()), pixel_values=batch)[0], picture)
    flipped = PictureReader(image_processor=processor(do_flip_channel_order=True))
    np.testing.assert_array_equal(read_all(flipped, normalised(picture[..., ::-1].copy(), mean, std)[None])[0], picture)
    not_normalised = PictureReader(image_processor=processor(do_normalize=False))
    np.testing.assert_array_equal(
        read_all(not_normalised, torch.from_numpy(picture).permute(2, 0, 1)[None] / 255)[0], picture
    )
    not_rescaled = PictureReader(
        image_processor=processor(do_rescale=False, image_mean=[120.0] * 3, image_std=[60.0] * 3)
    )
    np.testing.assert_array_equal(
        read_all(not_rescaled, normalised(picture, [120.0] * 3, [60.0] * 3, scale=1)[None])[0], picture
    )
    with pytest.raises(ValueError, match="either"):
        PictureReader(mean=0.5, image_processor=processor())


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (torch.rand(1, 3, 4, 4), "never been normalised"),
        (255 * torch.rand(1, 3, 4, 4), "reach from"),
        (torch.full((1, 3, 4, 4), -9.0), "reach from"),
    ],
    ids=["unit interval", "bytes as floats", "far below"],
)
def test_pixels_that_cannot_be_are_warned_of_once(inputs, words):
    reader = PictureReader()
    with pytest.warns(UserWarning, match=words) as caught:
        assert len([read_all(reader, inputs) for _ in range(3)]) == 3
    assert len(caught) == 1
    assert "mean=" in str(caught[0].message)


def test_pictures_are_found_wherever_they_are_passed():
    batch = np.stack([rgb()])
    reader = PictureReader()
    for args, kwargs in (
        ((batch,), {}), ((), {"images": batch}), ((None, {"input": batch}), {}), (([batch],), {}),
        ((np.zeros(4), batch), {}),
        ((np.zeros((1, 3, 2, 2), np.float32),), {"pixel_values": batch}),
    ):  # fmt: skip
        found = reader.find(args, kwargs)
        assert len(found) == 1
        np.testing.assert_array_equal(reader.read(found[0]), batch[0])


@pytest.mark.parametrize("args", [(), (3,), (np.zeros((2, 4, 5, 5)),), (np.zeros((1, 3, 5, 5), int),), ([],)])
def test_inputs_without_pictures_are_named(args):
    with pytest.raises(ValueError, match="found none"):
        PictureReader().find(args, {})


def test_an_empty_batch_has_no_pictures_and_is_no_error():
    assert PictureReader().find((np.zeros((0, 3, 5, 5), np.float32),), {}) == []


def test_grey_pictures_of_sixteen_bits_keep_their_upper_bits():
    values = np.arange(0, 60_000, 1_000, dtype=np.uint16).reshape(6, 10)
    np.testing.assert_array_equal(
        PictureReader().read(Image.fromarray(values)), np.repeat((values >> 8)[..., None], 3, axis=2)
    )


def test_the_part_that_is_not_padding():
    mask = torch.zeros(5, 7, dtype=torch.long)
    mask[:4, :3] = 1
    assert valid_part(mask) == (slice(0, 4), slice(0, 3))


def test_files_are_pictures(tmp_path):
    picture = rgb()
    for name in ("a.png", "b.PNG"):
        Image.fromarray(picture).save(tmp_path / name)
    for value in (tmp_path / "a.png", str(tmp_path / "b.PNG")):
        np.testing.assert_array_equal(read_all(PictureReader(), value)[0], picture)
    assert len(read_all(PictureReader(), [tmp_path / "a.png", tmp_path / "b.PNG"])) == 2
    with pytest.raises(ValueError, match="attach the function that takes the photo"):
        PictureReader().find(["a.png", "https://example.org/a.png"], {})


def test_the_image_processor_inside_a_processor_is_taken():
    """OneFormer's also takes texts."""
    inner = processor()
    assert inner_processor(SimpleNamespace(image_processor=inner, tokenizer=None)) is inner
    assert inner_processor(inner) is inner
    assert inner_processor(None) is None
    with pytest.raises(ValueError, match="no image_mean: give mean= and std="):
        inner_processor(object())
