"""Models and pairs small enough for unit tests: a 0.4 M parameter encoder, a 16 x 16 mask grid, four classes, random
weights.
"""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ncsnpp import NCSNppConfig
from segqc.data.labels import LabelSpace
from segqc.data.masks import write_mask
from segqc.data.pairs import Pair
from segqc.gumbel import NoiseLadder
from segqc.model.config import ModelConfig
from segqc.model.quality_model import QualityModel
from segqc.training.config import TrainConfig
from segqc.training.design import model_config
from segqc.training.resolved import ResolvedTrainConfig, resolve

LABELS = LabelSpace(("background", "cat", "dog", "cow"))
ENCODER = "test_efficientnet"  # timm's own backbone for tests


def train_config(out: Path = Path("run"), **changes) -> ResolvedTrainConfig:
    """A resolved configuration of the smallest sizes that still have an encoder."""
    settings = {
        "preset": "cpu",
        "image_size": 64,
        "grid_size": 16,
        "encoder": ENCODER,
        "batch_size": 4,
        "steps": 3,
        "warmup_steps": 1,
    }
    return resolve(TrainConfig(**(settings | {"out": out} | changes)))


def tiny_model_config(
    method: str = "mixing", encoder: bool = True, labels: LabelSpace = LABELS, **changes
) -> ModelConfig:
    """The model of `train_config`, narrower and, for `mixing`, with three noise levels; without `encoder` the picture
    is concatenated.
    """
    config = model_config(train_config(method=method), labels)
    shared = {"channels": 8, "channel_mult": (1, 2)}
    if encoder:
        network = dataclasses.replace(config.network, **shared, context_width=8)
    else:
        plain = NCSNppConfig(
            labels.num_classes,
            labels.num_classes,
            grid_size=16,
            blocks=1,
            attention_resolutions=(8,),
            conditioning="concat",
            **shared,
        )
        config, network = dataclasses.replace(config, image_size=16, encoder=None, classifier=False), plain
    ladder = NoiseLadder((0.02, 0.1, 0.4), (1.0,) * 3) if method == "mixing" else config.ladder
    return dataclasses.replace(config, **({"network": network, "ladder": ladder} | changes))


def tiny_model(
    method: str = "mixing", encoder: bool = True, seed: int = 0, trained: bool = True, **changes
) -> QualityModel:
    """A model in evaluation mode; `trained` shakes all weights of the network, since fresh ones predict a uniform."""
    torch.manual_seed(seed)
    model = QualityModel(tiny_model_config(method, encoder, **changes)).eval()
    if trained:
        with torch.no_grad():
            for parameter in model.network.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def blobs(
    seed: int, height: int = 16, width: int = 16, classes: int = LABELS.num_classes, void: bool = True
) -> np.ndarray:
    """A mask uint8 `[height, width]` of rectangles, the last one void."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.uint8)
    for label in [*range(1, classes), *([255] if void else [])]:
        top, left = rng.integers(0, 2 * height // 3), rng.integers(0, 2 * width // 3)
        mask[top : top + height // 3, left : left + width // 3] = label
    return mask


def picture(seed: int, side: int = 64) -> np.ndarray:
    """A picture uint8 `[3, side, side]`."""
    return np.random.default_rng(seed).integers(0, 256, (3, side, side), dtype=np.uint8)


def write_pairs(folder: Path, count: int) -> list[Pair]:
    """`count` pairs of 40 x 30 pictures and masks under `folder`."""
    pairs = []
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for i in range(count):
        image, mask = folder / "images" / f"p{i}.png", folder / "masks" / f"p{i}.png"
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(image)
        write_mask(mask, blobs(i, 30, 40), LABELS)
        pairs.append(Pair(f"p{i}", image, mask))
    return pairs
