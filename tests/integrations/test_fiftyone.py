"""An audit in the fields of a FiftyOne dataset."""

import csv
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from segqc.base.errors import BadInput
from segqc.integrations.fiftyone import Added, add_scores


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    """Three pictures: two with a score, one of them with a heat map, and one that could not be read."""
    for folder in ("images", "audit/heatmaps"):
        (tmp_path / folder).mkdir(parents=True)
    rows = [("a", 0.9, "ok", "", "fail"), ("b", 0.1, "ok", "", "pass"), ("c", "", "error", "is truncated", "review")]
    with (tmp_path / "audit" / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "score", "status", "reason", "decision", "image"])
        for id_, score, status, reason, decision in rows:
            path = tmp_path / "images" / f"{id_}.png"
            Image.new("RGB", (4, 3)).save(path)
            writer.writerow([id_, score, status, reason, decision, path])
    Image.new("L", (4, 3)).save(tmp_path / "audit" / "heatmaps" / "a.png")
    return tmp_path / "audit"


class Sample(dict):
    """A sample's fields and its path."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.filepath = str(path)


def dataset(*paths: Path) -> SimpleNamespace:
    samples = [Sample(path) for path in paths]
    return SimpleNamespace(samples=samples, iter_samples=lambda autosave: iter(samples if autosave else ()))


def test_samples_get_score_decision_reason_and_heat_map(audit, monkeypatch):
    """With a dataset that is none of FiftyOne's, so that the rule is tested where the package is not installed."""
    monkeypatch.setitem(sys.modules, "fiftyone", SimpleNamespace(Heatmap=lambda map_path: Path(map_path).name))
    images = audit.parent / "images"
    there = dataset(images / "b.png", audit / ".." / "images" / "a.png", images / "c.png", images / "other.png")
    assert add_scores(there, audit) == Added(scored=2, failed=1, without=1)
    good, bad, failed, other = there.samples
    assert good == {"segqc_score": 0.1, "segqc_decision": "pass", "segqc_reason": None}
    assert bad["segqc_heatmap"] == "a.png"
    assert failed == {"segqc_score": None, "segqc_decision": "review", "segqc_reason": "is truncated"}
    assert other == {}


def test_a_dataset_of_other_pictures_is_refused(audit):
    with pytest.raises(BadInput, match="names no picture of the dataset"):
        add_scores(dataset(audit / "x.png"), audit)


def test_a_dataset_of_fiftyone(audit):
    fiftyone = pytest.importorskip("fiftyone", reason="fiftyone is not installed")
    there = fiftyone.Dataset()
    there.add_samples([fiftyone.Sample(filepath=str(path)) for path in sorted((audit.parent / "images").iterdir())])
    assert add_scores(there, audit) == Added(scored=2, failed=1, without=0)
    first = there.first()
    assert first["segqc_score"] == 0.9
    assert first["segqc_heatmap"].map_path.endswith("a.png")
    there.delete()
