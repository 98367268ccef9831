"""Injected label errors, cross-fitting with trainings that record what they saw, and the judgement against cleanlab and
scikit-learn.
"""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score
from tiny import LABELS, blobs, tiny_model, write_pairs

from evaluation.corruption.corruptions import CORRUPTIONS
from evaluation.corruption.cross_fit import cross_fitted_scores
from evaluation.corruption.judgement import JUDGEMENT_COLUMNS, judge_label_errors
from evaluation.corruption.label_errors import LABEL_ERRORS, LARGEST_DICE, LabelError, inject_label_errors
from evaluation.corruption.measures import cleanlab_scores, quality_and_cleanlab, quality_score
from evaluation.metrics.classes import mean_dice
from segqc.base.errors import BadInput
from segqc.data.folds import folds
from segqc.data.masks import read_mask, write_mask
from segqc.data.pairs import Pair
from segqc.data.voc import voc_pairs
from segqc.quality_control import QualityControl


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(("share", "expected"), [(0.2, 4), (0.5, 10), (0.01, 1)])
def test_share_of_masks_gets_the_listed_errors_and_no_other(tmp_path: Path, share: float, expected: int) -> None:
    pairs = write_pairs(tmp_path / "data", 20)
    before = contents(tmp_path / "data")
    errors = inject_label_errors(pairs, LABELS, tmp_path / "voc", share)
    assert contents(tmp_path / "data") == before
    assert len(errors) == len({error.id for error in errors}) == expected
    listed = {error.id: error for error in errors}
    copies, problems = voc_pairs(tmp_path / "voc", "train")
    assert not problems
    assert [copy.id for copy in copies] == sorted(pair.id for pair in pairs)
    originals = {pair.id: pair for pair in pairs}
    for copy in copies:
        assert copy.image.read_bytes() == originals[copy.id].image.read_bytes()
        mask, original = read_mask(copy.mask, LABELS), read_mask(originals[copy.id].mask, LABELS)
        changed = int(np.count_nonzero(mask != original))
        if copy.id not in listed:
            assert changed == 0
            continue
        error = listed[copy.id]
        assert changed == error.changed_pixels > 0
        assert mean_dice(mask, original, LABELS.num_classes) == pytest.approx(error.dice)
        assert error.dice <= LARGEST_DICE
        assert error.corruption in LABEL_ERRORS
        assert ((mask == 255) == (original == 255)).all()


def test_list_of_errors_is_written_and_a_finished_copy_is_left_alone(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "data", 12)
    errors = inject_label_errors(pairs, LABELS, tmp_path / "voc", 0.25, seed=5)
    with (tmp_path / "voc" / "label_errors.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [
        (row["id"], row["corruption"], int(row["strength"]), int(row["changed_pixels"]), float(row["dice"]))
        for row in rows
    ] == [(error.id, error.corruption, error.strength, error.changed_pixels, error.dice) for error in errors]
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "voc").rglob("*")}
    assert inject_label_errors(pairs, LABELS, tmp_path / "voc", 0.25, seed=5) == errors
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "voc").rglob("*")} == times
    with pytest.raises(BadInput, match="other errors"):
        inject_label_errors(pairs, LABELS, tmp_path / "voc", 0.25, seed=6)


def test_copy_that_was_cut_short_is_completed(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "data", 10)
    errors = inject_label_errors(pairs, LABELS, tmp_path / "voc")
    whole = contents(tmp_path / "voc")
    (tmp_path / "voc" / "label_errors.json").unlink()
    (tmp_path / "voc" / "SegmentationClass" / f"{errors[0].id}.png").unlink()
    assert inject_label_errors(pairs, LABELS, tmp_path / "voc") == errors
    assert contents(tmp_path / "voc") == whole


def test_errors_follow_from_seed_and_not_from_order(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "data", 10)
    first = inject_label_errors(pairs, LABELS, tmp_path / "a", 0.4)
    assert inject_label_errors(pairs[::-1], LABELS, tmp_path / "b", 0.4) == first
    assert inject_label_errors(pairs, LABELS, tmp_path / "c", 0.4, seed=1) != first


def test_all_types_of_error_occur(tmp_path: Path) -> None:
    errors = inject_label_errors(write_pairs(tmp_path / "data", 60), LABELS, tmp_path / "voc", 0.8)
    assert Counter(error.corruption for error in errors).keys() == set(LABEL_ERRORS)


