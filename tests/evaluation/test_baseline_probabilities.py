"""Scores of softmax maps: by hand, against loops; the files they come from; empty masks."""

import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy
from tiny import LABELS

from evaluation.baselines import probabilities
from evaluation.baselines.base import Example
from evaluation.baselines.probabilities import (
    foreground_entropy,
    interior_entropy,
    mean_entropy,
    one_minus_max,
    probability_baselines,
    read_probabilities,
    soft_dice_distrust,
)
from segqc.base.errors import BadInput
from segqc.data.labels import VOID
from segqc.data.masks import write_mask

K = LABELS.num_classes
FUNCTIONS = (mean_entropy, foreground_entropy, interior_entropy, one_minus_max, soft_dice_distrust)


def softmax_maps(seed: int, h: int = 9, w: int = 12, k: int = K) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(k, 0.4), (h, w)).transpose(2, 0, 1).astype(np.float32)


def certain(mask: np.ndarray, p: float = 1.0) -> np.ndarray:
    """Maps that give the mask's label p and share the rest among the others."""
    return np.stack([np.where(mask == label, p, (1 - p) / (K - 1)) for label in range(K)]).astype(np.float32)


def example(folder: Path, name: str, probs: np.ndarray, mask: np.ndarray | None = None, **extra: np.ndarray) -> Example:
    np.savez_compressed(folder / f"{name}.npz", probs=probs.astype(np.float16), **extra)
    write_mask(folder / f"{name}.png", np.argmax(probs, 0).astype(np.uint8) if mask is None else mask, LABELS)
    return Example(name, folder / f"{name}.jpg", folder / f"{name}.png", LABELS, probabilities=folder / f"{name}.npz")


def two_halves() -> tuple[np.ndarray, np.ndarray]:
    """8 x 12 cells, class 1 on the left half: certain everywhere but in the two columns at the boundary, which are coin
    tosses.
    """
    mask = np.zeros((8, 12), np.uint8)
    mask[:, :6] = 1
    probs = certain(mask)
    probs[:2, :, 5:7] = 0.5
    return probs, mask


def test_entropies_and_maximum_against_loops() -> None:
    probs = softmax_maps(0).astype(np.float64)
    mask = np.argmax(softmax_maps(1), 0).astype(np.uint8)
    entropy = np.array([[scipy_entropy(probs[:, i, j]) for j in range(12)] for i in range(9)])
    assert mean_entropy(probs, mask, 0) == pytest.approx(entropy.mean(), rel=1e-6)
    assert foreground_entropy(probs, mask, 0) == pytest.approx(entropy[mask != 0].mean(), rel=1e-6)
    assert one_minus_max(probs, mask, 0) == pytest.approx(1 - probs.max(0).mean(), rel=1e-6)


def test_soft_dice_confidence_against_its_formula() -> None:
    probs, mask = softmax_maps(2), np.argmax(softmax_maps(3), 0).astype(np.uint8)
    confidences = []
    for label in (1, 2, 3):
        p, y = probs[label].ravel().astype(float), (mask == label).ravel()
        confidences.append(2 * sum(a * b for a, b in zip(p, y, strict=True)) / (sum(p) + sum(y)))
    assert soft_dice_distrust(probs, mask, 0) == pytest.approx(1 - np.mean(confidences), rel=1e-6)


def test_soft_dice_confidence_by_hand() -> None:
    mask = np.array([[1, 1, 0, 0]], np.uint8)
    probs = np.zeros((K, 1, 4), np.float32)
    probs[1, 0] = [0.9, 0.6, 0.3, 0.2]
    probs[0, 0] = 1 - probs[1, 0]
    # 2 (0.9 + 0.6) / (2.0 + 2)
    assert soft_dice_distrust(probs, mask, 0) == pytest.approx(1 - 0.75)
    # Without background class 0 is foreground too: 2 (0.7 + 0.8) / (2.0 + 2).
    assert soft_dice_distrust(probs, mask, None) == pytest.approx(1 - 0.75)
    assert soft_dice_distrust(certain(mask), mask, 0) == 0


def test_soft_dice_confidence_is_the_expected_dice_nearly() -> None:
    # What the paper proves: the truth drawn pixel by pixel from the maps, mean of its Dice with the mask.
    rng = np.random.default_rng(0)
    mask = np.zeros((20, 20), np.uint8)
    mask[5:15, 5:15] = 1
    p = np.where(mask == 1, 0.8, 0.05)
    probs = np.zeros((K, 20, 20), np.float32)
    probs[1], probs[0] = p, 1 - p
    truths = rng.random((2000, 20, 20)) < p
    dice = 2 * (truths & (mask == 1)).sum((1, 2)) / (truths.sum((1, 2)) + 100)
    assert soft_dice_distrust(probs, mask, 0) == pytest.approx(1 - dice.mean(), abs=0.005)


