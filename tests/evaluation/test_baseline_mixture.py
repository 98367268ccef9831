"""Mixture of mask features: the density it claims, what it finds, what is kept on disk, unreadable masks."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from tiny import LABELS

from evaluation.baselines.base import Example
from evaluation.baselines.mixture import FeatureMixture
from evaluation.metrics.mask_features import class_log_prior, mask_features
from segqc.base.errors import BadInput
from segqc.data.masks import write_mask


def example(folder: Path, name: str, mask: np.ndarray) -> Example:
    write_mask(folder / f"{name}.png", mask, LABELS)
    return Example(name, folder / f"{name}.jpg", folder / f"{name}.png", LABELS)


def usual(seed: int) -> np.ndarray:
    """One object of 12 to 20 pixels a side, somewhere, sometimes with another at its side."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((48, 48), np.uint8)
    for label in range(1, 2 + rng.integers(2)):
        (top, left), (height, width) = rng.integers(0, 28, 2), rng.integers(12, 21, 2)
        mask[top : top + height, left : left + width] = rng.integers(1, 3) if label == 1 else 2
    return mask


@pytest.fixture
def training(tmp_path: Path) -> list[Example]:
    return [example(tmp_path, f"t{number:02d}", usual(number)) for number in range(30)]


def test_is_a_negative_log_likelihood_of_the_mask_features(training: list[Example], tmp_path: Path) -> None:
    baseline = FeatureMixture()
    baseline.fit(training, tmp_path / "fit")
    audited = [example(tmp_path, f"a{number}", usual(100 + number)) for number in range(5)]
    prior = class_log_prior([pair.mask() for pair in training], LABELS.num_classes)
    rows = np.array([mask_features(pair.mask(), LABELS.num_classes, log_prior=prior) for pair in audited])
    head = baseline.density_
    standard = (rows[:, head.used] - head.mean) / head.scale
    covariances = [np.linalg.inv(factor @ factor.T) for factor in head.precisions_cholesky]
    parts = zip(head.weights, head.means, covariances, strict=True)
    likelihood = sum(
        weight * multivariate_normal(mean, covariance, allow_singular=True).pdf(standard)
        for weight, mean, covariance in parts
    )
    np.testing.assert_allclose(baseline.score(audited), -np.log(likelihood), rtol=1e-6)


def test_unusual_masks_score_higher_than_usual_ones(training: list[Example], tmp_path: Path) -> None:
    baseline = FeatureMixture()
    baseline.fit(training, tmp_path / "fit")
    rng = np.random.default_rng(0)
    noise = rng.choice(np.array([0, 1, 2, 3], np.uint8), (48, 48))
    scattered = np.zeros((48, 48), np.uint8)
    scattered[::6, ::6] = 3
    unusual = [noise, scattered, np.full((48, 48), 3, np.uint8), np.zeros((48, 48), np.uint8)]
    worst = baseline.score([example(tmp_path, f"u{number}", mask) for number, mask in enumerate(unusual)])
    fine = baseline.score([example(tmp_path, f"a{number}", usual(100 + number)) for number in range(20)])
    assert worst.min() > np.median(fine)
    assert np.isfinite(worst).all()


def test_scores_do_not_depend_on_order_or_companions(training: list[Example], tmp_path: Path) -> None:
    baseline, reversed_ = FeatureMixture(), FeatureMixture()
    baseline.fit(training, tmp_path / "fit")
    reversed_.fit(training[::-1], tmp_path / "reversed")
    audited = [example(tmp_path, f"a{number}", usual(100 + number)) for number in range(6)]
    scores = baseline.score(audited)
    assert len(set(scores.tolist())) > 3
    np.testing.assert_array_equal(reversed_.score(audited), scores)
    np.testing.assert_allclose(np.concatenate([baseline.score([one]) for one in audited]), scores, rtol=1e-12)


def test_a_finished_fit_is_loaded_and_another_is_not(
    training: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audited = [example(tmp_path, f"a{number}", usual(100 + number)) for number in range(4)]
    first = FeatureMixture()
    first.fit(training, tmp_path / "fit")
    with monkeypatch.context() as patch:
        patch.setattr(FeatureMixture, "_features", lambda *_: pytest.fail("the masks are read again"))
        again = FeatureMixture()
        again.fit(training[::-1], tmp_path / "fit")
    np.testing.assert_array_equal(again.score(audited), first.score(audited))
    fewer = FeatureMixture()
    fewer.fit(training[:20], tmp_path / "fit")
    assert np.any(fewer.score(audited) != first.score(audited))


def test_a_fit_cut_off_before_its_end_is_repeated(training: list[Example], tmp_path: Path) -> None:
    whole = FeatureMixture()
    whole.fit(training, tmp_path / "fit")
    scores = whole.score(training[:3])
    (tmp_path / "fit" / "mixture.json").unlink()
    (tmp_path / "fit" / "mixture.safetensors").write_bytes(b"")
    again = FeatureMixture()
    again.fit(training, tmp_path / "fit")
    np.testing.assert_array_equal(again.score(training[:3]), scores)


def test_what_cannot_be_read_is_left_out_and_named(training: list[Example], tmp_path: Path) -> None:
    gone = Example("gone", tmp_path / "gone.jpg", tmp_path / "gone.png", LABELS)
    baseline = FeatureMixture()
    with pytest.warns(UserWarning, match=r"gone\.png"):
        baseline.fit([*training, gone], tmp_path / "fit")
    with pytest.warns(UserWarning, match=r"gone\.png"):
        scores = baseline.score([training[0], gone, training[1]])
    assert np.isnan(scores).tolist() == [False, True, False]
    with pytest.warns(UserWarning, match=r"gone\.png"):
        assert np.isnan(baseline.score([gone])).all()
    assert baseline.score([]).shape == (0,)


def test_masks_all_alike_are_refused(tmp_path: Path) -> None:
    same = [example(tmp_path, f"s{number}", usual(0)) for number in range(8)]
    with pytest.raises(BadInput, match="no density"):
        FeatureMixture().fit(same, tmp_path / "fit")
    with pytest.raises(BadInput, match="no density"):
        FeatureMixture().fit(same[:1], tmp_path / "one")
    assert not (tmp_path / "fit" / "mixture.json").exists()
