"""A fitted detector as a folder: config.json, model.safetensors, and for `paper` density.safetensors.

No pickle, no code.

config.json holds the SHA-256 of the others and, under "sha256", of itself without that line: a folder in which one file
was changed, damaged or left behind by a save that was interrupted does not load.
"""

import dataclasses
import hashlib
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from segqc.base.devices import find_device
from segqc.base.errors import BadInput
from segqc.base.files import atomic_path, read_json, write_json
from segqc.density import DensityHead
from segqc.tabular.counting.bins import NumberBins
from segqc.tabular.counting.co_occurrence import Company
from segqc.tabular.counting.oddest_level import OddestLevel
from segqc.tabular.counting.tails import NumberSpread
from segqc.tabular.counting.trees import ContextTrees
from segqc.tabular.encoding import TableEncoder
from segqc.tabular.network.training import TrainingResult

if TYPE_CHECKING:
    from segqc.tabular.detector import GumbelScoreDetector

FORMAT = "segqc-table-4"
CONFIG, WEIGHTS, DENSITY = "config.json", "model.safetensors", "density.safetensors"
_FAMILY = "segqc-table-"  # what the formats of all versions begin with
_ARRAYS = {"mixing": ("views_hidden_", "views_weights_"), "paper": ("norm_mean_", "norm_scale_")}
_AGAIN = "fit again, or copy the whole folder"


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def config_digest(config: dict[str, Any]) -> str:
    """SHA-256 of a configuration without its own digest."""
    rest = {name: value for name, value in config.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def check_place(folder: Path) -> None:
    """Refuse to write a table model where it cannot be, or where a model of another kind is.

    Raises
    ------
    BadInput
        When `folder`, or what should hold it, is a file; or it has a config.json that is not a table model's.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise BadInput(there, "is a file, and a model needs a folder there", "name another folder")
    config = read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {"format": FORMAT}
    if not isinstance(config, dict) or not str(config.get("format")).startswith(_FAMILY):
        raise BadInput(
            folder, f"holds another model or run: its {CONFIG} is not a table model's", "name another folder"
        )


def save_detector(detector: "GumbelScoreDetector", folder: Path) -> None:
    """Write `detector`; config.json comes last, so that a folder with one that fits is whole.

    Raises
    ------
    BadInput
        When it is no place for a table model (`check_place`).
    """
    check_place(folder)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in detector.model_.state_dict().items()}
    arrays = {f"detector.{name}": getattr(detector, name) for name in _ARRAYS[detector.method]}
    if detector.method == "mixing":
        arrays |= {f"trees.{name}": array for name, array in detector.trees_.to_arrays().items()}
        arrays |= {
            "bins.edges": detector.spread_.bins.edges,
            "levels.mean": detector.levels_.mean,
            "levels.scale": detector.levels_.scale,
        }
        arrays["company.added"] = detector.company_.added
        arrays |= {f"spread.{name}": getattr(detector.spread_, name) for name in ("scale", "shape", "usual")}
    tensors |= {name: torch.as_tensor(np.ascontiguousarray(array)) for name, array in arrays.items()}
    with atomic_path(folder / WEIGHTS) as temporary:
        save_file(tensors, str(temporary))
    files = [WEIGHTS]
    if detector.method == "paper" and detector.density_ is not None:
        detector.density_.save(folder / DENSITY)
        files.append(DENSITY)
    parameters = {
        name: value.item() if isinstance(value, np.generic) else value for name, value in detector.get_params().items()
    }
    parameters["categorical_features"] = ["outcomes" in column for column in detector.encoder_.to_json()]
    parameters["random_state"] = detector.seed_
    config = {
        "format": FORMAT,
        "parameters": parameters,
        "seed": detector.seed_,
        "named": hasattr(detector, "feature_names_in_"),
        "columns": detector.encoder_.to_json(),
        "offset": detector.offset_,
        "training": dataclasses.asdict(detector.training_),
        "files": {name: file_digest(folder / name) for name in files},
    }
    write_json(folder / CONFIG, config | {"sha256": config_digest(config)})


def load_detector(cls: type["GumbelScoreDetector"], folder: Path, device: str) -> "GumbelScoreDetector":
    """Read what `save_detector` wrote.

    Raises
    ------
    BadInput
        When a file is missing, damaged, or of another format, or there is no such device.
    """
    found = find_device(device)
    config = _read_config(folder)
    try:
        detector = _build(cls, config, folder)
        detector.set_params(device=device)
        # A row of nothing but missing cells is scored: what does not fit together fails here and not in the middle of a
        # table.
        finite = np.isfinite(detector.score_samples({name: [None] for name in detector.columns_})).all()
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
    if not finite:
        raise BadInput(folder, "holds a model whose scores are not finite", _AGAIN)
    detector.model_.to(found)
    return detector


def _read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a folder whose files all belong to it."""
    config = read_json(folder / CONFIG)
    if not isinstance(config, dict) or not str(config.get("format")).startswith(_FAMILY):
        raise BadInput(
            folder / CONFIG, "is not the configuration of a table detector", "write one by GumbelScoreDetector.save"
        )
    if config["format"] != FORMAT:
        raise BadInput(folder, f"is of the format {config['format']}, and this version reads {FORMAT}", "fit again")
    if config.get("sha256") != config_digest(config) or not isinstance(config.get("files"), dict):
        raise BadInput(folder, f"has a {CONFIG} that was changed or damaged since it was written", _AGAIN)
    for name, digest in config["files"].items():
        if not (folder / name).is_file():
            raise BadInput(folder, f"has no {name}", _AGAIN)
        if file_digest(folder / name) != digest:
            raise BadInput(
                folder, f"has a {name} that is not the one that {CONFIG} was written for, or is damaged", _AGAIN
            )
    return config


def _build(cls: type["GumbelScoreDetector"], config: dict[str, Any], folder: Path) -> "GumbelScoreDetector":
    """The detector that a folder describes, on the CPU."""
    detector = cls(**config["parameters"])
    detector._check_parameters()
    detector.seed_, detector.offset_ = config["seed"], config["offset"]
    detector.encoder_ = TableEncoder.from_json(config["columns"])
    detector.training_ = TrainingResult(**config["training"])
    detector.columns_ = list(detector.encoder_.names)
    detector.n_features_in_ = len(detector.columns_)
    if config["named"]:
        detector.feature_names_in_ = np.array(detector.columns_, dtype=object)
    tensors = load_file(str(folder / WEIGHTS))
    infinite = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if infinite or not math.isfinite(detector.offset_):
        raise ValueError(f"numbers that are not finite in {infinite[0] if infinite else 'offset'}")
    for name in _ARRAYS[detector.method]:
        setattr(detector, name, tensors.pop(f"detector.{name}").numpy())
    if detector.method == "mixing":
        names = [name for name in tensors if name.startswith("trees.")]
        detector.trees_ = ContextTrees.from_arrays(
            {name.removeprefix("trees."): tensors.pop(name).numpy() for name in names}
        )
        bins = NumberBins(detector.encoder_.continuous, tensors.pop("bins.edges").numpy())
        detector.spread_ = NumberSpread(
            bins, *(tensors.pop(f"spread.{name}").numpy() for name in ("scale", "shape", "usual"))
        )
        detector.levels_ = OddestLevel(tensors.pop("levels.mean").numpy(), tensors.pop("levels.scale").numpy())
        detector.company_ = Company(detector.trees_.sizes, tensors.pop("company.added").numpy())
        sizes = bins.sizes(detector.encoder_.sizes)
        if not np.array_equal(detector.trees_.sizes, sizes) or {
            len(detector.trees_.start),
            len(detector.company_.added),
        } != {sizes.sum()}:
            raise ValueError("counts of other columns or outcomes than those described")
    else:
        detector.density_ = DensityHead.load(folder / DENSITY) if DENSITY in config["files"] else None
    detector.model_ = detector.build_model().eval()
    detector.model_.load_state_dict(tensors)
    return detector
