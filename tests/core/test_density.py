"""The mixture head against scikit-learn's own mixture, fitted step by step."""

import dataclasses

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

from segqc.density import COMPONENTS, DensityHead


def planted(count: int, seed: int, features: int = 4, centres: int = 5) -> np.ndarray:
    """A mixture of well separated, correlated Gaussians."""
    rng = np.random.default_rng(seed)
    shape = np.random.default_rng(99)
    means, factor = shape.normal(0, 8, (centres, features)), shape.normal(0, 1, (centres, features, features))
    which = rng.integers(centres, size=count)
    return means[which] + np.einsum("nij,nj->ni", factor[which], rng.normal(size=(count, features))) + 100


def sklearn_mixture(rows: np.ndarray, components: int, seed: int = 0) -> GaussianMixture:
    return GaussianMixture(components, n_init=3, max_iter=300, random_state=seed, reg_covar=1e-5).fit(rows)


@pytest.fixture(scope="module")
def fitted():
    train, held_out = planted(300, 1), planted(100, 2)
    return train, held_out, DensityHead.fit(train, held_out)


def test_score_is_that_of_a_scikit_learn_mixture_refitted_on_both_parts(fitted):
    train, held_out, head = fitted
    both = np.concatenate([train, held_out])
    scaler = StandardScaler().fit(both)
    reference = sklearn_mixture(scaler.transform(both), head.components)
    rows = np.concatenate([planted(50, 3), np.random.default_rng(0).normal(100, 30, (50, 4))])
    np.testing.assert_allclose(head.score(rows), -reference.score_samples(scaler.transform(rows)), rtol=1e-10)


def test_components_are_chosen_by_the_likelihood_of_the_held_out_part(fitted):
    train, held_out, head = fitted
    scaler = StandardScaler().fit(train)
    expected = {m: sklearn_mixture(scaler.transform(train), m).score(scaler.transform(held_out)) for m in COMPONENTS}
    assert head.held_out == pytest.approx(expected, rel=1e-10)
    assert head.components == max(expected, key=expected.get)


def test_a_planted_mixture_is_recovered():
    # With 3 too few and 9 spurious, only the planted 5 (or a split of it that overfits, which held-out likelihood
    # punishes) is left.
    head = DensityHead.fit(planted(300, 1), planted(400, 2), components=(3, 5, 9))
    assert head.components == 5
    assert head.held_out[5] > head.held_out[3] + 0.1


def test_the_training_part_alone_would_choose_otherwise():
    # Training likelihood grows with the number of components: the choice must look at the held-out rows.
    rng = np.random.default_rng(0)
    train, held_out = rng.normal(size=(60, 3)), rng.normal(size=(500, 3))
    scaler = StandardScaler().fit(train)
    on_train = {m: sklearn_mixture(scaler.transform(train), m).score(scaler.transform(train)) for m in COMPONENTS}
    head = DensityHead.fit(train, held_out)
    assert max(on_train, key=on_train.get) == 9
    assert head.components == 3


def test_held_out_rows_move_the_refitted_mixture():
    train = planted(200, 1)
    one, other = (
        DensityHead.fit(train, planted(60, 2), components=(5,)),
        DensityHead.fit(train, planted(60, 2) + 3, components=(5,)),
    )
    assert not np.array_equal(one.mean, other.mean)
    assert not np.allclose(one.score(train), other.score(train))


def test_outliers_score_higher(fitted):
    _, _, head = fitted
    assert head.score(planted(200, 5) + 30).min() > np.quantile(head.score(planted(200, 6)), 0.9)


def test_float32_features_are_scored_in_double_precision(fitted):
    train, held_out, head = fitted
    rows = planted(20, 7).astype(np.float32)
    assert head.score(rows).dtype == np.float64
    np.testing.assert_array_equal(head.score(rows), head.score(rows.astype(np.float64)))
    again = DensityHead.fit(train.astype(np.float32), held_out.astype(np.float32), components=(3,))
    for name in ("mean", "scale", "weights", "means", "precisions_cholesky"):
        assert getattr(again, name).dtype == np.float64
    # A large offset, which float32 arithmetic would not survive: variance 1 beside a mean of 1e6.
    far = DensityHead.fit(train + 1e6, held_out + 1e6, components=(3,))
    np.testing.assert_allclose(
        far.score(train + 1e6), DensityHead.fit(train, held_out, components=(3,)).score(train), rtol=1e-5
    )


