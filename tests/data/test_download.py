"""Downloading VOC: nothing twice, and a way out when there is no network."""

import hashlib
import io
import tarfile
from urllib.error import URLError

import pytest
import torchvision.datasets.utils as torchvision_utils
from torchvision.datasets.voc import DATASET_YEAR_DICT

from segqc.base.errors import BadInput
from segqc.data.download import download_voc

TAR = DATASET_YEAR_DICT["2012"]["filename"]


@pytest.fixture
def offline(monkeypatch):
    """Every request fails as it does without a network; returns the list of addresses asked for."""
    asked = []

    def fail(request, *args, **kwargs):
        asked.append(request.full_url)
        raise URLError("Temporary failure in name resolution")

    monkeypatch.setattr(torchvision_utils.urllib.request, "urlopen", fail)
    return asked


def test_offline_says_what_to_put_where(tmp_path, offline):
    with pytest.raises(BadInput) as caught:
        download_voc(tmp_path / "new")
    assert offline
    for part in (
        TAR,
        str(tmp_path / "new"),
        "name resolution",
        DATASET_YEAR_DICT["2012"]["md5"],
        "offline",
        "--download",
    ):
        assert part in str(caught.value)


def test_what_is_there_is_not_downloaded_again(tmp_path, offline):
    for folder in ("JPEGImages", "SegmentationClass"):
        (tmp_path / "VOCdevkit" / "VOC2012" / folder).mkdir(parents=True)
    assert download_voc(tmp_path).root == tmp_path / "VOCdevkit" / "VOC2012"
    assert offline == []


def test_a_tar_put_there_by_hand_is_unpacked(tmp_path, offline, monkeypatch):
    content = {
        "JPEGImages/a.jpg": b"", "SegmentationClass/a.png": b"", "ImageSets/Segmentation/train.txt": b"a\n",
    }  # fmt: skip
    with tarfile.open(tmp_path / TAR, "w") as archive:
        for name, data in content.items():
            member = tarfile.TarInfo(f"VOCdevkit/VOC2012/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    monkeypatch.setitem(DATASET_YEAR_DICT["2012"], "md5", hashlib.md5((tmp_path / TAR).read_bytes()).hexdigest())
    voc = download_voc(tmp_path)
    assert (voc.image_sets / "train.txt").read_text() == "a\n"
    assert offline == []


def test_a_damaged_tar_is_not_unpacked(tmp_path, offline):
    (tmp_path / TAR).write_bytes(b"half a download")
    with pytest.raises(BadInput, match="could not be downloaded"):
        download_voc(tmp_path)
    assert not (tmp_path / "VOCdevkit").exists()


def test_a_folder_that_cannot_be_made(tmp_path, offline):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="could not be downloaded"):
        download_voc(tmp_path / "file" / "below")
