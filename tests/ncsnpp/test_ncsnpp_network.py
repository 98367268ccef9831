"""NCSN++ as a whole: every option, any size, and what the rest of the toolkit relies on."""

import dataclasses
import itertools
import json
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file

from ncsnpp import Context, NCSNpp, NCSNppConfig

# Channels and nominal side of each feature map at grid 16: finer than the levels, equal to one, coarser than all.
MAPS = ((4, 16), (6, 8), (8, 2))


def config(**changes) -> NCSNppConfig:
    """A tiny network at grid 16 with levels 8 and 4 (patch 2)."""
    options = {
        "in_channels": 3,
        "out_channels": 5,
        "grid_size": 16,
        "patch": 2,
        "channels": 8,
        "channel_mult": (1, 2),
        "blocks": 1,
        "attention_resolutions": (4,),
    }
    if changes.get("conditioning") == "pyramid":
        options |= {
            "context_channels": tuple(c for c, _ in MAPS),
            "context_sizes": tuple(s for _, s in MAPS),
            "context_width": 8,
        }
    return NCSNppConfig(**(options | changes))


def network(settings: NCSNppConfig, perturbed: bool = True) -> NCSNpp:
    """Seeded; perturbed away from its zero initialisation unless told not to."""
    torch.manual_seed(0)
    net = NCSNpp(settings)
    if perturbed:
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    return net


def features(images: int, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(images, channels, side, side, generator=generator) for channels, side in MAPS]


def context_for(net: NCSNpp, images: int, size: tuple[int, int]):
    if net.config.conditioning == "pyramid":
        return net.encode_context(features(images), size)
    if net.config.conditioning == "concat":
        return torch.randn(images, 3, *size, generator=torch.Generator().manual_seed(7))
    return None


