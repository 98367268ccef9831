"""A fitted table model as a folder: config.json, model.safetensors, and for `paper` density.safetensors.

No pickle, no code. config.json holds the SHA-256 of the others and, under "sha256", of itself without that line: a
folder in which one file was changed, damaged or left behind by a save that was interrupted does not load.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from segqc.base.errors import BadInput
from segqc.base.files import atomic_path, read_json, write_json
from segqc.base.fingerprints import file_sha256, text_sha256
from segqc.density import DensityHead

FORMAT = "segqc-table-6"
_UNCHANGED = {"segqc-table-5": "paper"}  # earlier formats, and the method whose arrays are still the same
CONFIG, WEIGHTS, DENSITY = "config.json", "model.safetensors", "density.safetensors"
_FAMILY = "segqc-table-"  # what the formats of all versions begin with
_AGAIN = "fit again, or copy the whole folder"


def config_digest(config: dict[str, Any]) -> str:
    """SHA-256 of a configuration without its own digest."""
    rest = {name: value for name, value in config.items() if name != "sha256"}
    return text_sha256(json.dumps(rest, sort_keys=True)).hex()


def check_place(folder: Path) -> None:
    """Refuse a folder that cannot be made, or that holds something other than a table model.

    Raises
    ------
    BadInput
        When `folder`, or what should hold it, is a file; or it has a config.json that is not a table model's.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise BadInput(there, "is a file, but a model needs a folder there", "name another folder")
    config = read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {"format": FORMAT}
    if not isinstance(config, dict) or not str(config.get("format")).startswith(_FAMILY):
        raise BadInput(
            folder, f"holds another model or run: its {CONFIG} is not a table model's", "name another folder"
        )


@dataclass(frozen=True)
class SavedModel:
    """What a folder holds.

    Attributes
    ----------
    config : dict
        JSON; the names "format", "files" and "sha256" are this module's own.
    arrays : dict of str to ndarray
    density : DensityHead or None
    """

    config: dict[str, Any]
    arrays: dict[str, np.ndarray]
    density: DensityHead | None


def write_model(folder: Path, saved: SavedModel) -> None:
    """Write a model; config.json comes last, so that a folder with one that fits is whole.

    Raises
    ------
    BadInput
        When `check_place` refuses the folder.
    """
    check_place(folder)
    with atomic_path(folder / WEIGHTS) as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in saved.arrays.items()}, str(temporary))
    files = [WEIGHTS]
    if saved.density is not None:
        saved.density.save(folder / DENSITY)
        files.append(DENSITY)
    config = {"format": FORMAT, **saved.config, "files": {name: file_sha256(folder / name) for name in files}}
    write_json(folder / CONFIG, config | {"sha256": config_digest(config)})


def read_model(folder: Path) -> SavedModel:
    """Read what `write_model` wrote.

    Raises
    ------
    BadInput
        When a file is missing, damaged, or of another format.
    """
    config = _read_config(folder)
    with whole_model(folder):
        arrays = load_file(str(folder / WEIGHTS))
        infinite = next((name for name, array in arrays.items() if not np.isfinite(array).all()), None)
        if infinite:
            raise ValueError(f"numbers that are not finite in {infinite}")
        density = DensityHead.load(folder / DENSITY) if DENSITY in config["files"] else None
    return SavedModel(config, arrays, density)


@contextmanager
def whole_model(folder: Path) -> Iterator[None]:
    """Turn errors that the content of a model folder causes into a `BadInput` that names the folder."""
    try:
        yield
    except (
        SafetensorError,
        OSError,
        RuntimeError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        IndexError,
    ) as error:
        raise BadInput(folder, f"is not a whole table model: {type(error).__name__}: {error}", _AGAIN) from error


def _read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a folder whose files all belong to it."""
    config = read_json(folder / CONFIG)
    if not isinstance(config, dict) or not str(config.get("format")).startswith(_FAMILY):
        raise BadInput(
            folder / CONFIG, "is not the configuration of a table detector", "write one with GumbelScoreDetector.save"
        )
    if config["format"] != FORMAT and not _is_unchanged(config):
        raise BadInput(folder, f"has the format {config['format']}, but this version reads {FORMAT}", "fit again")
    if config.get("sha256") != config_digest(config) or not isinstance(config.get("files"), dict):
        raise BadInput(folder, f"has a {CONFIG} that was changed or damaged since it was written", _AGAIN)
    for name, digest in config["files"].items():
        if not (folder / name).is_file():
            raise BadInput(folder, f"has no {name}", _AGAIN)
        if file_sha256(folder / name) != digest:
            raise BadInput(
                folder, f"has a {name} that is not the one that {CONFIG} was written for, or is damaged", _AGAIN
            )
    return config


def _is_unchanged(config: dict[str, Any]) -> bool:
    """Whether an earlier format stores the method of this model as the present one does."""
    parameters = config.get("parameters")
    method = parameters.get("method") if isinstance(parameters, dict) else None
    return method is not None and _UNCHANGED.get(config["format"]) == method
