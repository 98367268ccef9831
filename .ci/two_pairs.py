"""Render two scenes of the demo into a folder, as pictures and as masks of Pascal VOC's classes."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from segqc.data.labels import VOC_LABELS
from segqc.data.masks import write_mask
from segqc.demo.scenes import DEMO_LABELS, render_scene

folder = Path(sys.argv[1])
(folder / "images").mkdir(parents=True)
to_voc = np.full(256, 255, np.uint8)
to_voc[: DEMO_LABELS.num_classes] = [VOC_LABELS.names.index(name) for name in DEMO_LABELS.names]
for index in range(2):
    scene = render_scene(seed=0, index=index)
    Image.fromarray(scene.rgb).save(folder / "images" / f"scene_{index}.png")
    write_mask(folder / "masks" / f"scene_{index}.png", to_voc[scene.mask], VOC_LABELS)