def test_masks_without_foreground() -> None:
    probs = softmax_maps(4)
    for mask in (np.zeros((9, 12), np.uint8), np.full((9, 12), VOID, np.uint8)):
        assert foreground_entropy(probs, mask, 0) == mean_entropy(probs, mask, 0)
        assert soft_dice_distrust(probs, mask, 0) == 1
        assert interior_entropy(probs, mask, 0) == mean_entropy(probs, mask, 0)


def test_void_is_nobodys_foreground() -> None:
    probs, mask = two_halves()
    mask[:, 5:7] = VOID  # the uncertain columns abstain
    assert foreground_entropy(probs, mask, 0) == pytest.approx(0, abs=1e-9)
    # 8 x 5 cells of class 1 against 8 x 5 + 16/2 of probability.
    assert soft_dice_distrust(probs, mask, 0) == pytest.approx(1 - 80 / (40 + 48))


def test_interior_entropy_leaves_the_boundary_out() -> None:
    probs, mask = two_halves()
    assert mean_entropy(probs, mask, 0) == pytest.approx(2 / 12 * math.log(2), rel=1e-6)
    assert interior_entropy(probs, mask, 0) == pytest.approx(0, abs=1e-9)
    # Cells at distances 1 and 2 of the other label are out (columns 4 to 7), those at 3 are in.
    probs[:2, :, 3] = 0.5
    assert interior_entropy(probs, mask, 0) == pytest.approx(8 / (8 * 8) * math.log(2), rel=1e-6)


def test_interior_entropy_against_a_loop() -> None:
    rng = np.random.default_rng(5)
    mask = np.kron(rng.integers(0, K, (3, 3)), np.ones((8, 8), int)).astype(np.uint8)
    probs = softmax_maps(6, 24, 24)
    cells = [(i, j) for i in range(24) for j in range(24)]
    kept = [
        (i, j) for i, j in cells if min(math.dist((i, j), (y, x)) for y, x in cells if mask[y, x] != mask[i, j]) > 2
    ]
    assert 0 < len(kept) < len(cells)
    expected = np.mean([scipy_entropy(probs[:, i, j].astype(float)) for i, j in kept])
    assert interior_entropy(probs, mask, 0) == pytest.approx(expected, rel=1e-6)


def test_interior_entropy_of_a_mask_that_is_all_boundary() -> None:
    mask = (np.indices((6, 6)).sum(0) % 2).astype(np.uint8)
    probs = softmax_maps(7, 6, 6)
    assert interior_entropy(probs, mask, 0) == pytest.approx(mean_entropy(probs, mask, 0))
    stripes = np.repeat([[0, 0, 1, 1, 1, 0, 0]], 5, 0).astype(np.uint8)  # farthest: 2 cells, columns 0, 3 and 6
    probs = softmax_maps(8, 5, 7)
    expected = np.mean([scipy_entropy(probs[:, i, j].astype(float)) for i in range(5) for j in (0, 3, 6)])
    assert interior_entropy(probs, stripes, 0) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_less_certain_the_worse(function) -> None:
    mask = np.zeros((9, 12), np.uint8)
    mask[:, 6:] = 2
    scores = [function(certain(mask, p), mask, 0) for p in (1.0, 0.9, 0.6, 0.3)]
    assert scores == sorted(scores)
    assert scores[0] == pytest.approx(0, abs=1e-9)
    assert len(set(scores)) == 4


def test_the_mask_is_brought_to_the_maps(tmp_path: Path) -> None:
    # The mask at the picture's size, the maps at a quarter of it with padding below and on the right, all of it
    # garbage.
    coarse = np.zeros((6, 5), np.uint8)
    coarse[1:4, 2:5] = 2
    probs = softmax_maps(9, 8, 8)
    probs[:, :6, :5] = certain(coarse, 0.7)
    mask = np.kron(coarse, np.ones((4, 4), int)).astype(np.uint8)
    item = example(tmp_path, "p", probs, mask, valid=np.array([6, 5]))
    kept = read_probabilities(item.probabilities, K)
    assert kept.shape == (K, 6, 5)
    expected = [function(kept, coarse, 0) for function in FUNCTIONS]
    assert [baseline.score([item])[0] for baseline in probability_baselines()] == expected
    assert expected[0] == pytest.approx(scipy_entropy([0.7, 0.1, 0.1, 0.1]), rel=1e-3)


