"""`segqc monitor`: a table of scores against the calibration they are judged by, window by window, with a picture."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segqc.base.errors import BadInput
from segqc.base.files import atomic_path
from segqc.calibration.calibration import Calibration
from segqc.calibration.config import MonitorConfig
from segqc.calibration.drift import DriftMonitor, DriftWindow, compare_scores
from segqc.calibration.storage import load_calibration
from segqc.data.inspection.survey import commonest_reason
from segqc.results.table import is_scored, parse_number, read_audit_table, unscored_reasons

_ALARM, _CALM, _MUTED = "#b3261e", "#1f5fa8", "#8a8f98"


@dataclass(frozen=True)
class MonitorReport:
    """What was found.

    Attributes
    ----------
    windows : list of DriftWindow
        In the order of arrival; the last may be shorter.
    whole : DriftWindow
        All scores as one window, for information: it raises no alarm.
    order : str
        Column by which the scores were put in order.
    plot : Path
    """

    windows: list[DriftWindow]
    whole: DriftWindow
    order: str
    plot: Path

    @property
    def drifted(self) -> bool:
        """Whether any window has."""
        return any(window.drifted for window in self.windows)


def monitor(config: MonitorConfig) -> MonitorReport:
    """Compare the scores of a table with a calibration's, and draw both.

    Raises
    ------
    BadInput
        A file cannot be used, the scores are of another model, or they are too few.
    """
    calibration = load_calibration(config.calibration)
    table = read_audit_table(config.scores)
    fingerprint = table.summary.get("model", {}).get("fingerprint")
    if fingerprint is not None and fingerprint != calibration.model:
        raise BadInput(
            config.calibration,
            f"was fitted for model {calibration.model}, but these scores come from model {fingerprint}",
            "give the calibration of an audit by that model",
        )
    rows = [row for row in table.rows if is_scored(row)]
    order = config.order or ("time" if "time" in table.columns else "id")
    if rows and order not in rows[0]:
        raise BadInput("--order", f"names no column of {config.scores}", f"name one of {', '.join(table.columns)}")
    scores = np.array([row["score"] for row in sorted(rows, key=lambda row: _natural_key(row, order))], np.float64)
    try:
        running = DriftMonitor(calibration.reference, config.window, config.level)
        for score in scores:
            running.update(score)
        running.close()
    except ValueError as error:
        raise BadInput(
            config.calibration, str(error), "give a larger --window, or calibrate on more predictions"
        ) from error
    if not running.windows:
        why = commonest_reason(unscored_reasons(table.rows))
        raise BadInput(
            config.scores,
            f"has only {len(scores)} scores: too few to compare" + (f"; {why}" if why else ""),
            "come back when there are more",
        )
    whole = compare_scores(scores, running.reference, level=0)
    plot = config.plot or table.folder / "drift.png"
    with atomic_path(plot) as temporary:
        drift_figure(scores, running, calibration).savefig(temporary, format=plot.suffix.lstrip(".") or "png", dpi=130)
    return MonitorReport(running.windows, whole, order, plot)


def _natural_key(row: Mapping[str, Any], column: str) -> list[tuple[int, float, str]]:
    """Sort numbers, and numbers within texts, as numbers: frame_9 before frame_10."""
    number = parse_number(row.get(column))
    if number is not None:
        return [(0, float(number), "")]
    parts = re.split(r"(\d+)", str(row.get(column) or ""))
    return [(0, float(part), "") if part.isdigit() else (1, 0.0, part) for part in parts if part]


def drift_figure(scores: np.ndarray, running: DriftMonitor, calibration: Calibration) -> Figure:
    """Scores as they came, with the windows that drifted; and the share of scores up to each value, now and in the
    calibration.
    """
    figure = Figure(figsize=(10.4, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    left.plot(scores, ".", ms=3, color=_MUTED)
    for quantile, style in ((0.05, ":"), (0.5, "-"), (0.95, ":")):
        left.axhline(float(np.quantile(running.reference, quantile)), color="black", lw=1, ls=style)
    for window in running.windows:
        part = scores[window.first : window.last + 1]
        colour = _ALARM if window.drifted else _CALM
        left.hlines(float(np.median(part)), window.first, window.last, color=colour, lw=3)
        if window.drifted:
            left.axvspan(window.first, window.last, color=_ALARM, alpha=0.08, lw=0)
    left.set(xlabel="scores in the order of arrival", ylabel="score (higher = worse)")
    left.set_title(
        "black: the calibration's median, 5 % and 95 %; bars: each window's median, red where it drifted", fontsize=8
    )
    last = running.windows[-1]
    _steps(right, running.reference, "black", f"calibration ({calibration.source})")
    _steps(
        right,
        scores[last.first : last.last + 1],
        _ALARM if last.drifted else _CALM,
        f"last window, p {last.p_value:.2g}",
    )
    right.set(xlabel="score", ylabel="share of scores up to it", ylim=(0, 1))
    right.legend(fontsize=8, frameon=False, loc="lower right")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _steps(axes: Axes, scores: np.ndarray, colour: str, label: str) -> None:
    """An empirical distribution function."""
    axes.ecdf(scores, color=colour, lw=1.6, label=label)
