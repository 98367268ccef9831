"""`segqc calibrate`, which gives scores a meaning, and `segqc monitor`, which tests whether they keep it."""

from typing import Annotated, Any

import typer
from rich.table import Table

from segqc.base.console import console, print_warnings, wrote
from segqc.base.imports import large_imports
from segqc.calibration.config import CalibrateConfig, MonitorConfig
from segqc.cli.options import fills_in

CALIBRATE_EPILOG = "Example: segqc calibrate --audit audit --accepted review.json"
MONITOR_EPILOG = "Example: segqc monitor audit/scores.csv --calibration calibration.json"


@fills_in(CalibrateConfig)
def calibrate(config: CalibrateConfig) -> None:
    """Calibrate scores on accepted or labelled predictions: p-values, expected Dice, and pass, review or fail.

    Takes an audit, and a list of accepted predictions or a table of Dice; for the scores of objects (--level) an audit
    with ground truth. Writes a JSON file for `segqc audit --calibration`. docs/calibration.md says what each number
    guarantees, and under which assumptions.
    """
    with large_imports():
        from segqc.calibration.calibrate import calibrate as run

    calibration, path = run(config)
    counts = ", ".join(f"{count} {name}" for name, count in calibration.counts.items())
    fitted = "objects of known IoU" if calibration.source == "objects" else f"{calibration.source} predictions"
    console.print(f"Fitted on {fitted}: {counts}.", highlight=False)
    for said in calibration.statements():
        console.print(f"- {said}", soft_wrap=True, highlight=False)
    print_warnings([*calibration.notes, *([calibration.warning] if calibration.warning else [])])
    console.print(wrote(path), soft_wrap=True)
    console.print(
        f"Next: segqc audit --calibration {path} ..., or move the file into the model folder, where it is always used.",
        soft_wrap=True,
    )


@fills_in(MonitorConfig)
def monitor(
    config: MonitorConfig,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 if any window has drifted.")] = False,
) -> None:
    """Test whether scores have drifted away from those that the calibration was fitted on.

    Takes a table of all scores since the calibration and compares it in windows with the calibration's scores. Prints a
    test for each window and writes a plot. --level is the false alarm rate of all windows together.
    """
    with large_imports():
        from segqc.calibration.monitor import monitor as run

    report = run(config)
    table = Table(title=f"Windows in the order of {report.order}")
    for name in ("scores", "Kolmogorov-Smirnov", "p-value", "drifted at", "compared with the calibration", ""):
        table.add_column(name)
    for found in [*report.windows, report.whole]:
        span, level = f"{found.first} to {found.last}", f"{found.level:.2g}"
        if found is report.whole:
            span, level = "all", "not judged"
        figures = (f"{found.statistic:.3f}", f"{found.p_value:.2g}", level)
        table.add_row(span, *figures, found.direction, "drifted" if found.drifted else "")
    console.print(table)
    console.print(wrote(report.plot), soft_wrap=True)
    if report.drifted:
        alarms = [found for found in report.windows if found.drifted]
        since = "the last among them" if report.windows[-1].drifted else f"the last of them at score {alarms[-1].last}"
        print_warnings(
            [
                f"{len(alarms)} of {len(report.windows)} windows since the calibration have drifted, {since}: "
                "audit and calibrate again before you rely on the decisions"
            ]
        )
        if strict:
            raise typer.Exit(1)


def print_calibrated(summary: dict[str, Any]) -> None:
    """Print what a calibration says about an audit; `summary` is the entry "calibration" of summary.json."""
    if summary["source"] != "objects":
        flagged = f"Flagged at a false discovery rate of {summary['fdr']:g}: {summary['flagged']}."
        console.print(f"Decisions: {_counted(summary['decisions'])}. {flagged}", highlight=False)
    if summary["objects"] is not None:
        console.print(f"Decisions on objects: {_counted(summary['objects'])}.", highlight=False)
    for said in summary["statements"]:
        console.print(f"- {said}", soft_wrap=True, highlight=False)
    print_warnings(summary["warnings"])


def _counted(decisions: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(decisions.items())) or "withheld"
