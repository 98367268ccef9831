"""A Hugging Face segmenter with QC attached; its image processor tells the hook how pictures were normalised and how
masks are made.

    python docs/examples/with_transformers.py MODEL PICTURE

MODEL is a folder written by `segqc train`. The segmenter is a tiny SegFormer with random weights, so that nothing has
to be downloaded: put your own in, with `SegformerForSemanticSegmentation.from_pretrained`.
"""

import sys

import torch
from PIL import Image
from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

import segqc

model_folder, picture = sys.argv[1:]
qc = segqc.load(model_folder)
names = [*qc.labels.names[::-1], "something else"]  # another order, and a class that the quality model does not know
config = SegformerConfig(
    num_labels=len(names),
    depths=[1] * 4,
    hidden_sizes=[8, 16, 16, 32],
    decoder_hidden_size=16,
    num_attention_heads=[1, 1, 2, 2],
)
network = SegformerForSemanticSegmentation(config).eval()
processor = SegformerImageProcessor(size={"height": 128, "width": 128})

with qc.attach(network, image_processor=processor, classes=names) as handle, torch.inference_mode():
    network(**processor(images=Image.open(picture).convert("RGB"), return_tensors="pt"))

print(f"{handle.last[0]}; {handle.counts}")
