"""The objects of an audit, read back from its folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from segqc.base.errors import BadInput
from segqc.data.instances import instance_files
from segqc.results.schema import OBJECT_COLUMNS, names
from segqc.results.table import AuditTable

OBJECTS = "objects.parquet"


def read_objects(folder: Path) -> list[dict[str, Any]]:
    """Rows of objects.parquet in the order of their ranks; none where the folder has no such table.

    Raises
    ------
    BadInput
        The file is no Parquet table, or not one of objects.
    """
    path = folder / OBJECTS
    if not path.is_file():
        return []
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise BadInput(path, f"is not a Parquet file: {error}", "run the audit again") from error
    missing = [name for name in names(OBJECT_COLUMNS) if name not in table.column_names]
    if missing:
        raise BadInput(path, f"lacks the columns {', '.join(missing)}", "run the audit again")
    return table.to_pylist()


def audited_instances(table: AuditTable, ids: Sequence[str]) -> dict[str, Path]:
    """The maps of instance ids that an audit read, by picture; empty where its objects are connected components.

    Raises
    ------
    BadInput
        They are no longer there.
    """
    folder = table.settings.get("instances")
    return {} if folder is None else instance_files(table.locate(folder, "--audit, after a new audit"), ids)
