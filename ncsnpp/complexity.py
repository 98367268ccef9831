"""Parameters, multiply-accumulates and memory of a network, counted on the meta device without any weights."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ncsnpp.config import NCSNppConfig
from ncsnpp.context import Context
from ncsnpp.encoder import ImageEncoder
from ncsnpp.network import NCSNpp


@dataclass(frozen=True)
class Cost:
    """Cost of one part for one input."""

    parameters: int  # trainable and frozen
    # multiply-accumulates of one forward pass: half the floating-point operations of its matrix products and
    # convolutions
    macs: int
    activation_bytes: int  # kept for the backward pass in float32, parameters excluded


@dataclass(frozen=True)
class Complexity:
    """Costs by how often a part runs: the denoiser for every noise level and draw, the others once per image."""

    denoiser: Cost
    context: Cost | None  # None without conditioning "pyramid"
    encoder: Cost | None  # None when no image encoder was given

    @property
    def parameters(self) -> int:
        """Parameters of the denoiser and its context path, without the image encoder."""
        return self.denoiser.parameters + (self.context.parameters if self.context else 0)

    def macs_per_image(self, passes: int) -> int:
        """Multiply-accumulates to score one image with `passes` denoising passes."""
        once = sum(part.macs for part in (self.context, self.encoder) if part is not None)
        return once + passes * self.denoiser.macs


def count(
    config: NCSNppConfig, encoder: str | None = None, image_size: int | None = None, grid_size: int | None = None
) -> Complexity:
    """Costs of the network that `config` describes, for one image and one denoising pass.

    Parameters
    ----------
    config : NCSNppConfig
    encoder : str, optional
        Name of a timm backbone, to count it as well; its maps must be those that `config` expects.
    image_size : int, optional
        Side of the picture that the encoder sees, in pixels; needed with `encoder`.
    grid_size : int, optional
        Side of x; `config.grid_size` by default.

    Raises
    ------
    ValueError
        `encoder` without `image_size`.
    """
    if encoder is not None and image_size is None:
        raise ValueError("Expected `image_size` together with `encoder`, but got None")
    side = grid_size or config.grid_size
    with torch.device("meta"):
        network = NCSNpp(config)
        x, level = torch.empty(1, config.in_channels, side, side), torch.empty(1)
        context: Context | Tensor | None = None
        context_cost = encoder_cost = None
        if config.conditioning == "concat":
            context = torch.empty(1, config.image_channels, side, side)
        if network.context is not None:
            shapes = zip(config.context_channels, config.context_sizes, strict=True)
            features = [torch.empty(1, channels, size, size) for channels, size in shapes]
            context = network.encode_context(features, (side, side))
            context_cost = measure(network.context, lambda: network.encode_context(features, (side, side)))
        denoiser = measure(network, lambda: network(x, level, context))
        if context_cost is not None:
            denoiser = Cost(denoiser.parameters - context_cost.parameters, denoiser.macs, denoiser.activation_bytes)
        if encoder is not None and image_size is not None:
            encoder_cost = _encoder_cost(config, encoder, image_size)
    return Complexity(denoiser, context_cost, encoder_cost)


def _encoder_cost(config: NCSNppConfig, name: str, image_size: int) -> Cost:
    """Cost of the backbone for one picture, with its classifier where the network takes what it says."""
    backbone = ImageEncoder(name, pretrained=False, image_size=image_size)
    picture = torch.empty(1, 3, image_size, image_size)
    if len(config.context_channels) == len(backbone.channels):
        return measure(backbone, lambda: backbone(picture))
    whole = ImageEncoder(name, pretrained=False, classifier=True, image_size=image_size)
    coarsest = torch.empty(1, whole.channels[-1], *(config.context_sizes[-1],) * 2)
    return measure(whole, lambda: (whole(picture), whole.read_head(coarsest)))


def measure(module: nn.Module, run: Callable[[], object]) -> Cost:
    """Cost of `run`, a forward pass of `module`; both may be on the meta device.

    A storage that several operations keep counts once. What an operation keeps of its parameters is theirs, not an
    activation.
    """
    own = {_key(tensor) for tensor in [*module.parameters(), *module.buffers()]}
    kept: dict[int, Tensor] = {}  # holding the tensors keeps their storages' addresses from being used again

    def pack(tensor: Tensor) -> Tensor:
        if _key(tensor) not in own:
            kept.setdefault(_key(tensor), tensor)
        return tensor

    with FlopCounterMode(display=False) as flops, torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        run()
    activations = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    return Cost(sum(parameter.numel() for parameter in module.parameters()), flops.get_total_flops() // 2, activations)


def _key(tensor: Tensor) -> int:
    """Identity of the memory behind a tensor; views share it."""
    return tensor.untyped_storage()._cdata
