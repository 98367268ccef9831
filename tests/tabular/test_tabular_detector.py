"""The detector as its users meet it: tables of every kind, scikit-learn's conventions, files, and rows that
are odd.
"""

import numpy as np
import pandas
import pyarrow
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import check_estimator

from segqc.tabular import GumbelScoreDetector
from segqc.tabular.network import training
from segqc.tabular.scoring import batches

QUICK = {"width": 16, "blocks": 1, "steps": 50, "batch_size": 64}


def mixed_table(rows: int = 300) -> pandas.DataFrame:
    """b repeats a but for one row in 50; x follows a; some cells are missing."""
    rng = np.random.default_rng(0)
    a = rng.choice(list("uvw"), rows)
    b = np.where(rng.random(rows) < 0.02, rng.choice(list("uvw"), rows), a)
    table = pandas.DataFrame(
        {"a": a, "b": b, "x": rng.normal(size=rows) + 3.0 * (a == "u"), "flag": rng.random(rows) < 0.5}
    )
    table.loc[3, "x"] = np.nan
    table.loc[4, "a"] = None
    return table


@pytest.fixture(scope="module")
def table() -> pandas.DataFrame:
    return mixed_table()


@pytest.fixture(scope="module", params=["mixing", "paper"])
def fitted(request: pytest.FixtureRequest, table: pandas.DataFrame) -> GumbelScoreDetector:
    return GumbelScoreDetector(request.param, random_state=0, **QUICK).fit(table)


@pytest.mark.parametrize("method", ["mixing", "paper"])
def test_scikit_learns_checks_pass(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Hundreds of fits on a handful of rows: small blocks and few noisy copies of validation rows, that they take
    # seconds.
    monkeypatch.setattr(batches, "BLOCK", 64)
    monkeypatch.setattr(training, "_VALIDATION_ROWS", 64)
    detector = GumbelScoreDetector(method, random_state=0, width=4, blocks=1, steps=2, batch_size=16, trees=4)
    results = check_estimator(detector, on_skip=None, on_fail=None)
    assert [result["check_name"] for result in results if result["status"] not in ("passed", "skipped")] == []
    # Only this one is skipped: it needs an environment variable.
    assert {result["check_name"] for result in results if result["status"] == "skipped"} <= {"check_array_api_input"}


def test_scores_are_independent_of_companions_and_order(fitted: GumbelScoreDetector, table: pandas.DataFrame) -> None:
    whole = fitted.score_samples(table)
    assert np.array_equal(fitted.score_samples(table.iloc[::-1])[::-1], whole)
    for rows in ([5], [4, 3], list(range(100, 117))):
        assert np.array_equal(fitted.score_samples(table.iloc[rows]), whole[rows])


def test_the_same_random_state_gives_the_same_detector(fitted: GumbelScoreDetector, table: pandas.DataFrame) -> None:
    again = clone(fitted).fit(table)
    assert np.array_equal(again.score_samples(table), fitted.score_samples(table))
    assert not np.array_equal(
        clone(fitted).set_params(random_state=1).fit(table).score_samples(table), fitted.score_samples(table)
    )


def test_unseen_missing_and_extreme_cells_are_the_oddest(fitted: GumbelScoreDetector, table: pandas.DataFrame) -> None:
    odd = table.iloc[[10, 11, 12, 13]].copy()
    odd.iloc[0, 0] = "never met"
    odd.iloc[1, 2] = 1e9
    odd.iloc[2, 2] = -np.inf
    odd["flag"] = odd["flag"].astype(object)
    odd.iloc[3, 3] = None
    plain, scores = fitted.score_samples(table), fitted.score_samples(odd)
    assert np.isfinite(scores).all()
    assert (scores[1:3] < plain.min()).all()
    if fitted.method == "mixing":
        assert scores[0] < np.quantile(plain, 0.02)
        assert fitted.explain(odd).argmax(1).tolist() == [0, 2, 2, 3]


def test_contributions_of_mixing_sum_to_the_anomaly_score(table: pandas.DataFrame) -> None:
    detector = GumbelScoreDetector(random_state=0, **QUICK).fit(table)
    contributions = detector.explain(table)
    assert contributions.shape == (len(table), 4)
    assert np.allclose(contributions.sum(1), -detector.score_samples(table))


def test_broken_dependences_are_found(table: pandas.DataFrame) -> None:
    """A row of common cells that never occur together is odd; cells that contradict each other are blamed, not the one
    that depends on nothing.
    """
    detector = GumbelScoreDetector(random_state=0, **QUICK | {"steps": 400}).fit(table)
    rows = table.iloc[[0] * 2].copy()
    rows[["a", "b", "x"]] = [["u", "u", 3.0], ["u", "v", 3.0]]
    usual, odd = detector.score_samples(rows)
    assert odd < np.quantile(detector.score_samples(table), 0.05) < usual
    blame = detector.explain(rows)[1]
    assert blame[:3].min() > 1
    assert blame[3] < 0.5


def test_predictions_follow_the_contamination(fitted: GumbelScoreDetector, table: pandas.DataFrame) -> None:
    assert (fitted.predict(table) == -1).mean() == pytest.approx(0.1, abs=0.02)
    assert np.array_equal(fitted.decision_function(table) < 0, fitted.predict(table) == -1)


def test_every_kind_of_table_scores_alike(fitted: GumbelScoreDetector, table: pandas.DataFrame) -> None:
    expected = fitted.score_samples(table)
    arrow = pyarrow.Table.from_pandas(table)
    assert np.array_equal(fitted.score_samples(arrow), expected)
    assert np.array_equal(fitted.score_samples(arrow.select(["flag", "x", "b", "a"])), expected)
    assert np.array_equal(fitted.score_samples({name: table[name].to_numpy() for name in table}), expected)
    with pytest.raises(ValueError, match="b is not among"):
        fitted.score_samples(arrow.select(["a", "x", "flag"]))


def test_polars_frames_are_tables(fitted: GumbelScoreDetector, table: pandas.DataFrame) -> None:
    polars = pytest.importorskip("polars")
    columns = {
        "a": table["a"].tolist(),
        "b": table["b"].tolist(),
        "x": table["x"].tolist(),
        "flag": table["flag"].tolist(),
    }
    columns["a"] = [value if isinstance(value, str) else None for value in columns["a"]]
    assert np.array_equal(fitted.score_samples(polars.DataFrame(columns)), fitted.score_samples(table))


@pytest.mark.parametrize("method", ["mixing", "paper"])
@pytest.mark.parametrize(
    "columns",
    [
        {"a": list("xyxxy") * 8},
        {"a": ["x"] * 40},
        {"a": ["x"] * 40, "b": list("xyxxy") * 8},
        {"a": [1.0] * 40},
        {"a": [None] * 40, "b": [np.nan] * 40},
    ],
    ids=["one column", "one outcome", "a constant column", "a constant number", "nothing but missing"],
)
def test_degenerate_tables_give_finite_scores(method: str, columns: dict[str, list]) -> None:
    detector = GumbelScoreDetector(method, random_state=0, **QUICK).fit(columns)
    scores = detector.score_samples(columns)
    assert np.isfinite(scores).all()
    assert np.isfinite(detector.explain(columns)).all()


@pytest.mark.parametrize("method", ["mixing", "paper"])
def test_unseen_outcomes_of_a_constant_column_are_odd(method: str) -> None:
    detector = GumbelScoreDetector(method, random_state=0, **QUICK).fit({"a": ["x"] * 40, "b": list("xyxxy") * 8})
    usual, odd = detector.score_samples({"a": ["x", "never"], "b": ["x", "x"]})
    assert np.isfinite(odd)
    if method == "mixing":
        assert odd < usual


def test_validation_rows_may_be_given(table: pandas.DataFrame) -> None:
    detector = GumbelScoreDetector(random_state=0, **QUICK).fit(table.iloc[:250], X_validation=table.iloc[250:])
    assert np.isfinite(detector.score_samples(table)).all()


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("method", "best"),
        ("scaling", "log"),
        ("steps", 1.5),
        ("contamination", 0.9),
        ("contamination", "auto"),
        ("validation_fraction", -1),
    ],
)
def test_parameters_out_of_range_are_refused(parameter: str, value: object, table: pandas.DataFrame) -> None:
    with pytest.raises(ValueError, match=f"`{parameter}`"):
        GumbelScoreDetector(**{parameter: value}).fit(table)


