"""The supervised line: out of fold, whatever the order of rows, missing features filled."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestRegressor

from evaluation.baselines import supervised
from evaluation.baselines.supervised import fold_of, supervised_upper_line

N = 60
IDS = [f"2007_{i:06d}" for i in range(N)]


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "TREES", 25)


def data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(N, 4))
    return features, 1 / (1 + np.exp(-2 * features[:, 1] + features[:, 2]))


def test_learns_what_the_features_say_and_higher_is_worse() -> None:
    features, dice = data()
    scores = supervised_upper_line(IDS, features, dice)
    assert scores.dtype == np.float64
    assert scores.shape == (N,)
    assert 0 <= scores.min() < scores.max() <= 1
    assert spearmanr(scores, dice)[0] < -0.7


def test_an_item_never_sees_its_own_label() -> None:
    features, dice = data()
    before = supervised_upper_line(IDS, features, dice)
    changed = dice.copy()
    changed[7] = 1 - changed[7]
    after = supervised_upper_line(IDS, features, changed)
    same_fold = fold_of(IDS, 5) == fold_of(IDS, 5)[7]
    np.testing.assert_array_equal(after[same_fold], before[same_fold])
    assert np.any(after[~same_fold] != before[~same_fold])


def test_nothing_to_learn_from_noise() -> None:
    rng = np.random.default_rng(3)
    scores = supervised_upper_line(IDS, rng.normal(size=(N, 6)), rng.random(N))
    assert abs(spearmanr(scores, rng.random(N))[0]) < 0.4


def test_row_order_changes_nothing() -> None:
    features, dice = data(1)
    features[::7, 0] = np.nan
    order = np.random.default_rng(0).permutation(N)
    shuffled = supervised_upper_line([IDS[i] for i in order], features[order], dice[order])
    np.testing.assert_array_equal(shuffled, supervised_upper_line(IDS, features, dice)[order])


def test_equals_a_forest_fitted_by_hand_with_medians_of_the_training_folds() -> None:
    features, dice = data(2)
    features[::5, 1] = np.nan
    features[:, 3] = np.nan  # missing throughout
    fold = fold_of(IDS, 4, seed=9)
    expected = np.empty(N)
    for number in range(4):
        training = fold != number
        filled = np.where(np.isnan(features), np.append(np.nanmedian(features[training][:, :3], axis=0), 0.0), features)
        forest = RandomForestRegressor(25, min_samples_leaf=supervised.MIN_LEAF, random_state=9).fit(
            filled[training], dice[training]
        )
        expected[~training] = 1 - forest.predict(filled[~training])
    np.testing.assert_array_equal(supervised_upper_line(IDS, features, dice, folds=4, seed=9), expected)


def test_folds_are_even_depend_on_ids_alone_and_on_the_seed() -> None:
    fold = fold_of(IDS, 7)
    assert np.ptp(np.bincount(fold, minlength=7)) <= 1
    order = np.random.default_rng(1).permutation(N)
    np.testing.assert_array_equal(fold_of([IDS[i] for i in order], 7), fold[order])
    assert np.any(fold_of(IDS, 7, seed=1) != fold)
    # Neighbouring ids (frames of a video, say) do not land in one fold.
    assert len(set(fold[:10].tolist())) > 2


def test_leave_one_out_is_the_most_folds_there_can_be() -> None:
    features, dice = data()
    assert np.isfinite(supervised_upper_line(IDS[:6], features[:6], dice[:6], folds=6)).all()
    with pytest.raises(ValueError, match="folds"):
        supervised_upper_line(IDS[:6], features[:6], dice[:6], folds=7)


@pytest.mark.parametrize(
    ("ids", "features", "dice", "message"),
    [
        (["a", "b", "a"], np.zeros((3, 1)), np.zeros(3), "every id once"),
        (["a", "b", "c"], np.zeros((2, 1)), np.zeros(3), "for 3 ids"),
        (["a", "b", "c"], np.zeros((3, 0)), np.zeros(3), "for 3 ids"),
        (["a", "b", "c"], np.zeros(3), np.zeros(3), "for 3 ids"),
        (["a", "b", "c"], np.zeros((3, 1)), np.zeros(2), "for 3 ids"),
        (["a", "b", "c"], np.full((3, 1), np.inf), np.zeros(3), "infinities"),
        (["a", "b", "c"], np.zeros((3, 1)), np.array([0, 1, np.nan]), "Dice"),
        (["a", "b", "c"], np.zeros((3, 1)), np.array([0, 1, 1.5]), "Dice"),
        ([], np.zeros((0, 1)), np.zeros(0), "folds"),
    ],
)
def test_misuse_is_refused(ids: list[str], features: np.ndarray, dice: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        supervised_upper_line(ids, features, dice, folds=2)


def test_is_marked_as_supervised() -> None:
    assert supervised.GROUP == "supervised"
    assert "supervised" in supervised.NAME
    assert "quality labels" in supervised.NEEDS
