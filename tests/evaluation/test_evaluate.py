"""`segqc evaluate`, end to end through the command line on rendered scenes."""

import base64
import contextlib
import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import segqc
from dealt import Deal
from gallery_data import page_data
from PIL import Image
from scipy import stats

from evaluation.baselines.neighbours import MaskNeighbours
from evaluation.baselines.svdd import deep_svdd
from evaluation.baselines.svdd.training import PRESETS
from evaluation.metrics.classes import image_metrics
from evaluation.ranking.comparison import DiceComparison
from evaluation.report import paper as published
from evaluation.report.answer import HEADING, Answer
from evaluation.report.config import EvaluateConfig
from evaluation.report.evaluate import evaluate
from evaluation.report.evaluation import Evaluation
from evaluation.report.page import EMBEDDED_WIDTH, Picture, Report, render_report
from evaluation.report.paper import DEEP_SVDD, GNSM
from segqc.auditing.config import AuditConfig
from segqc.auditing.run import audit
from segqc.base.errors import BadInput
from segqc.calibration.calibrate import calibrate
from segqc.calibration.config import CalibrateConfig
from segqc.data.masks import read_mask, write_mask
from segqc.demo.scenes import DEMO_LABELS
from segqc.export.config import ExportConfig
from segqc.export.run import export
from segqc.gallery.command import make_gallery
from segqc.gallery.config import GalleryConfig


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
    audit(
        AuditConfig(predictions=predictions, out=out, model=tiny_model, voc_root=tiny_voc, device="cpu"),
        DiceComparison(),
    )
    return out


@pytest.fixture(scope="module")
def config(
    audited: Path, tiny_voc: Path, predictions: Path, tmp_path_factory: pytest.TempPathFactory
) -> EvaluateConfig:
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
        audit=audited, voc_root=tiny_voc, train_set="train", out=folder / "evaluation", probs=folder / "probs",
        second=folder / "second",
        tta=folder / "tta", compare=(f"itself={audited}",), deep_svdd=(), corruptions=2, resamples=20, top=3,
        device="cpu",
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
    arguments = [
        "--audit",
        config.audit,
        "--voc-root",
        config.voc_root,
        "--probs",
        config.probs,
        "--second",
        config.second,
        "--tta",
        config.tta,
    ]
    arguments += [
        "--compare",
        config.compare[0],
        "--deep-svdd",
        "none",
        "--resamples",
        20,
        "--top",
        3,
        "--device",
        "cpu",
        "--corruptions",
        2,
    ]
    result = segqc("evaluate", *arguments, "--out", out, "--metrics-backend", "medpy")
    assert result.returncode == 0, result.stderr
    assert "report.html" in result.stdout
    assert "1 predictions were left out" in result.stdout
    names = {
        "report.html",
        "methods.csv",
        "methods.parquet",
        "images.csv",
        "images.parquet",
        "classes.csv",
        "classes.parquet",
        "class_summary.csv",
        "objects.csv",
        "object_methods.parquet",
    }
    assert "Objects: " in result.stdout
    names |= {"evaluation.json", "correlations.png", "risk_coverage.png", "score_against_dice.png", "top_segqc.png"}
    names |= {"corruptions.png", "corruption_table.csv", "corruption_scores.csv"}
    assert names <= {path.name for path in out.iterdir()}
    for ours, theirs in zip(read_csv(config.out / "methods.csv"), read_csv(out / "methods.csv"), strict=True):
        for key in set(ours) - {"group", "method"}:
            assert (ours[key] == theirs[key] == "") or float(ours[key]) == pytest.approx(
                float(theirs[key]), abs=1e-9
            ), (ours["method"], key)
    ours, theirs = (read_csv(folder / "classes.csv") for folder in (config.out, out))
    assert [row["status"] for row in ours] == [row["status"] for row in theirs]


def test_numbers_are_those_of_a_second_computation(
    config: EvaluateConfig, found: Evaluation, predictions: Path
) -> None:
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
    assert {row["id"]: float(row[found.rows[0]["method"]]) for row in images} == pytest.approx(scores)
    dice = [float(row["dice"]) for row in images]
    for row in found.rows:
        values = [float(image[row["method"]]) for image in images]
        if len(set(values)) > 1:
            assert row["spearman"] == pytest.approx(stats.spearmanr(values, dice).statistic), row["method"]


