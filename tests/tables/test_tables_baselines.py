"""Baselines on tables against values worked out by hand, by loops or by other libraries; and whether those that train
are alive.
"""

import math
from collections import Counter

import numpy as np
import pyarrow
import pytest
import torch
from scipy.stats import multivariate_normal, spearmanr

from evaluation.tables.baselines.counting import ChowLiuTree, IndependentFrequencies, PairFrequencies, RowFrequency
from evaluation.tables.baselines.dagmm import DAGMM, energy, moments
from evaluation.tables.baselines.masked_diffusion import LEVELS, MaskedCells, MaskedDiffusion
from evaluation.tables.encoding import BaselineEncoder

TRAIN = pyarrow.table({"a": ["x", "x", "x", "y"], "b": ["p", "p", "q", "q"]})
TEST = pyarrow.table({"a": ["x", "y", "z", None], "b": ["p", "p", "q", "q"]})


def mixed(rows: int, seed: int = 0) -> pyarrow.Table:
    """Three columns that depend on each other along a chain, and a number."""
    rng = np.random.default_rng(seed)
    a = rng.integers(4, size=rows)
    b = np.where(rng.random(rows) < 0.9, a, rng.integers(4, size=rows))
    c = np.where(rng.random(rows) < 0.9, b % 2, rng.integers(2, size=rows))
    return pyarrow.table(
        {
            "c": [f"c{v}" for v in c],
            "a": [f"a{v}" for v in a],
            "b": [f"b{v}" for v in b],
            "x": rng.normal(size=rows) + a,
        }
    )


def test_codes_keep_missing_and_unseen_apart() -> None:
    encoder = BaselineEncoder().fit(TRAIN)
    assert encoder.sizes_.tolist() == [4, 4]
    assert encoder.codes(TEST).tolist() == [[0, 0], [1, 0], [3, 1], [2, 1]]
    assert encoder.one_hot(TEST).tolist() == [
        [1, 0, 0, 0, 1, 0, 0, 0],
        [0, 1, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 1, 0, 1, 0, 0],
        [0, 0, 1, 0, 0, 1, 0, 0],
    ]


def test_numbers_are_binned_for_counting_and_standardised_otherwise() -> None:
    table = pyarrow.table({"x": np.arange(100.0)})
    encoder = BaselineEncoder().fit(table)
    codes = encoder.codes(pyarrow.table({"x": [0.0, 55.0, 1e9, None]}))[:, 0]
    assert codes.tolist() == [0, 5, 9, 10]
    rows = encoder.one_hot(pyarrow.table({"x": [49.5, None]}))
    assert rows.tolist() == [[0, 0], [0, 1]]


def test_independent_frequencies_by_hand() -> None:
    scores = IndependentFrequencies().fit(TRAIN, TRAIN).anomaly_score(TEST)
    # (n + 1)/(4 + 4): x 4/8, y 2/8, missing and unseen 1/8; p and q 3/8
    expected = [-math.log(4 / 8 * 3 / 8), -math.log(2 / 8 * 3 / 8), -math.log(1 / 8 * 3 / 8), -math.log(1 / 8 * 3 / 8)]
    assert scores == pytest.approx(expected)


def test_pair_frequencies_by_hand() -> None:
    scores = PairFrequencies().fit(TRAIN, TRAIN).anomaly_score(TEST)
    expected = [
        -math.log((2 + 4 / 8 * 3 / 8) / 5),
        -math.log((0 + 2 / 8 * 3 / 8) / 5),
        -math.log(1 / 8 * 3 / 8 / 5),
        -math.log(1 / 8 * 3 / 8 / 5),
    ]
    assert scores == pytest.approx(expected)


