"""Masks that are no mask files: annotations of many kinds, recognised where a folder of masks may be given."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from segqc.base.errors import BadInput
from segqc.base.files import read_json
from segqc.data.annotations.coco import coco_results, is_coco, read_coco
from segqc.data.annotations.cvat import is_cvat, read_cvat
from segqc.data.annotations.drawing import Annotations
from segqc.data.annotations.label_studio import is_label_studio
from segqc.data.annotations.label_studio_tasks import is_tasks, read_tasks
from segqc.data.annotations.labelme import is_labelme, read_labelme
from segqc.data.annotations.yolo import read_yolo, yaml_names
from segqc.data.labels import LabelSpace
from segqc.data.layouts.dataset import DRAWN, DataSet, pair_annotations, single_files
from segqc.data.layouts.labelstudio import brush_masks
from segqc.data.layouts.yolo import data_file
from segqc.data.listing import files_by_id, require_files
from segqc.data.masks import MASK_SUFFIXES
from segqc.data.pictures import IMAGE_SUFFIXES

_KNOWN = "a COCO JSON or results list, Label Studio's JSON, CVAT's XML, or a table of paths"


@dataclass(frozen=True)
class Reading:
    """How annotations are read where there is a choice.

    Attributes
    ----------
    results_of : Path, optional
        The data set's own file, which names pictures and categories of COCO results, or classes of YOLO labels.
    min_score : float, optional
        Annotations with a lower score are left out.
    predicted : bool
        Whether the masks are predictions: of a Label Studio task, its prediction then counts before its annotations.
    """

    results_of: Path | None = None
    min_score: float | None = None
    predicted: bool = False


def holds_mask_files(path: Path) -> bool:
    """Whether a path is a folder of mask files, as they are."""
    found = files_by_id(path, MASK_SUFFIXES) if path.is_dir() else {}
    return bool(found) and not any(is_label_studio(file) for files in found.values() for file in files)


def find_annotations(path: Path, pictures: Mapping[str, Path], reading: Reading) -> Annotations | None:
    """The annotations at `path`; None where it is a folder of mask files, or of nothing that is known.

    Parameters
    ----------
    path : Path
        A file of annotations, or a folder of them: LabelMe JSON, YOLO labels, Label Studio's brush PNGs, or one COCO,
        CVAT or Label Studio file.
    pictures : mapping of str to Path
        Picture files by id.
    reading : Reading

    Raises
    ------
    BadInput
        `path` is a file of no known kind, or annotations that cannot be read without a further file.
    """
    path = path.expanduser()
    if path.is_file():
        found = _of_file(path, read_json(path) if path.suffix.lower() == ".json" else None, reading)
        if found is None:
            raise BadInput(path, "is neither a folder nor a file of annotations that is known", f"give {_KNOWN}")
        return found
    if not path.is_dir():
        return None
    if holds_mask_files(path):
        return None
    brush = brush_masks(path)
    if brush is not None:
        return brush
    contents = {file: _content(file) for file in sorted(path.rglob("*.json"))}
    if any(is_labelme(content) for content in contents.values()):
        return read_labelme(path)
    files = [*contents, *sorted(path.rglob("*.xml"))]
    found = next((one for file in files if (one := _of_file(file, contents.get(file), reading)) is not None), None)
    return found or _yolo(path, pictures, reading)


def _of_file(path: Path, content: object, reading: Reading) -> Annotations | None:
    """The annotations of one file, `content` being that of a JSON file."""
    if path.suffix.lower() == ".xml":
        return read_cvat(path) if is_cvat(path) else None
    if is_tasks(content):
        return read_tasks(path, reading.predicted)
    if is_coco(content) or coco_results(content) is not None:
        return read_coco(path, reading.results_of, reading.min_score)
    return None


def _content(path: Path) -> object:
    try:
        return read_json(path)
    except BadInput:  # of a file that lies among others
        return None


def _yolo(folder: Path, pictures: Mapping[str, Path], reading: Reading) -> Annotations | None:
    """YOLO labels, whose classes a data file names: the one that was given, or one beside them or above; None where no
    picture has such a label file.
    """
    labels = folder / "labels" if (folder / "labels").is_dir() else folder
    if not any((labels / f"{id_}.txt").is_file() for id_ in pictures):
        return None
    file = reading.results_of
    if file is None:
        file = next((found for place in (labels, *labels.parents[:2]) if (found := data_file(place)) is not None), None)
    if file is None:
        fix = "give the data set's data.yaml with --results-of"
        raise BadInput(folder, "holds YOLO labels, which do not name their classes", fix)
    return read_yolo(labels, pictures, yaml_names(file), reading.min_score)


def annotated_pairs(
    images: Path, masks: Path, work: Path, labels: LabelSpace | None, leave_out: Collection[Path] = ()
) -> DataSet | None:
    """The pairs of a folder of pictures and of annotations, drawn below `work`; None where `masks` is a folder of mask
    files, or of nothing that is known.

    Raises
    ------
    BadInput
        As for `find_annotations`; or there are no pictures, or no annotation is of a class in `labels`.
    """
    if not masks.expanduser().is_file() and (not masks.expanduser().is_dir() or holds_mask_files(masks.expanduser())):
        return None
    pictures = single_files(require_files(images.expanduser(), IMAGE_SUFFIXES, "image", leave_out))
    annotations = find_annotations(masks, pictures, Reading())
    return None if annotations is None else pair_annotations("", annotations, pictures, work / DRAWN, labels)
