"""The objects of an audit, read back from its folder."""

from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from segqc.base.errors import BadInput
from segqc.results.schema import OBJECT_COLUMNS, names

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
