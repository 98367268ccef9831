"""`segqc train --tiles`: the model learns tiles, and pictures are scored in them unless told otherwise."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import DEMO_CLASSES, tiny_train_config
from PIL import Image
from typer.testing import CliRunner

import segqc
from segqc.base.errors import BadInput
from segqc.cli.app import app
from segqc.data.masks import read_mask
from segqc.training.run import train


def test_a_model_scores_in_the_tiles_that_it_was_trained_on(tiny_voc: Path, tmp_path: Path) -> None:
    settings = {"method": "segmenter", "steps": 2, "density_items": 4}
    config = tiny_train_config(tiny_voc, tmp_path / "run", tiles=2, **settings)
    folder = train(config)
    written = json.loads((folder / "config.json").read_text())
    assert written["tiles"] == written["training"]["config"]["tiles"] == 2
    qc, whole = segqc.load(folder, device="cpu"), segqc.load(folder, device="cpu", tiles=1)
    assert (qc.tiles, whole.tiles) == (2, 1)
    picture = next((tiny_voc / "JPEGImages").glob("*.jpg"))
    labels = config.classes.split(",")
    mask = read_mask(tiny_voc / "SegmentationClass" / f"{picture.stem}.png", qc.labels)
    assert qc(Image.open(picture), mask).score != whole(Image.open(picture), mask).score
    assert qc.labels.names == tuple(labels)
    # counted over whole pictures: a tile may lack what the picture has
    names = (tiny_voc / "ImageSets" / "Segmentation" / "train.txt").read_text().split()
    masks = [read_mask(tiny_voc / "SegmentationClass" / f"{name}.png", qc.labels) for name in names]
    present = [sum(bool(np.any(mask == c)) for mask in masks) for c in range(qc.labels.num_classes)]
    unseen = len(masks) - written["training"]["train_pairs"]
    for counted, found in zip(written["training"]["class_pictures"], present, strict=True):
        assert found - unseen <= counted <= found
    with pytest.raises(BadInput, match="tiles was 2, now 3"):
        train(tiny_train_config(tiny_voc, tmp_path / "run", tiles=3, **settings))


def test_the_command_has_the_option(tiny_voc: Path, tmp_path: Path) -> None:
    options = f"train --voc-root {tiny_voc} --classes {DEMO_CLASSES} --tiles 9 --out {tmp_path / 'run'}"
    result = CliRunner().invoke(app, options.split())
    assert result.exit_code == 2
    assert "less than or equal to 8" in result.output