def test_row_frequency_counts_rows_and_ties_what_it_never_saw() -> None:
    table = mixed(300).drop_columns(["x"])
    scores = RowFrequency().fit(table, table).anomaly_score(table)
    rows = list(zip(*table.to_pydict().values(), strict=True))
    counts = Counter(rows)
    assert np.exp(-scores) == pytest.approx([counts[row] + 0.5 for row in rows])
    unseen = RowFrequency().fit(TRAIN, TRAIN).anomaly_score(TEST)[1:]
    assert len(set(unseen)) == 1
    assert unseen[0] > RowFrequency().fit(TRAIN, TRAIN).anomaly_score(TRAIN).max()


def test_chow_liu_finds_the_chain_and_is_a_distribution() -> None:
    table = mixed(2000).drop_columns(["x"])
    tree = ChowLiuTree().fit(table, table)
    # a - b - c, columns in the order c, a, b
    assert {frozenset(edge) for edge in tree.conditionals_} == {frozenset({1, 2}), frozenset({0, 2})}
    codes = np.stack(np.meshgrid(*(np.arange(size) for size in tree.encoder_.sizes_), indexing="ij"), axis=-1).reshape(
        -1, 3
    )
    assert np.exp(-tree._surprise(codes)).sum() == pytest.approx(1)
    likely = -tree.anomaly_score(table).mean()
    assert likely > -IndependentFrequencies().fit(table, table).anomaly_score(table).mean() + 1


def test_counting_reads_tables_of_one_column() -> None:
    table = TRAIN.select(["a"])
    expected = IndependentFrequencies().fit(table, table).anomaly_score(TEST.select(["a"]))
    assert ChowLiuTree().fit(table, table).anomaly_score(TEST.select(["a"])) == pytest.approx(expected)
    assert PairFrequencies().fit(table, table).anomaly_score(TEST.select(["a"])).tolist() == [0] * 4


def test_ecod_in_blocks_equals_pyods_in_one_piece() -> None:
    pytest.importorskip("pyod")
    from pyod.models.ecod import ECOD

    from evaluation.tables.baselines.pyod_methods import EmpiricalCDF

    train, test = mixed(400), mixed(100, seed=1)
    ours = EmpiricalCDF()
    ours.BLOCK = 3
    scores = ours.fit(train, train).anomaly_score(test)
    encoder = BaselineEncoder().fit(train)
    reference = ECOD().fit(encoder.one_hot(train).astype(float)).decision_function(encoder.one_hot(test).astype(float))
    assert scores == pytest.approx(reference, rel=1e-9)


def test_deep_svdd_is_alive() -> None:
    pytest.importorskip("pyod")
    from evaluation.tables.baselines.pyod_methods import DeepSVDD

    train, test = mixed(600), mixed(200, seed=1)
    first = DeepSVDD(seed=3, epochs=1).fit(train, train).anomaly_score(test)
    last = DeepSVDD(seed=3, epochs=40).fit(train, train).anomaly_score(test)
    assert len(np.unique(last)) == 200
    assert last.std() > 0.05 * last.mean()
    assert spearmanr(first, last).statistic < 0.99, "training did nothing"
    assert last.mean() < first.mean(), "training did not pull rows towards the centre"


def test_masked_cells_are_embeddings_side_by_side_through_a_perceptron() -> None:
    """The first layer is computed by outcomes; here it is written out by rows."""
    torch.manual_seed(0)
    network = MaskedCells([3, 1, 4], embedding=5, hidden=7, layers=2, dropout=0.5).eval()
    codes, level = torch.tensor([[2, 0, 3], [0, 0, 1]]), torch.tensor([1, LEVELS])
    hidden = torch.tensor([[True, False, True], [False, True, False]])
    found = network(codes, hidden, level)
    for row in range(2):
        shown = [size if hidden[row, j] else int(codes[row, j]) for j, size in enumerate(network.sizes)]
        parts = [cell.weight[code] for cell, code in zip(network.cells, shown, strict=True)]
        logits = network.rest(network.first(torch.cat([*parts, network.level.weight[level[row]]])))
        for j, part in enumerate(logits.split(network.sizes)):
            assert found[row, j].item() == pytest.approx(-part.log_softmax(0)[codes[row, j]].item(), abs=1e-5)


