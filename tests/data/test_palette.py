"""Colours of classes: apart from each other, the same for an index, and nobody's own colours are changed."""

import numpy as np
import pytest

from segqc.data.labels import VOC_LABELS, LabelSpace, palette_of, voc_palette
from segqc.data.palette import cielab, display_palette, separated_palette
from segqc.gallery.overlay import label_rgba

CAMVID = (
    "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist"
)  # fmt: skip


def nearest(colours: np.ndarray) -> float:
    """The smallest distance between two of the colours in CIELAB."""
    lab = cielab(colours)
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    return float(distance[~np.eye(len(lab), dtype=bool)].min())


def test_cielab_agrees_with_published_values():
    """Bruce Lindbloom's calculator, sRGB and D65: red, green, blue, white and a middle grey."""
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [119, 119, 119]], np.uint8)
    expected = [[53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86], [100, 0, 0], [50.03, 0, 0]]
    np.testing.assert_allclose(cielab(colours), expected, atol=0.01)


@pytest.mark.parametrize(("classes", "least"), [(11, 50), (21, 35), (59, 20), (150, 12)])
def test_classes_are_kept_apart(classes: int, least: float):
    """2.3 is just noticeable; of Pascal VOC's first eleven, two are 12 apart."""
    labels = LabelSpace(tuple(f"class {n}" for n in range(classes)), background=None)
    shown = display_palette(labels)
    assert nearest(shown[[*range(classes), 255]]) >= least
    assert nearest(voc_palette()[:11]) < 13


def test_the_three_dark_reds_of_street_scenes_are_gone():
    shown = display_palette(LabelSpace(CAMVID, void=11, background=None))
    assert nearest(shown[[1, 8, 9]]) > 60
    assert (shown[11] == voc_palette()[11]).all(), "void's colour in the file"


def test_a_colour_does_not_depend_on_the_number_of_classes():
    few, many = (display_palette(LabelSpace(tuple(map(str, range(count))))) for count in (3, 200))
    np.testing.assert_array_equal(few[:3], many[:3])
    assert (few[0] == 0).all(), "the background"
    assert len(np.unique(separated_palette(), axis=0)) == 256


def test_colours_that_classes_brought_are_kept():
    own = LabelSpace(("a", "b"), palette=palette_of([(1, 2, 3), (4, 5, 6)]))
    assert display_palette(own) is own.palette
    assert display_palette(VOC_LABELS) is VOC_LABELS.palette


def test_overlays_show_them_while_files_keep_their_palette():
    labels = LabelSpace(CAMVID, void=11, background=None)
    np.testing.assert_array_equal(label_rgba(labels)[:11, :3], separated_palette()[:11])
    np.testing.assert_array_equal(labels.palette, voc_palette())
