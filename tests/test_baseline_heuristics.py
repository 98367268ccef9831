"""Mask heuristics and the mixture of them: signs, what is kept, what is refused."""

from pathlib import Path

import numpy as np
import pytest

from evaluation.baselines.base import Example
from evaluation.baselines.heuristics import MaskHeuristic, RareClasses, mask_heuristics
from evaluation.baselines.mixture import FeatureMixture
from evaluation.mask_features import MASK_FEATURES, class_log_prior, mask_features
from segqc.files import BadInput
from segqc.masks import write_mask
from tests.tiny import LABELS, blobs


def examples(folder: Path, masks: list[np.ndarray], name: str = "p") -> list[Example]:
    made = []
    for number, mask in enumerate(masks):
        path = folder / f"{name}{number}.png"
        write_mask(path, mask, LABELS)
        made.append(Example(f"{name}{number}", path, path, LABELS))
    return made


def test_each_is_its_feature_with_its_sign(tmp_path: Path) -> None:
    audited = examples(tmp_path, [blobs(seed, 30, 40) for seed in range(8)])
    table = np.stack([mask_features(example.mask(), LABELS.num_classes) for example in audited])
    signs = {"area": -1, "boundary length": 1, "classes": 1, "components": 1, "compactness": -1, "border contact": 1}
    for feature, sign in signs.items():
        np.testing.assert_allclose(MaskHeuristic(feature).score(audited), sign * table[:, MASK_FEATURES.index(feature)])
    assert [baseline.learns for baseline in mask_heuristics()] == [False] * 6 + [True]
    assert len({baseline.name for baseline in mask_heuristics()}) == 7


def test_rare_classes_are_those_of_the_training_masks(tmp_path: Path) -> None:
    cat, cow = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)
    cat[:4], cow[:4] = 1, 3
    training = examples(tmp_path, [cat] * 9 + [cow], "t")
    rare = RareClasses()
    rare.fit(training, tmp_path / "fit")
    np.testing.assert_allclose(rare.log_prior_, class_log_prior([cat] * 9 + [cow], 4))
    common, odd = rare.score(examples(tmp_path, [cat, cow]))
    assert odd > common
    written = (tmp_path / "fit" / "class_prior.json").stat().st_mtime_ns
    RareClasses().fit(training[::-1], tmp_path / "fit")  # the same files in another order
    assert (tmp_path / "fit" / "class_prior.json").stat().st_mtime_ns == written
    rare.fit(training[1:], tmp_path / "fit")
    assert rare.log_prior_[3] == pytest.approx(np.log(2 / 11))


def test_mixture_knows_the_odd_mask_and_keeps_its_fit(tmp_path: Path) -> None:
    training = examples(tmp_path, [blobs(seed, 30, 40) for seed in range(60)], "t")
    confetti = np.random.default_rng(0).integers(0, 4, (30, 40)).astype(np.uint8)
    audited = examples(tmp_path, [blobs(99, 30, 40), confetti])
    mixture = FeatureMixture()
    mixture.fit(training, tmp_path / "fit")
    usual, odd = mixture.score(audited)
    assert odd > usual
    written = (tmp_path / "fit" / "mixture.safetensors").stat().st_mtime_ns
    again = FeatureMixture()
    again.fit(training[::-1], tmp_path / "fit")
    assert (tmp_path / "fit" / "mixture.safetensors").stat().st_mtime_ns == written
    np.testing.assert_array_equal(again.score(audited), [usual, odd])
    again.fit(training[:40], tmp_path / "fit")
    assert not np.array_equal(again.score(audited), [usual, odd])


def test_unreadable_masks_are_missing_scores_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    broken = Example("broken", tmp_path / "broken.png", tmp_path / "broken.png", LABELS)
    audited = [*examples(tmp_path, [blobs(1)]), broken]
    with pytest.warns(UserWarning, match="broken"):
        scores = MaskHeuristic("area").score(audited)
    assert np.isnan(scores).tolist() == [False, True]
    with pytest.warns(UserWarning, match="broken"), pytest.raises(BadInput, match="no training mask"):
        FeatureMixture().fit([broken], tmp_path / "fit")


def test_unknown_features_are_refused() -> None:
    with pytest.raises(ValueError, match="compactness"):
        MaskHeuristic("beauty")
