"""Encoders of every family, with random weights: maps, sizes, weights from a file, and names that lead nowhere."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.nn.functional import adaptive_avg_pool2d

import ncsnpp
from ncsnpp import ImageEncoder

# the smallest of each family, and the size that its patch makes of 100 px
ONE_STRIDE = {
    "vit_small_patch14_dinov2": 98,
    "vit_tiny_patch16_dinov3_qkvb": 96,
    "eva02_tiny_patch14_224": 98,
    "vit_base_patch14_reg1_tipsv2": 98,
    "vit_pe_spatial_tiny_patch16_512": 96,
    "vit_base_patch16_radio_v3": 96,
}
SEVERAL = {"swin_tiny_patch4_window7_224": 100, "resnet18": 100}


def picture(side: int) -> torch.Tensor:
    return torch.randint(0, 256, (1, 3, side, side), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.mark.parametrize(("name", "side"), (ONE_STRIDE | SEVERAL).items())
def test_maps_are_as_announced_without_weights(name, side):
    assert ncsnpp.nearest_size(name, 100) == side
    shape = ncsnpp.encoder_shape(name, image_size=side)
    encoder = ImageEncoder(name, pretrained=False, image_size=side)
    with torch.inference_mode():
        maps = encoder(picture(side))
    assert (encoder.channels, encoder.reductions) == (shape.channels, shape.reductions)
    assert list(shape.reductions) == sorted(shape.reductions)
    assert len(set(shape.reductions)) > 1, "a pyramid"
    for part, channels, reduction in zip(maps, shape.channels, shape.reductions, strict=True):
        assert tuple(part.shape) == (1, channels, -(-side // reduction), -(-side // reduction))
        assert part.isfinite().all()
        assert part.std() > 0


def test_the_pyramid_of_one_stride_is_the_last_block_pooled():
    torch.manual_seed(0)
    encoder = ImageEncoder("eva02_tiny_patch14_224", pretrained=False, image_size=112)
    with torch.inference_mode():
        middle, last, half, quarter = encoder(picture(112))
        x = (picture(112).float() - encoder.mean) / encoder.std
        blocks = len(encoder.backbone.model.blocks)
        expected = encoder.backbone.model.forward_intermediates(
            x, indices=[blocks // 2 - 1, blocks - 1], intermediates_only=True
        )
    torch.testing.assert_close(middle, expected[0])
    torch.testing.assert_close(last, expected[1])
    torch.testing.assert_close(half, adaptive_avg_pool2d(last, 4))
    torch.testing.assert_close(quarter, adaptive_avg_pool2d(last, 2))


def test_channels_that_come_last_are_put_first():
    torch.manual_seed(0)
    encoder = ImageEncoder("swin_tiny_patch4_window7_224", pretrained=False, image_size=64).eval()
    with torch.inference_mode():
        raw = encoder.backbone((picture(64).float() - encoder.mean) / encoder.std)
        maps = encoder(picture(64))
    assert raw[0].shape == (1, 16, 16, 96)
    assert (maps[0][0, :, 3, 5] == raw[0][0, 3, 5]).all()


def test_a_transformer_is_left_whole_by_folding():
    encoder = ImageEncoder("eva02_tiny_patch14_224", pretrained=False, image_size=112)
    before = encoder.backbone
    encoder.fold()
    assert encoder.backbone is before


def test_unknown_names_get_suggestions():
    with pytest.raises(ValueError, match=r"did you mean .*vit_small_patch14_dinov2"):
        ncsnpp.encoder_shape("vit_smal_patch14_dinov2")
    with pytest.raises(ValueError, match=r"timm.list_models\(\) lists all"):
        ImageEncoder("0", pretrained=False)


def test_sizes_that_leave_a_rim_are_refused_with_the_nearest_that_fits():
    with pytest.raises(ValueError, match=r"dinov2 takes no pictures of 100 px .*rim of 2 px.*--image-size 98"):
        ncsnpp.encoder_shape("vit_small_patch14_dinov2", image_size=100)


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """A file as timm publishes it: the whole model at its own size, with its classifier."""
    torch.manual_seed(1)
    state = timm.create_model("vit_tiny_patch16_224", pretrained=False).state_dict()
    save_file(state, tmp_path / "vit.safetensors")
    return tmp_path / "vit.safetensors", state


def test_weights_of_a_file_are_taken_with_or_without_their_classifier(published, tmp_path):
    file, state = published
    bare = tmp_path / "bare.safetensors"
    save_file({key: tensor for key, tensor in state.items() if not key.startswith("head.")}, bare)
    for path in (file, bare):
        encoder = ImageEncoder("vit_tiny_patch16_224", image_size=96, weights=path)
        key = "blocks.7.mlp.fc1.weight"
        assert (encoder.backbone.model.state_dict()[key] == state[key]).all()


def test_weights_of_another_model_are_refused(published, tmp_path):
    file, state = published
    with pytest.raises(
        ValueError, match=r"vit.safetensors: is not the weights of deit3_small_patch16_224: .*Fix: give"
    ):
        ImageEncoder("deit3_small_patch16_224", image_size=96, weights=file)
    save_file(
        {key: tensor for key, tensor in state.items() if "blocks.3.attn" not in key}, tmp_path / "cut.safetensors"
    )
    with pytest.raises(ValueError, match=r"lacks 4 tensors, such as blocks.3.attn.qkv.weight"):
        ImageEncoder("vit_tiny_patch16_224", image_size=96, weights=tmp_path / "cut.safetensors")
    (tmp_path / "text.safetensors").write_text("no tensors")
    with pytest.raises(ValueError, match=r"text.safetensors: cannot be read as safetensors"):
        ImageEncoder("vit_tiny_patch16_224", image_size=96, weights=tmp_path / "text.safetensors")
    with pytest.raises(ValueError, match=r"nowhere.safetensors: cannot be read as safetensors"):
        ImageEncoder("vit_tiny_patch16_224", image_size=96, weights=tmp_path / "nowhere.safetensors")
