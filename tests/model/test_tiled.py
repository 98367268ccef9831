"""Pairs read in tiles: one tile changes nothing, merging keeps what all tiles say, and what is small is seen."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import LABELS, blobs, tiny_model
from torch import Tensor

from segqc.base.errors import BadInput
from segqc.data.grid import mask_to_grid
from segqc.data.tiles import Tiling, tile_pictures
from segqc.model import tiled
from segqc.model.quality_model import QualityModel
from segqc.model.tiled import encode_picture, read_encoded, read_pair, read_tiles
from segqc.quality_control import QualityControl


class Stub:
    """In the network's place: class logits of each cell from the mean brightness of the picture there."""

    def __init__(self, model: QualityModel, logits: Callable[[Tensor], Tensor]) -> None:
        self.side, self.logits, self.shown = model.config.grid_size, logits, 0

    def context(self, image: Tensor) -> "Shown":
        self.shown += 1
        bright = torch.nn.functional.adaptive_avg_pool2d(image.float().mean(1, keepdim=True) / 255, self.side)
        return Shown(self.logits(bright))


class Shown:
    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    def denoise(self, seen: Tensor, condition: Tensor) -> Tensor:
        return self.logits.expand(len(seen), -1, -1, -1)


def stub_of(logits: Callable[[Tensor], Tensor], tiles: int = 1) -> QualityControl:
    model = tiny_model("structured")
    qc = QualityControl(model, runtime="torch", tiles=tiles)
    model.compiled = Stub(model, logits)
    return qc


def bright_is_cat(brightness: Tensor) -> Tensor:
    cat = 40 * (brightness - 0.5)
    nothing = torch.full_like(cat, -20)
    return torch.cat([-cat, cat, nothing, nothing], 1)


def scene(height: int = 500, width: int = 600) -> tuple[Image.Image, np.ndarray]:
    """A dark picture with a large bright object, which its mask has, and a small one, which it lacks."""
    pixels, mask = np.full((height, width, 3), 20, np.uint8), np.zeros((height, width), np.uint8)
    pixels[200:400, 60:260] = 240
    mask[200:400, 60:260] = LABELS.names.index("cat")
    pixels[90:100, 450:460] = 240
    return Image.fromarray(pixels), mask


@pytest.mark.parametrize("method", ["structured", "segmenter"])
def test_one_tile_is_the_untiled_reading_to_the_last_bit(method: str):
    model = tiny_model(method)
    image = Image.fromarray(np.random.default_rng(2).integers(0, 256, (60, 45, 3), dtype=np.uint8))
    tiles = tile_pictures(image, Tiling(1, 16), 64)
    grid = mask_to_grid(blobs(3, 60, 45), 16, LABELS)
    whole, one = model.read(tiles[0], grid), read_tiles(model, tiles, grid)
    assert np.array_equal(whole.posterior, one.posterior)
    assert np.array_equal(whole.heat, one.heat)
    assert model.score_reading(whole, grid).score == model.score_reading(one, grid).score


def test_a_constant_posterior_merges_to_itself():
    logits = torch.tensor([0.3, -1.0, 2.0, 0.1]).view(1, -1, 1, 1)
    qc = stub_of(lambda brightness: logits.expand(-1, -1, *brightness.shape[2:]), tiles=3)
    image, mask = scene()
    reading = read_pair(qc.model, *qc.prepare(image, mask))
    assert reading.posterior.shape == (4, 40, 40)
    expected = torch.softmax(logits, 1)[0].expand(-1, 40, 40)
    np.testing.assert_allclose(reading.posterior, expected.numpy(), atol=1e-6)


def test_a_small_object_that_a_mask_lacks_is_found_in_tiles_and_not_without():
    image, mask = scene()
    whole, fine = stub_of(bright_is_cat), stub_of(bright_is_cat, tiles=8)
    assert [item.kind for item in whole(image, mask).objects] == ["predicted"]
    verdict = fine(image, mask)
    assert fine.model.compiled.shown == 64
    (missed,) = [item for item in verdict.objects if item.kind == "missed"]
    x0, y0, x1, y1 = missed.box
    assert (x0 - 6, y0 - 6) <= (450, 90) < (460, 100) <= (x1 + 6, y1 + 6)
    assert (x1 - x0, y1 - y0) <= (24, 24)
    assert missed.score > 0.5
    assert verdict.heatmap.shape == mask.shape
    assert verdict.heatmap[92:98, 452:458].min() > 0.5
    assert verdict.heatmap[420:, :].max() < 0.1


def test_several_masks_of_a_picture_share_what_was_encoded():
    qc = stub_of(bright_is_cat, tiles=2)
    image, mask = scene()
    tiles, grid = qc.prepare(image, mask)
    encoded = encode_picture(qc.model, tiles)
    for judged in (grid, np.zeros_like(grid)):
        again = read_encoded(qc.model, encoded, judged)
        assert np.array_equal(again.posterior, read_pair(qc.model, tiles, judged).posterior)


@pytest.mark.parametrize("method", ["structured", "mixing", "segmenter"])
def test_a_batch_of_tiles_gives_what_each_gives_alone(method: str, monkeypatch: pytest.MonkeyPatch):
    model = tiny_model(method)
    image = Image.fromarray(np.random.default_rng(5).integers(0, 256, (80, 90, 3), dtype=np.uint8))
    tiling = Tiling(2, 16)
    tiles, grid = tile_pictures(image, tiling, 64), mask_to_grid(blobs(4, 80, 90), tiling.side, LABELS)
    levels = model.config.score_levels
    alone = read_tiles(model, tiles, grid, levels)
    monkeypatch.setattr(tiled, "pairs_at_once", lambda model, levels: 3)
    at_once = read_tiles(model, tiles, grid, levels)
    assert np.abs(at_once.posterior - alone.posterior).max() < 1e-5
    assert len(tiles) == 4, "a batch of three and one of one"


def test_a_method_without_posterior_cannot_merge_tiles():
    with pytest.raises(BadInput, match="no class posterior"):
        QualityControl(tiny_model("paper"), runtime="torch", tiles=2)


def test_pictures_are_scored_as_the_model_was_trained_unless_told_otherwise():
    model = tiny_model("structured", tiles=3)
    assert QualityControl(model, runtime="torch").tiles == 3
    assert QualityControl(model, runtime="torch", tiles=1).tiles == 1
