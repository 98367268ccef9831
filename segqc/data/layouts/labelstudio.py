"""Label Studio's brush export: PNGs of one label each, the project's JSON export, and the pictures."""

from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlparse

from segqc.base.errors import BadInput
from segqc.base.files import read_json
from segqc.data.annotations.label_studio import is_label_studio, read_label_studio
from segqc.data.layouts.dataset import DataSet, pair_annotations


def find(root: Path, split: str | None, work: Path | None) -> DataSet | None:
    """The data set, if `root` holds brush masks; the JSON export beside them says which picture a task is."""
    first = next((path for path in sorted(root.rglob("task-*.png")) if is_label_studio(path)), None)
    if first is None:
        return None
    export = next((path for path in sorted(root.glob("*.json")) if isinstance(read_json(path), list)), None)
    if export is None:
        fix = "put the project's JSON export into the folder"
        raise BadInput(
            first.parent, "holds brush masks of Label Studio, whose names do not say which picture they are of", fix
        )
    masks = read_label_studio(first.parent, _pictures(export))
    return pair_annotations("labelstudio", masks, root, work)


def _pictures(export: Path) -> dict[int, str]:
    """Name of the picture of each task, without suffix."""
    found = {}
    for task in read_json(export):
        try:
            address = next(value for value in task["data"].values() if isinstance(value, str))
            found[int(task["id"])] = PurePosixPath(unquote(urlparse(address).path)).stem
        except (KeyError, TypeError, ValueError, StopIteration, AttributeError) as error:
            raise BadInput(
                export, f"is no export of tasks with pictures: {error!r}", "export the project as JSON"
            ) from error
    return found
