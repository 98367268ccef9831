"""Safetensors files with a digest: exact both ways, and no flipped bit goes by."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from segqc.base.errors import BadInput
from segqc.base.tensor_files import load_checked, load_vouched, save_checked

TENSORS = {
    "weight": torch.arange(12.0).reshape(3, 4).T,
    "half": torch.tensor([1e-8, -0.0, float("nan")]).half(),
    "brain": torch.tensor([1.5]).bfloat16(),
    "flags": torch.tensor([True, False]),
    "scalar": torch.tensor(2**40),
    "empty": torch.empty(0, 3),
}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    save_checked(tmp_path / "sub" / "x.safetensors", TENSORS, {"step": "3", "ü": "ä"})
    tensors, metadata = load_checked(tmp_path / "sub" / "x.safetensors", "")
    assert metadata == {"step": "3", "ü": "ä"}
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype, name
        assert tensors[name].shape == tensor.shape, name
        assert tensors[name].contiguous().reshape(-1).view(torch.uint8).tolist() == (
            tensor.contiguous().reshape(-1).view(torch.uint8).tolist()
        ), name


def test_the_same_content_is_the_same_file(tmp_path: Path) -> None:
    for name in "ab":
        save_checked(tmp_path / name, TENSORS, {"step": "3", "loss": "1", "format": "x"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_every_flipped_bit_and_every_cut_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_checked(path, TENSORS, {"step": "3"})
    content, before = path.read_bytes(), load_checked(path, "")
    rng = np.random.default_rng(0)
    for place in rng.choice(8 * len(content), 400, replace=False):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        try:
            tensors, metadata = load_checked(path, "")
        except BadInput:
            continue
        # Between header and tensors there is padding, which says nothing.
        assert metadata == before[1]
        assert all(repr(tensors[name]) == repr(before[0][name]) for name in TENSORS)
    for length in (0, 7, 8, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(BadInput, match="weights that cannot be read"):
            load_checked(path, "")


def test_a_missing_file_is_named_and_one_without_a_digest_needs_another(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone\.safetensors"):
        load_checked(tmp_path / "gone.safetensors", "")
    save_file({"a": torch.ones(2)}, str(tmp_path / "old.safetensors"), {"format": "1"})
    with pytest.raises(BadInput, match=r"is damaged: .* \(do this\)"):
        load_checked(tmp_path / "old.safetensors", "do this")
    tensors, metadata = load_vouched(tmp_path / "old.safetensors", "")
    assert tensors["a"].tolist() == [1, 1]
    assert metadata == {"format": "1"}
