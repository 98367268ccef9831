"""Mutated files of every format: readers refuse them with a reason, or read them; nothing else may happen.

    python scripts/fuzz_readers.py --files 10000 --seed 0

Prints a row a format (files, how many were read and how many refused) and the peak memory of the process. Ends with
exit code 1 and the seed of the file at the first exception that is no `BadInput`. Expected: a few minutes on a core for
10,000 files, no exception, below 1 GiB.
"""

import argparse
import dataclasses
import io
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
from PIL import Image

from segqc.base.devices import peak_memory_gib
from segqc.base.errors import BadInput
from segqc.data.annotations.coco import read_coco
from segqc.data.annotations.cvat import read_cvat
from segqc.data.annotations.drawing import Annotations, draw_mask
from segqc.data.annotations.label_studio_tasks import read_tasks
from segqc.data.annotations.labelme import read_labelme
from segqc.data.annotations.yolo import read_yolo
from segqc.data.image_tables import image_columns, picture_and_mask, read_rows, save_image
from segqc.data.inspection.facts import mask_facts, picture_facts
from segqc.data.label_files import read_label_file
from segqc.data.labels import VOC_LABELS
from segqc.data.masks import read_mask
from segqc.data.path_tables import read_path_table
from segqc.data.pictures import read_image
from segqc.data.volumes.files import read_volume
from segqc.export.shapes import label_studio_rle

Read = Callable[[Path], object]

_JUNK = (
    "null", "[]", "{}", '"x"', '""', "-1", "0", "1e308", "Infinity", "NaN", "1" + 30 * "0", "true", "[[1]]", "[[null]]",
    '{"counts": [1], "size": [1, 1]}', '{"counts": "xxxxxxxxxxxxxxxx", "size": [24, 32]}', '"\\ud800"', "1.5",
)  # fmt: skip
"""JSON values that do not belong where they are put."""


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
    found |= _channels(mask) | _results(coco, square) | _tables(picture, mask)
    volume = _volume(mask)
    return found if volume is None else found | {"volume.nii": (volume, read_volume)}


def _channels(mask: np.ndarray) -> dict[str, tuple[bytes, Read]]:
    """One-hot masks."""
    channels = (np.arange(4)[:, None, None] == mask % 4).astype(np.uint8)
    array, stack = io.BytesIO(), io.BytesIO()
    np.save(array, channels)
    first, *others = (Image.fromarray(channel) for channel in channels)
    first.save(stack, "TIFF", save_all=True, append_images=others)
    return {"channels.npy": (array.getvalue(), _mask), "channels.tif": (stack.getvalue(), _mask)}


def _results(coco: dict, square: list[int]) -> dict[str, tuple[bytes, Read]]:
    """Predictions as annotations, whose reader needs a further file."""
    results = [{"image_id": 1, "category_id": 1, "segmentation": [square], "score": 0.5}]
    size = {"original_width": 32, "original_height": 24, "image_rotation": 0}
    brush = {"format": "rle", "rle": label_studio_rle(np.eye(24, 32, dtype=bool)), "brushlabels": ["cat"]}
    polygon = {"points": [[5, 5], [50, 5], [50, 50]], "polygonlabels": ["cat"]}
    drawn = [{"type": "brushlabels", "value": brush} | size, {"type": "polygonlabels", "value": polygon} | size]
    tasks = [{"id": 1, "data": {"image": "/data/local-files/?d=a.jpg"}, "predictions": [{"result": drawn}]}]

    def read_results(path: Path) -> None:
        (path.parent / "of.json").write_text(json.dumps(coco))
        _drawn(read_coco(path, path.parent / "of.json", 0.3))

    def read_labels(path: Path) -> None:
        Image.new("RGB", (32, 24)).save(path.with_suffix(".png"))
        _drawn(read_yolo(path.parent, {path.stem: path.with_suffix(".png")}, ["cat", "dog"], 0.3))

    return {
        "results.json": (json.dumps(results).encode(), read_results),
        "tasks.json": (json.dumps(tasks).encode(), lambda path: _drawn(read_tasks(path))),
        "yolo.txt": (b"0 0.1 0.1 0.5 0.1 0.5 0.5 0.9\n1 0.1 0.1 0.5 0.1 0.5 0.5\n", read_labels),
    }


def _tables(picture: Image.Image, mask: np.ndarray) -> dict[str, tuple[bytes, Read]]:
    """Tables of paths and of images."""
    lines = "image,mask,id,split\na.png,b.png,one,train\nc.png,,two,val\n"
    cells = [{"bytes": _image(picture, "PNG"), "path": None}, {"bytes": None, "path": "a.png"}]
    masks = [{"bytes": _image(Image.fromarray(mask), "PNG"), "path": None}, None]
    content = pyarrow.table({"image": cells, "annotation": masks})
    parquet, arrow = io.BytesIO(), io.BytesIO()
    pyarrow.parquet.write_table(content, parquet)
    with pyarrow.ipc.new_stream(arrow, content.schema) as stream:
        stream.write_table(content)

    def read_images(path: Path) -> None:
        columns = image_columns(path)
        if not columns:
            raise BadInput(path, "holds no columns of images")
        for row in read_rows(path, columns):
            for name in picture_and_mask(path, columns):
                try:
                    save_image(path, row[name or columns[0]], path.parent / "saved")
                except BadInput:
                    continue

    return {
        "table.csv": (lines.encode(), read_path_table),
        "images.parquet": (parquet.getvalue(), read_images),
        "images.arrow": (arrow.getvalue(), read_images),
    }


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


def mutate_json(content: bytes, rng: np.random.Generator) -> bytes:
    """Valid JSON with one or two values replaced or taken out: bytes changed at random are hardly ever valid."""
    root = [json.loads(content)]
    for _ in range(int(rng.integers(1, 3))):
        places = list(_places(root))
        inside, key = places[int(rng.integers(len(places)))]
        if inside is not root and rng.random() < 0.2:
            del inside[key]
        else:
            inside[key] = json.loads(_JUNK[int(rng.integers(len(_JUNK)))])
    return json.dumps(root[0]).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of JSON values, with every key or index of it."""
    for key in list(value) if isinstance(value, dict) else range(min(len(value), 20)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


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
        rng = np.random.default_rng([seed, number])
        structured = path.suffix == ".json" and rng.random() < 0.8
        path.write_bytes(mutate_json(content, rng) if structured else mutate(content, rng))
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
        sized = dataclasses.replace(picture, width=picture.width or 32, height=picture.height or 24)
        draw_mask(sized, labels, annotations.path)


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
