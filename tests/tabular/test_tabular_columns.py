"""What a table says of its columns is kept: categories of integers, large identifiers, dates, decimals, and which
column is which.
"""

import datetime
import decimal

import numpy as np
import pandas
import pyarrow
import pytest

from segqc.tabular import GumbelScoreDetector
from segqc.tabular.encoding import TableEncoder
from segqc.tabular.feature_types import choose_categorical
from segqc.tabular.io.columns import Columns, read_columns
from segqc.tabular.io.values import as_text

QUICK = {"width": 8, "blocks": 1, "steps": 5, "batch_size": 32, "trees": 4, "random_state": 0}
DISTRICTS = [10115, 20095, None, 80331]
DAY = datetime.datetime(2020, 1, 2, 3, 4, 5)
SECONDS = DAY.replace(tzinfo=datetime.UTC).timestamp()
LARGE = [2**53, 2**53 + 1]


def as_tables(column: object) -> list[Columns]:
    """A table of this column, as a dict and, where it is pandas' or Arrow's, as their table."""
    tables: list[object] = [{"a": column}]
    if isinstance(column, pandas.Series | pandas.Categorical):
        tables.append(pandas.DataFrame({"a": column}))
    elif isinstance(column, pyarrow.Array | pyarrow.ChunkedArray):
        tables.append(pyarrow.table({"a": column}))
    return [read_columns(table) for table in tables]


@pytest.mark.parametrize(
    "column",
    [
        pandas.Categorical(DISTRICTS),
        pandas.Series(DISTRICTS, dtype="Int64").astype("category"),
        pyarrow.array(DISTRICTS).dictionary_encode(),
        pyarrow.chunked_array([pyarrow.array(DISTRICTS).dictionary_encode()]),
        pandas.Series(
            pyarrow.array(DISTRICTS).dictionary_encode(),
            dtype=pandas.ArrowDtype(pyarrow.dictionary(pyarrow.int32(), pyarrow.int64())),
        ),
    ],
    ids=["Categorical", "pandas", "Arrow", "Arrow in chunks", "Arrow in pandas"],
)
def test_categories_of_integers_are_categories(column: object) -> None:
    for table in as_tables(column):
        assert choose_categorical(table, "infer").tolist() == [True]
        assert as_text(table.values[0]).to_pylist() == ["10115", "20095", None, "80331"]
        assert choose_categorical(table.select(["a"]).take(np.array([0])), "infer").tolist() == [True]


def test_categories_of_polars_are_categories() -> None:
    polars = pytest.importorskip("polars")
    texts = polars.Series(["1", "2", None])
    table = polars.DataFrame(
        {"categorical": texts.cast(polars.Categorical), "enum": texts.cast(polars.Enum(["1", "2"]))}
    )
    assert choose_categorical(read_columns(table), "infer").tolist() == [True, True]


@pytest.mark.parametrize(
    "column",
    [
        np.array(LARGE),
        pandas.Series(LARGE),
        pandas.Series([*LARGE, None], dtype="Int64"),
        pandas.Series(LARGE, dtype=pandas.ArrowDtype(pyarrow.int64())),
        pyarrow.array(LARGE),
        pyarrow.array([*LARGE, None]),
        pyarrow.array(LARGE).dictionary_encode(),
        pyarrow.array([decimal.Decimal(value) for value in LARGE]),
    ],
    ids=[
        "NumPy",
        "pandas",
        "pandas with a gap",
        "Arrow in pandas",
        "Arrow",
        "Arrow with a gap",
        "Arrow dictionary",
        "decimals",
    ],
)
def test_large_integers_stay_distinct_as_categories(column: object) -> None:
    for table in as_tables(column):
        assert TableEncoder.fit(table, np.array([True])).columns[0].outcomes == tuple(map(str, LARGE))


