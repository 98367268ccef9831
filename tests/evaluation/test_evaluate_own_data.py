"""`segqc evaluate` on masks of 0 and 255 in plain folders, from the training to the report, by command line."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from command_line import Finished, segqc
from PIL import Image

from segqc.base.checksums import write_checksums
from segqc.base.console import console
from segqc.base.fingerprints import file_sha256

LEARN = ("rare classes", "mixture of mask features", "nearest training masks")
TINY = [
    "--preset", "fast", "--steps", "2", "--method", "segmenter", "--views", "1", "--image-size", "64",
    "--grid-size", "16", "--device", "cpu",
]  # fmt: skip


@dataclass(frozen=True)
class Project:
    """A folder with `train` and `test`, each with images and masks, predictions for `test`, a model and an audit."""

    folder: Path
    trained: Finished
    audited: Finished

    def evaluate(self, out: Path, *options: object) -> tuple[Finished, dict]:
        """Run the command with the cheapest settings; returns what it printed and its evaluation.json."""
        audit = ["--audit", self.folder / "audit", "--deep-svdd", "none", "--resamples", 5, "--device", "cpu"]
        done = segqc("evaluate", *audit, "--out", out, *options)
        record = out / "evaluation.json"
        return done, json.loads(record.read_text()) if record.is_file() else {}


def write_set(folder: Path, count: int, first: int) -> None:
    """Pictures of a bright disc of its own size on noise, and their masks of 0 and 255."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    y, x = np.mgrid[:48, :64]
    for number in range(count):
        rng = np.random.default_rng(first + number)
        disc = (y - rng.integers(16, 32)) ** 2 + (x - rng.integers(16, 48)) ** 2 < rng.integers(6, 13) ** 2
        noise = rng.integers(0, 90, (48, 64, 3)) + 150 * disc[..., None]
        Image.fromarray(noise.astype(np.uint8)).save(folder / "images" / f"p{number:02}.png")
        Image.fromarray(np.where(disc, 255, 0).astype(np.uint8)).save(folder / "masks" / f"p{number:02}.png")


def write_predictions(truths: Path, folder: Path, foreground: int) -> None:
    """The true masks, of which the first four of twelve miss their object, with another value for the foreground."""
    folder.mkdir()
    for number, path in enumerate(sorted(truths.iterdir())):
        mask = np.asarray(Image.open(path)) // 255 * foreground
        Image.fromarray((mask if number >= 4 else 0 * mask).astype(np.uint8)).save(folder / path.name)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("own")
    write_set(folder / "train", 14, first=100)
    write_set(folder / "test", 12, first=0)
    write_predictions(folder / "test" / "masks", folder / "predicted", 255)
    data = ["--images", folder / "train" / "images", "--masks", folder / "train" / "masks"]
    trained = segqc("train", *data, "--classes", "background,disc", "--out", folder / "model", *TINY)
    assert trained.returncode == 0, trained.stderr
    return Project(folder, trained, audit(folder, "predicted", "audit"))


@pytest.fixture(scope="module")
def evaluated(project: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Finished, dict]:
    """The evaluation of the project's audit without further options."""
    return project.evaluate(tmp_path_factory.mktemp("evaluated"))


def audit(folder: Path, predictions: str, out: str) -> Finished:
    """Audit predictions of `test` against its truths."""
    test = folder / "test"
    done = segqc(
        *("audit", "--model", folder / "model", "--predictions", folder / predictions, "--images", test / "images"),
        *("--ground-truth", test / "masks", "--out", folder / out, "--device", "cpu", "--no-heatmaps"),
    )
    assert done.returncode == 0, done.stderr
    return done


def test_a_training_prints_its_pictures_per_class(project: Project) -> None:
    assert "pictures per class, of 14: background 14, disc 14" in project.trained.stdout
    assert "hardly seen, in fewer than 50 pictures: disc (14)" in project.trained.stdout


def test_missed_objects_count(project: Project, evaluated: tuple[Finished, dict]) -> None:
    """Four of twelve objects are missed: were 255 void, as it is by default, their Dice would be 1."""
    done, record = evaluated
    assert done.returncode == 0, done.stderr
    assert "mean Dice 0.667" in done.stdout
    assert "4 of them below 0.5" in record["facts"][0]
    assert record["reader"]["truths"]["ids"] == {"0": 0, "255": 1}
    summary = json.loads((project.folder / "audit" / "summary.json").read_text())
    assert summary["quality"]["mean_dice"] == pytest.approx(2 / 3)


def test_truths_of_0_and_255_beside_predictions_of_0_and_1(
    project: Project, evaluated: tuple[Finished, dict], tmp_path: Path
) -> None:
    """Each folder is read by its own values: the same numbers."""
    write_predictions(project.folder / "test" / "masks", project.folder / "indices", 1)
    audit(project.folder, "indices", "audit-indices")
    done, record = project.evaluate(tmp_path, "--audit", project.folder / "audit-indices")
    assert done.returncode == 0, done.stderr
    assert record["rows"] == evaluated[1]["rows"]


def test_baselines_learn_from_what_the_model_was_trained_on(project: Project, evaluated: tuple[Finished, dict]) -> None:
    """The training set counts its files like the judged one, and no pair is taken for a judged one by its name."""
    done, record = evaluated
    said = " ".join(done.stdout.split())
    assert f"Baselines learn from 14 pairs of the training data of the model model, {project.folder}" in said
    assert set(LEARN) <= {row["method"] for row in record["rows"]}
    assert not set(LEARN) & set(record["absent"])
    assert all("(give --" in why for why in record["absent"].values()), record["absent"]


