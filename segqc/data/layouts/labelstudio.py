"""Label Studio: the project's JSON export; or its brush export, PNGs of one label each, with the JSON beside them."""

from pathlib import Path

from segqc.base.errors import BadInput
from segqc.base.files import read_json
from segqc.data.annotations.drawing import Annotations
from segqc.data.annotations.label_studio import is_label_studio, read_label_studio
from segqc.data.annotations.label_studio_tasks import is_tasks, read_tasks, task_pictures
from segqc.data.layouts.dataset import Annotated


def find(root: Path, split: str | None, work: Path | None) -> Annotated | None:
    """The data set, if `root` holds brush masks or is, or holds, an export of tasks."""
    if root.is_file():
        tasks = root.suffix.lower() == ".json" and is_tasks(_content(root))
        return Annotated("labelstudio", read_tasks(root), root.parent) if tasks else None
    masks = brush_masks(root)
    if masks is not None:
        return Annotated("labelstudio", masks, root)
    export = next((path for path in sorted(root.glob("*.json")) if is_tasks(_content(path))), None)
    return None if export is None else Annotated("labelstudio", read_tasks(export), root)


def brush_masks(root: Path) -> Annotations | None:
    """The brush masks below a folder, if there are any; the JSON export beside them says which picture a task is.

    Raises
    ------
    BadInput
        There is no JSON export.
    """
    first = next((path for path in sorted(root.rglob("task-*.png")) if is_label_studio(path)), None)
    if first is None:
        return None
    export = next((path for path in sorted(root.glob("*.json")) if isinstance(_content(path), list)), None)
    if export is None:
        fix = "put the project's JSON export into the folder"
        raise BadInput(
            first.parent, "holds brush masks of Label Studio, whose names do not say which picture they are of", fix
        )
    return read_label_studio(first.parent, task_pictures(export))


def _content(path: Path) -> object:
    try:
        return read_json(path)
    except BadInput:
        return None
