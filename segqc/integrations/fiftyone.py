"""Scores and heat maps of an audit, or of a hook's review folder, in the fields of a FiftyOne dataset.

    counts = add_scores(fiftyone.load_dataset("mine"), "audit")

Needs the package `fiftyone`. (`segqc export --to fiftyone` writes a new dataset instead.)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from segqc.base.errors import BadInput
from segqc.results.table import AuditTable, is_scored, read_audit_table


class Samples(Protocol):
    """What is needed of a FiftyOne dataset or view."""

    def iter_samples(self, *, autosave: bool) -> Iterable[Any]: ...


@dataclass(frozen=True)
class Added:
    """How many samples were given what.

    Attributes
    ----------
    scored : int
        Samples with a score.
    failed : int
        Samples whose prediction could not be scored; the reason is in their field.
    without : int
        Samples that the audit does not know.
    """

    scored: int
    failed: int
    without: int


def add_scores(dataset: Samples, audit: Path | str, field: str = "segqc") -> Added:
    """Write an audit into a dataset, sample by sample, found by the path of its picture.

    Parameters
    ----------
    dataset : fiftyone.Dataset or view
        Its samples get the fields `<field>_score` (higher is worse), `<field>_decision`, `<field>_reason` and, where
        the audit kept one, `<field>_heatmap`.
    audit : Path or str
        Folder of an audit, or of a hook.
    field : str
        Begins the names of the fields.

    Returns
    -------
    Added

    Raises
    ------
    BadInput
        There is no audit, or none of its pictures is in the dataset.
    """
    table = read_audit_table(audit)
    rows = {
        table.path(row, "image").resolve(): row for row in table.rows[::-1] if row.get("image")
    }  # the worst is kept
    scored = failed = without = 0
    for sample in dataset.iter_samples(autosave=True):
        row = rows.get(Path(sample.filepath).resolve())
        if row is None:
            without += 1
            continue
        _fill(sample, row, table, field)
        scored, failed = scored + is_scored(row), failed + (not is_scored(row))
    if not scored + failed:
        raise BadInput(
            table.folder, "names no picture of the dataset", "give the dataset of the pictures that were audited"
        )
    return Added(scored, failed, without)


def _fill(sample: Any, row: dict[str, Any], table: AuditTable, field: str) -> None:
    """Write one row into a sample."""
    import fiftyone

    sample[f"{field}_score"] = row["score"] if is_scored(row) else None
    sample[f"{field}_decision"] = row.get("decision")
    sample[f"{field}_reason"] = row.get("reason")
    heat = table.heatmap(row)
    if heat is not None:
        sample[f"{field}_heatmap"] = fiftyone.Heatmap(map_path=str(heat.resolve()))
