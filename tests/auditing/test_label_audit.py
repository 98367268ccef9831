"""The ground-truth audit: no model has seen what it scores, features are computed once, killed and repeated, bad pairs,
command line.
"""

import csv
import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import DEMO_CLASSES, tiny_train_config
from killed import killed_when
from PIL import Image
from typer.testing import CliRunner

from segqc.auditing import ground_truth as label_audit
from segqc.auditing.config import LabelAuditConfig, choose_audit
from segqc.auditing.ground_truth import audit_labels, train_without
from segqc.auditing.run import AuditReport
from segqc.base.errors import BadInput
from segqc.cli import audit as cli_audit
from segqc.cli.app import app
from segqc.data.dataset import PairDataset
from segqc.data.folds import folds, split_validation
from segqc.data.masks import read_mask, write_mask
from segqc.data.pictures import read_image
from segqc.data.voc import voc_pairs
from segqc.demo.scenes import DEMO_LABELS
from segqc.model.folder import load_model
from segqc.quality_control import QualityControl
from segqc.results.table import read_audit_table
from segqc.training.config import TrainConfig
from segqc.training.feature_cache import FeatureCache
from segqc.training.run import train

runner = CliRunner(env={"COLUMNS": "250", "NO_COLOR": "1", "TERM": "dumb"})


def trainings(root: Path, **changes: Any) -> TrainConfig:
    return tiny_train_config(
        root,
        Path("unused"),
        **({"method": "segmenter", "steps": 4, "checkpoint_every": 2, "validate_every": 2} | changes),
    )


def ids_of(root: Path) -> list[str]:
    return [pair.id for pair in voc_pairs(root, "train")[0]]


def count_fills(patch: pytest.MonkeyPatch) -> list[int]:
    """How many blocks of features each training from now on computes."""
    fills: list[int] = []
    original = FeatureCache.fill
    patch.setattr(
        FeatureCache, "fill", lambda self, blocks, *rest: (fills.append(len(blocks)), original(self, blocks, *rest))
    )
    return fills


@dataclasses.dataclass
class Audited:
    report: AuditReport
    fills: list[int]


