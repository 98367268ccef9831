"""Predicted masks with values of their own: `segqc audit --prediction-classes`."""

import csv
import json
from pathlib import Path

import numpy as np
from command_line import segqc
from PIL import Image

from segqc.data.masks import read_mask
from segqc.demo.scenes import DEMO_LABELS


def scores(out: Path) -> dict[str, tuple[str, str]]:
    with (out / "scores.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: (row["score"], row["classes"]) for row in csv.DictReader(file)}


def audit(tiny_voc: Path, tiny_model: Path, predictions: Path, out: Path, *further: str, code: int = 0) -> str:
    ran = segqc(
        "audit", "--predictions", str(predictions), "--voc-root", str(tiny_voc), "--model", str(tiny_model),
        "--out", str(out), "--device", "cpu", "--no-heatmaps", *further,
    )  # fmt: skip
    assert ran.returncode == code, ran.stderr
    return " ".join((ran.stdout + ran.stderr).split())


def rewrite(source: Path, target: Path, values: np.ndarray) -> None:
    target.mkdir()
    for path in source.glob("*.png"):
        Image.fromarray(values[read_mask(path, DEMO_LABELS)]).save(target / path.name)


def test_values_of_another_data_set_are_read_by_the_names_of_their_classes(
    tiny_voc: Path, tiny_model: Path, tiny_predictions: Path, tmp_path: Path
) -> None:
    values = np.zeros(256, np.uint8)
    values[: DEMO_LABELS.num_classes] = 10 + 20 * np.arange(DEMO_LABELS.num_classes)
    rewrite(tiny_predictions, tmp_path / "masks", values)
    classes = tmp_path / "classes.json"
    named = {int(values[index]): name.upper() for index, name in enumerate(DEMO_LABELS.names)}
    classes.write_text(json.dumps(named))
    said = audit(tiny_voc, tiny_model, tmp_path / "masks", tmp_path / "refused", code=2)
    assert "values that are no class" in said
    assert "--prediction-classes" in said
    audit(tiny_voc, tiny_model, tmp_path / "masks", tmp_path / "own", "--prediction-classes", str(classes))
    audit(tiny_voc, tiny_model, tiny_predictions, tmp_path / "plain")
    assert scores(tmp_path / "own") == scores(tmp_path / "plain")


def test_binary_masks_are_read_as_one_class_of_many(
    tiny_voc: Path, tiny_model: Path, tiny_predictions: Path, tmp_path: Path
) -> None:
    wanted = DEMO_LABELS.names[2]
    only, both = np.zeros(256, np.uint8), np.zeros(256, np.uint8)
    only[1 : DEMO_LABELS.num_classes], both[1 : DEMO_LABELS.num_classes] = 2, 255
    rewrite(tiny_predictions, tmp_path / "indices", only)
    rewrite(tiny_predictions, tmp_path / "binary", both)
    assert "masks hold only 0 and 255, but there are" in audit(
        tiny_voc, tiny_model, tmp_path / "binary", tmp_path / "refused", code=2
    )
    said = audit(
        tiny_voc, tiny_model, tmp_path / "binary", tmp_path / "own", "--prediction-classes", f"background,{wanted}"
    )
    assert f"255 is read as {wanted}" in said
    audit(tiny_voc, tiny_model, tmp_path / "indices", tmp_path / "plain")
    assert scores(tmp_path / "own") == scores(tmp_path / "plain")


def test_a_class_that_the_model_does_not_have_is_refused_by_its_name(
    tiny_voc: Path, tiny_model: Path, tiny_predictions: Path, tmp_path: Path
) -> None:
    said = audit(
        tiny_voc, tiny_model, tiny_predictions, tmp_path / "out", "--prediction-classes", "background,zebra", code=2
    )
    assert "--prediction-classes: the model has no class zebra" in said
    assert not (tmp_path / "out" / "gallery.html").exists()


def test_masks_of_one_class_of_many_are_warned_of(
    tiny_voc: Path, tiny_model: Path, tiny_predictions: Path, tmp_path: Path
) -> None:
    ones = np.zeros(256, np.uint8)
    ones[1 : DEMO_LABELS.num_classes] = 1
    rewrite(tiny_predictions, tmp_path / "masks", ones)
    said = audit(tiny_voc, tiny_model, tmp_path / "masks", tmp_path / "out")
    assert f"the masks hold {DEMO_LABELS.names[1]} alone beside the background" in said
