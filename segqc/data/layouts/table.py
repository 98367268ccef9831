"""A table that lists pictures, masks and predictions: .csv, .tsv or .parquet."""

from pathlib import Path

from segqc.data.label_files import find_label_file, read_label_file
from segqc.data.layouts.dataset import DataSet
from segqc.data.pairs import Pair, Problem
from segqc.data.path_tables import is_path_table, read_path_table


def find(root: Path, split: str | None, work: Path | None) -> DataSet | None:
    """The data set, if `root` is a table."""
    if not (root.is_file() and is_path_table(root)):
        return None
    table = read_path_table(root, split)
    pairs = tuple(Pair(row.id, row.image, row.mask) for row in table.rows if row.mask is not None)
    unmasked = {row.id: row.image for row in table.rows if row.mask is None}
    problems = [*table.problems, *(Problem(id_, path, "has no mask", (1, 0)) for id_, path in unmasked.items())]
    predictions = {row.id: row.prediction for row in table.rows if row.prediction is not None}
    file = find_label_file(root.parent)
    labels = None if file is None else read_label_file(file)
    return DataSet("table", pairs, tuple(problems), labels, table.said, unmasked, predictions)