def inputs(batch: int, size: tuple[int, int] = (16, 16)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(batch, 3, *size, generator=generator), torch.linspace(-9, 4, batch)


COMBINATIONS = list(
    itertools.product(
        ("full", "light"), ("film", "additive"), (False, True), (False, True), ("none", "concat", "pyramid"), (1, 2)
    )
)


@pytest.mark.parametrize(
    ("body", "level_embedding", "input_pyramid", "output_pyramid", "conditioning", "patch"), COMBINATIONS
)
def test_every_combination_trains_every_parameter(
    body, level_embedding, input_pyramid, output_pyramid, conditioning, patch
):
    net = network(
        config(
            body=body,
            level_embedding=level_embedding,
            input_pyramid=input_pyramid,
            output_pyramid=output_pyramid,
            conditioning=conditioning,
            patch=patch,
            attention_resolutions=(16 // patch // 2,),
        )
    )
    x, level = inputs(2, (16, 16))
    y = net(x, level, context_for(net, 2, (16, 16)))
    assert y.shape == (2, 5, 16, 16)
    y.square().sum().backward()
    without = [name for name, parameter in net.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert not without


@pytest.mark.parametrize("body", ["full", "light"])
@pytest.mark.parametrize("conditioning", ["none", "concat", "pyramid"])
@pytest.mark.parametrize("size", [(37, 53), (16, 16), (1, 1), (3, 40)])
def test_any_size_goes_in_and_comes_out(body, conditioning, size):
    net = network(
        config(body=body, conditioning=conditioning, input_pyramid=True, output_pyramid=True, channel_mult=(1, 1, 2))
    )
    x, level = inputs(2, size)
    y = net(x, level, context_for(net, 1, size))
    assert y.shape == (2, 5, *size)
    assert y.isfinite().all()


def test_feature_maps_may_have_any_size():
    net = network(config(conditioning="pyramid"))
    generator = torch.Generator().manual_seed(0)
    odd = [torch.randn(1, channels, side + 3, side + 1, generator=generator) for channels, side in MAPS]
    context = net.encode_context(odd, (17, 15))
    assert [tuple(t.shape[-2:]) for t in context.encoder] == [(9, 8), (5, 4)]
    assert net(*inputs(1, (17, 15)), context).isfinite().all()


def test_context_encoded_for_another_size_is_interpolated():
    net = network(config(conditioning="pyramid"))
    assert net(*inputs(1, (21, 10)), net.encode_context(features(1))).shape == (1, 5, 21, 10)


@pytest.mark.parametrize("maps", [((4, 64),), ((4, 8),), ((4, 1),), ((4, 8), (5, 8), (6, 4))])
def test_any_set_of_maps_reaches_every_level(maps):
    channels, sides = zip(*maps, strict=True)
    net = network(
        config(conditioning="pyramid", channel_mult=(1, 1, 1), context_channels=channels, context_sizes=sides)
    )
    context = net.encode_context([torch.randn(2, channels, side, side) for channels, side in maps])
    for level, tensor in enumerate(context.encoder):
        assert tensor.shape == (2, 8, 8 >> level, 8 >> level)
        assert tensor[0].std() > 0
        assert not torch.allclose(tensor[0], tensor[1])


@pytest.mark.parametrize("output_pyramid", [False, True])
@pytest.mark.parametrize("body", ["full", "light"])
def test_output_is_zero_before_training(body, output_pyramid):
    net = network(config(body=body, output_pyramid=output_pyramid), perturbed=False)
    assert not net(*inputs(2)).any()


@pytest.mark.parametrize("conditioning", ["concat", "pyramid"])
@pytest.mark.parametrize("passes", [1, 3])
def test_passes_of_an_image_are_contiguous_and_equal_explicit_repetition(conditioning, passes):
    net = network(config(conditioning=conditioning)).eval()
    x, level = inputs(2 * passes)
    shared = net(x, level, context_for(net, 2, (16, 16)))
    if conditioning == "concat":
        repeated = context_for(net, 2, (16, 16)).repeat_interleave(passes, dim=0)
    else:
        repeated = net.encode_context([feature.repeat_interleave(passes, dim=0) for feature in features(2)])
    torch.testing.assert_close(shared, net(x, level, repeated), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("conditioning", ["none", "concat", "pyramid"])
def test_an_item_does_not_depend_on_its_companions(conditioning):
    net = network(config(conditioning=conditioning, input_pyramid=True, output_pyramid=True)).eval()
    x, level = inputs(4)
    context = context_for(net, 4, (16, 16))
    together = net(x, level, context)
    for n in range(4):
        if isinstance(context, Context):
            own = Context(*(tuple(t[n : n + 1] for t in part) for part in context))
        else:
            own = None if context is None else context[n : n + 1]
        torch.testing.assert_close(net(x[n : n + 1], level[n : n + 1], own), together[n : n + 1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("conditioning", ["none", "concat", "pyramid"])
def test_level_and_context_matter(conditioning):
    net = network(config(conditioning=conditioning))
    x, level = inputs(2)
    context = context_for(net, 2, (16, 16))
    y = net(x, level, context)
    assert not torch.allclose(y, net(x, level + 1, context), atol=1e-3)
    if context is not None:
        swapped = context.flip(0) if conditioning == "concat" else net.encode_context([f.flip(0) for f in features(2)])
        assert not torch.allclose(y, net(x, level, swapped), atol=1e-3)


@pytest.mark.parametrize("body", ["full", "light"])
def test_channels_last_gives_the_same_numbers_in_the_same_layout(body):
    net = network(config(body=body, conditioning="pyramid", input_pyramid=True, output_pyramid=True))
    x, level = inputs(4)
    expected = net(x, level, net.encode_context(features(2)))
    net = net.to(memory_format=torch.channels_last)
    maps = [feature.to(memory_format=torch.channels_last) for feature in features(2)]
    context = net.encode_context(maps)
    assert all(t.is_contiguous(memory_format=torch.channels_last) for part in context for t in part)
    y = net(x.to(memory_format=torch.channels_last), level, context)
    torch.testing.assert_close(y, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("body", ["full", "light"])
@pytest.mark.parametrize("conditioning", ["concat", "pyramid"])
def test_bfloat16_autocast_is_finite_and_close(body, conditioning):
    net = network(config(body=body, conditioning=conditioning, input_pyramid=True, output_pyramid=True))
    x, level = inputs(2)
    expected = net(x, level, context_for(net, 2, (16, 16)))
    with torch.autocast("cpu", torch.bfloat16):
        y = net(x, level, context_for(net, 2, (16, 16)))
    y.float().square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())
    assert (y.float() - expected).norm() < 0.05 * expected.norm()


@pytest.mark.parametrize("body", ["full", "light"])
def test_compiles_in_one_graph_with_the_same_numbers(body):
    net = network(config(body=body, conditioning="pyramid", input_pyramid=True, output_pyramid=True))
    x, level = inputs(4, (13, 11))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encode = torch.compile(net.encode_context, fullgraph=True, backend="aot_eager")
        compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
        context = encode(features(2), (13, 11))
        y = compiled(x, level, context)
    torch.testing.assert_close(y, net(x, level, net.encode_context(features(2), (13, 11))), atol=1e-5, rtol=1e-5)
    y.square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())


def test_weights_and_configuration_survive_the_disk(tmp_path):
    net = network(config(conditioning="pyramid")).eval()
    save_file(net.state_dict(), tmp_path / "model.safetensors")
    settings = NCSNppConfig(**json.loads(json.dumps(dataclasses.asdict(net.config))))
    assert settings == net.config
    torch.manual_seed(9)
    again = NCSNpp(settings).eval()
    again.load_state_dict(load_file(tmp_path / "model.safetensors"))
    x, level = inputs(2)
    assert torch.equal(
        again(x, level, again.encode_context(features(1))), net(x, level, net.encode_context(features(1)))
    )


def test_wrong_contexts_are_refused_by_name():
    pyramid, concat, plain = (network(config(conditioning=name)) for name in ("pyramid", "concat", "none"))
    x, level = inputs(3)
    with pytest.raises(ValueError, match="multiple of the 2 images"):
        pyramid(x, level, pyramid.encode_context(features(2)))
    with pytest.raises(ValueError, match="context"):
        pyramid(x, level)
    with pytest.raises(ValueError, match="context"):
        plain(x, level, torch.zeros(3, 3, 16, 16))
    with pytest.raises(ValueError, match="size"):
        concat(x, level, torch.zeros(3, 3, 8, 8))
    with pytest.raises(ValueError, match="pyramid"):
        plain.encode_context(features(1))
    with pytest.raises(ValueError, match="3 maps"):
        pyramid.encode_context(features(1)[:2])


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"body": "slim"}, "body"),
        ({"level_embedding": "none"}, "level_embedding"),
        ({"conditioning": "image"}, "conditioning"),
        ({"attention_resolutions": (16,)}, "attention_resolutions"),
        ({"channel_mult": ()}, "channel_mult"),
        ({"patch": 0}, "patch"),
        ({"stem_kernel": 2}, "stem_kernel"),
        ({"conditioning": "pyramid", "context_sizes": (1,)}, "context_sizes"),
    ],
)
def test_configuration_errors_name_the_argument(change, names):
    with pytest.raises(ValueError, match=names):
        config(**change)
