"""Mutated files of every format: readers refuse them with a reason, or read them; nothing else may happen.

    python scripts/fuzz_readers.py --files 10000 --seed 0

Prints a row a format (files, how many were read and how many refused) and the peak memory of the process. Ends with
exit code 1 and the seed of the file at the first exception that is no `BadInput`. Expected: a few minutes on a core for
10,000 files, no exception, below 1 GiB.
"""

import argparse
import io
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from segqc.base.devices import peak_memory_gib
from segqc.base.errors import BadInput
from segqc.data.annotations.coco import read_coco
from segqc.data.annotations.cvat import read_cvat
from segqc.data.annotations.drawing import Annotations, draw_mask
from segqc.data.annotations.labelme import read_labelme
from segqc.data.inspection.facts import mask_facts, picture_facts
from segqc.data.label_files import read_label_file
from segqc.data.labels import VOC_LABELS
from segqc.data.masks import read_mask
from segqc.data.pictures import read_image
from segqc.data.volumes.files import read_volume

Read = Callable[[Path], object]


def samples() -> dict[str, tuple[bytes, Read]]:
    """A sound file of each format, by name, and its reader."""
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 21, (24, 32)).astype(np.uint8)
    picture = Image.fromarray(rng.integers(0, 255, (24, 32, 3)).astype(np.uint8))
    found: dict[str, tuple[bytes, Read]] = {}
    for suffix, kind in (("png", "PNG"), ("tif", "TIFF"), ("bmp", "BMP"), ("gif", "GIF")):
        found[f"mask.{suffix}"] = _image(Image.fromarray(mask), kind), _mask
    for suffix, kind in (("jpg", "JPEG"), ("png", "PNG"), ("tif", "TIFF"), ("webp", "WEBP")):
        found[f"picture.{suffix}"] = _image(picture, kind), _picture
    stream = io.BytesIO()
    np.save(stream, mask)
    found["mask.npy"] = stream.getvalue(), _mask
    stream = io.BytesIO()
    np.savez_compressed(stream, mask=mask)
    found["mask.npz"] = stream.getvalue(), _mask
    square = [2, 2, 9, 2, 9, 9, 2, 9]
    coco = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 32, "height": 24}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [square]},
            {"id": 2, "image_id": 1, "category_id": 1, "segmentation": {"size": [24, 32], "counts": [100, 40, 628]}},
        ],
    }
    found["coco.json"] = json.dumps(coco).encode(), lambda path: _drawn(read_coco(path))
    shape = {"label": "cat", "points": [[2, 2], [9, 2], [9, 9]], "shape_type": "polygon"}
    labelme = {"shapes": [shape], "imagePath": "a.jpg", "imageWidth": 32, "imageHeight": 24}
    found["labelme.json"] = json.dumps(labelme).encode(), lambda path: _drawn(read_labelme(path.parent))
    cvat = (
        '<annotations><image id="0" name="a.jpg" width="32" height="24"><polygon label="cat" points="2,2;9,2;9,9"/>'
        '<mask label="cat" rle="2,2,4" left="14" top="4" width="4" height="2"/></image></annotations>'
    )
    found["cvat.xml"] = cvat.encode(), lambda path: _drawn(read_cvat(path))
    found["labelmap.txt"] = b"# label:color_rgb\nbackground:0,0,0::\ncat:128,0,0::\n", read_label_file
    classes = {"names": ["background", "cat"], "void": [255, -1], "ids": {"0": 0, "7": 1}}
    found["classes.json"] = json.dumps(classes).encode(), read_label_file
    volume = _volume(mask)
    return found if volume is None else found | {"volume.nii": (volume, read_volume)}


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """One to four of: bytes changed, a piece cut out, doubled or zeroed, the end cut off."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        if not data:
            break
        place = int(rng.integers(len(data)))
        length = int(rng.integers(1, 17))
        piece = data[place : place + length]
        action = int(rng.integers(5))
        if action == 0:
            data[place] = int(rng.integers(256))
        elif action == 1:
            del data[place : place + length]
        elif action == 2:
            data[place:place] = piece
        elif action == 3:
            data[place : place + length] = bytes(len(piece))
        else:
            del data[place:]
    return bytes(data)


def fuzz(files: int, seed: int, folder: Path) -> dict[str, Counter[str]]:
    """Read so many mutated files, the formats in turns.

    Parameters
    ----------
    files, seed : int
    folder : Path
        Where the files are written, one at a time.

    Returns
    -------
    dict of str to Counter
        "read" and "refused" of each format.

    Raises
    ------
    RuntimeError
        A reader raised something else than `BadInput`; names the file's seed.
    """
    formats = samples()
    counts = {name: Counter[str]() for name in formats}
    for number in range(files):
        name = list(formats)[number % len(formats)]
        content, read = formats[name]
        path = folder / name.partition(".")[0] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutate(content, np.random.default_rng([seed, number])))
        try:
            read(path)
            counts[name]["read"] += 1
        except BadInput:
            counts[name]["refused"] += 1
        except Exception as error:
            raise RuntimeError(f"{name}, file {number} of seed {seed}: {error!r}") from error
    return counts


def _mask(path: Path) -> None:
    mask_facts(path)
    read_mask(path, VOC_LABELS)


def _picture(path: Path) -> None:
    picture_facts(path)
    read_image(path)


def _drawn(annotations: Annotations) -> None:
    labels = annotations.label_space()
    for picture in annotations.pictures:
        draw_mask(picture, labels, annotations.path)


def _image(image: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def _volume(mask: np.ndarray) -> bytes | None:
    try:
        import nibabel
    except ImportError:
        return None
    return nibabel.Nifti1Image(np.stack([mask] * 3, -1), np.eye(4)).to_bytes()


def main() -> None:
    """Read the options, fuzz, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            counts = fuzz(options.files, options.seed, Path(folder))
        except RuntimeError as error:
            sys.exit(str(error))
    for name, found in counts.items():
        print(f"{name:<14}{found.total():>6} files {found['read']:>6} read {found['refused']:>6} refused")
    import torch

    print(f"peak memory {peak_memory_gib(torch.device('cpu'))} GiB")


if __name__ == "__main__":
    main()
