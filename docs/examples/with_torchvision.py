"""A torchvision model with QC attached: its outputs are what they were, and every mask is judged.

    python docs/examples/with_torchvision.py MODEL PICTURE

MODEL is a folder written by `segqc train`. The segmenter has random weights, so that nothing has to be downloaded: put
your own in.
"""

import sys

import torch
from PIL import Image
from torchvision.models import segmentation

import segqc

model_folder, picture = sys.argv[1:]
qc = segqc.load(model_folder)
network = segmentation.lraspp_mobilenet_v3_large(
    weights=None, weights_backbone=None, num_classes=qc.labels.num_classes
).eval()
transform = segmentation.LRASPP_MobileNet_V3_Large_Weights.DEFAULT.transforms()

with qc.attach(network) as handle, torch.inference_mode():
    output = network(transform(Image.open(picture).convert("RGB"))[None])["out"]

print(f"mask of {tuple(output.shape[2:])} pixels; {handle.last[0]}; {handle.counts}")
