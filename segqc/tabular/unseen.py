"""Warnings of columns most of whose cells are values that training did not have: more likely another format, or another
code, than that many anomalous rows.
"""

import numpy as np

from segqc.tabular.encoding import CategoricalColumn, Encoded, TableEncoder
from segqc.tabular.io.columns import Columns
from segqc.tabular.io.values import as_text

_MANY = 5  # least number of unseen cells that gives a warning


class UnseenValues(UserWarning):
    """Most cells of a column are values that training did not have.

    Attributes
    ----------
    column : str
    """

    def __init__(self, column: str, words: str) -> None:
        super().__init__(words)
        self.column = column


def unseen_values(encoder: TableEncoder, table: Columns, rows: Encoded) -> list[UnseenValues]:
    """A warning for every such column of a table, which is given as it is and encoded."""
    found = []
    for j, (name, column) in enumerate(zip(encoder.names, encoder.columns, strict=True)):
        if not isinstance(column, CategoricalColumn) or not column.outcomes:
            continue
        present = int((rows.codes[:, j] != column.missing).sum())
        new = np.flatnonzero(rows.codes[:, j] == column.unseen)
        if len(new) >= _MANY and 2 * len(new) > present:
            example = as_text(table.values[j][new[:1]])[0].as_py()[:40]
            words = (
                f"{name}: {len(new):,} of {present:,} cells are values that the model does not know, such as "
                f"{example!r} (it knows {_some(column.outcomes)}); is it another format, or another code?"
            )
            found.append(UnseenValues(name, words))
    return found


def _some(outcomes: tuple[str, ...]) -> str:
    return ", ".join(repr(outcome[:40]) for outcome in outcomes[:3]) + (", ..." if len(outcomes) > 3 else "")
