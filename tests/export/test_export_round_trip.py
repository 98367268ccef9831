"""What `segqc export` writes is read back as predictions by `segqc audit`: the same masks."""

from pathlib import Path

import numpy as np
import pytest
from export_audit import CLASSES, NAMES, mask_of, write_audit
from tiny import LABELS

from segqc.data.annotations.shapes import decode_brush
from segqc.data.masks import read_mask
from segqc.data.prediction_sources import PredictionSources, find_predictions
from segqc.export.config import ExportConfig
from segqc.export.run import export
from segqc.export.shapes import label_studio_rle

FILES = {"coco": "annotations.json", "cvat": "annotations.xml", "labelstudio": "tasks.json"}


@pytest.fixture(scope="module")
def audit(tmp_path_factory) -> Path:
    return write_audit(tmp_path_factory.mktemp("audit"))


@pytest.mark.parametrize("shapes", ["rle", "polygon"])
@pytest.mark.parametrize("to", FILES)
def test_an_export_is_read_back_as_the_same_masks(audit, tmp_path, to, shapes):
    """Run lengths, and polygons along the edges of pixels, hold every pixel; void, which is no class, is background."""
    if to == "coco":
        pytest.importorskip("pycocotools")
    settings = {"audit": audit, "to": to, "out": tmp_path / to, "classes": CLASSES, "shapes": shapes, "tolerance": 0.0}
    export(ExportConfig(**settings))
    for source in (tmp_path / to / FILES[to], tmp_path / to):
        sources = PredictionSources(source, audit.parent / "pictures")
        found = find_predictions(sources, LABELS, tmp_path / "drawn")
        assert [pair.id for pair in found.pairs.pairs] == sorted(NAMES)
        assert found.pairs.problems == []
        for pair in found.pairs.pairs:
            written = mask_of(NAMES.index(pair.id))
            assert (read_mask(pair.mask, LABELS) == np.where(written == 255, 0, written)).all(), pair.id


def test_masks_that_the_consumers_encode_are_read(tmp_path):
    """What Label Studio's own package writes for a brush, and pycocotools for a run-length mask."""
    brush = pytest.importorskip("label_studio_sdk.converter.brush", reason="label-studio-sdk is not installed")
    for index in range(len(NAMES)):
        mask = mask_of(index) == 1
        packed = brush.mask2rle(255 * mask.astype(np.uint8))
        assert (decode_brush(packed, mask.shape[1], mask.shape[0]) == mask).all()
        own = brush.decode_rle(label_studio_rle(mask)).reshape(*mask.shape, 4)[..., 3] > 0
        assert (own == mask).all()


def test_a_brush_that_breaks_off_or_is_of_another_size_is_refused():
    mask = mask_of(0) == 1
    packed = label_studio_rle(mask)
    assert (decode_brush(packed, mask.shape[1], mask.shape[0]) == mask).all()
    with pytest.raises(ValueError, match="breaks off"):
        decode_brush(packed[:-4], mask.shape[1], mask.shape[0])
    with pytest.raises(ValueError, match="but it has 1200"):
        decode_brush(packed, 30, 30)
