"""Training state on disk: weights, their moving average and AdamW's moments in one safetensors file, the rest in its
metadata. No pickle.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segqc.base.tensor_files import load_checked, save_checked

_MOMENTS = ("exp_avg", "exp_avg_sq")


def save_tensors(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Write tensors and JSON metadata, atomically."""
    save_checked(path, tensors, {"meta": json.dumps(meta)})


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Inverse of `save_tensors`, on the CPU.

    Raises
    ------
    BadInput
        The file is missing or damaged.
    """
    tensors, metadata = load_checked(path, "delete it and run the same command again")
    return tensors, json.loads(metadata["meta"])


def training_state(network: nn.Module, ema: dict[str, Tensor], optimizer: torch.optim.AdamW) -> dict[str, Tensor]:
    """Everything that the next step depends on, beside the step number."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"ema.{name}": value for name, value in ema.items()}
    for name, parameter in network.named_parameters():
        for moment in _MOMENTS:
            if parameter in optimizer.state:
                tensors[f"{moment}.{name}"] = optimizer.state[parameter][moment]
    return tensors


def restore_training_state(
    tensors: dict[str, Tensor], step: int, network: nn.Module, ema: dict[str, Tensor], optimizer: torch.optim.AdamW
) -> None:
    """Inverse of `training_state`, in place; `step` is the number of optimizer steps taken."""
    network.load_state_dict(
        {name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")}
    )
    for name, value in ema.items():
        value.copy_(tensors[f"ema.{name}"])
    for name, parameter in network.named_parameters():
        if f"exp_avg.{name}" in tensors:
            # preserve_format: the moments take the parameter's memory format, as AdamW makes them itself
            moments = {moment: torch.empty_like(parameter).copy_(tensors[f"{moment}.{name}"]) for moment in _MOMENTS}
            optimizer.state[parameter] = {"step": torch.tensor(float(step), device=parameter.device), **moments}
