"""An audit in shards, merged: the files of the undivided one. And what is refused before anything is lost."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from evaluation.ranking.comparison import DiceComparison
from segqc.auditing import worker as worker_module
from segqc.auditing.config import AuditConfig, MergeConfig
from segqc.auditing.merge import merge
from segqc.auditing.run import AuditReport, audit
from segqc.auditing.shards import Shard, parse_shard, refuse_shard
from segqc.base.errors import BadInput
from segqc.cli.app import app
from segqc.data.masks import read_mask, write_mask
from segqc.demo.scenes import DEMO_LABELS

Run = Callable[..., AuditReport]
TIMES = ("seconds", "pairs_per_second", "peak_memory_gib")


@pytest.fixture(scope="module")
def folder(tiny_voc: Path, tiny_predictions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven predictions with true masks, one below a folder, one that is no mask, and one without a picture."""
    folder = tmp_path_factory.mktemp("shards")
    for number, path in enumerate(sorted(tiny_predictions.glob("*.png"))):
        name = f"sub/{path.stem}" if number == 2 else path.stem
        mask = read_mask(path, DEMO_LABELS).copy()
        mask[:, : 9 * number] = 0
        for target in ("images", "masks", "truths"):
            (folder / target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tiny_voc / "JPEGImages" / f"{path.stem}.jpg", folder / "images" / f"{name}.jpg")
        shutil.copy(tiny_voc / "SegmentationClass" / path.name, folder / "truths" / f"{name}.png")
        write_mask(folder / "masks" / f"{name}.png", mask, DEMO_LABELS)
    (folder / "masks" / "broken.png").write_bytes(b"no picture")
    shutil.copy(next((folder / "images").glob("*.jpg")), folder / "images" / "broken.jpg")
    write_mask(folder / "masks" / "alone.png", np.zeros((9, 9), np.uint8), DEMO_LABELS)
    return folder


@pytest.fixture(scope="module")
def run(folder: Path, tiny_model: Path) -> Run:
    def run(name: str, **changes: Any) -> AuditReport:
        given: dict[str, Any] = {"predictions": folder / "masks", "images": folder / "images", "model": tiny_model}
        given |= {"ground_truth": folder / "truths", "device": "cpu", "out": folder / name, "top": 3}
        return audit(AuditConfig(**(given | changes)), DiceComparison())

    return run


@pytest.fixture(scope="module")
def whole(run: Run) -> Path:
    return run("audit-undivided").out


@pytest.fixture(scope="module")
def shards(run: Run) -> list[Path]:
    return [run(f"shard {number}", shard=f"{number}/3").out for number in (1, 2, 3)]


def content(folder: Path) -> dict[str, bytes]:
    """All files but the parts and the lock, without times and the folder's own name."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".progress" not in path.parts]
    times = "|".join(TIMES).encode()
    return {
        str(path.relative_to(folder)): re.sub(
            rb'"(' + times + rb')": ?[^,}]*,?', b"", path.read_bytes().replace(folder.name.encode(), b"OUT")
        )
        for path in files
    }


def test_merged_shards_are_the_undivided_audit(
    whole: Path, shards: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "score_pair", lambda *_: pytest.fail("a pair was scored again"))
    out = folder / "audit-merged"
    done = CliRunner().invoke(app, ["merge", *map(str, reversed(shards)), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "7 of 7 pairs were scored before" in done.output
    ours, theirs = content(out), content(whole)
    assert ours.keys() == theirs.keys()
    assert len([name for name in ours if name.startswith("heatmaps/")]) == 6
    for name in ours:
        assert ours[name] == theirs[name], name


def ids(folder: Path) -> set[str]:
    return {line.split(",")[0] for line in (folder / "scores.csv").read_text().splitlines()[1:]}


def test_each_shard_has_its_own_pairs_and_is_an_audit_of_its_own(whole: Path, shards: list[Path]) -> None:
    parts = [ids(path) for path in shards]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 8
    assert set.union(*parts) == ids(whole)
    assert min(map(len, parts)) >= 2
    assert all((path / "gallery.html").is_file() for path in shards)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (["shard 1", "shard 2"], r"3 of 3 are missing \(name the folders of all\)"),
        (["shard 1", "shard 1", "shard 2"], "is shard 1/3, as is .*shard 1"),
        (["shard 1", "audit-undivided"], "audit-undivided: is a whole audit, not a shard"),
        (["shard 1", "nowhere"], "nowhere"),
        (["shard 1", "shard 2", "other"], "other: is of another audit than .*: they differ in config, heatmaps"),
        (["shard 1", "half"], "half: is shard 1/2, but .*shard 1 is shard 1/3"),
    ],
)
def test_what_makes_no_whole_is_refused(
    whole: Path, shards: list[Path], run: Run, folder: Path, chosen: list[str], words: str
) -> None:
    if "other" in chosen:
        run("other", shard="3/3", heatmaps=False)
    if "half" in chosen:
        run("half", shard="1/2")
    with pytest.raises(BadInput, match=words):
        merge(MergeConfig(tuple(folder / name for name in chosen), folder / "refused"))
    assert not (folder / "refused").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"segqc": "0.0.1"}, r"was written by segqc 0\.0\.1 \(merge with that version\)"),
        ({"model": {"folder": "", "fingerprint": "other"}}, "has changed since the shards were scored"),
    ],
)
def test_what_would_score_every_pair_again_is_refused(
    shards: list[Path], tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    copies = [Path(shutil.copytree(path, tmp_path / path.name)) for path in shards]
    for path in copies:
        summary = json.loads((path / "summary.json").read_text()) | changes
        (path / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(BadInput, match=words):
        merge(MergeConfig(tuple(copies), tmp_path / "out"))


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/0", "2", "a/b", "-1/3", "1/3/5", ""])
def test_a_shard_is_a_number_of_a_count(text: str) -> None:
    with pytest.raises(ValueError, match="Expected shard to be I/N"):
        parse_shard(text)


def test_shards_in_words() -> None:
    assert parse_shard(" 2 / 8 ") == Shard(2, 8)
    assert str(Shard(2, 8)) == "2/8"
    refuse_shard(None, "volumes")
    with pytest.raises(BadInput, match="--shard: does not divide volumes"):
        refuse_shard("1/2", "volumes")