def test_masked_diffusion_of_one_column_is_its_frequencies() -> None:
    """Nothing is visible beside a hidden cell, and a view that hides nothing counts as 0: half of -log p."""
    train = pyarrow.table({"a": ["x"] * 900 + ["y"] * 100})
    test = pyarrow.table({"a": ["x", "y", None, "new"]})
    model = MaskedDiffusion(epochs=30, views=200, embedding=8, hidden=16, batch_size=64)
    x, y, missing, new = model.fit(train, train).anomaly_score(test)
    assert x == pytest.approx(-math.log(0.9) / 2, rel=0.2)
    assert y == pytest.approx(-math.log(0.1) / 2, rel=0.2)
    assert min(missing, new) > y


def test_masked_diffusion_finds_cells_that_contradict_each_other() -> None:
    train = mixed(600)
    test = pyarrow.table({"c": ["c0", "c0"], "a": ["a2", "a1"], "b": ["b2", "b2"], "x": [2.0, None]})
    usual, odd = MaskedDiffusion(hidden=64, embedding=32, views=8).fit(train, train).anomaly_score(test)
    assert odd > usual + 0.5


def test_fits_repeat_and_leave_the_global_generators_alone() -> None:
    pytest.importorskip("pyod")
    from evaluation.tables.baselines.pyod_methods import DeepSVDD, IsolationForest

    train, test = mixed(200), mixed(50, seed=1)
    for make in (
        lambda: DeepSVDD(1, epochs=2),
        lambda: IsolationForest(1),
        lambda: DAGMM(1, epochs=2, steps=2),
        lambda: MaskedDiffusion(1, epochs=2, views=1),
    ):
        np.random.seed(7)  # noqa: NPY002
        torch.manual_seed(7)
        before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
        scores = make().fit(train, train).anomaly_score(test)
        assert np.array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
        assert torch.equal(torch.get_rng_state(), before[1])
        assert np.array_equal(scores, make().fit(train, train).anomaly_score(test))


def test_dagmm_energy_is_the_negative_log_density_of_its_mixture() -> None:
    rng = np.random.default_rng(0)
    z, gamma = torch.from_numpy(rng.normal(size=(50, 3))), torch.from_numpy(rng.dirichlet([1, 1], size=50))
    phi, mu, sigma = moments(z, gamma, 1e-4)
    weights = gamma[:, 0] / gamma[:, 0].sum()
    assert mu[0].numpy() == pytest.approx((weights[:, None] * z).sum(0).numpy())
    assert sigma[0].numpy() == pytest.approx(np.cov(z.numpy().T, aweights=weights.numpy(), ddof=0) + 1e-4 * np.eye(3))
    density = sum(
        p * multivariate_normal(m, s).pdf(z.numpy())
        for p, m, s in zip(phi.numpy(), mu.numpy(), sigma.numpy(), strict=True)
    )
    assert energy(z, phi, mu, sigma).numpy() == pytest.approx(-np.log(density))


def test_dagmm_learns_and_its_scores_are_finite_for_rows_unlike_any() -> None:
    train = mixed(500)
    model = DAGMM(epochs=60, steps=60, batch_size=128, learning_rate=1e-3)
    scores = model.fit(train, train).anomaly_score(
        pyarrow.table({"c": ["?", "c0"], "a": ["?", "a1"], "b": [None, "b1"], "x": [1e6, None]})
    )
    assert np.isfinite(scores).all()
    assert scores[0] > model.anomaly_score(train).max()
    assert model.epochs_ == "60 epochs of 500 rows, batches of 128"
    cut = DAGMM(epochs=60, steps=60, batch_size=128, cap_seconds=0).fit(train, train)
    assert cut.epochs_ == "1 epochs of 500 rows, batches of 128, cut by the cap"


def test_dagmm_makes_enough_steps_on_small_tables() -> None:
    train = mixed(100)
    assert DAGMM(epochs=2, steps=10, batch_size=50).fit(train, train).epochs_.startswith("5 epochs")
