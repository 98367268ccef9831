"""A segmentation_models_pytorch model with QC in a background thread: the pipeline does not wait for it.

    python docs/examples/with_smp.py MODEL PICTURE

MODEL is a folder written by `segqc train`. The segmenter has random weights, so that nothing has to be downloaded: put
your own in.
"""

import sys

import segmentation_models_pytorch as smp
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

import segqc

model_folder, picture = sys.argv[1:]
qc = segqc.load(model_folder)
network = smp.Unet("timm-mobilenetv3_small_minimal_100", encoder_weights=None, classes=qc.labels.num_classes).eval()
# smp.encoders.get_preprocessing_params says which an encoder wants
mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

image = functional.to_image(Image.open(picture).convert("RGB").resize((256, 192)))
batch = functional.normalize(functional.to_dtype(image, torch.float32, scale=True), mean, std)[None]
handle = qc.attach(
    network,
    mean=mean,
    std=std,
    background=True,
    queue_size=8,
    policy=lambda found: print(f"#{found.number}: {found.verdict}"),
)
with torch.inference_mode():
    network(batch)
    network(batch.flip(3))
handle.close()  # waits for what is in the queue
print(handle.counts)
