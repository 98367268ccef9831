"""`segqc export-model`: a model as one ONNX file, for programs that score without segqc or PyTorch."""

import json
from pathlib import Path

import numpy as np
import torch

from segqc.base.errors import BadInput
from segqc.base.files import atomic_path
from segqc.base.version import __version__
from segqc.model.export_config import ExportModelConfig
from segqc.model.folder import fingerprint, load_model, model_folder
from segqc.model.graphs import example_picture, to_onnx
from segqc.model.pair_graph import PairGraph

EXPORT_FORMAT = "segqc-onnx-1"
INPUTS, OUTPUTS = ("image", "mask"), ("posterior", "heat", "score")
_TOLERANCE = 1e-4

PREPARATION = (
    "image: the RGB picture, squashed to I x I pixels (Pillow's BILINEAR resize, which averages where it shrinks), "
    "channels first. mask: class indices, 255 where void, squashed to S x S: cell i of an axis with n pixels takes the "
    "pixel under its centre; then every object of at least 10 pixels that got no cell takes one (segqc.data.grid)."
)


def export_model(config: ExportModelConfig) -> dict[str, str]:
    """Write the file, after ONNX Runtime has given PyTorch's score for an example.

    Returns
    -------
    dict of str to str
        What the file says about itself (ONNX's metadata).

    Raises
    ------
    BadInput
        The model cannot be read or has no posterior, or `onnx` or `onnxruntime` is not installed.
    ArithmeticError
        ONNX Runtime computes something else than PyTorch.
    """
    try:
        import onnx
    except ImportError as error:
        raise BadInput("--format", "onnx needs a package that is missing", "pip install onnx onnxruntime") from error
    folder = model_folder(config.model)
    model = load_model(folder, "cpu")
    if model.encoder is not None:
        model.encoder.fold()
    try:
        graph = PairGraph(model).eval()
    except ValueError as error:
        fix = "export a model of another method: structured, mixing or segmenter"
        raise BadInput(config.model, str(error), fix) from error
    image, mask = example_picture(model), _example_mask(model.config.num_classes, model.config.grid_size)
    content = to_onnx(graph, (image, mask), INPUTS, OUTPUTS)
    with torch.inference_mode():
        expected = graph(image, mask)
    _check(content, (image, mask), expected)
    facts = {
        "format": EXPORT_FORMAT,
        "segqc": __version__,
        "model": fingerprint(folder),
        "method": model.config.method,
        "classes": json.dumps(model.config.labels),
        "preparation": PREPARATION,
    }
    written = onnx.load_model_from_string(content)
    onnx.helper.set_model_props(written, facts)
    with atomic_path(config.out) as temporary:
        Path(temporary).write_bytes(written.SerializeToString())
    return facts


def _example_mask(classes: int, side: int) -> torch.Tensor:
    """A mask `[1, S, S]` uint8 with every class and void."""
    labels = np.arange(side * side, dtype=np.int64) * (classes + 1) // (side * side)
    return torch.from_numpy(np.where(labels == classes, 255, labels).astype(np.uint8).reshape(1, side, side))


def _check(content: bytes, inputs: tuple[torch.Tensor, ...], expected: tuple[torch.Tensor, ...]) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    wanted = {item.name for item in session.get_inputs()}
    given = {name: tensor.numpy() for name, tensor in zip(INPUTS, inputs, strict=True) if name in wanted}
    for name, one, other in zip(OUTPUTS, session.run(None, given), expected, strict=True):
        difference = float(np.abs(one - other.numpy()).max())
        if not difference <= _TOLERANCE:
            raise ArithmeticError(f"ONNX Runtime's {name} differs from PyTorch's by up to {difference:.2g}")
