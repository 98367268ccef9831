"""The commands that give scores a meaning: `segqc calibrate` and `segqc monitor`."""

from typing import Annotated, Any

import typer
from rich.table import Table

from segqc.base.console import console, print_warnings, wrote
from segqc.calibration.config import CalibrateConfig, MonitorConfig
from segqc.cli.options import fills_in

CALIBRATE_EPILOG = "Example: segqc calibrate --audit audit --accepted review.json"
MONITOR_EPILOG = "Example: segqc monitor audit/scores.csv --calibration calibration.json"


@fills_in(CalibrateConfig)
def calibrate(config: CalibrateConfig) -> None:
    """Learn from accepted or labelled predictions what a score means: p-values, expected Dice, pass, review or fail.

    docs/calibration.md says what each number promises, and when.
    """
    from segqc.calibration.calibrate import calibrate as run

    calibration, path = run(config)
    counts = ", ".join(f"{count} {name}" for name, count in calibration.counts.items())
    console.print(f"Fitted on {calibration.source} predictions: {counts}.", highlight=False)
    for said in calibration.statements():
        console.print(f"- {said}", soft_wrap=True, highlight=False)
    print_warnings([*calibration.notes, *([calibration.warning] if calibration.warning else [])])
    console.print(wrote(path), soft_wrap=True)
    console.print(
        f"Next: segqc audit --calibration {path} ..., or put it into the model's folder, where it is found by itself.",
        soft_wrap=True,
    )


@fills_in(MonitorConfig)
def monitor(
    config: MonitorConfig,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 1 when the last window has drifted.")
    ] = False,
) -> None:
    """Have the scores moved away from those that the calibration was fitted on?"""
    from segqc.calibration.monitor import monitor as run

    report = run(config)
    table = Table(title=f"Windows in the order of {report.order}")
    for name in ("scores", "Kolmogorov-Smirnov", "p-value", "than the calibration's", ""):
        table.add_column(name)
    for found in [*report.windows, report.whole]:
        span = "all" if found is report.whole else f"{found.first} to {found.last}"
        table.add_row(
            span, f"{found.statistic:.3f}", f"{found.p_value:.2g}", found.direction, "drifted" if found.drifted else ""
        )
    console.print(table)
    console.print(wrote(report.plot), soft_wrap=True)
    if report.drifted:
        print_warnings(["the last window has drifted: audit and calibrate again before you rely on the decisions"])
        if strict:
            raise typer.Exit(1)


def print_calibrated(summary: dict[str, Any]) -> None:
    """What a calibration said of an audit, from the audit's summary."""
    decisions = ", ".join(f"{count} {name}" for name, count in sorted(summary["decisions"].items()))
    console.print(
        f"Decisions: {decisions}. Flagged at a false discovery rate of {summary['fdr']:g}: {summary['flagged']}.",
        highlight=False,
    )
    for said in summary["statements"]:
        console.print(f"- {said}", soft_wrap=True, highlight=False)
    print_warnings(summary["warnings"])
