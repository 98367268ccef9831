"""Which image goes with which mask.

An id is a path below its folder, without suffix, with "/" between its parts. Files pair by id across suffixes; hidden
files are passed over. Symbolic links may lead out of a folder; ids may not ("..", absolute paths): a list file from
elsewhere must not name files at will.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segqc.base.errors import BadInput
from segqc.base.fingerprints import stable_seed
from segqc.base.storage.paths import as_path
from segqc.data.listing import files_by_id, require_files
from segqc.data.masks import MASK_SUFFIXES
from segqc.data.pairing import AS_IT_IS, NamePattern, find_mask_pattern, find_patterns
from segqc.data.pictures import IMAGE_SUFFIXES


@dataclass(frozen=True)
class Pair:
    """An image, its mask (None where none is needed), the ground truth of that mask if there is one, and its map of
    instance ids likewise.
    """

    id: str
    image: Path
    mask: Path | None
    ground_truth: Path | None = None
    instances: Path | None = None


@dataclass(frozen=True)
class Problem:
    """A file or a listed id that makes no pair, and why; `files` counts the pictures and masks that it stands for."""

    id: str
    path: Path
    reason: str
    files: tuple[int, int] = field(default=(0, 0), compare=False)


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
    images, masks = as_path(images).expanduser(), as_path(masks).expanduser()
    found_images = require_files(images, IMAGE_SUFFIXES, "image", leave_out)
    found_masks = require_files(masks, MASK_SUFFIXES, "mask", leave_out)
    if images.samefile(masks):
        of_masks = names[1] or find_mask_pattern(sorted(found_images.keys() | found_masks.keys()))
        if of_masks is None:
            fix = "give --mask-suffix, such as _mask, or keep them in two folders"
            raise BadInput(images, "is the folder of both images and masks, and their names do not tell which", fix)
        found_images = {id_: paths for id_, paths in found_images.items() if of_masks.id_of(id_) is None}
        names = names[0] or AS_IT_IS, of_masks
    else:
        names = find_patterns(list(found_images), list(found_masks), *names)
    found_images, found_masks = by_pattern(found_images, names[0]), by_pattern(found_masks, names[1])
    pairs: list[Pair] = []
    problems: list[Problem] = []
    for id_ in sorted(found_images.keys() | found_masks.keys()):
        image = only_file(id_, found_images.get(id_, []), images, "image", found_masks.get(id_))
        mask = only_file(id_, found_masks.get(id_, []), masks, "mask", found_images.get(id_))
        if isinstance(image, Problem):
            problems.append(image)
        elif isinstance(mask, Problem):
            problems.append(mask)
        else:
            pairs.append(Pair(id_, image, mask))
    return pairs, problems


def masks_of(ids: Sequence[str], folder: Path) -> dict[str, list[Path]]:
    """Mask files below a folder by the ids that they belong to, also where their names say more than the id
    (`x_mask.png` of `x`).

    Parameters
    ----------
    ids : sequence of str
    folder : Path

    Raises
    ------
    BadInput
        Several kinds of mask fit the ids.
    """
    found = files_by_id(folder, MASK_SUFFIXES)
    if 2 * len(found.keys() & set(ids)) >= min(len(found), len(ids)):
        return found
    return by_pattern(found, find_patterns(ids, list(found), image=AS_IT_IS)[1])


def by_pattern(found: dict[str, list[Path]], pattern: NamePattern | None) -> dict[str, list[Path]]:
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


def only_file(
    id_: str, paths: list[Path], folder: Path, kind: str, partner: list[Path] | None = None
) -> Path | Problem:
    """The one file in `paths`, or the Problem that it is not one.

    `partner`: files of the other kind, to name when there is none.
    """
    if len(paths) == 1:
        return paths[0]
    others = len(partner or ())
    files = (len(paths), others) if kind == "image" else (others, len(paths))
    if paths:
        reason = f"has the same id as {', '.join(path.name for path in paths[1:])}: two {kind}s for one id"
        return Problem(id_, paths[0], reason, files)
    return Problem(id_, partner[0] if partner else folder / id_, f"has no {kind} in {folder}", files)


def count_files(pairs: Sequence[Pair], problems: Sequence[Problem]) -> str:
    """The number of pictures, of masks, and of pairs that they make: "12 pictures, 60 masks, 0 pairs"."""
    masked = sum(pair.mask is not None for pair in pairs)
    numbers = {
        "picture": len(pairs) + sum(problem.files[0] for problem in problems),
        "mask": masked + sum(problem.files[1] for problem in problems),
        "pair": masked,
    }
    return ", ".join(f"{number:,} {noun}{'' if number == 1 else 's'}" for noun, number in numbers.items())


def dataset_fingerprint(pairs: Sequence[Pair]) -> str:
    """A short name for the files behind the pairs, by id, size and time of change: wherever they are mounted."""
    parts = [(pair.id, *(f(path) for path in (pair.image, pair.mask) for f in (_size, _changed))) for pair in pairs]
    return f"{stable_seed(parts):016x}"


def _size(path: Path | None) -> int:
    return path.stat().st_size if path is not None and path.is_file() else -1


def _changed(path: Path | None) -> int:
    return path.stat().st_mtime_ns if path is not None and path.is_file() else -1