def test_every_kind_of_baseline_is_there(found: Evaluation) -> None:
    assert set(found.groups.values()) == {
        "on trial", "other audits", "mask", "probabilities", "second opinion", "supervised",
    }  # fmt: skip
    assert found.rows[0]["method"] == f"segqc ({found.study.audit.summary['method']})"
    assert not found.absent
    assert (found.top, found.top_note) == (3, "")
    itself = next(row for row in found.rows if row["method"] == "itself")
    assert itself["spearman_difference"] == 0
    assert {
        "rare classes",
        "nearest training masks",
        "mixture of mask features",
        "second network",
        "mirror disagreement",
    } <= set(found.groups)


def test_what_cannot_be_judged_is_named(found: Evaluation, config: EvaluateConfig) -> None:
    assert list(found.study.left_out) == ["broken"]
    assert "was not scored" in found.study.left_out["broken"]
    record = json.loads((config.out / "evaluation.json").read_text())
    assert record["left_out"] == found.study.left_out
    assert record["images"] == 6


def test_a_second_run_computes_no_baseline_again(
    config: EvaluateConfig, found: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(MaskNeighbours, "fit", refuse)
    monkeypatch.setattr(MaskNeighbours, "score", refuse)
    assert evaluate(config).rows == found.rows
    with pytest.raises(AssertionError, match="fitted again"):  # what a score depends on has changed
        evaluate(replace(config, seed=1))


@pytest.mark.parametrize("engine", ["ray", "processes"])
def test_workers_find_what_threads_find(
    engine: str, config: EvaluateConfig, found: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deal = Deal(2)
    monkeypatch.setattr("evaluation.report.evaluate.ray_cluster", lambda *_: nullcontext(deal))
    monkeypatch.setattr("segqc.base.workers._FEW", 0)
    monkeypatch.setattr("segqc.base.workers.usable_cores", lambda: 2)
    evaluate(replace(config, out=tmp_path, corruptions=0, engine="ray" if engine == "ray" else "local"))
    assert len(deal.started) == (3 if engine == "ray" else 0), "metrics, objects, and baselines that learn nothing"
    tables = [path.name for suffix in ("csv", "parquet") for path in tmp_path.glob(f"*.{suffix}")]
    assert len(tables) == 11
    for name in tables:
        assert (tmp_path / name).read_bytes() == (found.out / name).read_bytes(), name


def test_without_training_pairs_those_that_learn_say_so(
    config: EvaluateConfig, found: Evaluation, tmp_path: Path
) -> None:
    """A model that does not say what it was trained on, like those that come with segqc."""
    truth = config.voc_root / "SegmentationClass"  # type: ignore[operator]
    shutil.copytree(config.audit, tmp_path / "audit")
    summary = json.loads((tmp_path / "audit" / "summary.json").read_text())
    shutil.copytree(summary["model"]["folder"], tmp_path / "model")
    model = json.loads((tmp_path / "model" / "config.json").read_text())
    del model["training"]["config"]["voc_root"]
    (tmp_path / "model" / "config.json").write_text(json.dumps(model))
    summary["model"]["folder"] = str(tmp_path / "model")
    summary["config"]["voc_root"] = None
    (tmp_path / "audit" / "summary.json").write_text(json.dumps(summary))
    alone = EvaluateConfig(
        audit=tmp_path / "audit",
        ground_truth=truth,
        out=tmp_path / "out",
        deep_svdd=("v2_b0/one-class",),
        resamples=2,
        device="cpu",
    )
    result = evaluate(alone)
    for name in ("rare classes", "nearest training masks", "mixture of mask features", "Deep SVDD, one-class (v2_b0)"):
        assert "does not say on which files it was trained" in result.absent[name]
        assert "--train-images" in result.absent[name]
    assert "softmax maps" in result.absent["mean entropy"]
    assert "another segmenter" in result.absent["second network"]
    assert {row["method"] for row in result.rows} >= {found.rows[0]["method"], "small area"}
    assert result.rows[0]["spearman"] == found.rows[0]["spearman"]


def test_classes_missed_everywhere_without_their_distances(config: EvaluateConfig, tmp_path: Path) -> None:
    result = evaluate(replace(config, out=tmp_path / "out", undefined="exclude", corruptions=0, resamples=2, top=50))
    assert np.isfinite(result.study.quality.msd).all()
    assert len(result.study.ids) + len(result.study.left_out) == 7
    # Of six images the worst 50 are all of them, which the report says of its columns.
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert result.top == 6
    assert result.top_note in page
    assert "mean Dice of the 6 ranked worst" in page
    assert "top 50<" not in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"audit": Path("nowhere")}, r"nowhere: holds no scores\.parquet and no scores\.csv"),
        ({"predictions": Path("other")}, "is not what"),
        ({"compare": ("nameless",)}, "NAME=FOLDER"),
        ({"deep_svdd": ("v9/one-class",)}, "v9"),
        ({"image_set": "nolist"}, "nolist"),
        ({"metrics_backend": "abacus"}, "medpy"),
        ({"device": "tpu9"}, "--device"),
    ],
)
def test_errors_name_the_option(config: EvaluateConfig, tmp_path: Path, changes: dict, words: str) -> None:
    with pytest.raises((BadInput, ValueError), match=words):
        evaluate(replace(config, out=tmp_path / "out", **changes))


