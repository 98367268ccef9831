"""`segqc evaluate`, end to end through the command line on rendered scenes."""

import csv
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from evaluation.baselines.neighbours import MaskNeighbours
from evaluation.comparison import DiceComparison
from evaluation.config import EvaluateConfig
from evaluation.evaluate import Evaluation, evaluate
from evaluation.metrics import image_metrics
from evaluation.report import render_report
from segqc.audit import audit
from segqc.config import AuditConfig
from segqc.demo.scenes import DEMO_LABELS
from segqc.files import BadInput
from segqc.masks import read_mask, write_mask


@pytest.fixture(scope="module")
def predictions(tiny_predictions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny predictions made worse one by one, and a file that is no mask."""
    folder = tmp_path_factory.mktemp("worse")
    for number, path in enumerate(sorted(tiny_predictions.glob("*.png"))):
        mask = read_mask(path, DEMO_LABELS).copy()
        mask[:, : 12 * number] = 0
        write_mask(folder / path.name, np.roll(mask, number, axis=0), DEMO_LABELS)
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def audited(predictions: Path, tiny_voc: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("audit") / "audit"
    audit(AuditConfig(predictions=predictions, out=out, model=tiny_model, voc_root=tiny_voc, device="cpu"), DiceComparison())
    return out


@pytest.fixture(scope="module")
def config(audited: Path, tiny_voc: Path, predictions: Path, tmp_path_factory: pytest.TempPathFactory) -> EvaluateConfig:
    """With everything that can be given but Deep SVDD, which has tests of its own."""
    folder = tmp_path_factory.mktemp("given")
    rng = np.random.default_rng(0)
    for kind in ("probs", "second", "tta"):
        (folder / kind).mkdir()
    for path in predictions.glob("*.png"):
        if path.stem == "broken":
            continue
        maps = rng.dirichlet(np.ones(DEMO_LABELS.num_classes), (8, 11)).transpose(2, 0, 1)
        np.savez(folder / "probs" / f"{path.stem}.npz", probs=maps.astype(np.float16))
        for kind, step in (("second", 1), ("tta", 2)):
            write_mask(folder / kind / path.name, np.roll(read_mask(path, DEMO_LABELS), step, axis=1), DEMO_LABELS)
    return EvaluateConfig(
        audit=audited, voc_root=tiny_voc, train_set="train", out=folder / "evaluation", probs=folder / "probs", second=folder / "second",
        tta=folder / "tta", compare=(f"itself={audited}",), deep_svdd=(), corruptions=2, resamples=20, top=3, device="cpu",
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(config: EvaluateConfig) -> Evaluation:
    return evaluate(config)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_command_writes_what_it_says(config: EvaluateConfig, found: Evaluation, tmp_path: Path) -> None:
    """The same through the command line, in a process of its own, with medpy's metrics: the same numbers."""
    out = tmp_path / "by command"
    arguments = ["--audit", config.audit, "--voc-root", config.voc_root, "--probs", config.probs, "--second", config.second, "--tta", config.tta]
    arguments += ["--compare", config.compare[0], "--deep-svdd", "none", "--resamples", 20, "--top", 3, "--device", "cpu", "--corruptions", 2]
    command = [sys.executable, "-m", "segqc", "evaluate", *map(str, arguments), "--out", str(out), "--metrics-backend", "medpy"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    assert "report.html" in result.stdout
    assert "1 predictions left out" in result.stdout
    names = {"report.html", "methods.csv", "methods.parquet", "images.csv", "images.parquet", "classes.csv", "classes.parquet", "class_summary.csv"}
    names |= {"evaluation.json", "correlations.png", "risk_coverage.png", "score_against_dice.png", "top_segqc.png"}
    names |= {"corruptions.png", "corruption_table.csv", "corruption_scores.csv"}
    assert names <= {path.name for path in out.iterdir()}
    for ours, theirs in zip(read_csv(config.out / "methods.csv"), read_csv(out / "methods.csv"), strict=True):
        for key in set(ours) - {"group", "method"}:
            assert (ours[key] == theirs[key] == "") or float(ours[key]) == pytest.approx(float(theirs[key]), abs=1e-9), (ours["method"], key)
    ours, theirs = (read_csv(folder / "classes.csv") for folder in (config.out, out))
    assert [row["status"] for row in ours] == [row["status"] for row in theirs]


def test_numbers_are_those_of_a_second_computation(config: EvaluateConfig, found: Evaluation, predictions: Path) -> None:
    images = read_csv(config.out / "images.csv")
    assert len(images) == 6
    for row in images:
        prediction, truth = (
            read_mask(folder / f"{row['id']}.png", DEMO_LABELS)
            for folder in (predictions, config.voc_root / "SegmentationClass")  # type: ignore[operator]
        )
        expected = image_metrics(prediction, truth, DEMO_LABELS.num_classes)
        assert float(row["dice"]) == pytest.approx(expected.dice)
        assert float(row["msd"]) == pytest.approx(expected.msd)
        assert float(row["hd95"]) == pytest.approx(expected.hd95)
    scores = {row["id"]: float(row["score"]) for row in read_csv(config.audit / "scores.csv") if row["status"] == "ok"}
    assert {row["id"]: float(row["segqc (mixing)"]) for row in images} == pytest.approx(scores)
    dice = [float(row["dice"]) for row in images]
    for row in found.rows:
        values = [float(image[row["method"]]) for image in images]
        if len(set(values)) > 1:
            assert row["spearman"] == pytest.approx(stats.spearmanr(values, dice).statistic), row["method"]


def test_every_kind_of_baseline_is_there(found: Evaluation) -> None:
    assert set(found.groups.values()) == {
        "on trial", "other audits", "mask", "probabilities", "second opinion", "supervised",
    }  # fmt: skip
    assert found.rows[0]["method"] == "segqc (mixing)"
    assert not found.absent
    itself = next(row for row in found.rows if row["method"] == "itself")
    assert itself["spearman_difference"] == 0
    assert {"rare classes", "nearest training masks", "mixture of mask features", "second network", "mirror disagreement"} <= set(found.groups)


def test_what_cannot_be_judged_is_named(found: Evaluation, config: EvaluateConfig) -> None:
    assert list(found.study.left_out) == ["broken"]
    assert "was not scored" in found.study.left_out["broken"]
    record = json.loads((config.out / "evaluation.json").read_text())
    assert record["left_out"] == found.study.left_out
    assert record["images"] == 6


def test_a_second_run_computes_no_baseline_again(config: EvaluateConfig, found: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(MaskNeighbours, "fit", refuse)
    monkeypatch.setattr(MaskNeighbours, "score", refuse)
    assert evaluate(config).rows == found.rows
    with pytest.raises(AssertionError, match="fitted again"):  # what a score depends on has changed
        evaluate(replace(config, seed=1))


def test_without_training_pairs_those_that_learn_say_so(config: EvaluateConfig, found: Evaluation, tmp_path: Path) -> None:
    truth = config.voc_root / "SegmentationClass"  # type: ignore[operator]
    alone = EvaluateConfig(audit=config.audit, ground_truth=truth, out=tmp_path / "out", deep_svdd=("v2_b0/one-class",), resamples=2, device="cpu")
    result = evaluate(alone)
    for name in ("rare classes", "nearest training masks", "mixture of mask features", "Deep SVDD, one-class (v2_b0)"):
        assert "--train-set" in result.absent[name]
    assert "softmax maps" in result.absent["mean entropy"]
    assert "another segmenter" in result.absent["second network"]
    assert {row["method"] for row in result.rows} >= {"segqc (mixing)", "small area"}
    assert result.rows[0]["spearman"] == found.rows[0]["spearman"]


def test_classes_missed_everywhere_without_their_distances(config: EvaluateConfig, tmp_path: Path) -> None:
    result = evaluate(replace(config, out=tmp_path / "out", undefined="exclude", corruptions=0, resamples=2))
    assert np.isfinite(result.study.quality.msd).all()
    assert len(result.study.ids) + len(result.study.left_out) == 7


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"audit": Path("nowhere")}, "no finished audit"),
        ({"predictions": Path("other")}, "is not what"),
        ({"compare": ("nameless",)}, "NAME=FOLDER"),
        ({"deep_svdd": ("v9/one-class",)}, "v9"),
        ({"image_set": "nolist"}, "nolist"),
        ({"metrics_backend": "abacus"}, "medpy"),
    ],
)
def test_errors_name_the_option(config: EvaluateConfig, tmp_path: Path, changes: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        evaluate(replace(config, out=tmp_path / "out", **changes))


def test_a_list_narrows_what_is_judged(config: EvaluateConfig, tiny_voc: Path, tmp_path: Path) -> None:
    root = tmp_path / "voc"
    shutil.copytree(tiny_voc, root)
    names = (root / "ImageSets" / "Segmentation" / "val.txt").read_text().split()[:4]
    (root / "ImageSets" / "Segmentation" / "few.txt").write_text("\n".join(names))
    result = evaluate(replace(config, voc_root=root, image_set="few", out=tmp_path / "out", corruptions=0, resamples=2))
    assert result.study.ids == sorted(names)


def test_the_page_is_whole_and_escapes_names(config: EvaluateConfig, found: Evaluation) -> None:
    page = (config.out / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|(src|href)\s*=\s*(?!['\"]data:)", page)
    assert page.count("data:image/png;base64,") == 5
    assert "range is cut off" in page
    rows = [row | {"method": f"<b>{row['method']}"} for row in found.rows]
    groups = {f"<b>{name}": group for name, group in found.groups.items()}
    nasty = render_report("<i>", ["<i>"], rows, groups, {"<u>": "<u>"}, {"<s>": "<s>"}, [], [("<em>", "", [{"<em>": "<em>"}])], 3, 0.5)
    assert not re.search(r"<(b|i|u|s|em)>", nasty)
    assert "&lt;b&gt;segqc" in nasty