def test_void_masks_are_left_out_and_impossible_shares_refused(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "data", 6)
    write_mask(pairs[3].mask, np.full((30, 40), 255, np.uint8), LABELS)
    errors = inject_label_errors(pairs, LABELS, tmp_path / "voc", 0.3)
    assert "p3" not in {pair.id for pair in voc_pairs(tmp_path / "voc", "train")[0]} | {error.id for error in errors}
    for pair in pairs:
        write_mask(pair.mask, np.zeros((30, 40), np.uint8), LABELS)
    with pytest.raises(BadInput, match="0 of 6"):
        inject_label_errors(pairs, LABELS, tmp_path / "empty", 0.3, corruptions=[CORRUPTIONS["missing_object"]])
    for share in (0.0, 1.0):
        with pytest.raises(ValueError, match="share"):
            inject_label_errors(pairs, LABELS, tmp_path / "none", share)


class FakeTraining:
    """Trains nothing; its model is the set of ids outside the fold left out, and must not be asked about them."""

    def __init__(self, fatal: str | None = None) -> None:
        self.fatal = fatal
        self.trained: list[int] = []
        self.measured: list[str] = []
        self.by_pixels: dict[bytes, str] = {}

    def train(self, fold: int, k: int, seed: int, folder: Path) -> set[str]:
        self.trained.append(fold)
        return {id_ for id_, other in folds(list(self.by_pixels.values()), k, seed).items() if other != fold}

    def measure(self, model: set[str], image: Image.Image, mask: np.ndarray) -> dict[str, float]:
        id_ = self.by_pixels[image.tobytes()]
        if id_ == self.fatal:
            raise KeyboardInterrupt
        assert id_ not in model
        self.measured.append(id_)
        return {"score": float(id_[1:]), "others": float(len(model))}

    def run(self, pairs: list[Pair], folder: Path, scorer_id: str = "fake") -> dict[str, dict[str, float]]:
        self.by_pixels = {Image.open(pair.image).convert("RGB").tobytes(): pair.id for pair in pairs}
        return cross_fitted_scores(self.train, pairs, LABELS, folder, k=3, scorer_id=scorer_id, measure=self.measure)


def test_no_mask_is_scored_by_a_model_that_saw_it(tmp_path: Path) -> None:
    pairs, fake = write_pairs(tmp_path, 12), FakeTraining()
    found = fake.run(pairs, tmp_path / "models")
    assert list(found) == [pair.id for pair in pairs]
    fold_of = folds([pair.id for pair in pairs])
    sizes = Counter(fold_of.values())
    assert found == {id_: {"score": float(id_[1:]), "others": float(12 - sizes[fold])} for id_, fold in fold_of.items()}
    assert sorted(fake.measured) == sorted(found)
    assert fake.trained == [0, 1, 2]


def test_killed_cross_fit_trains_again_only_for_what_is_not_scored(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path, 12)
    fold_of = folds([pair.id for pair in pairs])
    last_of_second = [pair.id for pair in pairs if fold_of[pair.id] == 1][-1]
    killed, continued, finished, other = FakeTraining(last_of_second), FakeTraining(), FakeTraining(), FakeTraining()
    with pytest.raises(KeyboardInterrupt):
        killed.run(pairs, tmp_path / "models")
    found = continued.run(pairs, tmp_path / "models")
    assert (killed.trained, continued.trained) == ([0, 1], [1, 2])
    assert sorted(killed.measured + continued.measured) == sorted(found)
    assert finished.run(pairs, tmp_path / "models") == found == FakeTraining().run(pairs, tmp_path / "fresh")
    assert finished.trained == finished.measured == []
    other.run(pairs, tmp_path / "models", "other settings")
    assert len(other.measured) == 12


def test_an_id_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path, 12)
    with pytest.raises(ValueError, match="occurs twice"):
        FakeTraining().run([*pairs, pairs[0]], tmp_path / "models")


def probabilities(seed: int, size: int = 16) -> np.ndarray:
    """Class probabilities float64 `[4, size, size]`."""
    return np.random.default_rng(seed).dirichlet(np.full(4, 0.5), (size, size)).transpose(2, 0, 1)


def test_cleanlab_scores_are_cleanlabs() -> None:
    rank = pytest.importorskip("cleanlab.segmentation.rank")
    masks, given = [blobs(seed, void=False) for seed in range(5)], [probabilities(seed) for seed in range(5)]
    quality, _ = rank.get_label_quality_scores(np.stack(masks).astype(int), np.stack(given), verbose=False)
    assert cleanlab_scores(masks, given) == pytest.approx(1 - quality, abs=1e-9)
    likely = [maps.argmax(0).astype(np.uint8) for maps in given]
    assert cleanlab_scores([*likely, masks[0]], [*given, given[0]]).argmax() == 5


