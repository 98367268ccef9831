"""The objects of an audit, read back from its folder."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
from pyarrow import compute

from segqc.base.errors import BadInput
from segqc.data.instances import instance_files
from segqc.results.schema import OBJECT_COLUMNS, names
from segqc.results.table import AuditTable

OBJECTS = "objects.parquet"


def read_objects(folder: Path, ids: Collection[str] | None = None) -> list[dict[str, Any]]:
    """Rows of objects.parquet in the order of their ranks, all or those of these pictures; none where the folder has no
    such table.

    Raises
    ------
    BadInput
        The file is no Parquet table, or not one of objects.
    """
    table = _read_table(folder)
    if table is None:
        return []
    if ids is not None:
        table = table.filter(compute.is_in(table.column("id"), pyarrow.array(list(ids), pyarrow.string())))
    return table.to_pylist()


def read_object_columns(folder: Path, columns: Sequence[str], known: str) -> dict[str, list[Any]]:
    """Some columns of objects.parquet, of the objects of which the column `known` is not empty; empty where the folder
    has no such table, or the table no such column.

    Raises
    ------
    BadInput
        As `read_objects`.
    """
    table = _read_table(folder)
    if table is None or known not in table.column_names:
        return {name: [] for name in columns}
    return table.filter(table.column(known).is_valid()).select(list(columns)).to_pydict()


def objects_by_id(folder: Path) -> Callable[[str], list[dict[str, Any]]]:
    """The rows of `read_objects` by the id of their picture, of which only the columns are kept in memory.

    Raises
    ------
    BadInput
        As `read_objects`.
    """
    table = _read_table(folder)
    if table is None or not table.num_rows:
        return lambda id_: []
    sorted_by_id = table.sort_by([("id", "ascending"), ("rank", "ascending")]).combine_chunks()
    counts = sorted_by_id.column("id").value_counts()
    lengths = counts.field("counts").to_numpy()
    starts = dict(zip(counts.field("values").to_pylist(), np.cumsum(lengths) - lengths, strict=True))
    of_id = dict(zip(starts, lengths, strict=True))

    def rows(id_: str) -> list[dict[str, Any]]:
        return sorted_by_id.slice(starts[id_], of_id[id_]).to_pylist() if id_ in starts else []

    return rows


def _read_table(folder: Path) -> pyarrow.Table | None:
    """The table of objects, None where there is none."""
    path = folder / OBJECTS
    if not path.is_file():
        return None
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise BadInput(path, f"is not a Parquet file: {error}", "run the audit again") from error
    missing = [name for name in names(OBJECT_COLUMNS) if name not in table.column_names]
    if missing:
        raise BadInput(path, f"lacks the columns {', '.join(missing)}", "run the audit again")
    return table


def audited_instances(table: AuditTable, ids: Sequence[str]) -> dict[str, Path]:
    """The maps of instance ids that an audit read, by picture; empty where its objects are connected components.

    Raises
    ------
    BadInput
        They are no longer there.
    """
    folder = table.settings.get("instances")
    return {} if folder is None else instance_files(table.locate(folder, "--audit, after a new audit"), ids)
