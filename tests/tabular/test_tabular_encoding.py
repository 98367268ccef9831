"""Tables of any kind become the same codes; missing and unseen cells are outcomes, not errors."""

import numpy as np
import pandas
import pyarrow
import pytest

from segqc.tabular import GumbelScoreDetector
from segqc.tabular.counting.bins import NumberBins
from segqc.tabular.encoding import CategoricalColumn, Encoded, TableEncoder
from segqc.tabular.feature_types import choose_categorical
from segqc.tabular.io.columns import read_columns

COLOURS = ["red", "blue", None, "red"]
LENGTHS = [1.0, 2.0, float("nan"), 3.0]


def as_inputs() -> dict[str, object]:
    inputs = {
        "pandas": pandas.DataFrame({"colour": COLOURS, "length": LENGTHS}),
        "pandas category": pandas.DataFrame(
            {"colour": pandas.Categorical(COLOURS), "length": pandas.array([1, 2, None, 3], dtype="Int64")}
        ),
        "arrow": pyarrow.table({"colour": COLOURS, "length": [1.0, 2.0, None, 3.0]}),
        "arrow dictionary": pyarrow.table(
            {"colour": pyarrow.array(COLOURS).dictionary_encode(), "length": [1, 2, None, 3]}
        ),
        "dict": {"colour": np.array(COLOURS, dtype=object), "length": np.array(LENGTHS)},
        "rows": [list(row) for row in zip(COLOURS, LENGTHS, strict=True)],
        "objects": np.array(list(zip(COLOURS, LENGTHS, strict=True)), dtype=object),
    }
    try:
        import polars
    except ImportError:
        return inputs
    return inputs | {"polars": polars.DataFrame({"colour": COLOURS, "length": [1.0, 2.0, None, 3.0]})}


@pytest.mark.parametrize("kind", as_inputs())
def test_every_kind_of_table_gives_the_same_codes_and_numbers(kind: str) -> None:
    table = read_columns(as_inputs()[kind])
    categorical = choose_categorical(table, "infer")
    assert categorical.tolist() == [True, False]
    encoder = TableEncoder.fit(table, categorical)
    rows = encoder.transform(table)
    assert rows.codes.tolist() == [[1, 0], [0, 0], [2, 1], [1, 0]]  # blue 0, red 1, missing 2; present 0, missing 1
    assert np.allclose(rows.numbers[:, 0], [-np.sqrt(1.5), 0, 0, np.sqrt(1.5)])
    assert encoder.sizes.tolist() == [4, 3]


def test_unseen_outcomes_get_a_code_of_their_own() -> None:
    encoder = TableEncoder.fit(read_columns({"a": ["x", "y"]}), np.array([True]))
    assert encoder.transform(read_columns({"a": ["y", "never", None]})).codes.ravel().tolist() == [1, 3, 2]


def test_numbers_as_categories_are_the_same_however_they_are_stored() -> None:
    encoder = TableEncoder.fit(read_columns({"a": np.array([1, 2])}), np.array([True]))
    for same in (
        np.array([1.0, 2.0]),
        np.array(["1", "2"]),
        np.array([1, 2], dtype=object),
        np.array([np.int8(1), 2.0], dtype=object),
    ):
        assert encoder.transform(read_columns({"a": same})).codes.ravel().tolist() == [0, 1]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (["a", None], True),
        ([True, False], True),
        ([1, 2], False),
        (np.array([1, 2.5, None], dtype=object), False),
        (np.array([1, "a"], dtype=object), True),
    ],
)
def test_inferred_kinds(column: object, expected: bool) -> None:
    assert choose_categorical(read_columns({"a": column}), "infer").tolist() == [expected]


def test_kinds_by_mask_names_and_indices() -> None:
    table = read_columns({"a": [1, 2], "b": [1, 2], "c": ["x", "y"]})
    assert choose_categorical(table, "all").tolist() == [True, True, True]
    assert choose_categorical(table, [True, False, True]).tolist() == [True, False, True]
    assert choose_categorical(table, ["b", "c"]).tolist() == [False, True, True]
    assert choose_categorical(table, [0]).tolist() == [True, False, False]
    assert choose_categorical(table, None).tolist() == [False, False, False]


@pytest.mark.parametrize("wrong", ["some", ["d"], [True], [7], [1.5]])
def test_kinds_that_make_no_sense_are_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="categorical_features"):
        choose_categorical(read_columns({"a": [1, 2], "b": [1, 2]}), wrong)


def test_text_in_a_continuous_column_is_named() -> None:
    encoder = TableEncoder.fit(read_columns({"length": [1.0, 2.0]}), np.array([False]))
    with pytest.raises(ValueError, match=r"'length'.*'long'"):
        encoder.transform(read_columns({"length": np.array([1.0, "long"], dtype=object)}))


