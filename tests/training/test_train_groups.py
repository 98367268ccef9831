"""`segqc train --group` and `--rare-below`: groups are kept together, rare classes drawn more often."""

import json
from pathlib import Path

from command_line import segqc
from conftest import DEMO_CLASSES, tiny_train_config

from segqc.training.pairs import training_source


def test_videos_are_validated_on_as_a_whole(tiny_voc: Path, tmp_path: Path) -> None:
    names = sorted(pair.id for pair in training_source(tiny_train_config(tiny_voc, tmp_path)).pairs)
    ended = segqc(
        "train", "--voc-root", tiny_voc, "--classes", DEMO_CLASSES, "--out", tmp_path / "run", "--device", "cpu",
        "--encoder", "tf_efficientnet_lite0", "--image-size", 64, "--grid-size", 16, "--views", 1, "--steps", 2,
        "--batch-size", 2, "--density-items", 2, "--method", "segmenter", "--precision", "fp32",
        "--group", "([0-4]|[5-9])$", "--rare-below", 1,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert f"{len({name[-1] for name in names})} groups of pictures: 0, 1, 2, 3, 4, 5 and more" in ended.stdout
    assert "pairs show a rare class: drawn up to " in ended.stdout
    facts = json.loads((tmp_path / "run" / "config.json").read_text())["training"]
    assert facts["config"]["group"] == "([0-4]|[5-9])$"
    sizes = [sum(name[-1] == digit for name in names) for digit in "0123456789"]
    assert facts["validation_pairs"] in {sum(sizes[:n]) for n in range(11)} | set(sizes) | {
        a + b for a in sizes for b in sizes
    }
    assert facts["train_pairs"] + facts["validation_pairs"] == len(names)


def test_a_pattern_that_fits_nothing_ends_in_one_line(tiny_voc: Path, tmp_path: Path) -> None:
    ended = segqc(
        "train", "--voc-root", tiny_voc, "--classes", DEMO_CLASSES, "--out", tmp_path / "run", "--group", "^(video.)_"
    )
    assert ended.returncode == 2
    assert "'^(video.)_' matches none in 28 ids" in ended.stderr
    assert ended.stderr.count("\n") == 1