def test_rounding_to_half_precision_is_undone(tmp_path: Path) -> None:
    item = example(tmp_path, "p", softmax_maps(10))
    probs = read_probabilities(item.probabilities, K)
    np.testing.assert_allclose(probs.sum(0), 1, atol=1e-6)
    np.testing.assert_allclose(probs, softmax_maps(10), atol=2e-3)
    assert probs.dtype == np.float32


def bad_files(folder: Path) -> dict[str, Path]:
    good = softmax_maps(0)
    nan = good.copy()
    nan[0, 0, 0] = np.nan
    contents = {
        "logits": {"probs": good * 9 - 3},
        "negative": {"probs": good + np.array([0.5, -0.5, 0, 0], np.float32)[:, None, None]},
        "nan": {"probs": nan},
        "infinite": {"probs": np.where(np.isnan(nan), np.inf, nan)},
        "flat": {"probs": good[0]},
        "classes": {"probs": softmax_maps(0, k=5)},
        "empty_maps": {"probs": good[:, :0]},
        "integers": {"probs": (good > 0.5).astype(np.uint8)},
        "other_key": {"softmax": good},
        "valid_outside": {"probs": good, "valid": np.array([10, 3])},
        "valid_zero": {"probs": good, "valid": np.array([0, 3])},
        "valid_float": {"probs": good, "valid": np.array([3.0, 3.0])},
        "pickled": {"probs": np.array([{"a": 1}], object)},
    }
    paths = {
        name: folder / f"{name}.npz" for name in (*contents, "text", "nothing", "cut", "folder", "gone", "not_npy")
    }
    for name, arrays in contents.items():
        np.savez(paths[name], **arrays)
    np.savez(paths["cut"], probs=good)
    paths["cut"].write_bytes(paths["cut"].read_bytes()[:300])
    paths["text"].write_text("no archive")
    paths["nothing"].touch()
    paths["folder"].mkdir()
    with zipfile.ZipFile(paths["not_npy"], "w") as archive:
        archive.writestr("probs.npy", b"no array")
    return paths


def test_bad_files_are_refused_by_name(tmp_path: Path) -> None:
    for path in bad_files(tmp_path).values():
        with pytest.raises(BadInput) as caught:
            read_probabilities(path, K)
        assert caught.value.path == path


def test_files_that_would_fill_the_memory_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = example(tmp_path, "p", softmax_maps(0))
    monkeypatch.setattr(probabilities, "_MAX_VALUES", 50)
    monkeypatch.setattr(np, "load", lambda *args, **kwargs: pytest.fail("the file is read"))
    with pytest.raises(BadInput, match="bytes"):
        read_probabilities(item.probabilities, K)


def test_what_is_missing_or_broken_is_nan_and_named_and_stops_nothing(tmp_path: Path) -> None:
    good = example(tmp_path, "good", softmax_maps(1))
    without = Example("without", good.image, good.mask_file, LABELS)
    no_mask = Example("no_mask", good.image, tmp_path / "no_such_mask.png", LABELS, probabilities=good.probabilities)
    bad = [
        Example(name, good.image, good.mask_file, LABELS, probabilities=path)
        for name, path in bad_files(tmp_path).items()
    ]
    for baseline in probability_baselines():
        with pytest.warns(UserWarning, match="left out") as caught:
            scores = baseline.score([*bad, without, good, no_mask])
        assert np.isnan(scores).tolist() == [True] * (len(bad) + 1) + [False, True]
        assert len(caught) == len(bad) + 1
        for item in bad:
            assert any(str(item.probabilities) in str(warning.message) for warning in caught)
        assert scores[-2] == baseline.score([good])[0]


def test_scores_do_not_depend_on_order(tmp_path: Path) -> None:
    examples = [example(tmp_path, f"p{i}", softmax_maps(i)) for i in range(5)]
    order = [4, 1, 0, 3, 2]
    for baseline in probability_baselines():
        scores = baseline.score(examples)
        assert len(set(scores.tolist())) == 5
        np.testing.assert_array_equal(baseline.score([examples[i] for i in order]), scores[order])
        assert baseline.group == "probabilities"
    assert len({baseline.name for baseline in probability_baselines()}) == 5