@pytest.mark.parametrize("scaling", ["standard", "quantile"])
def test_scaled_numbers_keep_their_order_and_stay_finite(scaling: str) -> None:
    values = np.random.default_rng(0).exponential(size=500) ** 3
    encoder = TableEncoder.fit(read_columns({"a": values}), np.array([False]), scaling)
    asked = np.array([-np.inf, -5.0, values.min(), np.median(values), values.max(), 3 * values.max(), 1e300, np.inf])
    scaled = encoder.transform(read_columns({"a": asked})).numbers[:, 0]
    assert np.isfinite(scaled).all()
    assert (np.diff(scaled) >= 0).all()
    assert scaled[5] > scaled[4]  # beyond the training range is beyond


@pytest.mark.parametrize("scaling", ["standard", "quantile"])
def test_constant_and_empty_numbers_are_harmless(scaling: str) -> None:
    table = read_columns({"constant": [2.0, 2.0], "absent": [np.nan, np.nan]})
    encoder = TableEncoder.fit(table, np.array([False, False]), scaling)
    assert encoder.transform(table).numbers.tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("scaling", ["standard", "quantile"])
def test_encoder_survives_json(scaling: str) -> None:
    table = read_columns({"a": ["x", "y", "x"], "b": [1.0, 2.0, 4.0]})
    encoder = TableEncoder.fit(table, np.array([True, False]), scaling)
    again = TableEncoder.from_json(encoder.to_json())
    assert np.array_equal(again.transform(table).codes, encoder.transform(table).codes)
    assert np.array_equal(again.transform(table).numbers, encoder.transform(table).numbers)


def test_distinct_rows_rebuild_the_table() -> None:
    rng = np.random.default_rng(0)
    rows = Encoded(rng.integers(0, 3, (200, 3)), rng.integers(0, 2, (200, 1)).astype(np.float32))
    distinct, inverse, counts = rows.distinct()
    assert len(distinct) == len(np.unique(np.column_stack([rows.codes, rows.numbers]), axis=0))
    assert np.array_equal(distinct.codes[inverse], rows.codes)
    assert np.array_equal(distinct.numbers[inverse], rows.numbers)
    assert np.array_equal(np.bincount(inverse), counts)


def learned_outcomes(cells: list[str]) -> tuple[str, ...]:
    column = TableEncoder.fit(read_columns({"a": cells}), np.array([True])).columns[0]
    assert isinstance(column, CategoricalColumn)
    return column.outcomes


def test_columns_of_ordinary_cardinality_keep_every_outcome() -> None:
    once = [f"once {i:02}" for i in range(30)]
    assert learned_outcomes([*once, *["often"] * 30]) == ("often", *once)
    assert len(learned_outcomes([f"v{i % 256}" for i in range(512)])) == 256
    assert len(learned_outcomes([f"v{i}" for i in range(20)])) == 20


def test_very_many_outcomes_are_told_apart_where_they_are_frequent() -> None:
    frequent = [f"frequent {i}" for i in range(10)]
    assert learned_outcomes([*frequent * 100, *(f"once {i}" for i in range(900))]) == tuple(frequent)
    # More than 256 that occur repeatedly: of those with equal counts none is preferred.
    assert learned_outcomes([*frequent * 100, *(f"twice {i % 300}" for i in range(600))]) == tuple(frequent)


def test_columns_without_frequent_outcomes_say_nothing() -> None:
    identifiers = [f"u{i}" for i in range(400)]
    assert learned_outcomes(identifiers) == ()
    assert learned_outcomes(identifiers * 3) == ()
    encoder = TableEncoder.fit(read_columns({"a": identifiers}), np.array([True]))
    assert encoder.sizes.tolist() == [2]
    assert encoder.transform(read_columns({"a": ["u1", "new", None]})).codes.ravel().tolist() == [1, 1, 0]


def test_identifiers_are_named_and_do_no_harm() -> None:
    rng = np.random.default_rng(0)

    def table(prefix: str, rows: int) -> pandas.DataFrame:
        cells = {"a": rng.choice(list("xyz"), rows), "b": rng.choice(list("pq"), rows)}
        return pandas.DataFrame(cells | {"id": [f"{prefix}{i}" for i in range(rows)]})

    training, new = table("old", 400), table("new", 200)
    detector = GumbelScoreDetector(width=8, blocks=1, steps=10, batch_size=64, random_state=0)
    with pytest.warns(UserWarning, match="in id: looks like an identifier"):
        detector.fit(training)
    assert (detector.predict(new) == -1).mean() < 0.2
    assert np.abs(detector.explain(new)[:, 2]).max() < 0.01 * np.abs(detector.explain(new)[:, :2]).max()