def test_contributions_may_have_names(fitted: GumbelScoreDetector, table: pandas.DataFrame) -> None:
    rows = table.iloc[[5, 3]]
    found = fitted.explain(rows, as_frame=True)
    assert found.columns.tolist() == ["a", "b", "x", "flag"]
    assert found.index.tolist() == [5, 3]
    assert np.array_equal(found.to_numpy(), fitted.explain(rows))


def test_thirty_rows_and_anomalies_among_many_are_enough() -> None:
    rng = np.random.default_rng(0)
    few = {"a": rng.choice(list("xy"), 30), "n": rng.normal(size=30)}
    usual, odd = GumbelScoreDetector(random_state=0).fit(few).score_samples({"a": ["x", "new"], "n": [0.0, 9.0]})
    assert odd < usual - 5
    a = rng.choice(list("xyz"), 1000)
    dirty = np.arange(1000) < 50
    b = np.where(dirty, rng.choice(list("xyz"), 1000), a)
    n = np.where(dirty, rng.normal(size=1000) * 10, rng.normal(size=1000))
    scores = GumbelScoreDetector(random_state=0).fit({"a": a, "b": b, "n": n}).score_samples({"a": a, "b": b, "n": n})
    assert roc_auc_score(dirty, -scores) > 0.9


def test_a_new_value_in_a_constant_column_is_found_among_many_columns() -> None:
    rng = np.random.default_rng(0)
    table = {f"c{j}": np.where(rng.random(300) < 0.01, "b", "a").astype(object) for j in range(60)}
    table["constant"] = np.full(300, "x", dtype=object)
    detector = GumbelScoreDetector(random_state=0).fit(table)
    table["constant"][5] = "never seen"
    scores = detector.score_samples(table)
    assert detector.columns_[detector.explain(table)[5].argmax()] == "constant"
    assert (scores < scores[5]).mean() < 0.15
