"""The data block of a review page, as the tests of its file read it."""

import json
from pathlib import Path
from typing import Any


def page_data(path: Path) -> dict[str, Any]:
    """The block ``rows``, with the rows themselves under that name: the page has them by columns."""
    data = json.loads(path.read_text("utf-8").split('id="rows">')[1].split("</script>")[0])
    cells = {
        name: column if isinstance(column, list) else [column["all"]] * data["count"]
        for name, column in data["columns"].items()
    }
    return data | {"rows": [{name: values[index] for name, values in cells.items()} for index in range(data["count"])]}
