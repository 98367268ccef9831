"""Pascal VOC's folders: pictures, masks and lists."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from segqc.base.errors import BadInput
from segqc.base.storage.paths import as_path
from segqc.data.listing import files_by_id, is_plain_id, require_files
from segqc.data.masks import MASK_SUFFIXES
from segqc.data.pairs import Pair, Problem, only_file
from segqc.data.pictures import IMAGE_SUFFIXES


@dataclass(frozen=True)
class VocFolder:
    """A Pascal VOC folder: `root` is the one that holds JPEGImages, SegmentationClass and ImageSets."""

    root: Path

    @property
    def images(self) -> Path:
        return self.root / "JPEGImages"

    @property
    def masks(self) -> Path:
        return self.root / "SegmentationClass"

    @property
    def image_sets(self) -> Path:
        return self.root / "ImageSets" / "Segmentation"


def find_voc(root: Path | str) -> VocFolder:
    """Find VOC 2012 in `root`, which is a ``VOC2012``, a ``VOCdevkit`` or a folder that holds a ``VOCdevkit``.

    Raises
    ------
    BadInput
        When it is none of these; the reason lists where was looked.
    """
    root = as_path(root).expanduser()
    places = [root, root / "VOC2012", root / "VOCdevkit" / "VOC2012"]
    for place in places:
        if (place / "JPEGImages").is_dir() and (place / "SegmentationClass").is_dir():
            return VocFolder(place)
    raise BadInput(
        root,
        "holds no Pascal VOC; looked for JPEGImages and SegmentationClass in " + ", ".join(map(str, places)),
        "pass a VOCdevkit, a VOC2012 or the folder that holds VOCdevkit",
    )


def voc_pairs(root: Path | str, image_set: str) -> tuple[list[Pair], list[Problem]]:
    """Pairs of an image set (``ImageSets/Segmentation/<image_set>.txt``), in its order.

    Masks of ids that SegmentationClass lacks are looked for in SegmentationClassAug, where many copies keep those of
    SBD.

    Raises
    ------
    BadInput
        When `root` is no VOC folder, or the list is missing, unreadable or empty.
    """
    voc = find_voc(root)
    images, problems = list_images(voc_root=root, image_set=image_set)
    found = files_by_id(voc.masks, MASK_SUFFIXES)
    extra = files_by_id(voc.root / "SegmentationClassAug", MASK_SUFFIXES)
    pairs = []
    for id_, image in images.items():
        mask = only_file(id_, found.get(id_) or extra.get(id_) or [], voc.masks, "mask")
        if isinstance(mask, Problem):
            problems.append(mask)
        else:
            pairs.append(Pair(id_, image, mask))
    return pairs, problems


def list_images(
    images: Path | str | None = None,
    voc_root: Path | str | None = None,
    image_set: str | None = None,
    leave_out: Collection[Path] = (),
) -> tuple[dict[str, Path], list[Problem]]:
    """Images by id: those of a folder, of a VOC image set, or all of a VOC folder; of `leave_out` see `audit_pairs`.

    Returns
    -------
    dict of str to Path
        A folder's in the order of their ids, an image set's in the order of its list.
    list of Problem
        Ids with two files; listed ids that are repeated, lead outside the folder, or have no image.

    Raises
    ------
    BadInput
        When the folder or the list is missing or empty, or not exactly one of `images` and `voc_root` is given.
    """
    if images is not None and voc_root is None:
        folder = as_path(images).expanduser()
    elif voc_root is not None and images is None:
        folder = find_voc(voc_root).images
    else:
        raise BadInput("images", "need --images or --voc-root", "give one of them, not both")
    found = require_files(folder, IMAGE_SUFFIXES, "image", leave_out)
    ids, problems = sorted(found), list[Problem]()
    if voc_root is not None and image_set is not None:
        ids, problems = _listed_ids(find_voc(voc_root), image_set)
    result = {}
    for id_ in ids:
        image = only_file(id_, found.get(id_, []), folder, "image")
        if isinstance(image, Problem):
            problems.append(image)
        else:
            result[id_] = image
    return result, problems


def _listed_ids(voc: VocFolder, image_set: str) -> tuple[list[str], list[Problem]]:
    """Ids of a list file, each once; repeated ones and ones that would leave the folder are Problems."""
    path = voc.image_sets / f"{image_set}.txt"
    present = sorted(file.stem for file in voc.image_sets.glob("*.txt"))
    if image_set not in present:
        raise BadInput(path, f"does not exist; image sets here: {', '.join(present) or 'none'}", "pass one of them")
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(path, f"cannot be read: {error}") from error
    ids: dict[str, None] = {}
    problems = []
    for line in filter(None, lines):
        if line in ids:
            problems.append(Problem(line, path, "is listed more than once"))
        elif not is_plain_id(line):
            problems.append(
                Problem(
                    line, path, "is listed but no plain id: absolute, or with '..', a backslash or control characters"
                )
            )
        else:
            ids[line] = None
    if not ids and not problems:
        raise BadInput(path, "lists no image")
    return list(ids), problems
