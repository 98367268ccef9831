"""Which runtime computes encoder and network: ONNX Runtime on CPUs, PyTorch elsewhere and where the former cannot."""

import os
import warnings

from segqc.base.errors import BadInput
from segqc.base.settings import RUNTIMES
from segqc.model.onnx_network import OnnxNetwork
from segqc.model.quality_model import QualityModel

RUNTIME_VARIABLE = "SEGQC_RUNTIME"
"""Environment variable that says what "auto" means."""


def compile_model(model: QualityModel, runtime: str) -> OnnxNetwork | None:
    """Encoder and network of a model in another runtime than PyTorch; None where PyTorch computes them.

    Parameters
    ----------
    model : QualityModel
        In evaluation mode, encoder folded; its weights must not change any more.
    runtime : "auto", "onnx" or "torch"
        "auto" is what the environment variable `SEGQC_RUNTIME` says; without one, ONNX Runtime on a CPU if it can be
        used, which a warning tells where it cannot.

    Raises
    ------
    BadInput
        "onnx" is asked for and cannot be used.
    ValueError
        There is no such runtime.
    """
    if runtime == "auto":
        runtime = os.environ.get(RUNTIME_VARIABLE, "auto")
    if runtime not in RUNTIMES:
        raise ValueError(f"Unknown runtime {runtime!r}; choose one of {', '.join(RUNTIMES)}")
    on_cpu = model.device.type == "cpu"
    if runtime == "torch" or (runtime == "auto" and not on_cpu):
        return None
    if not on_cpu:
        raise BadInput("--runtime", f"onnx computes on CPUs, but the device is {model.device}", "leave it out")
    try:
        return OnnxNetwork(model)
    except Exception as error:  # a missing package, or whatever exporter and runtime raise for a model
        reason = f"{error}".strip().partition("\n")[0] or type(error).__name__
        if runtime == "onnx":
            fix = "pip install onnx onnxruntime, or leave it out"
            raise BadInput("--runtime", f"ONNX Runtime cannot be used: {reason}", fix) from error
        warnings.warn(f"segqc scores with PyTorch, since ONNX Runtime cannot be used: {reason}", stacklevel=3)
        return None
