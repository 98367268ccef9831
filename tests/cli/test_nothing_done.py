"""Commands that could do nothing: exit code 2, no page, and the commonest reason with an example on the screen."""

import json
import shutil
from pathlib import Path

import pytest
from command_line import segqc
from export_audit import write_audit
from PIL import Image

from segqc.base.tables import write_table
from segqc.results.table import read_audit_table

REASON = "is truncated after 12 bytes"


@pytest.fixture
def unscored(tmp_path: Path) -> Path:
    """An audit of eight masks, none of which could be scored, with the summary of a finished one."""
    audit = write_audit(tmp_path)
    rows = [row | {"score": None, "status": "error", "reason": REASON} for row in read_audit_table(audit).rows]
    for suffix in ("csv", "parquet"):
        write_table(audit / f"scores.{suffix}", rows, list(rows[0]))
    model = {"folder": str(tmp_path / "model"), "fingerprint": "f"}
    (audit / "summary.json").write_text(json.dumps({"model": model, "method": "structured", "config": {}}))
    return audit


@pytest.mark.parametrize(
    ("command", "written"),
    [
        (["export", "--audit", "{audit}", "--to", "csv", "--classes", "a,b", "--out", "{out}"], "queue.csv"),
        (["gallery", "--audit", "{audit}", "--classes", "a,b", "--out", "{out}/page.html"], "page.html"),
        (["calibrate", "--audit", "{audit}", "--out", "{out}/calibration.json"], "calibration.json"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_of_an_audit_without_a_score(unscored: Path, tmp_path: Path, command: list[str], written: str) -> None:
    out = tmp_path / "out"
    done = segqc(*(part.format(audit=unscored, out=out) for part in command))
    assert done.returncode == 2
    assert f"of 8: {REASON} (for example " in done.stderr
    assert not (out / written).exists()
    assert not list(out.glob("*.csv"))


def test_an_export_of_files_that_are_gone(tmp_path: Path) -> None:
    """A queue that filters leave empty is a result; one of which no file can be read is none."""
    audit = write_audit(tmp_path)
    options = ["--audit", audit, "--to", "csv", "--classes", "background,cat,dog,cow"]
    assert segqc("export", *options, "--out", tmp_path / "empty", "--min-score", 5).returncode == 0
    shutil.rmtree(tmp_path / "pictures")
    done = segqc("export", *options, "--out", tmp_path / "queue")
    assert done.returncode == 2
    assert "nothing that can be exported" in done.stderr
    assert not (tmp_path / "queue").exists()


def test_a_training_of_pairs_that_do_not_fit(tmp_path: Path) -> None:
    for kind, size in (("images", (40, 30)), ("masks", (20, 20))):
        (tmp_path / kind).mkdir()
        for number in range(3):
            Image.new("L", size).save(tmp_path / kind / f"p{number}.png")
    folders = ["--images", tmp_path / "images", "--masks", tmp_path / "masks", "--classes", "background,cat"]
    done = segqc("train", *folders, "--out", tmp_path / "model", "--device", "cpu")
    assert done.returncode == 2
    assert "0 usable" in done.stderr
    assert "3 of 3: " in done.stderr
    assert "is 20x20 pixels but its image is 40x30" in done.stderr
    assert not (tmp_path / "model" / "config.json").exists()


def test_an_audit_of_masks_that_are_none(tmp_path: Path, tiny_model: Path) -> None:
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for number in range(3):
        Image.new("RGB", (40, 30)).save(tmp_path / "images" / f"p{number}.png")
        (tmp_path / "masks" / f"p{number}.png").write_bytes(b"no mask")
    out = tmp_path / "audit"
    done = segqc(
        *("audit", "--model", tiny_model, "--predictions", tmp_path / "masks", "--images", tmp_path / "images"),
        *("--out", out, "--device", "cpu"),
    )
    assert done.returncode == 2
    assert "3 of 3" in done.stderr
    assert "(for example " in done.stderr
    assert not (out / "gallery.html").exists()
