"""The demo's renderer: repeatable, exactly aligned, in VOC's layout, and of real variety."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segqc.data.labels import VOID
from segqc.data.masks import read_mask
from segqc.data.voc import voc_pairs
from segqc.demo.scenes import DEMO_LABELS, SUPERSAMPLE, Placement, _composite, render_dataset, render_scene
from segqc.demo.shapes import CLUTTER, THINGS, Part, box
from segqc.demo.textures import BACKDROPS, Backdrop


def test_a_scene_is_a_function_of_seed_and_index() -> None:
    first, again = render_scene(3, 7), render_scene(3, 7)
    np.testing.assert_array_equal(first.rgb, again.rgb)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert not np.array_equal(first.rgb, render_scene(3, 8).rgb)
    assert not np.array_equal(first.rgb, render_scene(4, 7).rgb)


@pytest.mark.parametrize("size", [(176, 132), (64, 48), (33, 65)])
def test_shapes_and_labels(size: tuple[int, int]) -> None:
    for index in range(4):
        scene = render_scene(0, index, size)
        assert scene.rgb.shape == (size[1], size[0], 3)
        assert scene.mask.shape == (size[1], size[0])
        assert scene.rgb.dtype == scene.mask.dtype == np.uint8
        assert set(np.unique(scene.mask)) <= {*range(DEMO_LABELS.num_classes), VOID}
        assert 0 <= scene.hardness <= 1


def test_every_class_and_every_backdrop_occurs() -> None:
    seen = set()
    for index in range(40):
        seen |= set(np.unique(render_scene(0, index, (96, 72)).mask).tolist())
    assert seen == {*range(DEMO_LABELS.num_classes), VOID}
    for backdrop in BACKDROPS.values():
        scene = backdrop(np.random.default_rng(0), 60, 80)
        assert scene.rgb.shape == (60, 80, 3)
        assert 0 < scene.horizon < 60
        assert scene.rgb.std() > 5


@pytest.mark.parametrize("name", [*THINGS, *CLUTTER])
def test_things_fit_their_frame(name: str) -> None:
    for seed in range(5):
        parts = (THINGS | CLUTTER)[name](np.random.default_rng(seed))
        corners = np.concatenate([part.points for part in parts])
        assert np.isfinite(corners).all()
        assert np.abs(corners).max() < 2


def test_mask_covers_exactly_the_painted_pixels() -> None:
    scene = Backdrop(np.zeros((20, 30, 3), np.float32), 5)
    where = Placement(x=10.0, y=8.0, scale=4.0, turn=0.0, stretch=1.0, mirrored=False)
    covered = _composite(scene, [Part(box(-1, -1, 1, 1))], where, np.full(3, 200.0), np.zeros((20, 30)), 0.0)
    # a square of side 8 centred on (10, 8): columns 6..13, rows 4..11; the last drawn subpixel is inclusive
    assert SUPERSAMPLE >= 2
    expected = np.zeros((20, 30), bool)
    expected[4:12, 6:14] = True
    np.testing.assert_array_equal(covered, expected)
    assert scene.rgb[expected].min() > 100
    assert scene.rgb[:3].max() == 0
    assert scene.rgb[:, 16:].max() == 0


def test_a_thing_outside_the_frame_changes_nothing() -> None:
    scene = Backdrop(np.zeros((20, 30, 3), np.float32), 5)
    where = Placement(x=90.0, y=8.0, scale=4.0, turn=0.3, stretch=1.0, mirrored=True)
    assert not _composite(scene, [Part(box(-1, -1, 1, 1))], where, np.full(3, 200.0), np.zeros((20, 30)), 0.5).any()
    assert scene.rgb.max() == 0


def test_rim_is_void_only_where_classes_meet() -> None:
    for index in range(3):
        bare, rimmed = render_scene(1, index, void_rim=False).mask, render_scene(1, index).mask
        rim = rimmed == VOID
        assert rim.any()
        np.testing.assert_array_equal(bare[~rim], rimmed[~rim])
        padded = np.pad(bare, 1, mode="edge")
        neighbours = [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
        np.testing.assert_array_equal(rim, np.any([n != bare for n in neighbours], axis=0))


def test_data_set_reads_back_as_voc(tmp_path: Path) -> None:
    render_dataset(tmp_path / "VOC2012", train=3, audit=2, seed=5, size=(64, 48))
    train, problems = voc_pairs(tmp_path, "train")
    audit, more_problems = voc_pairs(tmp_path, "val")
    assert not problems
    assert not more_problems
    assert [pair.id for pair in train] == ["scene_00000", "scene_00001", "scene_00002"]
    assert [pair.id for pair in audit] == ["scene_00003", "scene_00004"]
    scene = render_scene(5, 3, (64, 48))
    np.testing.assert_array_equal(read_mask(audit[0].mask, DEMO_LABELS), scene.mask)
    assert Image.open(audit[0].mask).mode == "P"
    stored = np.asarray(Image.open(audit[0].image), float)
    assert np.abs(stored - scene.rgb).mean() < 10


def test_misuse_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="32 pixels"):
        render_scene(0, 0, (16, 64))
    with pytest.raises(ValueError, match="at least one scene"):
        render_dataset(tmp_path, train=1, audit=0)
