"""Files of a folder by id: the path below the folder, without suffix, by which pictures and masks find each other."""

import zipfile
from collections import Counter
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from segqc.base.errors import BadInput
from segqc.base.storage.paths import walk
from segqc.data.masks import MASK_SUFFIXES
from segqc.data.pairing import AS_IT_IS, NamePattern
from segqc.data.pictures import IMAGE_SUFFIXES

LOSSY_SUFFIXES = (".jpg", ".jpeg", ".webp")
_FOREIGN_PICTURES = (".heic", ".heif", ".avif", ".jp2", ".jxl", ".dcm", ".raw", ".cr2", ".nef", ".dng", ".psd", ".svs")


def files_by_id(
    folder: Path,
    suffixes: tuple[str, ...] | None,
    leave_out: Collection[Path] = (),
    pattern: NamePattern = AS_IT_IS,
) -> dict[str, list[Path]]:
    """Files below a folder by id: the path below the folder without suffix, as POSIX text.

    Hidden files are passed over, and NPZ files that hold a segmenter's probabilities. Links to folders are followed,
    each folder once.

    Parameters
    ----------
    folder : Path
    suffixes : tuple of str or None
        Lower case, with the dot; a file's own is compared without case. None takes all files but JSON.
    leave_out : collection of Path
        Files and folders, symbolic links resolved, that are passed over too.
    pattern : NamePattern
        What of a file's name is its id; files whose names do not fit are passed over.

    Returns
    -------
    dict of str to list of Path
        Each list sorted; empty where there is no such folder.
    """
    found: dict[str, list[Path]] = {}
    for parent, folders, names in walk(folder):
        real = parent.resolve() if leave_out else parent
        hidden = {name for name in folders + names if name.startswith(".")}
        passed_over = hidden | ({n for n in folders + names if real / n in leave_out} if leave_out else set())
        folders[:] = sorted(set(folders) - passed_over)
        below = parent.relative_to(folder).as_posix()
        for name in sorted(set(names) - passed_over):
            stem, _, ending = name.rpartition(".")  # text: a `Path` of each of many thousand files takes seconds
            stem, suffix = (stem, f".{ending.lower()}") if stem and ending else (name, "")
            wanted = suffix != ".json" if suffixes is None else suffix in suffixes
            id_ = pattern.id_of(stem if below == "." else f"{below}/{stem}") if wanted else None
            if id_ is not None:
                path = parent / name
                if not (suffix == ".npz" and _holds_probabilities(path)):
                    found.setdefault(id_, []).append(path)
    return found


def _holds_probabilities(path: Path) -> bool:
    """Whether an NPZ is a segmenter's softmax map beside its mask; False for a file that cannot be opened, since the
    mask reader then says why.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # zipfile lets several kinds through for hostile files
        return False
    return "probs.npy" in names and "mask.npy" not in names


def passed_over(folder: Path, suffixes: tuple[str, ...], leave_out: Collection[Path] = ()) -> tuple[str, ...]:
    """A line on the files below a folder that have none of the suffixes, by suffix; nothing where there are none.

    Parameters
    ----------
    folder, suffixes, leave_out
        As for `files_by_id`.
    """
    kinds: Counter[str] = Counter()
    for parent, folders, names in walk(folder):
        hidden = {name for name in folders + names if name.startswith(".") or (parent / name).resolve() in leave_out}
        folders[:] = [name for name in folders if name not in hidden]
        found = (Path(name).suffix.lower() for name in names if name not in hidden)
        kinds.update(suffix or "without suffix" for suffix in found if suffix not in suffixes)
    if not kinds:
        return ()
    listed = ", ".join(f"{count:,} {suffix}" for suffix, count in kinds.most_common(5))
    return (f"files passed over in {folder}: {kinds.total():,} ({listed}{', ...' if len(kinds) > 5 else ''})",)


def require_files(
    folder: Path, suffixes: tuple[str, ...] | None, kind: str, leave_out: Collection[Path] = ()
) -> dict[str, list[Path]]:
    """`files_by_id` of a folder that must have some; `kind` says what they are: "image", "ground-truth mask".

    Raises
    ------
    BadInput
        There is no such folder, or no such file in it.
    """
    found = files_by_id(folder, suffixes, leave_out)
    if not found:
        wanted = ", ".join(suffixes or MASK_SUFFIXES)
        reason = f"holds no {kind} ({wanted})" if folder.is_dir() else "is not a folder"
        fix = f"pass the folder of the {kind}s"
        if others := Counter(paths[0].suffix.lower() for paths in files_by_id(folder, None, leave_out).values()):
            suffix, count = others.most_common(1)[0]
            reason += f", but {count} {suffix} {'file' if count == 1 else 'files'}" if suffix else ""
            if suffixes == MASK_SUFFIXES and suffix in LOSSY_SUFFIXES:
                fix = "save masks as PNG: JPEG and WebP change their values"
            elif suffix in IMAGE_SUFFIXES or suffix in _FOREIGN_PICTURES:
                fix += ", or convert them to PNG"
        raise BadInput(folder, reason, fix)
    return found


def masks_by_id(folder: Path) -> dict[str, Path]:
    """The masks below a folder by id, PNG, NPY or NPZ; an id with several has its first by name.

    Empty where there is no such folder.
    """
    return {id_: paths[0] for id_, paths in files_by_id(folder, MASK_SUFFIXES).items()}


def is_plain_id(id_: str) -> bool:
    """Whether an id that a list names is a path below a folder: not absolute, without "..", backslash or control
    characters.
    """
    parts = PurePosixPath(id_)
    outside = parts.is_absolute() or ".." in parts.parts or "\\" in id_ or ":" in id_[1:2]
    return bool(parts.parts) and not outside and id_.isprintable()
