"""Large JSON files written record by record, one a line: compact, and never whole in memory."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from segqc.base.files import atomic_path


def write_records(path: Path, records: Iterable[Any]) -> None:
    """A JSON array of `records`."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        _array(stream, records)
        stream.write("\n")


def write_object(path: Path, members: Mapping[str, Iterable[Any] | Mapping[str, Any]]) -> None:
    """A JSON object whose values are objects, or arrays taken from iterables in the order given."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write("{\n")
        for place, (name, value) in enumerate(members.items()):
            stream.write((",\n" if place else "") + f"{compact(name)}: ")
            if isinstance(value, Mapping):
                stream.write(compact(value))
            else:
                _array(stream, value)
        stream.write("\n}\n")


def compact(value: Any) -> str:
    """JSON on one line; NaN is refused."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _array(stream: TextIO, records: Iterable[Any]) -> None:
    stream.write("[")
    for place, record in enumerate(records):
        stream.write(("," if place else "") + "\n" + compact(record))
    stream.write("\n]")