@pytest.fixture(scope="module")
def audited(tiny_voc: Path, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    with pytest.MonkeyPatch.context() as patch:
        fills = count_fills(patch)
        out = tmp_path_factory.mktemp("labels") / "out"
        return Audited(audit_labels(LabelAuditConfig(trainings(tiny_voc), out)), fills)


def test_every_mask_is_scored_by_the_model_of_its_fold(audited: Audited, tiny_voc: Path) -> None:
    out, rows = audited.report.out, {row["id"]: row for row in audited.report.rows}
    fold_of = folds(ids_of(tiny_voc), 3, 0)
    assert rows.keys() == fold_of.keys()
    assert [row["score"] for row in audited.report.rows] == sorted(
        (row["score"] for row in rows.values()), reverse=True
    )
    for fold in range(3):
        own, other = (
            QualityControl(load_model(out / "models" / f"fold-{f}-of-3-seed-0", "cpu")) for f in (fold, (fold + 1) % 3)
        )
        training = own.model.config.training
        assert (training["config"]["fold"], training["config"]["folds"]) == (fold, 3)
        assert training["train_pairs"] + training["validation_pairs"] == sum(f != fold for f in fold_of.values())
        id_ = next(id_ for id_, f in fold_of.items() if f == fold)
        image, mask = read_image(Path(rows[id_]["image"])), read_mask(Path(rows[id_]["prediction"]), DEMO_LABELS)
        assert rows[id_]["score"] == own.score_pair(image, mask).score != other.score_pair(image, mask).score


def test_it_writes_what_any_audit_writes(audited: Audited, tiny_voc: Path) -> None:
    out = audited.report.out
    page = (out / "gallery.html").read_text()
    assert "Label <kbd>O</kbd>" in page
    assert "Prediction <kbd>" not in page
    assert f"Ground-truth audit of {tiny_voc.name}, train" in page
    for name in ("scores.csv", "scores.parquet", "contact_sheet.png"):
        assert (out / name).is_file()
    for row in audited.report.rows:
        assert Image.open(out / "heatmaps" / f"{row['id']}.png").size == (88, 66)
        assert row["dice"] is None, "there is nothing to compare the ground truth with"
    table = read_audit_table(out)
    assert table.labels() == DEMO_LABELS
    assert "images_without_prediction" not in table.summary
    assert table.summary["folds"] == len(table.summary["models"]) == 3
    assert table.summary["training"]["method"] == table.summary["method"] == "segmenter"


def test_features_are_computed_for_the_first_fold_alone_and_then_deleted(audited: Audited) -> None:
    first, *others = audited.fills
    assert first > 0
    assert others == [0, 0]
    models = audited.report.out / "models"
    assert sorted(path.name for path in models.iterdir()) == [f"fold-{fold}-of-3-seed-0" for fold in range(3)]
    assert not list(models.rglob("features.u8"))


def test_the_cache_of_a_plain_training_is_used_again_and_left_as_it_is(
    audited: Audited, tiny_voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "features"
    train(tiny_train_config(tiny_voc, tmp_path / "plain", steps=1, method="segmenter", feature_cache=cache))
    files = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    fills = count_fills(monkeypatch)
    jobs: list[Any] = []
    monkeypatch.setattr(label_audit, "audit", lambda scoring, console, job: jobs.append(job))
    audit_labels(LabelAuditConfig(trainings(tiny_voc, feature_cache=cache), tmp_path / "out"))
    assert fills == [0, 0, 0]
    assert files == {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert len(jobs[0].models) == 3
    for model in jobs[0].models:
        for name in ("model.safetensors", "density.safetensors"):
            assert (model / name).read_bytes() == (audited.report.out / "models" / model.name / name).read_bytes()


@pytest.mark.parametrize("views", [1, 0])
def test_nothing_in_a_training_touches_a_pair_of_its_fold(
    views: int, tiny_voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even its guessers, the likeness of classes, the counts of classes or the density head; filling the cache of
    all pairs alone may.
    """
    ids = ids_of(tiny_voc)
    rows = [id_ for part in split_validation(ids, 0.2) for id_ in part]
    touched: set[str] = set()
    filling: list[bool] = []
    fill, sample = FeatureCache.fill, PairDataset.sample

    def spy_fill(self: FeatureCache, *arguments: Any) -> None:
        filling.append(True)
        fill(self, *arguments)
        filling.clear()

    def spy_sample(self: PairDataset, index: int, view: int | None = None) -> Any:
        if not filling:
            touched.add(self.pairs[index].id)
        return sample(self, index, view)

    def spy(cls: type, name: str, index_of: Callable[[tuple], int]) -> None:
        original = getattr(cls, name)

        def spied(self: Any, *arguments: Any) -> Any:
            touched.add(rows[index_of(arguments)])
            return original(self, *arguments)

        monkeypatch.setattr(cls, name, spied)

    monkeypatch.setattr(FeatureCache, "fill", spy_fill)
    monkeypatch.setattr(PairDataset, "sample", spy_sample)
    spy(FeatureCache, "sample", lambda arguments: arguments[0])
    spy(FeatureCache, "mask", lambda arguments: arguments[0])
    spy(PairDataset, "mask", lambda arguments: arguments[0])
    train_without(
        1, trainings(tiny_voc, method="structured", steps=4, views=views, workers=0, density_items=100), tmp_path
    )
    assert touched == {id_ for id_, fold in folds(ids, 3, 0).items() if fold != 1}


def test_a_replaced_mask_changes_no_weight_of_the_model_that_scores_it(
    audited: Audited, tiny_voc: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(tiny_voc, tmp_path / "voc")
    id_ = next(id_ for id_, fold in folds(ids_of(root), 3, 0).items() if fold == 2)
    write_mask(root / "SegmentationClass" / f"{id_}.png", np.full((66, 88), 3, np.uint8), DEMO_LABELS)
    for fold in (0, 2):
        again, before = (
            train_without(fold, trainings(root), tmp_path / "models"),
            audited.report.out / "models" / f"fold-{fold}-of-3-seed-0",
        )
        for name in ("model.safetensors", "density.safetensors"):
            assert ((again / name).read_bytes() == (before / name).read_bytes()) is (fold == 2), (fold, name)


@pytest.mark.slow
def test_killed_in_a_training_between_folds_and_in_scoring_it_ends_with_the_same_scores(
    audited: Audited, tiny_voc: Path, tmp_path: Path
) -> None:
    """As one that was left alone, and wrote its checkpoints at other steps."""
    config = LabelAuditConfig(trainings(tiny_voc, checkpoint_every=1), tmp_path / "out")
    models, journal = config.out / "models", config.out / ".progress" / "rows-0.jsonl"
    assert killed_when((models / "fold-0-of-3-seed-0" / "config.json").is_file, audit_labels, config)
    assert not (models / "fold-1-of-3-seed-0" / "config.json").exists()
    last = models / "fold-1-of-3-seed-0" / "training" / "last.safetensors"
    assert killed_when(last.is_file, audit_labels, config)
    assert not (models / "fold-1-of-3-seed-0" / "config.json").exists()
    assert killed_when(lambda: journal.is_file() and journal.read_bytes().count(b"\n") >= 4, audit_labels, config)
    assert not (config.out / "scores.csv").exists()
    audit_labels(config)
    assert (config.out / "scores.csv").read_bytes() == (audited.report.out / "scores.csv").read_bytes()
    for heat in (audited.report.out / "heatmaps").iterdir():
        assert heat.read_bytes() == (config.out / "heatmaps" / heat.name).read_bytes()


def test_bad_pairs_are_rows_with_reasons(tiny_voc: Path, tmp_path: Path) -> None:
    root = shutil.copytree(tiny_voc, tmp_path / "voc")
    torn, void, absent, small, dot, *_ = voc_pairs(root, "train")[0]
    torn.image.write_bytes(torn.image.read_bytes()[:300])
    write_mask(void.mask, np.full((66, 88), 255, np.uint8), DEMO_LABELS)
    absent.mask.unlink()
    write_mask(small.mask, np.zeros((10, 10), np.uint8), DEMO_LABELS)
    speck = np.full((66, 88), 255, np.uint8)
    speck[0, 0] = 1
    write_mask(dot.mask, speck, DEMO_LABELS)  # lies under no cell of the grid
    report = audit_labels(LabelAuditConfig(trainings(root, folds=2), tmp_path / "out"))
    rows = {row["id"]: row for row in report.rows}
    assert len(rows) == 28
    assert {row["id"] for row in report.errors} == {torn.id, void.id, absent.id, small.id}
    for pair, word in ((torn, torn.image.name), (void, "void"), (absent, "no mask"), (small, "10")):
        assert word in rows[pair.id]["reason"], rows[pair.id]["reason"]
    assert rows[dot.id]["status"] == "ok"
    assert np.isfinite([row["score"] for row in report.rows if row["status"] == "ok"]).all()
    with (tmp_path / "out" / "scores.csv").open(encoding="utf-8", newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["ok"] * 24 + ["error"] * 4


def test_folds_that_leave_nothing_to_validate_on_are_refused_before_any_training(
    tiny_voc: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="validate on"):
        audit_labels(LabelAuditConfig(trainings(tiny_voc, validation_fraction=0.01), tmp_path / "out"))
    with pytest.raises(ValueError, match="fewer folds"):
        audit_labels(LabelAuditConfig(trainings(tiny_voc, folds=40), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_outputs_among_the_masks_are_no_masks(tiny_voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither to the audit nor to its trainings, when an audit is repeated."""
    masks = shutil.copytree(tiny_voc / "SegmentationClass", tmp_path / "masks")
    out = masks / "audit"
    (out / ".progress").mkdir(parents=True)
    (out / ".progress" / "audit.lock").touch()
    (out / "heatmaps").mkdir()
    for name in ("contact_sheet.png", "heatmaps/scene_00000.png"):
        shutil.copy(next(masks.glob("*.png")), out / name)
    trained: list[Any] = []
    audited_jobs: list[Any] = []
    monkeypatch.setattr(label_audit, "train", lambda config, console, found: (trained.append(found), config.out)[1])
    monkeypatch.setattr(label_audit, "audit", lambda scoring, console, job: audited_jobs.append(job))
    audit_labels(LabelAuditConfig(trainings(tiny_voc, voc_root=None, images=tiny_voc / "JPEGImages", masks=masks), out))
    (job,) = audited_jobs
    assert (len(job.pairs), job.problems) == (34, [])
    assert [(source.pairs, source.problems) for source in trained] == [(job.pairs, [])] * 3


def test_a_folder_of_somebody_else_is_refused_before_any_training(
    tiny_voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_audit, "train", lambda *_: pytest.fail("trains"))
    features = tmp_path / "a" / "models" / "features" / "mine.npy"
    table = tmp_path / "b" / "scores.csv"
    for path in (features, table):
        path.parent.mkdir(parents=True)
        path.write_text("mine")
        with pytest.raises(BadInput, match="choose another --out"):
            audit_labels(LabelAuditConfig(trainings(tiny_voc), tmp_path / path.relative_to(tmp_path).parts[0]))
        assert path.read_text() == "mine"


def test_features_that_the_user_keeps_are_kept_wherever_they_are(
    tiny_voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_audit, "train", lambda config, *_: config.out)
    cache = label_audit.features_folder(tmp_path)
    cache.mkdir()
    label_audit.train_folds(trainings(tiny_voc, feature_cache=cache), tmp_path)
    assert cache.is_dir()
    label_audit.train_folds(trainings(tiny_voc), tmp_path)
    assert not cache.exists()


def test_a_run_without_folds_is_still_the_run_that_it_was(tiny_voc: Path, tiny_model: Path) -> None:
    assert not {"fold", "folds"} & json.loads((tiny_model / "training" / "run.json").read_text()).keys()
    assert train(tiny_train_config(tiny_voc, tiny_model)) == tiny_model
    with pytest.raises(BadInput, match="fold was None, now 1"):
        train(tiny_train_config(tiny_voc, tiny_model, fold=1))


@pytest.fixture
def tiny_command(tiny_voc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`segqc audit` with tiny trainings."""

    def choose_tiny(settings: dict[str, object], spell: Callable[[str], str]) -> LabelAuditConfig:
        config, tiny = choose_audit(settings, spell), trainings(tiny_voc)
        sizes = ("encoder", "image_size", "grid_size", "batch_size", "views", "density_items")
        given = {name: getattr(tiny, name) for name in sizes}
        return dataclasses.replace(config, training=dataclasses.replace(config.training, **given))

    monkeypatch.setattr(cli_audit, "choose_audit", choose_tiny)


def test_the_command_audits_folders_and_says_what_next(
    tiny_command: None, tiny_voc: Path, tmp_path: Path, audited: Audited
) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "masks").mkdir()
    for pair in voc_pairs(tiny_voc, "train")[0]:
        shutil.copy(pair.image, tmp_path / "pictures")
        shutil.copy(pair.mask, tmp_path / "masks")
    (tmp_path / "masks" / "nobody.png").write_bytes(b"x")
    options = {
        "--images": tmp_path / "pictures", "--ground-truth": tmp_path / "masks", "--classes": DEMO_CLASSES,
        "--folds": 2, "--steps": 2, "--seed": 1, "--device": "cpu", "--out": tmp_path / "labels",
    }  # fmt: skip
    done = runner.invoke(app, ["audit", "--strict", *(str(part) for pair in options.items() for part in pair)])
    assert done.exit_code == 1, done.output  # --strict: nobody.png has no picture
    for words in (
        "2 trainings (segmenter, 2 steps each)",
        "28 scored, 1 errors;",
        "Wrote",
        "gallery.html",
        "segqc export --audit",
    ):
        assert words in done.output
    models = tmp_path / "labels" / "models"
    assert [path.name for path in sorted(models.iterdir())] == ["fold-0-of-2-seed-1", "fold-1-of-2-seed-1"]
    assert "Ground-truth audit of masks" in (tmp_path / "labels" / "gallery.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--images", "pictures"], "--ground-truth"),
        (["--voc-root", "voc", "--model", "runs/voc"], "--model: applies only to an audit of predictions"),
        (["--voc-root", "voc", "--levels", "0"], "--levels: applies only to an audit of predictions"),
        (
            ["--voc-root", "voc", "--predictions", "masks", "--folds", "3"],
            "--folds: applies only to an audit of ground truth",
        ),
        (
            ["--voc-root", "voc", "--predictions", "masks", "--feature-cache", "x"],
            "--feature-cache: applies only to an audit of ground truth",
        ),
        (["--voc-root", "nowhere"], "nowhere"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str], words: str) -> None:
    done = runner.invoke(app, ["audit", *arguments])
    assert isinstance(done.exception, BadInput)
    assert words in str(done.exception)


def test_help_shows_both_audits() -> None:
    text = " ".join(runner.invoke(app, ["audit", "--help"]).output.split())
    for words in (
        "Ground-truth audit (without --predictions)",
        "segqc audit --voc-root VOCdevkit --image-set train --out labels",
        "--folds",
    ):
        assert words in text
