"""Sizes that follow the objects: what a grid keeps of masks, and what is chosen, said and left alone."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from segqc.data.labels import LabelSpace
from segqc.training.config import TrainConfig
from segqc.training.detail import fitted_to_objects, kept_by_grid
from segqc.training.pairs import training_source

LABELS = LabelSpace(("ground", "bar", "block"))


def bars(width: int, side: int = 256) -> np.ndarray:
    """Upright bars of `width` px, one every 32, and a block at the bottom."""
    mask = np.zeros((side, side), np.uint8)
    for left in range(5, side - width, 32):
        mask[: side // 2, left : left + width] = 1
    mask[side * 3 // 4 :] = 2
    return mask


def test_what_is_larger_than_a_cell_is_kept_whole_and_a_thin_bar_is_not():
    mask = bars(2)
    mask[-1, :] = 255
    coarse, fine = (kept_by_grid([mask], LABELS, size) for size in (64, 256))
    assert fine == pytest.approx(1)
    assert coarse[2] > 0.97
    # a bar of 2 px takes one cell of 4 px: 2 * 2 / (2 + 4)
    assert coarse[1] == pytest.approx(2 / 3, abs=0.02)
    assert np.isnan(kept_by_grid([np.zeros((20, 20), np.uint8)], LABELS, 8)[1])


@pytest.fixture
def data(tmp_path: Path):
    """A configuration on pictures with bars of a width."""

    def write(width: int, **settings: object) -> TrainConfig:
        for kind in ("images", "masks"):
            (tmp_path / kind).mkdir(exist_ok=True)
        for n in range(3):
            Image.new("RGB", (256, 256)).save(tmp_path / "images" / f"{n}.png")
            Image.fromarray(bars(width)).save(tmp_path / "masks" / f"{n}.png")
        return TrainConfig(
            images=tmp_path / "images", masks=tmp_path / "masks", classes="ground,bar,block", preset="fast", **settings
        )

    return write


def said(config: TrainConfig) -> tuple[TrainConfig, str]:
    console = Console(record=True, width=400, file=open("/dev/null", "w"))  # noqa: SIM115 (closed with the process)
    return fitted_to_objects(config, training_source(config), console), console.export_text()


def test_thin_objects_get_a_finer_grid_and_the_cost_is_said(data):
    config, text = said(data(1))
    assert config.grid_size == 128
    assert config.image_size == 256, "pictures are not larger"
    assert "chosen: --grid-size" in text
    assert "(bar 0." in text
    assert "a step takes about 2.0 times as long" in text


def test_without_the_option_it_is_only_said(data):
    config, text = said(data(1, detail=False))
    assert config.grid_size is None
    assert "--detail would choose --grid-size" in text


def test_large_objects_and_given_sizes_are_left_alone(data):
    assert said(data(24)) == (data(24), "")
    given = data(1, grid_size=48)
    assert said(given) == (given, "")
