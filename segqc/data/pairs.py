"""Which image goes with which mask.

An id is a path below its folder, without suffix, with "/" between its parts. Files pair by id across suffixes; hidden
files are passed over. Symbolic links may lead out of a folder; ids may not ("..", absolute paths): a list file from
elsewhere must not name files at will.
"""

import math
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from segqc.base.errors import BadInput
from segqc.base.fingerprints import stable_seed, uniform_of_text
from segqc.data.listing import files_by_id, require_files
from segqc.data.masks import MASK_SUFFIXES
from segqc.data.pairing import AS_IT_IS, NamePattern, find_mask_pattern, find_patterns
from segqc.data.pictures import IMAGE_SUFFIXES


@dataclass(frozen=True)
class Pair:
    """An image, its mask (None where none is needed), and the ground truth of that mask if there is one."""

    id: str
    image: Path
    mask: Path | None
    ground_truth: Path | None = None


@dataclass(frozen=True)
class Problem:
    """A file or a listed id that makes no pair, and why."""

    id: str
    path: Path
    reason: str


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
    root = Path(root).expanduser()
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
        mask = _only(id_, found.get(id_) or extra.get(id_) or [], voc.masks, "mask")
        if isinstance(mask, Problem):
            problems.append(mask)
        else:
            pairs.append(Pair(id_, image, mask))
    return pairs, problems


Names = tuple[NamePattern | None, NamePattern | None]
"""Patterns of the names of images and of masks; None: found from the names."""


def folder_pairs(
    images: Path | str, masks: Path | str, leave_out: Collection[Path] = (), names: Names = (None, None)
) -> tuple[list[Pair], list[Problem]]:
    """Pairs of two folders, or of one that holds both, by id, sorted by id.

    Parameters
    ----------
    images, masks : Path or str
    leave_out : collection of Path
        As in `audit_pairs`.
    names : tuple of NamePattern or None
        What of a file's name is its id; files of other names are passed over. By default it is found: see
        `segqc.data.pairing`.

    Returns
    -------
    list of Pair
    list of Problem
        Files without partner, or with two.

    Raises
    ------
    BadInput
        When either folder is missing or has no such file; when both are the same and names do not tell the masks; or
        when several kinds of mask fit.
    """
    images, masks = Path(images).expanduser(), Path(masks).expanduser()
    found_images = require_files(images, IMAGE_SUFFIXES, "image", leave_out)
    found_masks = require_files(masks, MASK_SUFFIXES, "mask", leave_out)
    if os.path.samefile(images, masks):
        of_masks = names[1] or find_mask_pattern(sorted(found_images.keys() | found_masks.keys()))
        if of_masks is None:
            fix = "give --mask-suffix, such as _mask, or keep them in two folders"
            raise BadInput(images, "is the folder of both images and masks, and their names do not tell which", fix)
        found_images = {id_: paths for id_, paths in found_images.items() if of_masks.id_of(id_) is None}
        names = names[0] or AS_IT_IS, of_masks
    else:
        names = find_patterns(list(found_images), list(found_masks), *names)
    found_images, found_masks = _renamed(found_images, names[0]), _renamed(found_masks, names[1])
    pairs: list[Pair] = []
    problems: list[Problem] = []
    for id_ in sorted(found_images.keys() | found_masks.keys()):
        image = _only(id_, found_images.get(id_, []), images, "image", found_masks.get(id_))
        mask = _only(id_, found_masks.get(id_, []), masks, "mask", found_images.get(id_))
        if isinstance(image, Problem):
            problems.append(image)
        elif isinstance(mask, Problem):
            problems.append(mask)
        else:
            pairs.append(Pair(id_, image, mask))
    return pairs, problems


def _renamed(found: dict[str, list[Path]], pattern: NamePattern | None) -> dict[str, list[Path]]:
    """Files by the id that a pattern takes from their names; those that do not fit are passed over."""
    if pattern in (None, AS_IT_IS):
        return found
    assert pattern is not None
    renamed: dict[str, list[Path]] = {}
    for path, files in found.items():
        id_ = pattern.id_of(path)
        if id_ is not None:
            renamed.setdefault(id_, []).extend(files)
    return renamed


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
        folder = Path(images).expanduser()
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
        image = _only(id_, found.get(id_, []), folder, "image")
        if isinstance(image, Problem):
            problems.append(image)
        else:
            result[id_] = image
    return result, problems


@dataclass(frozen=True)
class PredictionPairs:
    """What a folder of predictions holds, beside its pictures.

    Attributes
    ----------
    pairs : list of Pair
        Sorted by id.
    problems : list of Problem
        Predictions without an image, or of which there are two files (each of them a Problem), or that are no masks.
    images_without_prediction : list of str
        Ids in order.
    """

    pairs: list[Pair]
    problems: list[Problem]
    images_without_prediction: list[str]