def test_training_data_that_is_gone_is_a_reason_and_can_be_named(project: Project, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(project.folder, moved)
    (moved / "train").rename(moved / "elsewhere")
    config = json.loads((moved / "model" / "config.json").read_text())
    for name in ("images", "masks"):
        config["training"]["config"][name] = str(moved / "train" / name)
    (moved / "model" / "config.json").write_text(json.dumps(config))
    files = ("config.json", "model.safetensors", "density.safetensors")
    write_checksums(moved / "model", {name: file_sha256(moved / "model" / name) for name in files})
    summary = json.loads((moved / "audit" / "summary.json").read_text())
    summary["model"]["folder"] = str(moved / "model")
    (moved / "audit" / "summary.json").write_text(json.dumps(summary))
    there = Project(moved, project.trained, project.audited)

    done, record = there.evaluate(tmp_path / "without")
    assert done.returncode == 0, done.stderr
    for name in LEARN:
        assert "train/images: does not exist" in record["absent"][name]
        assert "--train-images" in record["absent"][name]
    folders = ["--train-images", moved / "elsewhere" / "images", "--train-masks", moved / "elsewhere" / "masks"]
    done, record = there.evaluate(tmp_path / "with", *folders)
    assert set(LEARN) <= {row["method"] for row in record["rows"]}
    assert "Baselines learn from 14 pairs of" in done.stdout
    done, _ = there.evaluate(tmp_path / "half", *folders[:2])
    assert done.returncode == 2
    assert "--train-images together with --train-masks" in done.stderr


def test_judged_pairs_are_not_learned_from(project: Project, tmp_path: Path) -> None:
    test = project.folder / "test"
    done, record = project.evaluate(tmp_path, "--train-images", test / "images", "--train-masks", test / "masks")
    assert done.returncode == 0, done.stderr
    assert "all 12 pairs" in record["absent"]["nearest training masks"]


def test_a_training_pair_that_cannot_be_read_is_counted(project: Project, tmp_path: Path) -> None:
    shutil.copytree(project.folder / "train", tmp_path / "train")
    (tmp_path / "train" / "masks" / "p03.png").write_bytes(b"no mask")
    folders = ["--train-images", tmp_path / "train" / "images", "--train-masks", tmp_path / "train" / "masks"]
    for _ in range(2):  # the second time from what is kept
        done, _ = project.evaluate(tmp_path / "out", *folders)
        assert done.returncode == 0, done.stderr
        assert "Training pairs that cannot be read: 1 of 1" in done.stdout
        assert "p03" in done.stdout


def test_a_figure_without_a_value_has_a_reason_everywhere(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "_width", 200)  # whatever COLUMNS was when it was made
    done, record = project.evaluate(tmp_path, "--threshold", 0)
    why = "no image has a Dice below 0 (the lowest is 0.000)"
    assert set(record["undefined"]["auroc"].values()) == {why}
    assert f"No AUROC of Dice &lt; 0: {why}" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"No AUROC of Dice < 0: {why}" in done.stdout
    assert "images that are the worst tenth by Dice (none is below 0)" in done.stdout
    for row in record["rows"]:
        for key in (key for key, value in row.items() if value is None and "_difference" not in key):
            measure = key.removesuffix("_low").removesuffix("_high")
            reasons = record["undefined"].get(measure, {}) | record["undefined"].get(f"{measure}_low", {})
            assert row["method"] in reasons, key


def test_an_audit_says_why_a_figure_is_missing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Truths as predictions: no failure, and no ranking."""
    monkeypatch.setattr(console, "_width", 200)  # whatever COLUMNS was when it was made
    shutil.copytree(project.folder / "test" / "masks", project.folder / "perfect")
    done = audit(project.folder, "perfect", "audit-perfect")
    assert "not defined: no image has a Dice below 0.5 (the lowest is 1.000)" in " ".join(done.stdout.split())
    assert "None" not in done.stdout
    quality = json.loads((project.folder / "audit-perfect" / "summary.json").read_text())["quality"]
    assert {name for name, value in quality.items() if value is None} == set(quality["undefined"])


def test_truths_that_cannot_be_compared_are_said(project: Project, tmp_path: Path) -> None:
    """Another size throughout: the scores stand, and the screen says why there is no Dice."""
    truths = tmp_path / "truths"
    truths.mkdir()
    for path in (project.folder / "test" / "masks").iterdir():
        Image.open(path).resize((32, 24), Image.Resampling.NEAREST).save(truths / path.name)
    test = project.folder / "test"
    done = segqc(
        *("audit", "--model", project.folder / "model", "--predictions", project.folder / "predicted"),
        *("--images", test / "images", "--ground-truth", truths, "--out", tmp_path / "audit", "--device", "cpu"),
    )
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "Not judged: 0 predictions could be compared" in said
    assert "Not compared: 12 of 12" in said
    done, _ = project.evaluate(tmp_path / "out", "--ground-truth", truths)
    assert done.returncode == 2
    assert "12 of 12" in done.stderr
    assert not (tmp_path / "out" / "report.html").exists()


def test_true_masks_of_other_names(project: Project, tmp_path: Path) -> None:
    truths = tmp_path / "truths"
    truths.mkdir()
    for path in (project.folder / "test" / "masks").iterdir():
        shutil.copy(path, truths / f"{path.stem}_mask.png")
    done, record = project.evaluate(tmp_path / "out", "--ground-truth", truths)
    assert done.returncode == 0, done.stderr
    assert record["images"] == 12
