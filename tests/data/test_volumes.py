"""Volumes become slices of which picture and labels show the same voxels, or a row that says why not."""

import sys

import numpy as np
import pytest
from nifti import SHAPE, body, flipped, save, write_set
from PIL import Image

from segqc.base.errors import BadInput
from segqc.data.layouts import find_dataset
from segqc.data.layouts.nnunet import volume_folders
from segqc.data.volumes.files import holds_volumes, read_volume
from segqc.data.volumes.find import VolumeFiles, find_volumes
from segqc.data.volumes.sets import slice_volumes
from segqc.data.volumes.slices import SlicedVolume, SliceFolders, slice_volume

pytest.importorskip("nibabel")
WINDOW = (-200.0, 400.0)


def sliced(root, picture, labels, truth=None) -> SlicedVolume:
    return slice_volume(VolumeFiles("ct", picture, labels, truth), SliceFolders(root / "out"), WINDOW)


def stack(volume: SlicedVolume, kind: str = "mask") -> np.ndarray:
    return np.stack([np.asarray(Image.open(getattr(pair, kind))) for pair in volume.pairs])


def test_slices_are_axial_and_lie_as_radiologists_look_at_them(tmp_path) -> None:
    picture, labels = body(0)
    volume = sliced(tmp_path, save(tmp_path / "p.nii.gz", picture), save(tmp_path / "l.nii", labels))
    assert volume.slices == tuple(f"ct/{n:03d}" for n in range(SHAPE[2]))
    assert volume.spacing == (4.0, 2.0, 1.5)  # from slice to slice, row to row, column to column
    np.testing.assert_array_equal(stack(volume), labels[::-1, ::-1].transpose(2, 1, 0))
    shown = ((picture - WINDOW[0]) * 255 / 600).round().clip(0, 255)
    np.testing.assert_array_equal(stack(volume, "image"), shown[::-1, ::-1].transpose(2, 1, 0))


@pytest.mark.parametrize("axes", ["x", "yz", "xyz"])
def test_labels_stored_the_other_way_round_fall_on_the_same_voxels(tmp_path, axes) -> None:
    picture, labels = body(0)
    turns = tuple(slice(None, None, -1 if letter in axes else 1) for letter in "xyz")
    here = save(tmp_path / "p.nii.gz", picture)
    straight = sliced(tmp_path, here, save(tmp_path / "l.nii.gz", labels))
    expected = stack(straight)
    turned = sliced(tmp_path, here, save(tmp_path / "l.nii.gz", labels[turns], flipped(axes=axes)))
    np.testing.assert_array_equal(stack(turned), expected)
    assert not turned.remarks


def test_a_slice_is_numbered_as_in_the_file_of_the_picture(tmp_path) -> None:
    picture, labels = body(0)
    from_above = flipped(axes="z")
    volume = sliced(
        tmp_path, save(tmp_path / "p.nii", picture, from_above), save(tmp_path / "l.nii", labels, from_above)
    )
    assert volume.slices[0] == "ct/005"
    found = np.asarray(Image.open(next(pair.mask for pair in volume.pairs if pair.id == "ct/001")))
    np.testing.assert_array_equal(found, labels[::-1, ::-1, 1].T)


def test_a_scan_made_in_sagittal_slices_is_cut_into_them(tmp_path) -> None:
    spacing, shape = (5.0, 1.0, 1.5), (4, 12, 10)
    labels = np.arange(480, dtype=np.uint16).reshape(shape)
    volume = sliced(
        tmp_path, save(tmp_path / "p.nii", labels, spacing=spacing), save(tmp_path / "l.nii", labels, spacing=spacing)
    )
    assert (len(volume.slices), volume.spacing) == (4, (5.0, 1.5, 1.0))
    np.testing.assert_array_equal(stack(volume)[2], labels[2, ::-1, ::-1].T)


def test_a_file_of_two_dimensions_is_one_slice(tmp_path) -> None:
    plane = np.arange(12, dtype=np.uint8).reshape(4, 3)
    volume = sliced(tmp_path, save(tmp_path / "p.nii", plane), save(tmp_path / "l.nii", plane[..., None]))
    assert volume.slices == ("ct/000",)


