"""Training with an encoder of one's own: sizes that follow its patch, weights from a file, names that lead nowhere."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from command_line import segqc
from conftest import DEMO_CLASSES, tiny_train_config
from safetensors.torch import save_file

from segqc.model.folder import load_model
from segqc.training.config import TrainConfig
from segqc.training.resolved import resolve
from segqc.training.run import train

NAME = "eva02_tiny_patch14_224"


def test_a_model_with_weights_of_a_file_scores_without_it(
    tiny_voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    state = timm.create_model(NAME, pretrained=False).state_dict()
    file = tmp_path / "eva.safetensors"
    save_file(state, file)
    config = tiny_train_config(
        tiny_voc, tmp_path / "run", encoder=NAME, encoder_weights=file, image_size=56, steps=2, method="segmenter"
    )
    folder = train(config)
    file.unlink()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model = load_model(folder, "cpu")
    assert model.encoder is not None
    assert (model.encoder.backbone.model.blocks[3].mlp.fc2.weight == state["blocks.3.mlp.fc2.weight"]).all()
    rng = np.random.default_rng(0)
    picture, mask = rng.integers(0, 256, (3, 56, 56), np.uint8), rng.integers(0, 7, (16, 16), np.uint8)
    first = model.read(picture, mask)
    assert first.posterior is not None
    assert (first.posterior == load_model(folder, "cpu").read(picture, mask).posterior).all()


def test_the_size_follows_the_patch_unless_it_is_given() -> None:
    assert resolve(TrainConfig(encoder=NAME)).image_size == 378
    assert resolve(TrainConfig()).image_size == 384
    with pytest.raises(ValueError, match="--image-size 378"):
        resolve(TrainConfig(encoder=NAME, image_size=380))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--encoder", "eva02_tiny_patch14_22"), f"did you mean {NAME}"),
        (("--encoder", NAME, "--image-size", 57), "would leave a rim of 1 px unseen). Fix: --image-size 56"),
        (("--encoder-weights", "nowhere.safetensors"), "nowhere.safetensors: cannot be read as safetensors"),
    ],
)
def test_what_cannot_work_ends_in_one_line(options, said, tiny_voc: Path, tmp_path: Path) -> None:
    ended = segqc(
        "train",
        "--voc-root",
        tiny_voc,
        "--classes",
        DEMO_CLASSES,
        "--out",
        tmp_path / "run",
        "--device",
        "cpu",
        *options,
    )
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
