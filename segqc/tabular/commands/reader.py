"""How the table files of a model are read: table.json in the model folder."""

from pathlib import Path

import pyarrow
import pyarrow.compute

from segqc.base.errors import BadInput
from segqc.base.files import read_json, write_json
from segqc.base.fingerprints import file_sha256
from segqc.tabular.config import FitConfig, TableConfig
from segqc.tabular.io.files import read_table
from segqc.tabular.io.raw import MISSING, BadRow, Format
from segqc.tabular.storage import WEIGHTS

_READER = "table.json"


def read_features(config: TableConfig, problems: list[BadRow] | None = None) -> pyarrow.Table:
    """The table without the columns to drop, and, with a list for them, without the rows that cannot be read."""
    how = Format(
        config.categorical,
        config.numeric,
        (*MISSING, *config.missing),
        config.separator,
        config.decimal,
        config.thousands,
        date_format=config.date_format,
    )
    return read_table(config.data, how, config.drop, problems)


def write_reader(config: FitConfig, columns: list[str], numeric: list[str], dates: list[str]) -> None:
    """Write into the model folder, which holds the weights already, how further tables are read.

    Parameters
    ----------
    config : FitConfig
    columns : list of str
        Columns that the model was fitted on.
    numeric, dates : list of str
        Those of them that hold numbers, and dates.
    """
    saved = {
        "columns": columns,
        "numeric": numeric,
        "dates": dates,
        "codes": [name for name in config.categorical if name in columns],
        "missing": list(config.missing),
        "separator": config.separator,
        "decimal": config.decimal,
        "thousands": config.thousands,
        "date_format": config.date_format,
        "weights": file_sha256(config.out / WEIGHTS),
    }
    write_json(config.out / _READER, saved)


def load_reader(folder: Path) -> tuple[list[str], Format]:
    """Columns of a model folder's tables, and how they are read.

    Raises
    ------
    BadInput
        When the folder was not written by `fit_table`, or not completely.
    """
    path = Path(folder) / _READER
    if not path.is_file():
        raise BadInput(
            folder, f"holds no {_READER}, which `segqc tabular score` needs", "make the model with `segqc tabular fit`"
        )
    saved = read_json(path)
    try:
        names, numeric, codes, missing = (_names(saved[key]) for key in ("columns", "numeric", "codes", "missing"))
        # Earlier versions wrote no dates, which were text to them.
        how = Format(
            codes,
            numeric,
            (*MISSING, *missing),
            saved["separator"],
            saved.get("decimal", "."),
            saved.get("thousands", ""),
            _names(saved.get("dates", [])),
            saved.get("date_format"),
        )
        whole = saved["weights"] == file_sha256(Path(folder) / WEIGHTS)
    except FileNotFoundError as error:
        raise BadInput(folder, f"holds no {WEIGHTS}", "fit again") from error
    except (KeyError, TypeError) as error:
        raise BadInput(
            path, f"is not a description of a table that this version reads: {error}", "fit again"
        ) from error
    if not whole:
        raise BadInput(
            path,
            f"was written for another {WEIGHTS}: writing the folder was interrupted, or one of its files was changed",
            "fit again",
        )
    return list(names), how


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError(f"Expected a list of names, but got {value!r}")
    return tuple(value)