def as_dates() -> dict[str, object]:
    numpy = np.array([DAY, "NaT"], "datetime64[ns]")
    return {
        "NumPy": numpy,
        "NumPy, seconds": numpy.astype("datetime64[s]"),
        "NumPy, objects": np.array([np.datetime64(DAY), np.datetime64("NaT")], dtype=object),
        "pandas": pandas.Series(numpy),
        "pandas, UTC": pandas.Series(numpy).dt.tz_localize("UTC"),
        "pandas, another zone": pandas.Series(numpy).dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"),
        "Arrow in pandas": pandas.Series(numpy).astype(pandas.ArrowDtype(pyarrow.timestamp("ms"))),
        "Arrow": pyarrow.array([DAY, None]),
        "Arrow in chunks, UTC": pyarrow.chunked_array(
            [pyarrow.array([DAY, None], type=pyarrow.timestamp("us", tz="UTC"))]
        ),
        "objects": [DAY, None],
        "objects, a zone": [DAY.replace(tzinfo=datetime.UTC), None],
    }


@pytest.mark.parametrize("kind", as_dates())
def test_dates_are_seconds_and_nat_is_missing(kind: str) -> None:
    for table in as_tables(as_dates()[kind]):
        assert choose_categorical(table, "infer").tolist() == [False]
        assert table.declared == ["date"]
        assert np.array_equal(table.values[0], [SECONDS, np.nan], equal_nan=True)


def test_dates_of_polars_are_seconds() -> None:
    polars = pytest.importorskip("polars")
    table = read_columns(polars.DataFrame({"time": [DAY, None], "day": [DAY.date(), None]}))
    assert table.declared == ["date", "date"]
    assert np.array_equal(table.values, [[SECONDS, np.nan], [SECONDS // 86400 * 86400, np.nan]], equal_nan=True)


def test_days_durations_and_times_of_day_are_seconds() -> None:
    hour = datetime.timedelta(hours=1)
    table = {
        "day": [datetime.date(1970, 1, 2), None],
        "day and time": [datetime.date(1970, 1, 2), datetime.datetime(1970, 1, 1, 1)],
        "array": np.array(["1970-01-02", "NaT"], "datetime64[D]"),
        "duration": pandas.to_timedelta([hour, None]),
        "time": [datetime.time(1), None],
    }
    values = dict(zip(table, read_columns(table).values, strict=True))
    for name, expected in (("day", [86400, np.nan]), ("day and time", [86400, 3600]), ("array", [86400, np.nan])):
        assert np.array_equal(values[name], expected, equal_nan=True)
    assert np.array_equal(values["duration"], [3600, np.nan], equal_nan=True)
    assert np.array_equal(values["time"], [3600, np.nan], equal_nan=True)
    two_dimensional = read_columns(np.array([["1970-01-02"], ["NaT"]], "datetime64[D]"))
    assert np.array_equal(two_dimensional.values[0], [86400, np.nan], equal_nan=True)


def test_dates_among_text_stay_text() -> None:
    assert as_text(read_columns({"a": [datetime.date(2020, 1, 2), "soon"]}).values[0]).to_pylist() == [
        "2020-01-02",
        "soon",
    ]


def test_decimals_are_numbers() -> None:
    decimals = [decimal.Decimal("1.5"), decimal.Decimal("2"), None]
    for column in (
        decimals,
        pyarrow.array(decimals),
        pandas.Series(decimals, dtype=pandas.ArrowDtype(pyarrow.decimal128(5, 2))),
    ):
        table = read_columns({"a": column})
        assert choose_categorical(table, "infer").tolist() == [False]
        assert as_text(table.values[0]).to_pylist() == ["1.5", "2", None]
        assert TableEncoder.fit(table, np.array([False])).columns[0].mean == 1.75


def test_decimals_of_polars_are_numbers() -> None:
    polars = pytest.importorskip("polars")
    table = read_columns(polars.DataFrame({"a": [decimal.Decimal("1.5"), decimal.Decimal("2.25")]}))
    assert choose_categorical(table, "infer").tolist() == [False]


def test_columns_with_integer_names_are_not_taken_in_another_order() -> None:
    table = pandas.DataFrame({0: list("xyxxy") * 8, 1: list("xxxxy") * 8})
    detector = GumbelScoreDetector(**QUICK).fit(table)
    assert np.array_equal(detector.score_samples(table), detector.score_samples(table.to_numpy()))
    with pytest.raises(ValueError, match="columns 0, 1 in this order, but got 1, 0"):
        detector.score_samples(table[[1, 0]])
    with pytest.raises(ValueError, match="but got 1, 2"):
        detector.score_samples(table.set_axis([1, 2], axis=1))
