"""How well do the scores of objects find the wrong ones? The tables of docs/results-objects.md.

    python scripts/judge_objects.py --audit NAME=FOLDER [NAME=FOLDER ...] [--ground-truth MASKS] [--second MASKS]

Each audit is one that `segqc audit` has written. For each, a line per method and group of objects: number of objects,
share with IoU = 0 and below 0.5, AUROC of both, Spearman with IoU; then how many missed objects are listed at 0.3, 1
and 3 false alarms a picture. Takes a minute for 240 pictures of VOC on one core.
"""

import argparse
from pathlib import Path

from evaluation.report.config import EvaluateConfig
from evaluation.report.objects import FALSE_ALARMS, study_objects
from evaluation.report.study import make_study

_GROUPS = ("all", "over 500 px")


def main() -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audit", nargs="+", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--ground-truth", type=Path, help="true masks; by default those that the audit names")
    parser.add_argument("--second", type=Path, help="masks of another network")
    parser.add_argument("--probs", type=Path, help="softmax maps of the judged network")
    arguments = parser.parse_args()
    print("| audit | objects | method | count | IoU = 0 | IoU < 0.5 | AUROC of 0 | AUROC of < 0.5 | Spearman |")
    print("|---|---|---|---|---|---|---|---|---|")
    missed = []
    for given in arguments.audit:
        name, _, folder = given.partition("=")
        config = EvaluateConfig(
            Path(folder),
            ground_truth=arguments.ground_truth,
            second=arguments.second,
            probs=arguments.probs,
            deep_svdd=("none",),
        )
        found = study_objects(make_study(config))
        if found is None:
            raise SystemExit(f"{folder} lists no objects that can be judged")
        for row in found.rows:
            if row["objects"] in _GROUPS:
                keys = ("share_zero", "share_below", "auroc_zero", "auroc_below", "spearman")
                figures = ["-" if row[key] is None else f"{row[key]:.3f}" for key in keys]
                print(f"| {name} | {row['objects']} | {row['method']} | {row['count']} | {' | '.join(figures)} |")
        shares = " | ".join(f"{share:.3f}" for share in found.found.values())
        missed.append(f"| {name} | {found.missed} | {shares} |")
    print(f"\n| audit | missed objects | {' | '.join(f'listed at {rate:g}' for rate in FALSE_ALARMS)} |")
    print("\n".join(["|---|---|---|---|---|", *missed]))


if __name__ == "__main__":
    main()
