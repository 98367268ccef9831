"""Safetensors files that notice damage: their metadata hold a digest of all names, types, shapes, bytes and metadata.

The format itself checks that the file has its length and nothing else: a flipped bit would be another weight.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from segqc.base.errors import BadInput
from segqc.base.files import atomic_path

_CHECKED = "checked"
"""The only key of the file's own metadata: safetensors writes several in an order that changes from run to run."""


def save_checked(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and metadata with their digest, whole or not at all.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        checked = {"digest": _digest(stored, metadata), "metadata": dict(metadata)}
        save_file(stored, str(temporary), {_CHECKED: json.dumps(checked)})


def load_checked(path: Path, fix: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Inverse of `save_checked`, on the CPU.

    Parameters
    ----------
    path : Path
    fix : str
        What to do about a damaged file, for the message.

    Raises
    ------
    BadInput
        The file is missing, cut short or damaged.
    """
    tensors, metadata, is_checked = _load(path, fix)
    if not is_checked:
        raise _damaged(path, fix)
    return tensors, metadata


def load_vouched(path: Path, fix: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """As `load_checked`, for a file whose bytes the caller has compared with a digest (`segqc.base.checksums`): it need
    not hold one of its own.
    """
    tensors, metadata, _ = _load(path, fix)
    return tensors, metadata


def _load(path: Path, fix: str) -> tuple[dict[str, Tensor], dict[str, str], bool]:
    """Tensors and metadata, and whether they had a digest, which then fits."""
    try:
        with safe_open(os.fspath(path), framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            found = dict(file.metadata() or {})
        checked = json.loads(found[_CHECKED]) if _CHECKED in found else None
    except (OSError, SafetensorError, ValueError) as error:
        raise BadInput(path, f"holds weights that cannot be read: {error}", fix) from error
    if checked is None:
        return tensors, found, False
    if checked.get("digest") != _digest(tensors, checked.get("metadata", {})):
        raise _damaged(path, fix)
    return tensors, checked["metadata"], True


def _damaged(path: Path, fix: str) -> BadInput:
    return BadInput(path, "is damaged: its content is not what was written", fix)


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    digest = hashlib.blake2b(json.dumps(sorted(metadata.items())).encode(), digest_size=16)
    for name, tensor in sorted(tensors.items()):
        digest.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
