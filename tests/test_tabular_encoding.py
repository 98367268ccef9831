"""Tables of any kind become the same codes; missing and unseen cells are outcomes, not errors."""

import numpy as np
import pandas
import pyarrow
import pytest

from segqc.tabular.columns import read_columns
from segqc.tabular.encoding import Encoded, TableEncoder, choose_categorical

COLOURS = ["red", "blue", None, "red"]
LENGTHS = [1.0, 2.0, float("nan"), 3.0]


def as_inputs() -> dict[str, object]:
    inputs = {
        "pandas": pandas.DataFrame({"colour": COLOURS, "length": LENGTHS}),
        "pandas category": pandas.DataFrame({"colour": pandas.Categorical(COLOURS), "length": pandas.array([1, 2, None, 3], dtype="Int64")}),
        "arrow": pyarrow.table({"colour": COLOURS, "length": [1.0, 2.0, None, 3.0]}),
        "arrow dictionary": pyarrow.table({"colour": pyarrow.array(COLOURS).dictionary_encode(), "length": [1, 2, None, 3]}),
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
    for same in (np.array([1.0, 2.0]), np.array(["1", "2"]), np.array([1, 2], dtype=object), np.array([np.int8(1), 2.0], dtype=object)):
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


def test_ragged_and_doubly_named_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="lengths 1, 2"):
        read_columns({"a": [1], "b": [1, 2]})
    with pytest.raises(ValueError, match="a more than once"):
        read_columns(pandas.DataFrame([[1, 2]], columns=["a", "a"]))
