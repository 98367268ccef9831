"""scripts/audit_ground_truth.py on rendered scenes: its copy, its tables, what it leaves out, and a run that is killed
twice.
"""

import csv
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from conftest import tiny_train_config
from sklearn.metrics import roc_auc_score

from evaluation.corruption import cross_fit, measures
from evaluation.corruption.label_errors import LABEL_ERRORS
from evaluation.ranking.selective import average_precision
from segqc.data.folds import folds
from segqc.data.masks import read_mask, write_mask
from segqc.data.voc import voc_pairs
from segqc.demo.scenes import DEMO_LABELS
from segqc.training.feature_cache import FeatureCache
from segqc.training.run import train
from segqc.training.trainer import Trainer

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "audit_ground_truth.py"
TABLES = ("judgement.csv", "scores.csv", "left_out.csv")
SCORES = ("segqc", "cleanlab") if importlib.util.find_spec("cleanlab") else ("segqc",)


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit_ground_truth", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its annotations are looked up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script, with trainings of a few steps on a quarter of the grid."""
    module = load_script()

    def small(**given: Any) -> Any:
        assert given.pop("preset") == "cpu"
        given = {name: value for name, value in given.items() if value is not None}
        return tiny_train_config(
            given.pop("voc_root"), given.pop("out"), **({"checkpoint_every": 2, "validate_every": 2} | given)
        )

    module.TrainConfig = small
    return module