def test_labels_without_a_place_pair_by_their_indices_and_it_is_said(tmp_path) -> None:
    picture, labels = body(0)
    here = save(tmp_path / "p.nii", picture, flipped())
    volume = sliced(tmp_path, here, save(tmp_path / "l.nii", labels, np.eye(4)))
    assert "gives no place" in volume.remarks[0]
    np.testing.assert_array_equal(stack(volume), labels.transpose(2, 1, 0))
    shifted = flipped()
    shifted[:3, 3] += 40
    volume = sliced(tmp_path, here, save(tmp_path / "l.nii", labels, shifted))
    assert "spacing or origin differ" in volume.remarks[0]


def test_labels_that_could_pair_in_two_ways_are_refused_with_the_fix(tmp_path) -> None:
    picture, labels = body(0)
    elsewhere = flipped()
    elsewhere[:3, 3] += 40
    with pytest.raises(BadInput, match=r"has axes LPS, its picture p.nii RAS.*affine"):
        sliced(tmp_path, save(tmp_path / "p.nii", picture), save(tmp_path / "l.nii", labels, elsewhere))


def test_true_labels_that_do_not_fit_leave_the_volume_uncompared(tmp_path) -> None:
    picture, labels = body(0)
    truth = save(tmp_path / "t.nii", labels[:, :, :3])
    volume = sliced(tmp_path, save(tmp_path / "p.nii", picture), save(tmp_path / "l.nii", labels), truth)
    assert not volume.compared
    assert volume.pairs[0].ground_truth is None
    assert "not compared" in volume.remarks[0]


def test_slices_are_written_once_for_the_same_files_and_again_for_others(tmp_path) -> None:
    picture, labels = body(0)
    files = save(tmp_path / "p.nii", picture), save(tmp_path / "l.nii", labels)
    first = sliced(tmp_path, *files).pairs[2]
    written = first.mask.stat().st_mtime_ns
    assert sliced(tmp_path, *files).pairs[2].mask.stat().st_mtime_ns == written
    first.image.unlink()
    assert sliced(tmp_path, *files).pairs[2].image.is_file()
    save(tmp_path / "l.nii", labels * 3)
    assert stack(sliced(tmp_path, *files)).max() == 6


def test_each_volume_that_cannot_be_used_is_a_problem_with_its_reason(tmp_path) -> None:
    picture, labels = body(0)
    bad = {
        "damaged": None,
        "four": np.zeros((*SHAPE, 2), np.uint8),
        "fractions": labels + np.float32(0.5),
        "negative": labels.astype(np.int16) - 1,
        "shape": labels[:12],
        "colours": np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")]),
    }
    for name, values in bad.items():
        save(tmp_path / "images" / f"{name}.nii.gz", picture)
        if values is not None:
            save(tmp_path / "labels" / f"{name}.nii.gz", values)
    (tmp_path / "labels" / "damaged.nii.gz").write_bytes(b"\x1f\x8bno volume")
    save(tmp_path / "labels" / "alone.nii.gz", labels)
    save(tmp_path / "labels" / "good.nii.gz", labels)
    save(tmp_path / "images" / "good.nii.gz", picture)
    Image.new("L", (4, 4)).save(tmp_path / "labels" / "stray.png")
    np.savez(tmp_path / "labels" / "good.npz", probabilities=np.zeros(3))
    found = slice_volumes(find_volumes(tmp_path / "images", tmp_path / "labels"), SliceFolders(tmp_path / "out"))
    assert [volume.id for volume in found.volumes] == ["good"]
    reasons = {problem.id: problem.reason for problem in found.problems}
    expected = {
        "damaged": "not a readable NIfTI file",
        "four": "not three dimensions",
        "fractions": "holds fractions, not labels",
        "negative": "labels from -1",
        "shape": "has 12x20x6 voxels, but its picture shape.nii.gz 24x20x6",
        "colours": "not numbers",
        "alone": "has no picture alone or alone_0000",
        "stray.png": "is no NIfTI volume",
    }
    assert set(reasons) == set(expected)
    assert all(text in reasons[name] for name, text in expected.items()), reasons


