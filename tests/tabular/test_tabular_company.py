"""The company of outcomes against a loop over rows; where it is heard, and where it is not."""

import numpy as np
import pytest

from segqc.tabular.counting.co_occurrence import Company

SIZES = np.array([3, 4, 3])  # the last code of each never occurs


def rows_with_a_kind(rows: int = 2000, seed: int = 0) -> np.ndarray:
    """One row in ten is of a kind whose cells are mostly 1; elsewhere 1 is rare."""
    rng = np.random.default_rng(seed)
    rare = np.where(rng.random(rows) < 0.1, 0.7, 0.03)[:, None]
    return (rng.random((rows, len(SIZES))) < rare).astype(np.int64)


def surprise_of(rows: np.ndarray) -> np.ndarray:
    """-log p of every outcome, less its mean over the rows, `[S]`."""
    found = []
    for j, size in enumerate(SIZES):
        surprise = -np.log((np.bincount(rows[:, j], minlength=size) + 0.5) / (len(rows) + size / 2))
        found.append(surprise - surprise[rows[:, j]].mean())
    return np.concatenate(found)


def fit(rows: np.ndarray, oddest: np.ndarray | None = None, counts: np.ndarray | None = None) -> Company:
    """With the training rows as validation inliers; odd by two levels of which the first says what `oddest` says, by
    default the cells' surprises.
    """
    counts = np.ones(len(rows)) if counts is None else counts
    oddness = surprise_of(np.repeat(rows, counts.astype(int), axis=0))
    oddest = oddness[rows + np.array([0, 3, 7])].sum(1) if oddest is None else oddest
    return Company.fit((rows, counts), (rows, counts), SIZES, oddness, np.stack([oddest, 3 * oddest], 1), oddest)


def test_company_is_the_mean_of_the_other_cells_as_a_loop_finds_it() -> None:
    rows = rows_with_a_kind(200)
    oddness = surprise_of(rows)
    cells = np.stack([oddness[:3][rows[:, 0]], oddness[3:7][rows[:, 1]], oddness[7:][rows[:, 2]]], axis=1)
    expected = []
    for j, size in enumerate(SIZES):
        others = cells.sum(1) - cells[:, j]
        others = others - others.mean()
        seen = [others[rows[:, j] == m].sum() / (np.sum(rows[:, j] == m) + 1) for m in range(2)]
        column = np.array([*seen, *[max(seen)] * (size - 2)])
        expected.append(column - column[rows[:, j]].mean())
    added = fit(rows).added
    assert added[1] > 0
    assert np.allclose(added / added[1], np.concatenate(expected) / expected[0][1])


def test_rows_of_one_odd_kind_gain_most_and_an_unseen_outcome_counts_as_the_worst() -> None:
    company = fit(rows_with_a_kind())
    plain, one, two, three = company.contributions(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]])).sum(1)
    assert plain < 0 < one < two < three
    unseen = company.contributions(np.array([[2, 3, 2]]))
    assert np.array_equal(unseen, company.contributions(np.array([[1, 1, 1]])))


def test_its_loudness_follows_from_its_agreement_with_the_levels() -> None:
    rows, rng = rows_with_a_kind(), np.random.default_rng(1)
    heard = fit(rows).contributions(rows).sum(1)
    oddest = heard / heard.std() + 2 * rng.normal(size=len(rows))
    added = fit(rows, oddest).contributions(rows).sum(1)
    r = np.corrcoef(heard, oddest)[0, 1]
    assert 0.3 < r < 0.6
    assert added.std() == pytest.approx(r / (1 - r * r) * 2 * oddest.std())  # the usual level lies between the two
    loudest = fit(rows, heard).contributions(rows).sum(1)
    assert loudest.std() == pytest.approx(0.75 / (1 - 0.75**2) * 2 * heard.std())


def test_it_is_silent_where_odd_cells_avoid_each_other() -> None:
    rng = np.random.default_rng(0)
    rows = np.zeros((2000, 3), np.int64)
    odd = rng.permutation(2000)[:600]
    rows[odd, rng.integers(3, size=600)] = 1  # one odd cell a row at most
    assert not fit(rows).added.any()


def test_repeated_rows_count_as_often_as_they_occur() -> None:
    rows = rows_with_a_kind()
    distinct, counts = np.unique(rows, axis=0, return_counts=True)
    assert np.allclose(fit(distinct, counts=counts.astype(float)).added, fit(rows).added)


def test_rows_that_are_all_alike_have_no_company() -> None:
    rows = np.zeros((40, 3), np.int64)
    assert np.array_equal(fit(rows).contributions(rows), np.zeros((40, 3)))
