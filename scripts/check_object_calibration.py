"""Do the promises of a calibration of objects hold on real predictions? The tables of docs/calibration.md.

    python scripts/check_object_calibration.py --audit NAME=FOLDER [NAME=FOLDER ...]

Each audit is one with ground truth. 200 times its pictures are divided at random, half to calibrate on and half to
check. Shares are taken by picture, as the promises are: a mean over the checked pictures of the share of their objects.
For comparison the same with every object as a picture of its own, which is what the number of objects would suggest.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from segqc.calibration.known_objects import known_objects
from segqc.calibration.objects import ObjectCalibration, ObjectTruths, fit_objects
from segqc.results.table import is_scored, read_audit_table

RESAMPLES = 200


def read(folder: Path) -> ObjectTruths:
    """The objects of an audit whose IoU is known."""
    table = read_audit_table(folder)
    return known_objects(table, {row["id"]: float(row["score"]) for row in table.rows if is_scored(row)}, [])


def mean_by_picture(pictures: np.ndarray, values: np.ndarray) -> float:
    """Mean over the pictures of the mean of their values."""
    counts = np.bincount(pictures)
    return float((np.bincount(pictures, values)[counts > 0] / counts[counts > 0]).mean())


def figures(fitted: ObjectCalibration, checked: ObjectTruths) -> dict[str, float]:
    """Shares of the checked objects: covered and width, by picture and of all; bad ones that pass; decisions."""
    if fitted.interval is None or fitted.threshold is None:
        raise SystemExit(f"too few pictures to calibrate on half of them; {'; '.join(fitted.statements())}")
    low, high = fitted.interval.ends(checked.expected)
    covered = (low <= checked.ious) & (checked.ious <= high)
    bad, passed = checked.ious < fitted.iou_limit, checked.scores < fitted.threshold
    failed = ~passed & (high < fitted.iou_limit)
    return {
        "covered": mean_by_picture(checked.pictures, covered),
        "covered, of all objects": float(covered.mean()),
        "width": mean_by_picture(checked.pictures, high - low),
        "bad that pass": mean_by_picture(checked.pictures[bad], passed[bad]),
        "pass": float(passed.mean()),
        "fail": float(failed.mean()),
        "bad among pass": float(bad[passed].mean()) if passed.any() else float("nan"),
        "bad among fail": float(bad[failed].mean()) if failed.any() else float("nan"),
    }


def check(known: ObjectTruths, by_picture: bool) -> dict[str, str]:
    """Means over the divisions with their Monte Carlo intervals."""
    names, found = np.unique(known.pictures), list[dict[str, float]]()
    for seed in range(RESAMPLES):
        order = np.random.default_rng(seed).permutation(names)
        fitting = np.isin(known.pictures, order[: len(order) // 2])
        part = known.among(fitting)
        if not by_picture:
            part = dataclasses.replace(part, pictures=np.arange(len(part.ious)))
        found.append(figures(fit_objects(part, seed=seed), known.among(~fitting)))
    return {name: _cell(np.array([row[name] for row in found])) for name in found[0]}


def _cell(values: np.ndarray) -> str:
    values = values[~np.isnan(values)]
    half = 1.96 * values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():.3f} [{values.mean() - half:.3f}, {values.mean() + half:.3f}]"


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audit", nargs="+", required=True, metavar="NAME=FOLDER")
    for place, given in enumerate(parser.parse_args().audit):
        name, _, folder = given.partition("=")
        known = read(Path(folder))
        bad = known.ious < 0.5
        counts = f"{len(np.unique(known.pictures))}, {len(known.ious)}, {int(bad.sum())}"
        for by_picture in (True, False):
            cells = check(known, by_picture)
            if not place and by_picture:
                print(f"| audit | pictures, objects, bad | weights | {' | '.join(cells)} |")
                print("|---|---|---|" + "---|" * len(cells))
            weights = "by picture" if by_picture else "all alike"
            print(f"| {name} | {counts} | {weights} | {' | '.join(cells.values())} |", flush=True)


if __name__ == "__main__":
    main()
