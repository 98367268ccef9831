"""The folder of an audit: what is written there, whose it is, and one audit at a time."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from accelerate import Accelerator

from segqc.base.errors import BadInput
from segqc.base.files import read_json, remove_folder, remove_leftovers
from segqc.base.locks import exclusive
from segqc.base.parts import part_paths
from segqc.data.layouts.dataset import DRAWN
from segqc.results.heatmaps import HEATMAPS

SLICES = "slices"
GALLERY_FILES = "gallery_files"
VOLUME_TABLES = ("volumes.csv", "volumes.parquet", "volume_classes.csv", "volume_classes.parquet")
OBJECTS = ("objects.csv", "objects.parquet", "objects.png")
WRITTEN = (
    HEATMAPS,
    DRAWN,
    SLICES,
    *VOLUME_TABLES,
    *OBJECTS,
    "scores.csv",
    "scores.parquet",
    "summary.json",
    "contact_sheet.png",
    "gallery.html",
    GALLERY_FILES,
)
ROWS = "rows"
"""Name of the parts that hold finished rows."""

_PROGRESS, _LOCK = ".progress", "audit.lock"


def written_paths(out: Path) -> frozenset[Path]:
    """What an audit writes to `out`, symbolic links resolved: no prediction and no picture, even where `out` lies among
    them.
    """
    return frozenset(out.resolve() / name for name in WRITTEN)


def volumes_journal(out: Path) -> Path:
    """The journal of what was measured on volumes."""
    return out / _PROGRESS / "volumes.jsonl"


def parts_folder(out: Path) -> Path:
    """The folder of the parts that hold finished rows."""
    return out / _PROGRESS


@contextmanager
def claimed(out: Path, accelerator: Accelerator) -> Iterator[None]:
    """Keep other audits out of `out` until this one has written it; the processes of one audit share the claim of their
    main one.

    Raises
    ------
    BadInput
        The folder holds files of somebody else under the names of an audit's, or another audit is writing there.
    """
    if accelerator.is_main_process:
        _refuse_foreign(out)
    # From the first heat map on, the lock file says that the folder is an audit's.
    lock = exclusive(out / _PROGRESS / _LOCK, out, "audit") if accelerator.is_main_process else nullcontext()
    with lock:
        if accelerator.is_main_process:
            remove_leftovers(out, (HEATMAPS, DRAWN, SLICES, GALLERY_FILES, _PROGRESS))
        accelerator.wait_for_everyone()
        yield


def start_afresh(out: Path) -> None:
    """Remove what other settings or another model left in a claimed folder: finished rows first, they vouch for the
    rest.
    """
    for path in part_paths(parts_folder(out), ROWS):
        path.unlink()
    remove_folder(out / HEATMAPS)
    for name in (*VOLUME_TABLES, *OBJECTS):
        (out / name).unlink(missing_ok=True)


def _refuse_foreign(out: Path) -> None:
    found = [name for name in WRITTEN if (out / name).exists()]
    if (
        not found
        or (out / _PROGRESS / _LOCK).is_file()
        or part_paths(parts_folder(out), ROWS)
        or _is_audit_summary(out / "summary.json")
    ):
        return
    raise BadInput(out, f"holds {', '.join(found)}, but no audit: they would be overwritten", "choose another --out")


def _is_audit_summary(path: Path) -> bool:
    try:
        summary = read_json(path)
    except BadInput:
        return False
    return isinstance(summary, dict) and "score_quantiles" in summary
