"""Audited pairs with small test pictures, for the tests of the gallery's file and of its page."""

from pathlib import Path

import numpy as np
from PIL import Image

from segqc.data.labels import VOC_LABELS
from segqc.data.masks import write_mask
from segqc.gallery.layers import GalleryEntry

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "<!--<script>",
    "{{script}} ${alert(3)} '\"&amp;\u2028\u2029\0",
    "javascript:alert(4)",
    "lone \ud800 surrogate",
    "__proto__",
]


class Pictures:
    """Writes small test pairs: a smooth photo, a square of one class, its heat map and its ground truth."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def entry(self, index: int, *, size: tuple[int, int] = (64, 48), label: int = 8, **row) -> GalleryEntry:
        """Entry number `index`, ranked by it."""
        paths = [self.folder / f"{index}_{kind}.png" for kind in ("photo", "pred", "heat", "truth")]
        width, height = size
        y, x = np.mgrid[:height, :width]
        photo = np.stack([255 * x / width, 255 * y / height, np.full(x.shape, 40 * (index % 6))], -1).astype(np.uint8)
        mask = np.where((abs(x - width / 2) < width / 4) & (abs(y - height / 2) < height / 4), label, 0).astype(
            np.uint8
        )
        Image.fromarray(photo).save(paths[0])
        write_mask(paths[1], mask, VOC_LABELS)
        Image.fromarray((255 * np.exp(-((x - width / 2) ** 2 + (y - height / 2) ** 2) / width)).astype(np.uint8)).save(
            paths[2]
        )
        write_mask(paths[3], np.roll(mask, 3, 1), VOC_LABELS)
        name = VOC_LABELS.name(label)
        values = {
            "id": f"pair_{index:04d}", "rank": index + 1, "score": 2.0 - 0.1 * index, "status": "ok", "reason": "",
            "worst_class": name,
            "expected_class": "dog", "worst_box": f"{width // 4},{height // 4},{width // 2},{height // 2}",
            "classes": name,
            "dice": 0.05 * index, "width": width, "height": height, "image": str(paths[0]), "prediction": str(paths[1]),
        }  # fmt: skip
        return GalleryEntry(values | row, *paths)


def failed_entry(name: str, reason: str) -> GalleryEntry:
    return GalleryEntry(
        {"id": name, "rank": None, "score": None, "status": "error", "reason": reason}, Path("none.jpg")
    )