def test_a_list_narrows_what_is_judged(config: EvaluateConfig, tiny_voc: Path, tmp_path: Path) -> None:
    root = tmp_path / "voc"
    shutil.copytree(tiny_voc, root)
    names = (root / "ImageSets" / "Segmentation" / "val.txt").read_text().split()[:4]
    (root / "ImageSets" / "Segmentation" / "few.txt").write_text("\n".join(names))
    result = evaluate(replace(config, voc_root=root, image_set="few", out=tmp_path / "out", corruptions=0, resamples=2))
    assert result.study.ids == sorted(names)


@pytest.fixture(scope="module")
def project(
    predictions: Path, tiny_voc: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Makes a folder with an audit in it, run there with relative paths, whose true masks have the given suffix."""

    def make(suffix: str) -> Path:
        folder = tmp_path_factory.mktemp("project")
        shutil.copytree(predictions, folder / "masks")
        shutil.copytree(tiny_voc / "JPEGImages", folder / "images")
        (folder / "truths").mkdir()
        for path in sorted((folder / "masks").glob("scene*.png")):
            truth = read_mask(tiny_voc / "SegmentationClass" / path.name, DEMO_LABELS)
            if suffix == ".npz":
                np.savez(folder / "truths" / f"{path.stem}.npz", mask=truth)
            else:
                np.save(folder / "truths" / f"{path.stem}.npy", truth)
        with contextlib.chdir(folder):
            given = {"images": Path("images"), "ground_truth": Path("truths"), "model": tiny_model, "device": "cpu"}
            audit(AuditConfig(Path("masks"), Path("audit"), **given), DiceComparison())
        return folder

    return make


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_it_works_from_any_directory_and_with_arrays_as_truths(
    suffix: str, project: Callable[[str], Path], found: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project(suffix)
    monkeypatch.chdir(tmp_path)
    config = EvaluateConfig(folder / "audit", out=Path("out"), deep_svdd=(), resamples=2, top=3, device="cpu")
    result = evaluate(config)
    assert result.study.ids == found.study.ids
    assert "nearest training masks" in result.groups, "the model's folder says what it was trained on"
    assert [path.suffix for path in result.study.truths] == [suffix] * 6
    np.testing.assert_array_equal(result.study.quality.dice, found.study.quality.dice)
    assert result.rows[0]["spearman"] == found.rows[0]["spearman"]
    assert evaluate(replace(config, predictions=folder / "masks")).rows == result.rows
    with pytest.raises(BadInput, match="is not what"):
        evaluate(replace(config, predictions=folder / "truths"))


def test_pictures_masks_and_truths_that_were_moved_can_be_named(
    project: Callable[[str], Path], tiny_voc: Path, found: Evaluation, tmp_path: Path
) -> None:
    folder = project(".npy")
    (folder / "masks").rename(folder / "predicted")
    shutil.rmtree(folder / "images")
    config = EvaluateConfig(folder / "audit", out=tmp_path / "out", deep_svdd=(), resamples=2, top=3, device="cpu")
    with pytest.raises(BadInput, match=r"0 predictions with readable ground truth.*images/.*does not exist; tried"):
        evaluate(config)
    result = evaluate(replace(config, voc_root=tiny_voc, predictions=folder / "predicted"))
    assert result.study.ids == found.study.ids
    np.testing.assert_array_equal(result.study.quality.dice, found.study.quality.dice)
    shutil.rmtree(folder / "truths")
    with pytest.raises(BadInput, match=r"truths: does not exist; tried .*truths.*--ground-truth"):
        evaluate(config)


def test_gallery_export_and_calibration_work_from_any_directory(
    project: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project(".npy")
    monkeypatch.chdir(tmp_path)
    rows = page_data(make_gallery(GalleryConfig(folder / "audit", Path("page.html"))))["rows"]
    assert [row["layers"] for row in rows if row["status"] == "ok"] == [["photo", "prediction", "heat", "truth"]] * 6
    report = export(ExportConfig(folder / "audit", "csv", Path("queue")))
    assert (report.exported, [problem.id for problem in report.skipped]) == (6, ["broken"])
    assert report.images_root == folder / "images"
    Path("accepted.txt").write_text("".join(f"{row['id']}\n" for row in rows if row["status"] == "ok"))
    calibration, path = calibrate(CalibrateConfig(folder / "audit", accepted=Path("accepted.txt")))
    assert path == folder / "audit" / "calibration.json"
    assert len(calibration.accepted) == 6


def test_the_page_is_whole_and_escapes_names(config: EvaluateConfig, found: Evaluation) -> None:
    page = (config.out / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|(src|href)\s*=\s*(?!['\"]data:)", page)
    assert len(re.findall("data:image/(?:png|jpeg);base64,", page)) == 5
    assert "range is cut off" in page
    rows = [row | {"method": f"<b>{row['method']}"} for row in found.rows]
    groups = {f"<b>{name}": group for name, group in found.groups.items()}
    report = Report(
        title="<i>",
        answer=Answer(("<i>",), [{"<em>": "<em>"}], "<em>"),
        facts=["<i>"],
        rows=rows,
        groups=groups,
        needs={"<u>": "<u>"},
        absent={"<s>": "<s>"},
        published={rows[0]["method"]: GNSM},
        pictures=[],
        tables=[("<em>", "", [{"<em>": "<em>"}])],
        top=50,
        threshold=0.5,
        undefined=["<u>"],
    )
    nasty = render_report(report)
    assert not re.search(r"<(b|i|u|s|em)>", nasty)
    assert "&lt;b&gt;segqc" in nasty


def test_the_page_begins_with_the_answer_and_ends_with_the_papers_figures(
    config: EvaluateConfig, found: Evaluation
) -> None:
    page = (config.out / "report.html").read_text(encoding="utf-8")
    headings = re.findall(r"<h[23]>([^<]*)", page)
    assert headings[0] == HEADING
    assert headings.index("All methods") < headings.index("Finding failures") < headings.index("Ranking")
    assert headings[headings.index("The figures of the paper") :] == [
        "The figures of the paper",
        "The paper&#x27;s headline",
        "Correlation with quality",
    ]
    record = json.loads((config.out / "evaluation.json").read_text())
    assert record["answer"] == {"sentences": list(found.answer.sentences), "lines": found.answer.lines}


@pytest.fixture(scope="module")
def with_the_papers(
    config: EvaluateConfig,
    predictions: Path,
    tiny_voc: Path,
    tiny_paper_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Evaluation, EvaluateConfig]:
    """Beside the method on trial an audit by the paper's recipe and a Deep SVDD of two steps, whose scores need not
    mean anything here.
    """
    folder = tmp_path_factory.mktemp("papers")
    audit(
        AuditConfig(
            predictions=predictions, out=folder / "audit", model=tiny_paper_model, voc_root=tiny_voc, device="cpu"
        ),
        DiceComparison(),
    )
    chosen = replace(
        config, out=folder / "evaluation", compare=(f"its recipe={folder / 'audit'}",), deep_svdd=("v2_b0/one-class",),
        top=3, resamples=2
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "v2_b0", replace(PRESETS["v2_b0"], size=32, steps=2, batch_size=4))
        patch.setattr(published, "TOP", 3)  # six images have no top 50
        patch.setattr(deep_svdd, "is_alive", lambda _: True)
        return evaluate(chosen), chosen


def test_the_papers_figures_stand_below_the_rows_that_rebuild_them(
    with_the_papers: tuple[Evaluation, EvaluateConfig],
) -> None:
    found, config = with_the_papers
    page = (config.out / "report.html").read_text(encoding="utf-8")
    headline = page[page.index("<h3>The paper") :]
    lines = [[cell.strip() for cell in re.findall(r"<td[^>]*>([^<]*)", line)] for line in headline.split("<tr")]
    names = [cells[0] for cells in lines if cells]
    for name, quoted in (("its recipe", GNSM), ("Deep SVDD, one-class (v2_b0)", DEEP_SVDD)):
        assert names[names.index(name) + 1] == quoted.name
        _, images, *cells = lines[[cells[:1] for cells in lines].index([quoted.name])]
        assert images == "1449"
        assert cells == ["-", f"{quoted.dice:.3f}", "-", f"{quoted.msd:.3f}", "-", f"{quoted.hd95:.3f}"]
        assert f">{quoted.name}<" not in page.replace(headline, "")
    measured = {row["method"] for row in read_csv(config.out / "methods.csv")}
    assert not measured & {GNSM.name, DEEP_SVDD.name}
    assert {row["method"] for row in found.rows} == measured


def test_the_worst_of_each_method_are_shown(with_the_papers: tuple[Evaluation, EvaluateConfig]) -> None:
    _, config = with_the_papers
    page = (config.out / "report.html").read_text(encoding="utf-8")
    for name, title in (
        ("top_segqc", "segqc ("),
        ("top_gnsm", "its recipe"),
        ("top_deep_svdd", "Deep SVDD, one-class"),
    ):
        assert (config.out / f"{name}.png").is_file()
        assert f"<h2>Ranked worst by {title}" in page
    # The sheet of another audit has that audit's heat maps, that of Deep SVDD has none.
    pixels = {name: np.asarray(Image.open(config.out / f"top_{name}.png")) for name in ("segqc", "gnsm", "deep_svdd")}
    colourful = {name: np.ptp(image[..., :3].astype(int), axis=-1).mean() for name, image in pixels.items()}
    assert colourful["deep_svdd"] < min(colourful["segqc"], colourful["gnsm"])


def test_another_top_is_not_compared_with_the_papers(config: EvaluateConfig) -> None:
    page = (config.out / "report.html").read_text(encoding="utf-8")
    assert f"<td>{GNSM.name}" not in page
    assert f"{GNSM.name} -0.53, +0.14, +0.30" in page  # in words, with its own K


def test_empty_predictions_that_look_perfect_are_counted(
    config: EvaluateConfig, predictions: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """Every method's share of the other images that it takes for better: none of the six, or all of them."""
    folder = tmp_path / "predictions"
    shutil.copytree(predictions, folder)
    first, second = sorted(path for path in folder.glob("*.png") if path.stem != "broken")[:2]
    for path in (first, second):
        write_mask(path, np.zeros_like(read_mask(path, DEMO_LABELS)), DEMO_LABELS)
    audit(
        AuditConfig(
            predictions=folder, out=tmp_path / "audit", model=tiny_model, voc_root=config.voc_root, device="cpu"
        ),
        DiceComparison(),
    )
    again = EvaluateConfig(
        audit=tmp_path / "audit",
        voc_root=config.voc_root,
        out=tmp_path / "out",
        deep_svdd=(),
        resamples=2,
        device="cpu",
    )
    result = evaluate(again)
    rows = {row["method"]: row for row in json.loads((tmp_path / "out" / "evaluation.json").read_text())["empty"]}
    assert rows.keys() == set(result.groups)
    assert {row["predictions"] for row in rows.values()} == {2}
    assert rows["small area"]["share"] == rows["nearest training masks"]["share"] == 1
    assert rows["many classes"]["share"] == rows["long boundary"]["share"] == 0
    assert "Predictions without foreground" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Predictions without foreground" not in (config.out / "report.html").read_text(encoding="utf-8")


def test_wide_pictures_are_embedded_smaller(found: Evaluation, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = []
    for name, width in (("narrow", EMBEDDED_WIDTH), ("wide", 2 * EMBEDDED_WIDTH)):
        Image.fromarray(rng.integers(0, 256, (40, width, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
        pictures.append(Picture(tmp_path / f"{name}.png", name, ""))
    page = render_report(Report("t", found.answer, [], found.rows, found.groups, {}, {}, {}, pictures, [], 3, 0.5))
    kinds = re.findall(r"alt='(\w+)' src='data:image/(\w+);base64,([^']*)'", page)
    assert [(name, kind) for name, kind, _ in kinds] == [("narrow", "png"), ("wide", "jpeg")]
    assert base64.b64decode(kinds[0][2]) == (tmp_path / "narrow.png").read_bytes()
    with Image.open(io.BytesIO(base64.b64decode(kinds[1][2]))) as image:
        assert image.size == (EMBEDDED_WIDTH, 20)
