"""Mask heuristics: the features they claim, their signs, the class prior kept on disk, unreadable masks."""

from pathlib import Path

import numpy as np
import pytest
from tiny import LABELS, blobs

from evaluation.baselines import heuristics
from evaluation.baselines.base import Example
from evaluation.baselines.heuristics import (
    NAMES,
    SIGNS,
    MaskHeuristic,
    RareClasses,
    mask_heuristics,
    training_fingerprint,
    training_log_prior,
)
from evaluation.metrics.mask_features import MASK_FEATURES, class_log_prior, mask_features
from segqc.base.errors import BadInput
from segqc.data.labels import LabelSpace
from segqc.data.masks import write_mask

NO_BACKGROUND = LabelSpace(LABELS.names, background=None)


def example(folder: Path, name: str, mask: np.ndarray, labels: LabelSpace = LABELS) -> Example:
    write_mask(folder / f"{name}.png", mask, labels)
    return Example(name, folder / f"{name}.jpg", folder / f"{name}.png", labels)


def rectangle(height: int, width: int, top: int = 20, left: int = 20, label: int = 1) -> np.ndarray:
    mask = np.zeros((64, 64), np.uint8)
    mask[top : top + height, left : left + width] = label
    return mask


def training(folder: Path) -> list[Example]:
    """Five masks: class 1 in all of them, 2 in two, 3 in one."""
    masks = [rectangle(8, 8) for _ in range(5)]
    masks[0][:4, :4] = masks[1][:4, :4] = 2
    masks[2][:4, :4] = 3
    return [example(folder, f"t{number}", mask) for number, mask in enumerate(masks)]


@pytest.mark.parametrize("labels", [LABELS, NO_BACKGROUND])
def test_each_is_its_feature_with_its_sign(labels: LabelSpace, tmp_path: Path) -> None:
    pairs = training(tmp_path)
    prior = class_log_prior([pair.mask() for pair in pairs], labels.num_classes)
    masks = [blobs(seed, 30, 40) for seed in range(5)]
    audited = [example(tmp_path, f"a{number}", mask, labels) for number, mask in enumerate(masks)]
    table = np.array([mask_features(mask, labels.num_classes, labels.background, log_prior=prior) for mask in masks])
    every = mask_heuristics()
    assert [baseline.name for baseline in every] == [NAMES[feature] for feature in MASK_FEATURES]
    for column, baseline in enumerate(every):
        baseline.fit(pairs, tmp_path / "fit")
        scores = baseline.score(audited)
        assert scores.dtype == np.float64
        np.testing.assert_allclose(
            scores, SIGNS[MASK_FEATURES[column]] * table[:, column], rtol=0, atol=1e-12, err_msg=baseline.name
        )


def test_signs_are_those_that_were_fixed_beforehand(tmp_path: Path) -> None:
    signs = {
        "area": -1, "boundary length": 1, "classes": 1, "components": 1, "compactness": -1, "border contact": 1,
        "log class frequency": -1,
    }  # fmt: skip
    assert signs == SIGNS
    audited = [example(tmp_path, f"a{number}", blobs(number, 30, 40, classes=2 + number % 3)) for number in range(8)]
    table = np.array([mask_features(pair.mask(), LABELS.num_classes) for pair in audited])
    for feature, sign in list(signs.items())[:-1]:
        expected = sign * table[:, MASK_FEATURES.index(feature)]
        assert np.ptp(expected) > 0, feature
        np.testing.assert_allclose(MaskHeuristic(feature).score(audited), expected, rtol=0, atol=1e-12, err_msg=feature)


CROWDED = rectangle(8, 8)
CROWDED[4:8, 4:8] = 2
SCATTERED = rectangle(8, 8)
SCATTERED[4:8, 4:8] = 1
RAGGED = rectangle(8, 8)
RAGGED[20:28:2, 20:27] = 0


