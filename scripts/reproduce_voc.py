"""The results on Pascal VOC: train the method and its ablations, audit real predictions, judge all of it against every
baseline.

    python scripts/reproduce_voc.py --voc-root VOCdevkit --predictions deeplab_out --out runs/results-voc \\
        [--seeds 0 1 2] [--second mnv2_513_quant=mnv2_dm05_513_quant ...] [--probs NAME=DIR ...] [--tta NAME=DIR ...]

`deeplab_out/` holds a folder of masks for each segmenter that is judged. Trains eight models (`structured`, its fast
preset, the plain segmenter and the paper's recipe with `--steps`; `structured`, `mixing`, the paper's recipe and the
mask-only network with `--ablation-steps`), audits every folder with each of them and with the level t = 0 of the first
alone, fits the baselines once, and writes an evaluation with its report for each folder, and `results-voc.md`: the
tables of docs/results-voc.md. With several `--seeds`, `structured` and the paper's recipe are trained with each, and a
table has their means; everything else has the first. The corruption suite runs on the first folder's pictures; it
depends on ground truth alone.

Stopped at any point, the same command continues. Expect on one core with native bfloat16: 11 minutes for the pictures'
features, 48 for 3,000 steps of `structured` (its guessers included), 40 for the fast preset with its features, 31 each
for the plain segmenter and the paper's recipe, 15 to 25 for each of the shorter ones, 10 for Deep SVDD, and 20 for
audits and evaluations of three folders of 241 pictures; 75 more for a further seed.
"""

import argparse
import subprocess
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from judge_heatmaps import HeatJudgement, judge
from rich.console import Console
from voc_tables import SEEDS_KEYS, SeedsTable, render

from evaluation.ranking.comparison import DiceComparison
from evaluation.ranking.seeds import judge_seeds
from evaluation.report.config import EvaluateConfig
from evaluation.report.evaluate import evaluate
from evaluation.report.evaluation import Evaluation
from segqc.auditing.config import AuditConfig
from segqc.auditing.run import audit
from segqc.base.errors import BadInput
from segqc.base.files import atomic_path
from segqc.data.voc import find_voc
from segqc.model.catalogue import Method
from segqc.results.table import read_finished_audit
from segqc.training.config import PresetName, TrainConfig
from segqc.training.run import train

TRIAL = "structured"


@dataclass(frozen=True)
class Model:
    """A training of the study.

    Attributes
    ----------
    folder : str
        Name of its folder.
    method, preset
        As for `segqc train`.
    short : bool
        Whether it has the steps of an ablation.
    mask_only : bool
        Whether it sees no picture.
    every_seed : bool
        Whether it is trained with every seed, or with the first alone.
    """

    folder: str
    method: Method
    preset: PresetName = "cpu"
    short: bool = False
    mask_only: bool = False
    every_seed: bool = False

    def name(self, steps: int) -> str:
        """Its row in the tables."""
        title = {
            "structured": "structured",
            "mixing": "mixing",
            "segmenter": "plain segmenter",
            "paper": "the paper's recipe",
        }[self.method]
        sight = ", mask only" if self.mask_only else ""
        preset = "" if self.preset == "cpu" else f", preset {self.preset}"
        return f"{title}{sight}{preset}, {steps:,} steps"


MODELS = (
    Model(TRIAL, "structured", every_seed=True),
    Model("fast", "structured", preset="fast"),
    Model("segmenter", "segmenter"),
    Model("paper", "paper"),
    Model("structured-short", "structured", short=True),
    Model("mixing-short", "mixing", short=True),
    Model("paper-short", "paper", short=True, every_seed=True),
    Model("mask-only-short", "structured", short=True, mask_only=True),
)


def main() -> None:
    """Run whatever is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voc-root", type=Path, required=True)
    parser.add_argument("--predictions", type=Path, required=True, help="folder with a folder of masks per segmenter")
    parser.add_argument("--out", type=Path, default=Path("runs/results-voc"))
    parser.add_argument("--train-set", default="trainaug")
    parser.add_argument("--image-set", default="val")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--ablation-steps", type=int, default=1500)
    parser.add_argument("--corruptions", type=int, default=60, help="pictures of the corruption suite")
    parser.add_argument("--resamples", type=int, default=EvaluateConfig(Path()).resamples, help="of the bootstrap")
    parser.add_argument("--deep-svdd", default=",".join(EvaluateConfig(Path()).deep_svdd))
    for kind in ("second", "probs", "tta"):
        parser.add_argument(
            f"--{kind}",
            action="append",
            default=[],
            metavar="NAME=DIR",
            help=f"as --{kind} of `segqc evaluate`, per segmenter",
        )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    arguments = parser.parse_args()
    sets = (
        sorted(folder for folder in arguments.predictions.iterdir() if folder.is_dir())
        if arguments.predictions.is_dir()
        else []
    )
    if not sets:
        raise SystemExit(f"{arguments.predictions} has no folders of masks")
    console = Console()
    try:
        found = [_evaluate(arguments, folder, number == 0, console) for number, folder in enumerate(sets)]
        heat = {folder.name: _judge_heat_maps(arguments, folder) for folder in sets}
        means = (
            [
                _judge_seeds(arguments, folder, one, heat[folder.name][TRIAL], console)
                for folder, one in zip(sets, found, strict=True)
            ]
            if len(arguments.seeds) > 1
            else None
        )
    except BadInput as error:
        raise SystemExit(str(error)) from error
    with atomic_path(arguments.out / "results-voc.md") as temporary:
        temporary.write_text(
            render(found, [folder.name for folder in sets], heat, means, _stamp(arguments)), encoding="utf-8"
        )
    console.print(f"Wrote {arguments.out / 'results-voc.md'} and a report.html for each segmenter.")


def _of_seed(arguments: argparse.Namespace, folder: str, seed: int) -> str:
    """Folder name of a seed's model, or of an audit with it; the first seed has the plain name."""
    return folder if seed == arguments.seeds[0] else f"{folder}-seed-{seed}"