def test_a_rows_score_does_not_depend_on_its_companions(fitted):
    _, _, head = fitted
    rows = planted(64, 8)
    together = head.score(rows)
    np.testing.assert_array_equal(together, np.concatenate([head.score(row[None]) for row in rows]))
    np.testing.assert_array_equal(together[::-1], head.score(rows[::-1]))
    np.testing.assert_array_equal(together[5:12], head.score(rows[5:12]))
    assert head.score(rows[:0]).shape == (0,)


def test_the_same_seed_gives_the_same_bits(fitted):
    train, held_out, head = fitted
    np.testing.assert_array_equal(head.means, DensityHead.fit(train, held_out, components=(head.components,)).means)


def test_constant_features_are_left_out():
    train, held_out = planted(100, 1), planted(30, 2)

    def widen(rows):
        return np.column_stack([rows[:, :2], np.full(len(rows), 0.1), rows[:, 2:], np.full(len(rows), 1e9)])

    head, plain = (
        DensityHead.fit(*parts, components=(3,)) for parts in ((widen(train), widen(held_out)), (train, held_out))
    )
    assert head.used.tolist() == [True, True, False, True, True, False]
    rows = planted(10, 3)
    np.testing.assert_array_equal(head.score(widen(rows)), plain.score(rows))
    other = widen(rows)
    other[:, 2] = 77  # there is no density along a constant
    np.testing.assert_array_equal(head.score(other), plain.score(rows))


@pytest.mark.parametrize(
    ("rows", "candidates"), [(2, [1]), (14, [1]), (15, [3]), (34, [3, 5]), (35, [3, 5, 7]), (45, [3, 5, 7, 9])]
)
def test_few_rows_have_few_candidates(rows, candidates):
    head = DensityHead.fit(
        np.random.default_rng(0).normal(size=(rows, 2)), np.random.default_rng(1).normal(size=(9, 2))
    )
    assert sorted(head.held_out) == candidates
    assert np.isfinite(head.score(np.ones((3, 2)))).all()


def test_without_held_out_rows_the_training_rows_decide():
    train = planted(100, 1)
    head = DensityHead.fit(train, np.empty((0, 4)))
    assert head.held_out[head.components] == max(head.held_out.values())
    assert sorted(head.held_out) == list(COMPONENTS)
    best = (head.components,)
    np.testing.assert_array_equal(head.score(train), DensityHead.fit(train, np.array([]), components=best).score(train))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_features_must_be_finite(bad):
    rows = planted(30, 1)
    rows[3, 2] = bad
    with pytest.raises(ValueError, match="finite"):
        DensityHead.fit(rows, planted(5, 2))
    with pytest.raises(ValueError, match="finite"):
        DensityHead.fit(planted(5, 2), rows)


def test_there_must_be_rows_that_vary():
    with pytest.raises(ValueError, match="at least 2 rows"):
        DensityHead.fit(np.ones((1, 3)), np.ones((5, 3)))
    with pytest.raises(ValueError, match="constant"):
        DensityHead.fit(np.full((20, 3), 0.1), np.random.default_rng(0).normal(size=(5, 3)))


def test_round_trip_is_exact(tmp_path):
    # the last feature is not used
    train, held_out = (np.column_stack([planted(60, seed), np.ones(60)]) for seed in (1, 2))
    head = DensityHead.fit(train, held_out, components=(3, 5))
    head.save(tmp_path / "folder" / "density.safetensors")
    again = DensityHead.load(tmp_path / "folder" / "density.safetensors")
    for field in dataclasses.fields(DensityHead):
        one, other = getattr(head, field.name), getattr(again, field.name)
        if field.name == "held_out":
            assert one == other
        else:
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(head.score(held_out), again.score(held_out))
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["density.safetensors"]
