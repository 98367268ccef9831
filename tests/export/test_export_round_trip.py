"""What `segqc export` writes is read back as predictions by `segqc audit`: the same masks."""

from pathlib import Path

import numpy as np
import pytest
from export_audit import CLASSES, NAMES, mask_of, write_audit
from tiny import LABELS

from segqc.data.masks import read_mask
from segqc.data.prediction_sources import PredictionSources, find_predictions
from segqc.export.config import ExportConfig
from segqc.export.run import export

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