def _model(arguments: argparse.Namespace, model: Model, seed: int, console: Console) -> tuple[Path, int]:
    """Train, or find trained; the frozen encoder's features are shared by all."""
    out, steps = (
        arguments.out / "models" / _of_seed(arguments, model.folder, seed),
        arguments.ablation_steps if model.short else arguments.steps,
    )
    config = TrainConfig(
        voc_root=arguments.voc_root,
        image_set=arguments.train_set,
        out=out,
        method=model.method,
        preset=model.preset,
        steps=steps,
        seed=seed,
        mask_only=model.mask_only,
        feature_cache=arguments.out / f"features-{model.preset}",
        learning_rate=1e-3 if model.method == "paper" else None,  # the paper's; the preset's otherwise
    )
    return train(config, console), steps


def _audit(
    arguments: argparse.Namespace,
    folder: Path,
    name: str,
    model: Path,
    levels: tuple[int, ...] | None,
    console: Console,
) -> Path:
    out = arguments.out / "audits" / folder.name / name
    config = AuditConfig(
        predictions=folder,
        out=out,
        model=model,
        voc_root=arguments.voc_root,
        image_set=arguments.image_set,
        levels=levels,
    )
    audit(config, DiceComparison(), console)
    return out


def _evaluate(arguments: argparse.Namespace, folder: Path, first: bool, console: Console) -> Evaluation:
    compare = []
    for model in MODELS:
        weights, steps = _model(arguments, model, arguments.seeds[0], console)
        out = _audit(arguments, folder, model.folder, weights, None, console)
        if model.folder == TRIAL:
            trial = out
            compare.append(
                f"{model.name(steps)}, level t = 0 alone={_audit(arguments, folder, 'level-0', weights, (0,), console)}"
            )
        else:
            compare.append(f"{model.name(steps)}={out}")
    given = {
        kind: dict(text.split("=", 1) for text in getattr(arguments, kind)).get(folder.name)
        for kind in ("second", "probs", "tta")
    }
    paths = {kind: None if path is None else Path(path) for kind, path in given.items()}
    if given["second"] is not None and not Path(given["second"]).is_dir():
        paths["second"] = arguments.predictions / given["second"]  # the name of another segmenter in the same folder
    config = EvaluateConfig(
        audit=trial,
        out=arguments.out / "evaluations" / folder.name,
        voc_root=arguments.voc_root,
        image_set=arguments.image_set,
        train_set=arguments.train_set,
        compare=tuple(compare),
        fits=arguments.out / "fits",
        deep_svdd=tuple(name for name in arguments.deep_svdd.split(",") if name not in ("", "none")),
        corruptions=arguments.corruptions if first else 0,
        resamples=arguments.resamples,
        seed=arguments.seeds[0],
        second=paths["second"],
        probs=paths["probs"],
        tta=paths["tta"],
    )
    return evaluate(config, console)


def _judge_heat_maps(arguments: argparse.Namespace, folder: Path) -> dict[str, HeatJudgement]:
    truths = find_voc(arguments.voc_root).masks
    return {
        model.folder: judge(arguments.out / "audits" / folder.name / model.folder, truths)
        for model in MODELS
        if not model.short
    }


def _judge_seeds(
    arguments: argparse.Namespace, folder: Path, evaluation: Evaluation, first_heat: HeatJudgement, console: Console
) -> SeedsTable:
    scores: dict[str, list[np.ndarray]] = {}
    heat: dict[str, np.ndarray] = {}
    truths, ids = find_voc(arguments.voc_root).masks, evaluation.study.ids
    for model in (model for model in MODELS if model.every_seed):
        trained = [(seed, *_model(arguments, model, seed, console)) for seed in arguments.seeds]
        audits = [
            _audit(arguments, folder, _of_seed(arguments, model.folder, seed), weights, None, console)
            for seed, weights, _ in trained
        ]
        name = model.name(trained[0][2])
        scores[name] = [read_finished_audit(out).column("score", ids) for out in audits]
        if model.folder != TRIAL:
            continue
        heat[name] = np.array(
            [[auroc for auroc, _, _ in found] for found in (first_heat, *(judge(out, truths) for out in audits[1:]))]
        )
        levels = [
            _audit(arguments, folder, _of_seed(arguments, "level-0", seed), weights, (0,), console)
            for seed, weights, _ in trained
        ]
        scores[f"{name}, level t = 0 alone"] = [read_finished_audit(out).column("score", ids) for out in levels]
    table = {name: np.stack(columns, axis=1) for name, columns in scores.items()}
    return SeedsTable(
        judge_seeds(table, evaluation.study.quality, next(iter(table)), SEEDS_KEYS, arguments.resamples), heat
    )


def _stamp(arguments: argparse.Namespace) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent, check=False
    )
    seeds = f"seed{'s' if len(arguments.seeds) > 1 else ''} {', '.join(map(str, arguments.seeds))}"
    return f"{date.today().isoformat()}, commit {commit.stdout.strip() or 'unknown'}, {seeds}"


if __name__ == "__main__":
    main()
