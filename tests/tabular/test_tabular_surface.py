"""What other programs expect of the estimator: frames, a score to search by, and words on tables that do not fit."""

import warnings
from collections.abc import Iterator

import numpy as np
import pandas
import pytest
import sklearn
from sklearn.base import clone
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from segqc.tabular import GumbelScoreDetector


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


def copied(rows: int = 240, seed: int = 0) -> pandas.DataFrame:
    """b repeats a, but not in the last 20 rows."""
    rng = np.random.default_rng(seed)
    a = rng.choice(list("xyz"), rows)
    b = a.copy()
    b[-20:] = [{"x": "y", "y": "z", "z": "x"}[cell] for cell in a[-20:]]
    return pandas.DataFrame({"a": a, "b": b, "n": rng.normal(size=rows), "f": rng.random(rows) < 0.5})


@pytest.fixture(scope="module")
def fitted() -> GumbelScoreDetector:
    return GumbelScoreDetector(random_state=0, trees=40).fit(copied().iloc[:220])


def test_contributions_come_in_the_container_that_was_chosen(fitted: GumbelScoreDetector) -> None:
    polars = pytest.importorskip("polars")
    rows = copied().iloc[[5, 230]]
    array = fitted.explain(rows)
    assert isinstance(array, np.ndarray)
    chosen = clone(fitted).set_output(transform="pandas").fit(copied().iloc[:220])
    frame = chosen.explain(rows)
    assert frame.columns.tolist() == ["a", "b", "n", "f"]
    assert frame.index.tolist() == [5, 230]
    assert np.array_equal(frame, array)
    assert isinstance(clone(chosen).fit(copied()).explain(rows), pandas.DataFrame), "a clone keeps the choice"
    assert isinstance(chosen.explain(rows, as_frame=False), np.ndarray)
    assert isinstance(chosen.set_output(transform="polars").explain(rows), polars.DataFrame)
    assert isinstance(chosen.set_output().explain(rows), polars.DataFrame), "None changes nothing"
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(fitted.explain(rows), pandas.DataFrame)
    make_pipeline(clone(fitted)).set_output(transform="pandas")
    with pytest.raises(ValueError, match="one of default, pandas, polars"):
        fitted.set_output(transform="excel")


def test_the_score_is_the_mean_log_probability_or_the_precision_of_labels(fitted: GumbelScoreDetector) -> None:
    table = copied()
    odd = np.arange(240) >= 220
    normality = fitted.score_samples(table)
    expected = average_precision_score(odd, -normality)
    assert fitted.score(table, np.where(odd, -1, 1)) == fitted.score(table, odd.astype(int)) == expected
    assert expected > 0.8  # where 0.08 is chance
    assert fitted.score(table.iloc[:220]) > fitted.score(table.iloc[220:]) + 1
    with pytest.warns(UserWarning, match=r"Expected labels -1 and 1, .* but got 'no', 'yes': they were ignored"):
        assert fitted.score(table, np.where(odd, "yes", "no")) == fitted.score(table)
    # independent frequencies of one column: the log-probability of its cells
    coin = pandas.DataFrame({"c": ["h"] * 150 + ["t"] * 50})
    found = GumbelScoreDetector(random_state=0, validation_fraction=0.0).fit(coin).score(coin)
    assert found == pytest.approx(0.75 * np.log(0.75) + 0.25 * np.log(0.25), abs=0.02)


def test_a_search_needs_no_scorer() -> None:
    search = GridSearchCV(GumbelScoreDetector(random_state=0), {"trees": [1, 60]}, cv=2, error_score="raise")
    found = search.fit(copied().iloc[:220])
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
    order = np.random.default_rng(0).permutation(240)
    labels = np.where(np.arange(240) >= 220, -1, 1)
    assert search.fit(copied().iloc[order], labels[order]).best_score_ > 0.15  # where 0.08 is chance


def test_another_spelling_of_booleans_is_no_new_value(fitted: GumbelScoreDetector) -> None:
    table = copied()
    expected = fitted.score_samples(table)
    for yes, no in ((1, 0), ("true", "false"), ("TRUE", "FALSE"), ("1", "0")):
        other = table.assign(f=np.where(table["f"], yes, no).astype(object))
        assert np.array_equal(fitted.score_samples(other), expected), (yes, no)
    codes = GumbelScoreDetector(categorical_features=["f"], random_state=0)
    codes.fit(table[["f", "n"]].astype(float))
    assert np.isfinite(codes.score_samples(table[["f", "n"]])).all()  # and no warning


def test_values_that_nearly_all_are_new_are_said(fitted: GumbelScoreDetector) -> None:
    table = copied()
    other = table.assign(f=np.where(table["f"], "yes", "no"))
    words = r"f: 240 of 240 cells are values that the model does not know, such as '(yes|no)' \(it knows 'False', 'Tru"
    with pytest.warns(UserWarning, match=words):
        fitted.predict(other)
    fitted.score_samples(other.iloc[:4])  # so few may be odd rows


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ({"t": pandas.date_range("2024-01-01", periods=240, freq="h").repeat(2)[:240]}, "dates rise .* in t: leave it"),
        ({"id": np.random.default_rng(0).permutation(400)[:240]}, "in id: looks like an identifier"),
        ({"p": [f"{v:.3f}" for v in np.random.default_rng(0).normal(size=240)]}, "of p are numbers in text, such as"),
        ({"d": [f"{i % 28 + 1}.{i % 12 + 1}.{1950 + i % 70}" for i in range(240)]}, "of d are dates in text"),
    ],
    ids=["log", "shuffled identifiers", "numbers as text", "dates as text"],
)
def test_columns_that_tell_nothing_are_said_with_the_reason(column: dict, words: str) -> None:
    with pytest.warns(UserWarning, match=words) as caught:
        GumbelScoreDetector(random_state=0, trees=1).fit(copied().assign(**column))
    assert len(caught) == 1


def test_months_are_dates() -> None:
    months = pandas.period_range("2020-01", periods=12, freq="M")
    table = pandas.DataFrame({"m": months[np.arange(120) * 7 % 12], "a": ["x"] * 120})
    detector = GumbelScoreDetector(random_state=0, trees=1).fit(table)
    assert detector.encoder_.continuous.tolist() == [0]
    early, late = detector.score_samples(
        pandas.DataFrame({"m": pandas.PeriodIndex(["2020-05", "2031-01"], freq="M"), "a": "x"})
    )
    assert late < early - 2


def test_what_does_not_fit_is_named(fitted: GumbelScoreDetector) -> None:
    table = copied()
    for other, words in (
        (table.drop(columns="n"), r"yet now missing:\n- n"),
        (table.assign(z=1), r"unseen at fit time:\n- z"),
        (table[["b", "a", "n", "f"]], "same order"),
        (table.assign(a=[[1]] * 240), r"but got list in the column 'a': leave it out"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            fitted.score_samples(other)
    with pytest.raises(ValueError, match="a more than once"):
        GumbelScoreDetector().fit(table.set_axis(["a", "a", "n", "f"], axis=1))
