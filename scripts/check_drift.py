"""How often does `segqc monitor` raise a false alarm, and how soon a right one?

    python scripts/check_drift.py [--streams 2000]

Streams of simulated scores, windows of 200, each stream with a calibration of its own of 1,000 scores from the same
normal distribution. Three rules are compared: the one of `segqc.calibration.drift`, with its level spent over all
windows; the same level for every window, as a bare test has it; and the first rule where the growing table is looked
at after every 50 scores. A shift is in standard deviations of the score; it begins with window 1, 10 or 50, and every
later score has it. The tests depend on ranks alone, so the false alarm rates hold for any continuous distribution.

Prints the share of streams with a false alarm within 1, 10 and 50 windows (with a 95 % interval), and the share of
shifts that raise an alarm in the first, or in one of the first five windows that have it. Expected time: two minutes
on one core. Expected result: false alarms at or below 0.01 for the first and third rule; docs/calibration.md has the
table.
"""

import argparse
from collections.abc import Iterator

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import special

from segqc.calibration.drift import LEVEL, WINDOW, DriftMonitor, compare_scores

REFERENCE, WINDOWS = 1000, 50
SHIFTS, BEGINNINGS = (0.25, 0.5, 0.75, 1.0), (1, 10, 50)
PATIENCE = 5
"""Windows with a shift within which an alarm is not late."""
LOOKS = range(50, WINDOW, 50)
"""Lengths at which a window that is not full is looked at."""


_KNOWN: dict[tuple[int, int], float] = {}


def p_value(scores: np.ndarray, reference: np.ndarray) -> float:
    """p-value of `compare_scores`, computed once for each length and distance: without ties it depends on nothing else.

    Parameters
    ----------
    scores : float64 `[n]`
    reference : float64 `[REFERENCE]`
        Ascending.
    """
    ascending = np.sort(scores)
    places = np.searchsorted(reference, ascending) / len(reference)
    steps = np.arange(len(scores) + 1) / len(scores)
    distance = max((steps[1:] - places).max(), (places - steps[:-1]).max())
    key = len(scores), round(distance * len(scores) * len(reference))
    if key not in _KNOWN:
        _KNOWN[key] = compare_scores(scores, reference).p_value
    return _KNOWN[key]


def streams(count: int) -> Iterator[tuple[np.random.Generator, np.ndarray]]:
    for seed in range(count):
        rng = np.random.default_rng(seed)
        yield rng, np.sort(rng.normal(size=REFERENCE))


def false_alarms(count: int) -> dict[str, np.ndarray]:
    """First window with a false alarm, by rule, for each stream; `WINDOWS` + 1: none has one. int64 `[count]`."""
    first = {rule: np.full(count, WINDOWS + 1) for rule in ("spent", "bare", "spent, four looks a window")}
    for stream, (rng, reference) in enumerate(streams(count)):
        levels = DriftMonitor(reference)
        for number in range(1, WINDOWS + 1):
            scores = rng.normal(size=WINDOW)
            found = p_value(scores, reference)
            spent = found <= levels.level_of(number, WINDOW)
            looked = spent or any(
                p_value(scores[:length], reference) <= levels.level_of(number, length) for length in LOOKS
            )
            for rule, alarm in zip(first, (spent, found <= LEVEL, looked), strict=True):
                if alarm:
                    first[rule][stream] = min(first[rule][stream], number)
    return first


def delays(count: int, shift: float) -> np.ndarray:
    """p-values of the first windows that have the shift, float64 `[count, PATIENCE]`."""
    return np.array(
        [
            [p_value(rng.normal(shift, size=WINDOW), reference) for _ in range(PATIENCE)]
            for rng, reference in streams(count)
        ]
    )


def interval(found: int, total: int) -> str:
    """A share with Clopper and Pearson's two-sided 95 % interval."""
    low = special.betaincinv(found, total - found + 1, 0.025) if found else 0.0
    high = special.betaincinv(found + 1, total - found, 0.975) if found < total else 1.0
    return f"{found / total:.3f} [{low:.3f}, {high:.3f}]"


def tables(count: int) -> list[Table]:
    alarms = Table("rule", "1 window", "10 windows", f"{WINDOWS} windows", title="Streams with a false alarm")
    for rule, first in false_alarms(count).items():
        alarms.add_row(rule, *(interval(int((first <= windows).sum()), count) for windows in (1, 10, WINDOWS)))
    headers = [f"from window {number}: in 1, in {PATIENCE}" for number in BEGINNINGS]
    power = Table("shift", *headers, f"bare, any window: in 1, in {PATIENCE}", title="Shifts that raise an alarm")
    levels = DriftMonitor(np.zeros(REFERENCE))
    for shift in SHIFTS:
        p_values, cells = delays(count, shift), []
        for number in BEGINNINGS:
            limits = np.array([levels.level_of(number + later, WINDOW) for later in range(PATIENCE)])
            cells.append(p_values <= limits)
        cells.append(p_values <= LEVEL)
        power.add_row(f"{shift:g}", *(f"{cell[:, 0].mean():.2f}, {cell.any(1).mean():.2f}" for cell in cells))
    return [alarms, power]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=2000, help="simulated streams per rule and per shift")
    given = parser.parse_args(arguments)
    for table in tables(given.streams):
        Console(width=150).print(table)


if __name__ == "__main__":
    main()
