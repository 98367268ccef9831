"""How long a step of `segqc train` takes, and that its losses are those of another version.

    python scripts/bench_training.py --voc-root VOCdevkit [--preset cpu] [--steps 40] [--wall]
    python scripts/bench_training.py --voc-root VOCdevkit --against CHECKOUT [--rounds 3]

The steps are those of the method `structured` with its segment noise, on the features of 64 pairs that are kept in
memory; the two guessing networks have random weights, which costs the same. CPU seconds on one thread, the lower
quartile of the steps: whatever else the machine does only adds to them. With --wall seconds that a user waits, on all
cores and threads that a training takes by default; nothing else may run meanwhile. A guess is kept, so that steps get
cheaper as the same views come again: those of the first and of the second half are told apart. --against lets another
checkout take turns, and prints the ratio of each round and the losses of both.

Takes about a minute a round and version. Expected results: docs/performance.md.
"""

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from segqc.base.cores import wait_passively

HERE = Path(__file__).resolve().parents[1]
_PAIRS = 64


def remembered(guess: Any) -> Any:
    """Guesses as `segqc train` asks for them, of an earlier checkout too."""
    try:
        from segqc.training.remembered import RememberedGuesses
    except ImportError:
        return guess
    return RememberedGuesses(guess)


def measure(voc_root: Path, preset: str, steps: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Seconds by `clock` and losses of the steps of a training by the code that Python finds."""
    import torch
    from accelerate import Accelerator

    from segqc.data.dataset import PairDataset
    from segqc.model.segment_noise import SegmentNoise, class_swaps
    from segqc.training.config import TrainConfig
    from segqc.training.design import new_model
    from segqc.training.feature_cache import FeatureCache
    from segqc.training.guessers import CrossFitted
    from segqc.training.pairs import training_source
    from segqc.training.resolved import resolve
    from segqc.training.samples import TrainingData
    from segqc.training.statistics import class_looks
    from segqc.training.trainer import Trainer
    from segqc.training.wrong_masks import WrongMasks

    with tempfile.TemporaryDirectory() as folder:
        given: dict[str, Any] = {"preset": preset, "voc_root": voc_root, "out": Path(folder), "views": 1}
        config = resolve(TrainConfig(**given, steps=steps, validate_every=10**9, checkpoint_every=10**9))
        found = training_source(config)
        dataset = PairDataset(found.pairs[:_PAIRS], found.labels, config.image_size, config.grid_size, None, 0)
        rows, model = range(len(dataset)), new_model(config, found.labels)
        blank = torch.zeros(1, 3, config.image_size, config.image_size, dtype=torch.uint8)
        shapes = [tuple(maps.shape[1:]) for maps in model.image_features(blank)]
        keys = [(row, None) for row in rows] + [(row, 0) for row in rows]
        cache = FeatureCache(Path(folder, "cache"), keys, shapes, config.grid_size, "")
        cache.fill(cache.missing, model, dataset, lambda _: None)
        noise = SegmentNoise(class_swaps(class_looks(model, cache, rows), found.labels.foreground), 0)
        guessers = [
            new_model(dataclasses.replace(config, method="segmenter", seed=seed), found.labels)
            .eval()
            .requires_grad_(False)
            for seed in (1, 2)
        ]
        for guesser in guessers:
            guesser.encoder = model.encoder
        wrong = WrongMasks(noise, remembered(CrossFitted(guessers, 0).belief))
        trainer = Trainer(config, model, TrainingData(cache, rows, rows), Accelerator(cpu=True), None, wrong)
        seconds, losses, started = [], [], clock()
        for batch in trainer._batches():
            losses.append(trainer._step(batch)[0])
            trainer.step += 1
            seconds.append(clock() - started)
            started = clock()
    return {"seconds": seconds[1:], "losses": losses}


def run(checkout: Path, given: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Seconds of a step in the first and in the second half, their lower quartiles, and the losses, by the code of
    `checkout` in a process of its own.
    """
    command = [sys.executable, __file__, "--voc-root", str(given.voc_root.resolve()), "--preset", given.preset]
    command += ["--steps", str(given.steps), "--child"]
    variables = {"PYTHONPATH": str(checkout)}
    if given.wall:
        command.append("--wall")
    else:
        variables |= {"OMP_NUM_THREADS": "1", "LOKY_MAX_CPU_COUNT": "1"}
    done = subprocess.run(command, cwd=checkout, env=os.environ | variables, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found = json.loads(done.stdout.splitlines()[-1])
    half = len(found["seconds"]) // 2
    halves = (found["seconds"][:half], found["seconds"][half:])
    return [statistics.quantiles(seconds, n=4)[0] for seconds in halves], found["losses"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voc-root", type=Path, required=True)
    parser.add_argument("--preset", default="cpu", choices=("cpu", "fast"))
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--against", type=Path, help="another checkout of segqc")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--wall", action="store_true", help="seconds on all cores, in place of CPU seconds on one")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        wait_passively()
        clock = time.perf_counter if given.wall else time.process_time
        print(json.dumps(measure(given.voc_root, given.preset, given.steps, clock)))
        return
    for number in range(given.rounds):
        here, losses = run(HERE, given)
        unit = "s" if given.wall else "CPU s"
        said = f"round {number + 1}: {here[0]:.3f} and {here[1]:.3f} {unit} a step, {_said(losses)}"
        if given.against is not None:
            there, others = run(given.against.resolve(), given)
            ratios = [before / now for before, now in zip(there, here, strict=True)]
            said += f"; there {there[0]:.3f} and {there[1]:.3f}, {_said(others)}; "
            said += f"ratio {ratios[0]:.2f} and {ratios[1]:.2f}"
        print(said, flush=True)


def _said(losses: list[float]) -> str:
    """The loss at the start and at the end, a quarter of the steps each."""
    quarter = max(1, len(losses) // 4)
    return f"loss {statistics.mean(losses[:quarter]):.3f} to {statistics.mean(losses[-quarter:]):.3f}"


if __name__ == "__main__":
    main()
