"""What a score needs of a model as fixed computations of tensors, which `torch.onnx` can write down.

The picture's part (encoder, classifier, context pyramid) runs once a picture; the denoiser's part once a noise level.
Both take one item: a CPU gains nothing from a batch.
"""

import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ncsnpp.context import Context
from segqc.model.quality_model import QualityModel

OPSET = 17
"""Version of ONNX's operators: ONNX Runtime reads it from its release 1.12 of 2022 on."""


class PictureGraph(nn.Module):
    """A picture to what the denoiser is conditioned on: `[1, 3, I, I]` uint8 to float32 maps `[1, C, h, w]`.

    Parameters
    ----------
    model : QualityModel
        In evaluation mode on a CPU.
    """

    def __init__(self, model: QualityModel) -> None:
        super().__init__()
        self.model = model
        self.shrinking = nn.ParameterList()
        if model.encoder is not None:
            with torch.inference_mode(False), torch.no_grad():
                found = [maps.shape[-1] for maps in model.encoder(example_picture(model))]
                sides = model.config.network.context_sizes
                self.shrinking.extend(
                    nn.Parameter(averaging_matrix(has, wanted), requires_grad=False)
                    for has, wanted in zip(found, sides, strict=False)
                )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """The maps, those of the encoder's levels before those of the decoder's."""
        if self.model.encoder is None:
            features = self.model.image_features(image)
        else:
            features = [
                maps if len(matrix) == maps.shape[-1] else matrix @ maps @ matrix.T
                for maps, matrix in zip(self.model.encoder(image), self.shrinking, strict=True)
            ]
        context = self.model.context(features)
        if isinstance(context, Context):
            return (*context.encoder, *context.decoder)
        assert isinstance(context, Tensor)
        return (context,)


class DenoiserGraph(nn.Module):
    """One pass of the network: x~ `[1, K, S, S]`, its level `[1]` and the maps of `PictureGraph` to `[1, K, S, S]`."""

    def __init__(self, model: QualityModel) -> None:
        super().__init__()
        self.network = model.network

    def forward(self, seen: Tensor, condition: Tensor, *maps: Tensor) -> Tensor:
        """The network's output, before the softmax."""
        context: Context | Tensor = maps[0]
        if self.network.context is not None:
            context = Context(maps[: len(maps) // 2], maps[len(maps) // 2 :])
        return self.network(seen, condition, context)


def averaging_matrix(has: int, wanted: int) -> Tensor:
    """`[wanted, has]`, rows sum to one: PyTorch's antialiased bilinear interpolation of one axis; the identity where
    nothing is to be shrunk.
    """
    if has <= wanted:
        return torch.eye(has)
    return F.interpolate(torch.eye(has)[None, None], size=(wanted, has), mode="bilinear", antialias=True)[0, 0]


def example_picture(model: QualityModel) -> Tensor:
    """A picture of noise, `[1, 3, I, I]` uint8."""
    side = model.config.image_size
    noise = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (1, 3, side, side), dtype=torch.uint8, device="cpu", generator=noise)


def example_pass(model: QualityModel) -> tuple[Tensor, Tensor]:
    """A noisy mask `[1, K, S, S]` float32 as the network sees it, and its level `[1]`."""
    config = model.config
    shape = (1, config.num_classes, config.grid_size, config.grid_size)
    noise = torch.Generator().manual_seed(1)
    return torch.randn(shape, dtype=torch.float32, device="cpu", generator=noise), torch.tensor([-1.0])


def write_graphs(model: QualityModel) -> tuple[bytes, bytes]:
    """`PictureGraph` and `DenoiserGraph` of a model in evaluation mode on a CPU, as ONNX files with its weights."""
    image = example_picture(model)
    with torch.inference_mode(False), torch.no_grad():
        picture, denoiser = PictureGraph(model).eval(), DenoiserGraph(model).eval()
        maps = picture(image)
    names = [f"map{number}" for number in range(len(maps))]
    seen = example_pass(model)
    return to_onnx(picture, [image], ["image"], names), to_onnx(
        denoiser, [*seen, *maps], ["seen", "condition", *names], ["out"]
    )


def to_onnx(graph: nn.Module, inputs: Sequence[Tensor], names: Sequence[str], outputs: Sequence[str]) -> bytes:
    """An ONNX file of a graph, of the very shapes of its inputs."""
    stream = io.BytesIO()
    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings(), _silent():
        # Of its exporters, torch wants the newer one used, which takes ten times as long and a further package.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            tuple(inputs),
            stream,  # type: ignore[arg-type]  # its hints know paths alone
            dynamo=False,
            opset_version=OPSET,
            input_names=list(names),
            output_names=list(outputs),
        )
    return stream.getvalue()


@contextmanager
def _silent() -> Iterator[None]:
    """Nothing reaches standard output: where it fails, torch's exporter writes its whole graph there, from C++."""
    sys.stdout.flush()
    kept = os.dup(1)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
