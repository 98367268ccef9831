"""Masks with a channel for each class, in every file that can hold them."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from tiny import LABELS, blobs

from segqc.base.errors import BadInput
from segqc.data.masks import read_mask

MASK = blobs(3, 20, 30, void=False)
ONE_HOT = (np.arange(4)[:, None, None] == MASK).astype(np.uint8)


def npy(path, channels):
    np.save(path.with_suffix(".npy"), channels)
    return path.with_suffix(".npy")


def bands(path, channels):
    tifffile.imwrite(path.with_suffix(".tif"), channels, photometric="minisblack", planarconfig="separate")
    return path.with_suffix(".tif")


def pages(path, channels):
    first, *others = (Image.fromarray(channel) for channel in channels)
    first.save(path.with_suffix(".tif"), save_all=True, append_images=others)
    return path.with_suffix(".tif")


@pytest.mark.parametrize("write", [npy, bands, pages])
@pytest.mark.parametrize("top", [1, 255])
def test_one_class_a_pixel_is_read(tmp_path, write, top):
    assert (read_mask(write(tmp_path / "m", top * ONE_HOT), LABELS) == MASK).all()


def test_channels_may_come_last_and_be_of_other_types(tmp_path):
    for kind in (bool, np.int64, np.float32):
        assert (read_mask(npy(tmp_path / "m", ONE_HOT.astype(kind).transpose(1, 2, 0)), LABELS) == MASK).all()


@pytest.mark.parametrize("write", [npy, bands, pages])
def test_several_classes_a_pixel_are_multi_label(tmp_path, write):
    several = ONE_HOT.copy()
    several[1, 0, :7] = several[2, 0, :7] = 1
    with pytest.raises(BadInput, match="is a multi-label mask of 4 classes: 7 pixels"):
        read_mask(write(tmp_path / "m", several), LABELS)


def test_what_names_no_one_class_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"in none of them \(add a channel for the background"):
        read_mask(npy(tmp_path / "m", ONE_HOT[1:]), LABELS)
    soft = np.full((4, 20, 30), 0.25, np.float32)
    soft[0] = 0.3
    with pytest.raises(BadInput, match=r"has shape \[4, 20, 30\] and holds probabilities or colours"):
        read_mask(npy(tmp_path / "m", soft), LABELS)
    with pytest.raises(BadInput, match=r"has shape \[30, 20, 25\], not \[height, width\]"):
        read_mask(npy(tmp_path / "m", np.zeros((30, 20, 25), np.uint8)), LABELS)
