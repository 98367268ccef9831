"""A whole pipeline with QC around it, from photo to mask: what is judged is then the photo itself, without the
network's padding.

    python docs/examples/with_tflite.py MODEL PICTURE NETWORK.tflite

MODEL is a folder written by `segqc train`; NETWORK a DeepLabV3 for TFLite that takes uint8 and returns class indices.
"""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

import segqc

model_folder, picture, network = sys.argv[1:]
interpreter = Interpreter(network)
interpreter.allocate_tensors()
source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
side = int(source["shape"][1])


def segment(photo: Image.Image) -> np.ndarray:
    """Class indices `[H, W]` at the photo's size."""
    scale = min(1.0, side / max(photo.size))
    width, height = (round(scale * length) for length in photo.size)
    canvas = np.full((1, side, side, 3), 128, np.uint8)
    canvas[0, :height, :width] = np.asarray(photo.resize((width, height), Image.Resampling.BILINEAR))
    interpreter.set_tensor(source["index"], canvas)
    interpreter.invoke()
    small = interpreter.get_tensor(target["index"])[0, :height, :width].astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize(photo.size, Image.Resampling.NEAREST))


judged_segment = segqc.load(model_folder).attach(segment)
mask = judged_segment(Image.open(picture).convert("RGB"))
print(f"classes {np.unique(mask).tolist()}; {judged_segment.last[0]}; {judged_segment.counts}")
