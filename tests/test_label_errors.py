"""The ground-truth audit: errors where the list says, no mask scored by a model that saw it, figures of scikit-learn."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from evaluation.label_errors import LabelError, cleanlab_scores, cross_fitted_scores, inject_label_errors, judge_label_errors
from segqc.demo.scenes import DEMO_LABELS
from segqc.masks import read_mask
from segqc.pairs import Pair, voc_pairs


@pytest.fixture(scope="module")
def pairs(tiny_voc: Path) -> list[Pair]:
    return voc_pairs(tiny_voc, "train")[0]


def test_a_fifth_of_the_copied_masks_is_wrong_and_the_originals_are_untouched(pairs: list[Pair], tmp_path: Path) -> None:
    before = [pair.mask.read_bytes() for pair in pairs]
    errors = inject_label_errors(pairs, DEMO_LABELS, tmp_path / "copy")
    assert len(errors) == round(0.2 * len(pairs))
    assert [pair.mask.read_bytes() for pair in pairs] == before
    copied = {pair.id: pair for pair in voc_pairs(tmp_path / "copy", "train")[0]}
    assert len(copied) == len(pairs)
    wrong = {error.id: error for error in errors}
    for pair in pairs:
        original, copy = (read_mask(path, DEMO_LABELS) for path in (pair.mask, copied[pair.id].mask))
        changed = int((original != copy).sum())
        assert changed == (wrong[pair.id].changed_pixels if pair.id in wrong else 0)
        assert pair.id not in wrong or wrong[pair.id].dice <= 0.95
    assert inject_label_errors(pairs, DEMO_LABELS, tmp_path / "copy") == errors  # found, not made again
    assert inject_label_errors(pairs[::-1], DEMO_LABELS, tmp_path / "other") == errors
    assert inject_label_errors(pairs, DEMO_LABELS, tmp_path / "seed", seed=1) != errors


def test_no_mask_is_scored_by_a_model_that_saw_it_and_nothing_is_done_twice(pairs: list[Pair], tmp_path: Path) -> None:
    trained: list[set[str]] = []
    names = {read_image_bytes(pair): pair.id for pair in pairs}

    def train(chosen: list[Pair], folder: Path) -> set[str]:
        trained.append({pair.id for pair in chosen})
        return trained[-1]

    def measure(model: set[str], image: Image.Image, mask: np.ndarray) -> dict[str, float]:
        id_ = names[np.asarray(image).tobytes()]
        assert id_ not in model
        assert len(model) >= len(pairs) // 2
        return {"score": float(mask.sum())}

    scores = cross_fitted_scores(train, pairs, DEMO_LABELS, tmp_path, scorer_id="s", measure=measure)
    assert list(scores) == [pair.id for pair in pairs]
    assert len(trained) == 3
    assert cross_fitted_scores(train, pairs, DEMO_LABELS, tmp_path, scorer_id="s", measure=measure) == scores
    assert len(trained) == 3
    cross_fitted_scores(train, pairs, DEMO_LABELS, tmp_path, scorer_id="another", measure=measure)
    assert len(trained) == 6


def read_image_bytes(pair: Pair) -> bytes:
    return np.asarray(Image.open(pair.image).convert("RGB")).tobytes()


def test_cleanlab_is_cleanlabs_own_figure_and_void_is_left_out() -> None:
    rank = pytest.importorskip("cleanlab.segmentation.rank", reason="cleanlab is not installed")
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4), (3, 9, 11)).transpose(0, 3, 1, 2)
    masks = probabilities.argmax(1).astype(np.uint8)
    masks[2] = rng.integers(0, 4, (9, 11))
    expected = 1 - rank.get_label_quality_scores(masks.astype(int), probabilities, verbose=False)[0]
    found = cleanlab_scores(list(masks), list(probabilities))
    np.testing.assert_allclose(found, expected)
    assert found.argmax() == 2
    worse = masks.copy()
    worse[0, :4] = 255
    assert np.isfinite(cleanlab_scores(list(worse), list(probabilities))).all()
    assert np.isnan(cleanlab_scores([np.full((9, 11), 255, np.uint8)], [probabilities[0]])).all()


def test_judgement_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    scores = {f"p{i}": float(value) for i, value in enumerate(rng.uniform(0, 1, 60))}
    errors = [LabelError(f"p{i}", "shift" if i % 2 else "class_swap", 1, 9, 0.4) for i in range(0, 60, 4)] + [LabelError("p1", "shift", 2, 9, 0.5)]
    wrong = np.array([id_ in {error.id for error in errors} for id_ in scores])
    values = np.array(list(scores.values()))
    every, *kinds = judge_label_errors(scores, errors, resamples=20)
    assert (every["error"], every["injected"], every["masks"]) == ("all", 16, 60)
    assert every["auroc"] == pytest.approx(roc_auc_score(wrong, values))
    assert every["average_precision"] == pytest.approx(average_precision_score(wrong, values))
    assert every["precision"] == pytest.approx(wrong[np.argsort(-values)[:16]].mean())
    assert [(row["error"], row["injected"], row["masks"]) for row in kinds] == [("class_swap", 15, 59), ("shift", 1, 45)]
    with pytest.raises(ValueError, match="p1"):
        judge_label_errors({k: v for k, v in scores.items() if k != "p1"}, errors)