def arguments(root: Path, out: Path, *further: str) -> list[str]:
    return ["--voc-root", str(root), "--out", str(out), "--steps", "4", "--device", "cpu", *further]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def whole(script: ModuleType, tiny_voc: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OUT of a run that nobody disturbed."""
    out = tmp_path_factory.mktemp("label_errors") / "out"
    script.main(arguments(tiny_voc, out))
    return out


def test_the_copy_is_the_dataset_with_the_listed_errors(whole: Path, tiny_voc: Path) -> None:
    listed = {row["id"]: row for row in rows_of(whole / "voc" / "label_errors.csv")}
    assert len(listed) == 6
    assert {row["corruption"] for row in listed.values()} <= set(LABEL_ERRORS)
    copies, problems = voc_pairs(whole / "voc", "train")
    originals = {pair.id: pair for pair in voc_pairs(tiny_voc, "train")[0]}
    assert not problems
    assert sorted(copy.id for copy in copies) == sorted(originals)
    for copy in copies:
        assert copy.image.read_bytes() == originals[copy.id].image.read_bytes()
        changed = read_mask(copy.mask, DEMO_LABELS) != read_mask(originals[copy.id].mask, DEMO_LABELS)
        assert changed.sum() == int(listed.get(copy.id, {"changed_pixels": 0})["changed_pixels"])


def test_no_model_has_seen_the_masks_that_it_scored(whole: Path) -> None:
    ids = [row["id"] for row in rows_of(whole / "scores.csv")]
    for number in range(3):
        name = f"fold-{number}-of-3-seed-0"
        held_out = {id_ for id_, fold in folds(ids).items() if fold == number}
        training = json.loads((whole / "models" / name / "config.json").read_text())["training"]
        assert (training["config"]["fold"], training["config"]["folds"], training["config"]["seed"]) == (number, 3, 0)
        assert training["train_pairs"] + training["validation_pairs"] == 28 - len(held_out)
        journal = (whole / "models" / ".progress" / f"{name}.jsonl").read_text().splitlines()[1:]
        assert {json.loads(line)["key"] for line in journal} == held_out


def test_tables_agree_with_each_other(whole: Path) -> None:
    scores, judgement = rows_of(whole / "scores.csv"), rows_of(whole / "judgement.csv")
    listed = {row["id"]: row["corruption"] for row in rows_of(whole / "voc" / "label_errors.csv")}
    assert {row["id"]: row["error"] for row in scores if row["error"]} == listed
    assert len({row["id"] for row in scores}) == len(scores) == 28
    assert [float(row["segqc"]) for row in scores] == sorted((float(row["segqc"]) for row in scores), reverse=True)
    wrong = [row["id"] in listed for row in scores]
    for name in SCORES:
        overall = next(row for row in judgement if (row["score"], row["error"]) == (name, "all"))
        values = [float(row[name]) for row in scores]
        assert float(overall["auroc"]) == pytest.approx(roc_auc_score(wrong, values))
        assert float(overall["average_precision"]) == pytest.approx(
            average_precision(np.array(values), np.array(wrong))
        )
        assert (int(overall["injected"]), int(overall["masks"])) == (6, 28)
        assert {row["error"] for row in judgement if row["score"] == name} == {"all", *listed.values()}


class Killed(BaseException):
    """What no handler catches."""


def test_killed_in_a_training_and_in_a_scoring_it_ends_with_the_same_tables(
    script: ModuleType, whole: Path, tiny_voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    steps: list[int] = []
    take_step = Trainer._step

    def step_until(last: int) -> Any:
        def step(self: Trainer, *rest: Any) -> Any:
            if len(steps) == last:
                raise Killed
            steps.append(last)
            return take_step(self, *rest)

        return step

    with monkeypatch.context() as patch:  # in the second fold's training, after its first checkpoint
        patch.setattr(Trainer, "_step", step_until(7))
        with pytest.raises(Killed):
            script.main(arguments(tiny_voc, out))
    assert not (out / "judgement.csv").exists()

    name = script.quality_and_cleanlab.__name__ if len(SCORES) == 2 else script.quality_score.__name__
    measure, scored = getattr(measures, name), []

    def measure_two(*of: Any) -> dict[str, float]:
        if len(scored) == 2:
            raise Killed
        scored.append(of)
        return measure(*of)

    measure_two.__name__ = name
    with monkeypatch.context() as patch:  # in the second fold, after two masks
        patch.setattr(Trainer, "_step", step_until(10**9))
        patch.setattr(script, name, measure_two)
        with pytest.raises(Killed):
            script.main(arguments(tiny_voc, out))
    assert len(steps) == 7 + 2  # continued behind the checkpoint of step 2, of 4

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", step_until(10**9))
        script.main(arguments(tiny_voc, out))
    assert len(steps) == 9 + 4  # the third fold alone
    for table in TABLES:
        assert (out / table).read_bytes() == (whole / table).read_bytes(), table


def test_a_finished_run_trains_nothing_again_even_elsewhere(
    script: ModuleType, whole: Path, tiny_voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(whole, tmp_path / "moved")  # which keeps times of change
    for table in TABLES:
        (tmp_path / "moved" / table).unlink()
    monkeypatch.setattr(cross_fit, "train_without", lambda *_: pytest.fail("trains again"))
    script.main(arguments(tiny_voc, tmp_path / "moved"))
    for table in TABLES:
        assert (tmp_path / "moved" / table).read_bytes() == (whole / table).read_bytes(), table


def test_folds_share_the_features_of_the_copy_and_a_cache_of_the_dataset_is_left_alone(
    script: ModuleType, whole: Path, tiny_voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, fills, fill = tmp_path / "features", [], FeatureCache.fill
    train(tiny_train_config(tiny_voc, tmp_path / "plain", steps=1, method="segmenter", feature_cache=cache))
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in cache.iterdir()}
    monkeypatch.setattr(
        FeatureCache, "fill", lambda self, blocks, *rest: (fills.append(len(blocks)), fill(self, blocks, *rest))
    )
    script.main(arguments(tiny_voc, tmp_path / "out", "--feature-cache", str(cache)))
    assert fills[0] > 0
    assert fills[1:] == [0, 0]
    assert (cache / "with-label-errors" / "features.u8").is_file()
    assert before == {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in cache.iterdir() if path.is_file()
    }
    assert not (tmp_path / "out" / "models" / "features").exists()
    assert not (whole / "models" / "features").exists()
    assert (tmp_path / "out" / "scores.csv").read_bytes() == (whole / "scores.csv").read_bytes()


def test_bad_pairs_stop_nothing_and_are_listed(
    script: ModuleType, tiny_voc: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    root = tmp_path / "data"
    shutil.copytree(tiny_voc, root)
    torn, void, absent, *_ = voc_pairs(root, "train")[0]
    torn.mask.write_bytes(torn.mask.read_bytes()[:60])
    write_mask(void.mask, np.full_like(read_mask(void.mask, DEMO_LABELS), 255), DEMO_LABELS)
    absent.mask.unlink()
    script.main(arguments(root, tmp_path / "out"))
    assert "3 pairs are left out" in " ".join(capsys.readouterr().out.split())
    reasons = {row["id"]: row["reason"] for row in rows_of(tmp_path / "out" / "left_out.csv")}
    assert reasons.keys() == {torn.id, void.id, absent.id}
    assert torn.mask.name in reasons[torn.id]
    assert reasons[void.id] == "is void throughout"
    scored = {row["id"] for row in rows_of(tmp_path / "out" / "scores.csv")}
    assert len(scored) == 25
    assert not scored & reasons.keys()


def test_what_cannot_be_is_said_in_a_line(script: ModuleType, whole: Path, tiny_voc: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="other errors"):
        script.main(arguments(tiny_voc, whole, "--share", "0.4"))
    with pytest.raises(SystemExit, match="nowhere"):
        script.main(arguments(tmp_path / "nowhere", tmp_path / "out"))
    with pytest.raises(SystemExit, match="share"):
        script.main(arguments(tiny_voc, tmp_path / "out", "--share", "1.5"))