@pytest.mark.parametrize(
    ("feature", "worse", "better"),
    [
        ("area", rectangle(4, 4), rectangle(8, 8)),
        ("boundary length", rectangle(2, 32), rectangle(8, 8)),
        ("classes", CROWDED, rectangle(8, 8)),
        ("components", SCATTERED, rectangle(8, 8)),
        ("compactness", RAGGED, rectangle(8, 8)),
        ("border contact", rectangle(8, 8, left=0), rectangle(8, 8)),
        ("log class frequency", rectangle(8, 8, label=3), rectangle(8, 8)),
    ],
)
def test_the_suspect_mask_scores_higher(feature: str, worse: np.ndarray, better: np.ndarray, tmp_path: Path) -> None:
    baseline = mask_heuristics()[MASK_FEATURES.index(feature)]
    baseline.fit(training(tmp_path), tmp_path / "fit")
    scores = baseline.score([example(tmp_path, "worse", worse), example(tmp_path, "better", better)])
    assert scores[0] > scores[1]


def test_only_the_class_frequency_learns() -> None:
    assert [baseline.learns for baseline in mask_heuristics()] == [False] * 6 + [True]


def test_rare_classes_by_hand(tmp_path: Path) -> None:
    baseline = RareClasses()
    baseline.fit(training(tmp_path), tmp_path / "fit")
    common, two, rare, unseen, empty = baseline.score(
        [
            example(tmp_path, "common", rectangle(8, 8)),
            example(tmp_path, "two", CROWDED),
            example(tmp_path, "rare", rectangle(1, 1, label=3)),
            example(tmp_path, "unseen", np.full((8, 8), 255, np.uint8)),
            example(tmp_path, "empty", rectangle(0, 0)),
        ]
    )
    # Occurrences 5, 2 and 1 of 5 masks, with one occurrence and one absence added.
    assert common == pytest.approx(-np.log(6 / 7))
    assert two == pytest.approx(-(np.log(6 / 7) + np.log(3 / 7)) / 2)
    assert rare == pytest.approx(-np.log(2 / 7))
    assert unseen == 0  # nothing known, nothing suspected
    assert empty == pytest.approx(-np.log(1 / 7))  # none of the training masks is without foreground


def test_prior_is_kept_and_counted_again_for_other_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = training(tmp_path)
    first = training_log_prior(pairs, tmp_path / "fit")
    with monkeypatch.context() as patch:
        patch.setattr(heuristics, "class_log_prior", lambda *_: pytest.fail("the masks are read again"))
        np.testing.assert_array_equal(training_log_prior(pairs[::-1], tmp_path / "fit"), first)
    assert np.any(training_log_prior(pairs[:3], tmp_path / "fit") != first)


def test_fingerprint_knows_the_files_and_not_their_order(tmp_path: Path) -> None:
    pairs = training(tmp_path)
    name = training_fingerprint(pairs)
    assert training_fingerprint(pairs[::-1]) == name
    assert training_fingerprint(pairs[1:]) != name


def test_what_cannot_be_read_is_nan_and_named(tmp_path: Path) -> None:
    pairs = training(tmp_path)
    gone = Example("gone", tmp_path / "gone.jpg", tmp_path / "gone.png", LABELS)
    baseline = RareClasses()
    with pytest.warns(UserWarning, match=r"gone\.png"):
        baseline.fit([gone, *pairs], tmp_path / "fit")
    np.testing.assert_array_equal(baseline.log_prior_, training_log_prior(pairs, tmp_path / "other"))
    with pytest.warns(UserWarning, match=r"gone\.png"):
        scores = baseline.score([gone, pairs[3]])
    assert np.isnan(scores).tolist() == [True, False]
    with pytest.warns(UserWarning, match=r"gone\.png"), pytest.raises(BadInput, match="no training mask"):
        RareClasses().fit([gone], tmp_path / "none")
    assert MaskHeuristic("area").score([]).shape == (0,)


def test_an_unknown_feature_is_refused() -> None:
    with pytest.raises(ValueError, match="one of area, boundary length"):
        MaskHeuristic("colour")
