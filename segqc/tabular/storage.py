"""A fitted detector as a folder: config.json, model.safetensors, and for `paper` density.safetensors. No pickle, no code."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from segqc.density import DensityHead
from segqc.files import BadInput, atomic_path, read_json, write_json
from segqc.tabular.bins import NumberBins
from segqc.tabular.company import Company
from segqc.tabular.counting import ContextTrees
from segqc.tabular.encoding import TableEncoder
from segqc.tabular.levels import OddestLevel
from segqc.tabular.training import TrainingResult

if TYPE_CHECKING:
    from segqc.tabular.detector import GumbelScoreDetector

FORMAT = "segqc-table-3"
_ARRAYS = {"mixing": ("views_hidden_", "views_weights_"), "paper": ("norm_mean_", "norm_scale_")}


def save_detector(detector: "GumbelScoreDetector", folder: Path) -> None:
    """Write `detector`; config.json comes last, so that a folder with one is whole."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in detector.model_.state_dict().items()}
    arrays = {f"detector.{name}": getattr(detector, name) for name in _ARRAYS[detector.method]}
    if detector.method == "mixing":
        arrays |= {f"trees.{name}": array for name, array in detector.trees_.to_arrays().items()}
        arrays |= {"bins.edges": detector.bins_.edges, "levels.mean": detector.levels_.mean, "levels.scale": detector.levels_.scale}
        arrays["company.added"] = detector.company_.added
    tensors |= {name: torch.as_tensor(np.ascontiguousarray(array)) for name, array in arrays.items()}
    with atomic_path(folder / "model.safetensors") as temporary:
        save_file(tensors, str(temporary))
    if detector.method == "paper" and detector.density_ is not None:
        detector.density_.save(folder / "density.safetensors")
    parameters = detector.get_params()
    parameters["categorical_features"] = ["outcomes" in column for column in detector.encoder_.to_json()]
    parameters["random_state"] = detector.seed_
    config = {
        "format": FORMAT,
        "parameters": parameters,
        "seed": detector.seed_,
        "named": hasattr(detector, "feature_names_in_"),
        "columns": detector.encoder_.to_json(),
        "offset": detector.offset_,
        "training": detector.training_,
        "density": getattr(detector, "density_", None) is not None,
    }
    write_json(folder / "config.json", config)


def load_detector(cls: type["GumbelScoreDetector"], folder: Path, device: str) -> "GumbelScoreDetector":
    """Read what `save_detector` wrote.

    Raises
    ------
    BadInput
        When a file is missing, damaged, or of another format.
    """
    path = folder / "config.json"
    config = read_json(path)
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise BadInput(path, "is not the configuration of a table detector", "write one by GumbelScoreDetector.save")
    try:
        detector = cls(**config["parameters"])
        detector.set_params(device=device)
        detector.seed_, detector.offset_ = config["seed"], config["offset"]
        detector.encoder_ = TableEncoder.from_json(config["columns"])
        detector.training_ = TrainingResult(**config["training"])
        named, with_density = config["named"], config["density"]
    except (KeyError, TypeError) as error:
        raise BadInput(path, f"is not the configuration of this version's detector: {error}") from error
    detector.columns_ = list(detector.encoder_.names)
    detector.n_features_in_ = len(detector.columns_)
    if named:
        detector.feature_names_in_ = np.array(detector.columns_, dtype=object)
    weights = folder / "model.safetensors"
    try:
        tensors = load_file(str(weights))
        for name in _ARRAYS[detector.method]:
            setattr(detector, name, tensors.pop(f"detector.{name}").numpy())
        if detector.method == "mixing":
            names = [name for name in tensors if name.startswith("trees.")]
            detector.trees_ = ContextTrees.from_arrays({name.removeprefix("trees."): tensors.pop(name).numpy() for name in names})
            detector.bins_ = NumberBins(detector.encoder_.continuous, tensors.pop("bins.edges").numpy())
            detector.levels_ = OddestLevel(tensors.pop("levels.mean").numpy(), tensors.pop("levels.scale").numpy())
            detector.company_ = Company(detector.trees_.sizes, tensors.pop("company.added").numpy())
        detector.model_ = detector.build_model()
        detector.model_.load_state_dict(tensors)
        if detector.method == "paper":
            detector.density_ = DensityHead.load(folder / "density.safetensors") if with_density else None
    except FileNotFoundError as error:
        raise BadInput(weights, "does not exist, or density.safetensors beside it") from error
    except (SafetensorError, RuntimeError, KeyError) as error:
        raise BadInput(weights, f"does not belong to config.json or is damaged: {error}") from error
    detector.model_.to(device).eval()
    return detector
