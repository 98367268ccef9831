"""Training: killed and resumed, bad input, methods, and what a model folder holds."""

import dataclasses
import json
import math
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from command_line import segqc
from conftest import DEMO_CLASSES, tiny_train_config
from killed import killed_when
from rich.console import Console
from safetensors.torch import load_file
from two_processes import segqc_by_two

from segqc.base.errors import BadInput
from segqc.model.folder import load_model
from segqc.training.config import TrainConfig
from segqc.training.feature_cache import FeatureCache
from segqc.training.pairs import training_source
from segqc.training.run import train
from segqc.training.trainer import learning_rate


def command(root: Path, out: Path) -> list[str]:
    """The training of `tiny_train_config` as a command line."""
    options = {
        "--voc-root": root, "--out": out, "--classes": DEMO_CLASSES, "--encoder": "tf_efficientnet_lite0",
        "--image-size": 64, "--grid-size": 16, "--steps": 16, "--batch-size": 4, "--views": 1, "--validate-every": 5,
        "--checkpoint-every": 1, "--density-items": 20, "--device": "cpu", "--precision": "fp32",
    }  # fmt: skip
    return [sys.executable, "-m", "segqc", "train", *(str(part) for pair in options.items() for part in pair)]


@pytest.mark.slow
def test_a_training_killed_twice_ends_with_the_same_bits(tiny_voc: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert segqc(*command(tiny_voc, whole)[3:]).returncode == 0
    last, inliers = broken / "training" / "last.safetensors", broken / "training" / "inliers-0.jsonl"
    again = command(tiny_voc, broken)[3:]
    assert killed_when(last.is_file, segqc, *again), "the run ended before it could be killed"
    assert killed_when(lambda: inliers.is_file() and inliers.read_bytes().count(b"\n") > 3, segqc, *again)
    half_written = last.with_name(".0123456789abcdef.tmp.safetensors")  # as where the kill meets a write
    half_written.touch()
    assert not (broken / "config.json").exists()
    done = segqc(*again)
    assert "Wrote the model folder" in done.stdout
    assert not half_written.exists()
    for name in ("model.safetensors", "density.safetensors"):
        assert (whole / name).read_bytes() == (broken / name).read_bytes(), name
    ours, theirs = (json.loads((folder / "config.json").read_text()) for folder in (whole, broken))
    assert ours["inlier_norm"] == theirs["inlier_norm"]
    assert ours["training"]["validation_loss"] == theirs["training"]["validation_loss"]


def test_a_damaged_checkpoint_is_noticed_and_the_one_before_it_used(
    tiny_voc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = dataclasses.replace(
        tiny_train_config(tiny_voc, tmp_path / "run", method="segmenter", steps=4), checkpoint_every=2
    )
    train(config)
    whole = (tmp_path / "run" / "model.safetensors").read_bytes()
    folder = tmp_path / "run" / "training"
    damaged = bytearray((folder / "last.safetensors").read_bytes())
    damaged[-5] ^= 4
    (folder / "last.safetensors").write_bytes(damaged)
    (tmp_path / "run" / "config.json").unlink()  # as if it had not ended
    with pytest.warns(UserWarning, match=r"not used: .*last\.safetensors: is damaged"):
        train(config, Console())
    assert "Continuing from step 2 of 4" in capsys.readouterr().out
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == whole


def test_another_seed_gives_another_model(tiny_voc: Path, tiny_model: Path, tmp_path: Path) -> None:
    other = train(tiny_train_config(tiny_voc, tmp_path / "other", seed=1))
    assert (other / "model.safetensors").read_bytes() != (tiny_model / "model.safetensors").read_bytes()


def test_the_model_folder_explains_itself_and_holds_no_pickle(tiny_model: Path) -> None:
    config = json.loads((tiny_model / "config.json").read_text())
    assert config["method"] == "structured"
    assert config["labels"]["names"] == DEMO_CLASSES.split(",")
    assert config["training"]["config"]["seed"] == 0
    assert config["training"]["train_pairs"] + config["training"]["validation_pairs"] == 28
    files = {path.name for path in tiny_model.iterdir() if path.is_file()}
    assert {Path(name).suffix for name in files - {"SHA256SUMS"}} == {".json", ".safetensors"}
    assert not (tiny_model / "training" / "cache").exists()
    assert not list((tiny_model / "training").glob("guesser-*"))


def test_the_saved_weights_are_the_average_not_the_last_step(tiny_model: Path) -> None:
    saved = load_file(tiny_model / "model.safetensors")
    state = load_file(tiny_model / "training" / "last.safetensors")
    name = "stem.weight"
    assert (saved[f"network.{name}"] != state[f"network.{name}"]).any()
    best = load_file(tiny_model / "training" / "best.safetensors")
    assert (saved[f"network.{name}"] == best[name]).all()


def test_the_loss_falls(tiny_voc: Path, tmp_path: Path) -> None:
    folder = train(tiny_train_config(tiny_voc, tmp_path / "run", steps=40, validate_every=40, density_items=2))
    report = json.loads((folder / "config.json").read_text())["training"]
    assert report["validation_loss"] < 0.7 * math.log(7), "no better than a uniform posterior over seven classes"


def test_fresh_augmentation_without_a_cache_trains_and_resumes(tiny_voc: Path, tmp_path: Path) -> None:
    config = tiny_train_config(tiny_voc, tmp_path / "a", views=0, workers=0, steps=4, checkpoint_every=2)
    train(config)
    state = (tmp_path / "a" / "training" / "last.safetensors").read_bytes()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert (
        train(tiny_train_config(tiny_voc, tmp_path / "b", views=0, workers=0, steps=4, checkpoint_every=2))
        == tmp_path / "b"
    )
    assert (tmp_path / "b" / "training" / "last.safetensors").read_bytes() == state, "a finished run is left alone"


def test_the_papers_concat_conditioning_trains(tiny_voc: Path, tmp_path: Path) -> None:
    config = tiny_train_config(
        tiny_voc,
        tmp_path / "concat",
        preset="voc256",
        encoder=None,
        image_size=32,
        grid_size=32,
        views=0,
        steps=1,
        batch_size=2,
        workers=0,
        method="paper",
        density_items=2,
        validation_fraction=0.1,
    )
    folder = train(config)
    model = load_model(folder, "cpu")
    assert model.encoder is None
    assert model.network.config.conditioning == "concat"
    assert len(model.config.ladder) == 20


def test_paper_and_the_default_are_one_flag_apart(tiny_model: Path, tiny_paper_model: Path) -> None:
    structured, paper = load_model(tiny_model, "cpu").config, load_model(tiny_paper_model, "cpu").config
    assert (len(structured.ladder), len(paper.ladder)) == (3, 20)
    assert (structured.draws, paper.draws) == (1, 0)
    assert (structured.score_levels, paper.score_levels) == ((1,), tuple(range(20)))
    assert len(paper.inlier_norm) == 20


def test_runs_share_a_feature_cache(tiny_voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = train(tiny_train_config(tiny_voc, tmp_path / "alone", steps=2))
    assert not (alone / "training" / "cache").exists()
    cache = tmp_path / "features"
    train(tiny_train_config(tiny_voc, tmp_path / "first", steps=2, method="segmenter", feature_cache=cache))
    filled = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    fills: list[int] = []
    original = FeatureCache.fill
    monkeypatch.setattr(
        FeatureCache, "fill", lambda self, blocks, *rest: (fills.append(len(blocks)), original(self, blocks, *rest))
    )
    second = train(tiny_train_config(tiny_voc, tmp_path / "second", steps=2, feature_cache=cache))
    assert fills == [0], "the features were there"
    assert filled.keys() == {path.name for path in cache.iterdir()}
    assert (second / "model.safetensors").read_bytes() == (alone / "model.safetensors").read_bytes()


def test_a_folder_with_another_run_is_refused_by_name_of_the_setting(tiny_voc: Path, tiny_model: Path) -> None:
    with pytest.raises(BadInput, match="steps was 12, now 13"):
        train(tiny_train_config(tiny_voc, tiny_model, steps=13))


def test_a_finished_model_is_not_handed_out_for_other_masks(tiny_voc: Path, tiny_model: Path) -> None:
    config = tiny_train_config(tiny_voc, tiny_model)
    source = training_source(config)
    assert train(config, found=source) == tiny_model
    swapped = [
        dataclasses.replace(pair, mask=other.mask)
        for pair, other in zip(source.pairs, source.pairs[1:] + source.pairs[:1], strict=True)
    ]
    with pytest.raises(BadInput, match="holds a run on other data"):
        train(config, found=dataclasses.replace(source, pairs=swapped))


def test_one_training_at_a_time_writes_a_folder_and_a_finished_one_keeps_nobody_out(
    tiny_voc: Path, tiny_model: Path, tmp_path: Path
) -> None:
    holder = "import sys, time; from pathlib import Path; from segqc.base.locks import exclusive\n"
    holder += "with exclusive(Path(sys.argv[1]), Path(), 'training'):\n    print('held', flush=True); time.sleep(60)"
    for out in (tmp_path / "run", tiny_model):
        process = subprocess.Popen(
            [sys.executable, "-c", holder, str(out / "training" / "run.lock")], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            if out == tiny_model:
                assert train(tiny_train_config(tiny_voc, out)) == out
            else:
                with pytest.raises(BadInput, match="run: another training is writing here"):
                    train(tiny_train_config(tiny_voc, out))
                assert not (out / "training" / "run.json").exists()
        finally:
            process.kill()
            process.wait()


def test_bad_pairs_are_counted_and_the_rest_is_trained_on(tiny_voc: Path, tmp_path: Path) -> None:
    root = shutil.copytree(tiny_voc, tmp_path / "voc")
    names = (root / "ImageSets" / "Segmentation" / "train.txt").read_text().split()
    truncated = root / "JPEGImages" / f"{names[0]}.jpg"
    truncated.write_bytes(truncated.read_bytes()[:400])
    (root / "SegmentationClass" / f"{names[1]}.png").unlink()
    folder = train(tiny_train_config(root, tmp_path / "run", steps=2))
    problems = json.loads((folder / "training" / "problems.json").read_text())
    assert {problem["id"] for problem in problems} == set(names[:2])
    assert all(problem["reason"] for problem in problems)
    report = json.loads((folder / "config.json").read_text())["training"]
    assert report["train_pairs"] + report["validation_pairs"] == 26


def test_two_sources_or_none_are_an_error_with_a_fix(tiny_voc: Path, tmp_path: Path) -> None:
    for config in (
        TrainConfig(out=tmp_path / "x"),
        tiny_train_config(tiny_voc, tmp_path / "x", images=tmp_path, masks=tmp_path),
    ):
        with pytest.raises(BadInput, match="--voc-root"):
            train(config)
        assert not (tmp_path / "x").exists(), "a mistake must not claim the folder"


def test_folders_of_any_classes_train(tiny_voc: Path, tmp_path: Path) -> None:
    config = tiny_train_config(
        tiny_voc,
        tmp_path / "run",
        steps=2,
        voc_root=None,
        images=tiny_voc / "JPEGImages",
        masks=tiny_voc / "SegmentationClass",
    )
    assert (train(config) / "config.json").is_file()


def test_learning_rate_warms_up_and_ends_at_the_final_rate() -> None:
    config = TrainConfig(steps=100, warmup_steps=10, learning_rate=1e-3, final_learning_rate=1e-5)
    rates = [learning_rate(config, step) for step in range(101)]
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) == pytest.approx(1e-3)
    assert rates[9] == rates[10] == pytest.approx(1e-3)
    assert rates[100] == pytest.approx(1e-5)
    assert all(a > b for a, b in pairwise(rates[10:]))


def test_two_processes_take_the_same_steps_as_one(tiny_voc: Path, tmp_path: Path) -> None:
    """The schedule is shared between processes: gradients of half batches, averaged, are those of the whole batch."""
    one, two = ([*command(tiny_voc, tmp_path / name)[3:], "--steps", "3"] for name in ("one", "two"))
    assert segqc(*one).returncode == 0
    printed = segqc_by_two(*two)
    assert printed.count("Wrote the model folder") == 1, "one of the processes speaks"
    journals = sorted((tmp_path / "two" / "training").glob("inliers-*.jsonl"))
    assert [path.stem for path in journals] == ["inliers-0", "inliers-1"]
    assert all(path.read_bytes().count(b"\n") > 1 for path in journals), "both have measured pairs"
    one, two = (load_file(tmp_path / name / "training" / "last.safetensors") for name in ("one", "two"))
    for name, value in one.items():
        if name.startswith("network."):
            assert (value - two[name]).abs().max() < 1e-6, name
    ours, theirs = (
        json.loads((tmp_path / name / "config.json").read_text())["training"]["validation_loss"]
        for name in ("one", "two")
    )
    assert ours == pytest.approx(theirs, rel=1e-4)
