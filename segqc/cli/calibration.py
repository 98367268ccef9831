"""The commands that give scores a meaning: `segqc calibrate` and `segqc monitor`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from segqc.base.console import console, print_warnings, wrote
from segqc.calibration.config import CalibrateConfig, MonitorConfig

_CALIBRATE, _MONITOR = CalibrateConfig(), MonitorConfig()


def calibrate(
    audit: Annotated[Path, typer.Option(help="Folder written by `segqc audit`: the scores to calibrate.")],
    accepted: Annotated[
        Path | None,
        typer.Option(
            help="Review saved by the gallery, or a text file with an id a line: predictions that were accepted."
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="CSV with the columns id and dice; by default the audit's own Dice, if it has any."),
    ] = None,
    ground_truth: Annotated[
        bool,
        typer.Option(
            "--ground-truth",
            help="The audit is one of true masks. Allowed, but good predictions will be flagged too often.",
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="The JSON file; calibration.json in the audit's folder by default.")
    ] = None,
    dice_limit: Annotated[
        float, typer.Option(help="A Dice below this is a failure.", min=0, max=1)
    ] = _CALIBRATE.dice_limit,
    max_failures: Annotated[
        float, typer.Option(help="Of what passes, at most this share fails ...", min=0, max=1)
    ] = _CALIBRATE.max_failures,
    confidence: Annotated[float, typer.Option(help="... with this confidence.", min=0, max=1)] = _CALIBRATE.confidence,
    coverage: Annotated[
        float, typer.Option(help="Of the interval around the expected Dice.", min=0, max=1)
    ] = _CALIBRATE.coverage,
    fdr: Annotated[
        float, typer.Option(help="Of what is flagged in a batch, at most this share is fine.", min=0, max=1)
    ] = _CALIBRATE.fdr,
    review_level: Annotated[
        float, typer.Option(help="p-values up to this are for review, where no Dice is known.", min=0, max=1)
    ] = _CALIBRATE.review_level,
    fail_level: Annotated[
        float, typer.Option(help="p-values up to this are failures, likewise.", min=0, max=1)
    ] = _CALIBRATE.fail_level,
    seed: Annotated[
        int, typer.Option(help="Of the random parts of the labelled predictions.", min=0)
    ] = _CALIBRATE.seed,
) -> None:
    """Learn from accepted or labelled predictions what a score means: p-values, expected Dice, pass, review or fail.

    docs/calibration.md says what each number promises, and when.
    """
    from segqc.calibration.calibrate import calibrate as run

    calibration, path = run(
        CalibrateConfig(
            audit=audit, out=out, accepted=accepted, labels=labels, ground_truth=ground_truth, dice_limit=dice_limit, max_failures=max_failures,
            confidence=confidence, coverage=coverage, fdr=fdr, review_level=review_level, fail_level=fail_level, seed=seed,
        )
    )  # fmt: skip
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


def monitor(
    scores: Annotated[
        Path, typer.Argument(help="scores.csv of an audit or of the hook's review folder, or the folder itself.")
    ],
    calibration: Annotated[Path, typer.Option(help="JSON written by `segqc calibrate`.")],
    plot: Annotated[Path | None, typer.Option(help="Picture to draw; drift.png beside the table by default.")] = None,
    order: Annotated[
        str | None,
        typer.Option(help="Column by which the scores are put in order: time where there is one, else id, by default."),
    ] = None,
    window: Annotated[int, typer.Option(help="Scores that are compared together.", min=1)] = _MONITOR.window,
    level: Annotated[
        float, typer.Option(help="Share of unchanged windows that raise a false alarm.", min=0, max=1)
    ] = _MONITOR.level,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 1 when the last window has drifted.")
    ] = False,
) -> None:
    """Have the scores moved away from those that the calibration was fitted on?"""
    from segqc.calibration.monitor import monitor as run

    report = run(
        MonitorConfig(
            scores=scores, calibration=calibration, plot=plot, order=order, window=window, level=level, strict=strict
        )
    )
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