def test_cleanlab_scores_do_not_look_below_void() -> None:
    pytest.importorskip("cleanlab")
    mask, given = blobs(0), probabilities(0)
    changed = np.where(mask == 255, probabilities(9), given)
    assert cleanlab_scores([mask], [given]) == cleanlab_scores([mask], [changed])
    assert cleanlab_scores([np.full((4, 4), 255, np.uint8)], [probabilities(0, 4)]) == 0
    one_pixel = np.full((4, 4), 255, np.uint8)
    one_pixel[1, 2] = 3
    assert cleanlab_scores([one_pixel], [probabilities(0, 4)])[0] == pytest.approx(1 - probabilities(0, 4)[3, 1, 2])


def test_measures_of_a_model(tmp_path: Path) -> None:
    pytest.importorskip("cleanlab")
    (pair,) = write_pairs(tmp_path, 1)
    qc, image, mask = QualityControl(tiny_model()), Image.open(pair.image).convert("RGB"), read_mask(pair.mask, LABELS)
    both = quality_and_cleanlab(qc, image, mask)
    assert both["score"] == pytest.approx(quality_score(qc, image, mask)["score"], abs=1e-6)
    assert both["score"] == pytest.approx(qc.score_pair(image, mask).score, abs=1e-6)
    picture, grid = qc.prepare(image, mask)
    assert both["cleanlab"] == pytest.approx(
        cleanlab_scores([grid], [qc.model.read(picture, grid, qc.levels).posterior])[0], abs=1e-6
    )
    with pytest.raises(BadInput, match="paper"):
        quality_and_cleanlab(QualityControl(tiny_model("paper")), image, mask)


def test_mask_whose_grid_is_void_is_judged_like_any_other(tmp_path: Path) -> None:
    """A single labelled pixel of background, of 375 x 500, lies under no cell: neither score may be NaN, and the
    judgement goes on.
    """
    pytest.importorskip("cleanlab")
    qc, image, mask = (
        QualityControl(tiny_model()),
        Image.new("RGB", (500, 375), (90, 60, 30)),
        np.full((375, 500), 255, np.uint8),
    )
    mask[3, 3] = 0
    assert (qc.prepare(image, mask)[1] == 255).all()
    numbers = quality_and_cleanlab(qc, image, mask)
    assert numbers == {"score": 0.0, "cleanlab": 0.0}
    for name, value in numbers.items():
        (row, *_) = judge_label_errors(
            {"nearly void": value, "wrong": 0.4, "right": 0.1}, [error("wrong", "shift")], resamples=20
        )
        assert (row["auroc"], row["masks"]) == (1.0, 3), name


def error(id_: str, kind: str) -> LabelError:
    return LabelError(id_, kind, 1, 10, 0.5)


def test_judgement_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    errors = [error(f"m{i}", "shift" if i % 3 else "class_swap") for i in range(15)]
    kinds = {e.id: e.corruption for e in errors}
    scores = {f"m{i}": float(rng.normal(i < 15)) for i in range(60)}
    rows = judge_label_errors(scores, errors, resamples=50)
    assert [(row["error"], row["injected"], row["masks"]) for row in rows] == [
        ("all", 15, 60),
        ("class_swap", 5, 50),
        ("shift", 10, 55),
    ]
    for row in rows:
        assert tuple(row) == JUDGEMENT_COLUMNS
        ids = [id_ for id_ in scores if id_ not in kinds or row["error"] in ("all", kinds[id_])]
        positive, values = [id_ in kinds for id_ in ids], [scores[id_] for id_ in ids]
        assert row["auroc"] == pytest.approx(roc_auc_score(positive, values))
        assert row["average_precision"] == pytest.approx(average_precision_score(positive, values))
        assert row["precision"] == pytest.approx(np.array(positive)[np.argsort(values)[::-1][: sum(positive)]].mean())
        for name in ("auroc", "average_precision", "precision"):
            assert 0 <= row[f"{name}_low"] <= row[f"{name}_high"] <= 1


def test_precision_is_that_of_as_many_masks_as_errors() -> None:
    scores: dict[str, Any] = {"a": 5, "b": 4, "c": 3, "d": 2, "e": 1}
    (row, *_) = judge_label_errors(
        scores, [error("a", "shift"), error("c", "shift"), error("b", "shift")], resamples=20
    )
    assert row["precision"] == 1.0
    (row, *_) = judge_label_errors(scores, [error("a", "shift"), error("e", "shift")], resamples=20)
    assert row["precision"] == 0.5


def test_incomplete_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="b"):
        judge_label_errors({"a": 1.0}, [error("a", "shift"), error("b", "shift")])
    with pytest.raises(ValueError, match="list is empty"):
        judge_label_errors({"a": 1.0}, [])
    with pytest.raises(ValueError, match="finite"):
        judge_label_errors({"a": 1.0, "b": float("nan")}, [error("a", "shift")])