def audit_pairs(
    predictions: Path | str,
    images: Path | str | None = None,
    voc_root: Path | str | None = None,
    ground_truth: Path | str | None = None,
    image_set: str | None = None,
    leave_out: Collection[Path] = (),
    names: Names = (None, None),
) -> PredictionPairs:
    """One Pair or Problem for each file in `predictions`.

    Parameters
    ----------
    predictions : Path or str
        Folder of masks. Hidden files, JSON files (what `segqc predict` notes beside its masks) and NPZ files that hold
        probabilities (an array ``probs`` and none called ``mask``) are no predictions; any other file that cannot be a
        mask is a Problem whose id keeps its suffix.
    images, voc_root
        Where the images are: one of the two.
    ground_truth : Path or str, optional
        Folder of masks; a prediction that has none there is still a Pair.
    image_set : str, optional
        With `voc_root`: only this set's images count as lacking a prediction.
    leave_out : collection of Path
        Files and folders, symbolic links resolved, that are passed over in all of these: a run's own outputs, if it
        writes them there.
    names : tuple of NamePattern or None
        As in `folder_pairs`, of images and of predictions; that of ground truth is found.

    Raises
    ------
    BadInput
        When a folder is missing, `predictions` has no file, or there are no images.
    """
    predictions = Path(predictions).expanduser()
    known, ambiguous = list_images(images, voc_root, leave_out=leave_out)
    expected = known if image_set is None else list_images(images, voc_root, image_set, leave_out)[0]
    truths: dict[str, list[Path]] = {}
    if ground_truth is not None:
        truths = require_files(Path(ground_truth).expanduser(), MASK_SUFFIXES, "ground-truth mask", leave_out)
    files = require_files(predictions, None, "prediction", leave_out)
    of_images, of_masks = find_patterns(list(known), [i for i, paths in files.items() if _any_mask(paths)], *names)
    if (of_images, of_masks) != (AS_IT_IS, AS_IT_IS):
        known = {id_: paths[0] for id_, paths in _renamed({i: [path] for i, path in known.items()}, of_images).items()}
        expected = {id_: path for path_id, path in expected.items() if (id_ := of_images.id_of(path_id)) is not None}
        others = {id_: paths for id_, paths in files.items() if not _any_mask(paths)}
        files = _renamed({i: paths for i, paths in files.items() if _any_mask(paths)}, of_masks) | others
    if truths:
        truths = _renamed(truths, find_patterns(list(known), list(truths))[1])
    no_image = {problem.id: problem.reason for problem in ambiguous}
    found = PredictionPairs([], [], [])
    predicted: set[str] = set()
    for id_, paths in sorted(files.items()):
        masks = [path for path in paths if path.suffix.lower() in MASK_SUFFIXES]
        for path in (path for path in paths if path not in masks):
            name = path.relative_to(predictions).as_posix()
            found.problems.append(Problem(name, path, f"is not a mask file ({', '.join(MASK_SUFFIXES)})"))
        for path in masks:
            predicted.add(id_)
            truth = truths.get(id_, [])
            reason = _same_id(path, masks) or _several_truths(truth)
            if reason is None and id_ not in known:
                reason = no_image.get(id_, f"has no image {id_}{{{','.join(IMAGE_SUFFIXES)}}}")
            if reason is not None:
                found.problems.append(Problem(id_, path, reason))
            else:
                found.pairs.append(Pair(id_, known[id_], path, truth[0] if truth else None))
    found.images_without_prediction.extend(sorted(set(expected) - predicted))
    return found


def _any_mask(paths: Sequence[Path]) -> bool:
    return any(path.suffix.lower() in MASK_SUFFIXES for path in paths)


def _same_id(path: Path, masks: Sequence[Path]) -> str | None:
    """Why a prediction has no pair where there are several files for its id."""
    others = [other.name for other in masks if other != path]
    return f"has the same id as {', '.join(others)}" if others else None


def _several_truths(truths: Sequence[Path]) -> str | None:
    """Why a prediction has no pair where there are several true masks for it."""
    return f"has several ground-truth masks: {', '.join(path.name for path in truths)}" if len(truths) > 1 else None


def split_validation(ids: Sequence[str], fraction: float = 0.1, seed: int = 0) -> tuple[list[str], list[str]]:
    """Split ids into training and validation, each in the given order.

    Whether an id is validation depends on (seed, id) alone, so that adding a picture moves no other; the share is
    `fraction` on average. Only when that leaves a side empty (a handful of ids), the id nearest to the border crosses
    it; a single id stays in training.
    """
    position = {id_: uniform_of_text(f"{seed}/{id_}") for id_ in ids}
    ordered = sorted(position.values())
    border = min(max(fraction, math.nextafter(ordered[0], 1.0)), ordered[-1]) if ordered else fraction
    return [id_ for id_ in ids if position[id_] >= border], [id_ for id_ in ids if position[id_] < border]


def _only(id_: str, paths: list[Path], folder: Path, kind: str, partner: list[Path] | None = None) -> Path | Problem:
    """The one file in `paths`, or the Problem that it is not one.

    `partner`: files of the other kind, to name when there is none.
    """
    if len(paths) == 1:
        return paths[0]
    if paths:
        return Problem(
            id_, paths[0], f"has the same id as {', '.join(path.name for path in paths[1:])}: two {kind}s for one id"
        )
    return Problem(id_, partner[0] if partner else folder / id_, f"has no {kind} in {folder}")


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
        elif not _stays_inside(line):
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


def _stays_inside(id_: str) -> bool:
    parts = PurePosixPath(id_)
    return not (parts.is_absolute() or ".." in parts.parts or "\\" in id_ or ":" in id_[1:2] or not id_.isprintable())


def dataset_fingerprint(pairs: Sequence[Pair]) -> str:
    """A short name for the files behind the pairs, by id, size and time of change: wherever they are mounted."""
    parts = [(pair.id, *(f(path) for path in (pair.image, pair.mask) for f in (_size, _changed))) for pair in pairs]
    return f"{stable_seed(parts):016x}"


def _size(path: Path | None) -> int:
    return path.stat().st_size if path is not None and path.is_file() else -1


def _changed(path: Path | None) -> int:
    return path.stat().st_mtime_ns if path is not None and path.is_file() else -1