def test_names_of_nnunet_pair_and_one_channel_is_taken_and_said(tmp_path) -> None:
    write_set(tmp_path)
    for case in range(2):
        save(tmp_path / "imagesTr" / f"case_{case}_0001.nii.gz", body(case)[0] + 1)
    found = find_volumes(tmp_path / "imagesTr", tmp_path / "labelsTr")
    assert [(files.id, files.picture.name) for files in found.volumes] == [
        ("case_0", "case_0_0000.nii.gz"),
        ("case_1", "case_1_0000.nii.gz"),
    ]
    assert "--image-suffix _0001" in found.said[0]


def test_cases_whose_names_end_in_four_digits_pair_as_they_are(tmp_path) -> None:
    for case in range(2):
        picture, labels = body(case)
        save(tmp_path / "images" / f"case_{case:04d}.nii.gz", picture)
        save(tmp_path / "labels" / f"case_{case:04d}.nii.gz", labels)
    found = find_volumes(tmp_path / "images", tmp_path / "labels")
    assert [files.id for files in found.volumes] == ["case_0000", "case_0001"]
    assert not found.said


def test_one_volume_in_two_files_is_a_problem(tmp_path) -> None:
    picture, labels = body(0)
    save(tmp_path / "images" / "ct.nii", picture)
    for name in ("ct.nii", "ct.nii.gz"):
        save(tmp_path / "labels" / name, labels)
    found = find_volumes(tmp_path / "images", tmp_path / "labels")
    assert not found.volumes
    assert "same id" in found.problems[0].reason


def test_the_range_of_intensities_is_that_of_the_labelled_voxels(tmp_path) -> None:
    write_set(tmp_path)
    dataset = find_dataset(tmp_path, work=tmp_path / "out")
    low, high = dataset.pictures.volume_intensity
    pictures, labels = zip(*(body(case) for case in range(2)), strict=True)
    values = np.concatenate([p[m > 0] for p, m in zip(pictures, labels, strict=True)])
    np.testing.assert_allclose((low, high), np.percentile(values, (0.5, 99.5)), atol=1)
    assert low > 0  # air and body do not count
    shown = np.asarray(Image.open(dataset.pairs[3].image))
    assert (shown.min(), shown.dtype) == (0, np.uint8)
    given = find_dataset(tmp_path, work=tmp_path / "out", intensity=(-1000, 1000))
    assert given.pictures.volume_intensity == (-1000, 1000)
    with pytest.raises(BadInput, match="no range"):
        find_dataset(tmp_path, work=tmp_path / "out", intensity=(3, 1))


def test_a_folder_of_pictures_with_a_stray_volume_is_one_of_pictures(tmp_path) -> None:
    save(tmp_path / "a.nii", body(0)[0])
    assert holds_volumes(tmp_path)
    for name in "bc":
        Image.new("L", (4, 4)).save(tmp_path / f"{name}.png")
    assert not holds_volumes(tmp_path)
    assert not holds_volumes(tmp_path / "absent")


def test_without_nibabel_one_line_says_what_to_install(tmp_path, monkeypatch) -> None:
    write_set(tmp_path, 1)
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(BadInput, match=r"needs nibabel.*segqc\[formats\]"):
        find_volumes(tmp_path / "imagesTr", tmp_path / "labelsTr")
    with pytest.raises(BadInput, match="nibabel"):
        read_volume(tmp_path / "labelsTr" / "case_0.nii.gz")


def test_parts_of_a_data_set_in_nnunets_layout(tmp_path) -> None:
    write_set(tmp_path, 1)
    picture, labels = body(7)
    save(tmp_path / "imagesTs" / "case_7_0000.nii.gz", picture)
    assert volume_folders(tmp_path, "test") == (tmp_path / "imagesTs", None)
    save(tmp_path / "labelsTs" / "case_7.nii.gz", labels)
    assert volume_folders(tmp_path, None) == (tmp_path / "imagesTr", tmp_path / "labelsTr")
    assert [volume.id for volume in find_dataset(tmp_path, "test", tmp_path / "out").volumes] == ["case_7"]
    with pytest.raises(BadInput, match="has no part 'val'"):
        find_dataset(tmp_path, "val", tmp_path / "out")
    assert volume_folders(tmp_path / "imagesTr", None) is None
