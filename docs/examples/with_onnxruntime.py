"""Any callable with QC around it; here a session of ONNX Runtime. The handle is called in the place of what it wraps.

    python docs/examples/with_onnxruntime.py MODEL PICTURE [NETWORK.onnx]

MODEL is a folder written by `segqc train`. Without a network of yours, one of a single convolution is made.
"""

import sys

import numpy as np
import onnx
import onnxruntime
from PIL import Image

import segqc


def single_convolution(classes: int) -> bytes:
    """A network that is small enough for an example."""
    weights = np.random.default_rng(0).normal(size=(classes, 3, 5, 5)).astype(np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["pixels", "weights"], ["scores"], pads=[2, 2, 2, 2])],
        "segmenter",
        [onnx.helper.make_tensor_value_info("pixels", onnx.TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["N", classes, "H", "W"])],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9
    ).SerializeToString()


model_folder, picture, *network = sys.argv[1:]
qc = segqc.load(model_folder)
session = onnxruntime.InferenceSession(
    network[0] if network else single_convolution(qc.labels.num_classes), providers=["CPUExecutionProvider"]
)
pixels = np.asarray(Image.open(picture).convert("RGB").resize((256, 192)), np.float32).transpose(2, 0, 1)[None] / 255

run = qc.attach(session.run, mean=0, std=1)  # this network takes pixels in [0, 1]
(scores,) = run(None, {session.get_inputs()[0].name: pixels})
print(f"scores {scores.shape}; {run.last[0]}; {run.counts}")
