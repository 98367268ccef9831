"""Rebuild a model that comes with segqc: train on Pascal VOC's `trainaug`, store the network in 8 bits.

    python scripts/train_shipped_model.py --voc-root VOCdevkit [--model voc-fast] [--out runs/shipped]

The same as `segqc train --voc-root VOCdevkit --image-set trainaug --preset cpu --seed 0` (`voc-fast`: `--preset fast`);
the network in 8 bits into `segqc/models/voc/`; the frozen encoder stays in its PyPI package. Stopped at any point, the
same command continues. Expect on one core of an AMD EPYC with native bfloat16: 11 minutes for the image features of
3,138 pictures, 13 for the two networks that guess, 35 for 3,000 steps, 2 for the density head; 6 GiB of memory and 5 GB
of disk for the features.
"""

import argparse
import dataclasses
from pathlib import Path

from rich.console import Console

from segqc.model.catalogue import BUNDLED_MODELS
from segqc.model.folder import load_model, save_model
from segqc.training.config import TrainConfig
from segqc.training.run import train


def main() -> None:
    """Train, or find trained; then store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voc-root", type=Path, required=True)
    parser.add_argument("--image-set", default="trainaug")
    parser.add_argument("--model", choices=tuple(BUNDLED_MODELS), default="voc")
    parser.add_argument("--out", type=Path, help="runs/shipped/MODEL by default")
    parser.add_argument("--to", type=Path, help="the package's own folder by default")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    console = Console()
    config = TrainConfig(
        voc_root=arguments.voc_root,
        image_set=arguments.image_set,
        out=arguments.out or Path("runs/shipped") / arguments.model,
        preset="fast" if arguments.model == "voc-fast" else "cpu",
        steps=arguments.steps,
        seed=arguments.seed,
    )
    to = arguments.to or BUNDLED_MODELS[arguments.model]
    store(train(config, console), to)
    console.print(f"Wrote {to}. Next: segqc audit --predictions MASKS --images PICTURES --out audit")


def store(trained: Path, folder: Path) -> None:
    """Copy a model folder, with the network in 8 bits and without the paths of the machine that it was trained on."""
    model = load_model(trained, "cpu")
    report = dict(model.config.training)
    settings = report.pop("config", {})
    report["config"] = {
        name: value
        for name, value in settings.items()
        if name not in ("out", "voc_root", "images", "masks", "feature_cache")
    }
    model.config = dataclasses.replace(model.config, training=report)
    save_model(folder, model, compact=True)


if __name__ == "__main__":
    main()