def test_dates_that_are_all_distinct_are_named(recwarn: pytest.WarningsRecorder) -> None:
    table = pandas.DataFrame(
        {"a": list("xxxxy") * 10, "x": np.arange(50.0) % 7, "when": pandas.date_range("2020", periods=50)}
    )
    detector = GumbelScoreDetector(width=8, blocks=1, steps=2, batch_size=16, trees=4, random_state=0)
    with pytest.warns(UserWarning, match="in when: looks like an identifier"):
        detector.fit(table)
    recwarn.clear()
    detector.fit(table.assign(when=table["when"].dt.year))
    assert [str(warning.message) for warning in recwarn if "identifier" in str(warning.message)] == []


@pytest.mark.parametrize("scaling", ["standard", "quantile"])
def test_infinities_have_no_share_in_scales_and_are_extreme(scaling: str) -> None:
    values = np.random.default_rng(0).normal(size=200)
    plain = TableEncoder.fit(read_columns({"a": values}), np.array([False]), scaling)
    table = read_columns({"a": np.append(values, [np.inf, -np.inf])})
    encoder = TableEncoder.fit(table, np.array([False]), scaling)
    scaled = encoder.transform(table).numbers[:, 0]
    assert np.array_equal(scaled[:200], plain.transform(read_columns({"a": values})).numbers[:, 0])
    assert scaled[200:].tolist() == [50, -50]


@pytest.mark.parametrize("scaling", ["standard", "quantile"])
@pytest.mark.parametrize("exponent", [-1000, -43, 43, 980])
def test_units_do_not_matter(scaling: str, exponent: int) -> None:
    values = np.random.default_rng(0).normal(size=200) + 3
    asked = np.append(values, [values.min() - 1, values.max() + 9])
    numbers = []
    for unit in (1.0, 2.0**exponent):  # powers of two, that nothing is rounded
        encoder = TableEncoder.fit(read_columns({"a": values * unit}), np.array([False]), scaling)
        numbers.append(encoder.transform(read_columns({"a": asked * unit})).numbers)
    assert np.array_equal(numbers[0], numbers[1])


@pytest.mark.parametrize("constant", [1e-3, 1000.0, -1000.0, 0.1])
def test_distances_from_a_constant_are_relative_to_it(constant: float) -> None:
    encoder = TableEncoder.fit(read_columns({"a": [constant] * 7}), np.array([False]))
    asked = read_columns({"a": constant * np.array([1, 0.5, 1.5, 0])})
    assert np.allclose(encoder.transform(asked).numbers[:, 0], np.sign(constant) * np.array([0, -0.5, 0.5, -1]))


def test_values_beside_a_frequent_one_are_odd() -> None:
    numbers = np.array([0.0] * 60 + [*range(1, 41)], np.float32)[:, None]
    bins = NumberBins.fit(Encoded(np.zeros((100, 1), np.int64), numbers), np.array([0]))
    asked = Encoded(np.zeros((4, 1), np.int64), np.array([[-1], [0], [0.5], [39]], np.float32))
    codes = bins.codes(asked)
    assert codes[:, 0].tolist()[:3] == [0, 0, 0]
    assert codes[3, 0] == bins.counts[0] - 1
    below, same, between, _ = bins.surprise(asked, codes)[:, 0]
    assert same == 0
    assert min(below, between) >= np.log(101)


def test_values_beside_a_constant_are_odd() -> None:
    table = {"a": list("xxxxy") * 20, "v": np.full(100, 0.001)}
    detector = GumbelScoreDetector(width=8, blocks=1, steps=10, batch_size=64, random_state=0).fit(table)
    same, *others = detector.score_samples({"a": ["x"] * 4, "v": [0.001, 0.0005, 0.0015, 0.0]})
    assert max(others) < same - 1


def test_ragged_and_doubly_named_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="lengths 1, 2"):
        read_columns({"a": [1], "b": [1, 2]})
    with pytest.raises(ValueError, match="a more than once"):
        read_columns(pandas.DataFrame([[1, 2]], columns=["a", "a"]))


def test_numbers_that_count_the_rows_are_named(recwarn: pytest.WarningsRecorder) -> None:
    table = pandas.DataFrame({"a": list("xxxxy") * 10, "x": np.random.default_rng(0).normal(size=50), "id": range(50)})
    with pytest.warns(UserWarning, match="in id: looks like an identifier"):
        GumbelScoreDetector(random_state=0).fit(table)
    with pytest.warns(UserWarning, match="in id: looks like an identifier"):
        GumbelScoreDetector(random_state=0).fit(table.sample(frac=1, random_state=0))
    recwarn.clear()
    GumbelScoreDetector(random_state=0).fit(table.assign(id=np.random.default_rng(1).integers(500, size=50)))
    assert [str(warning.message) for warning in recwarn] == []
