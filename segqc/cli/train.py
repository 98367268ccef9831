"""`segqc train`."""

from typing import Annotated

import typer

from segqc.base.console import console, wrote
from segqc.base.errors import BadInput
from segqc.base.imports import large_imports
from segqc.cli.options import fills_in
from segqc.training.config import TrainConfig

EPILOG = "Example: segqc train --voc-root VOCdevkit --image-set trainaug --preset cpu --out runs/voc"


@fills_in(TrainConfig, first="voc_root image_set images masks data split layout classes download")
def train(
    config: TrainConfig,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Fail unless --out holds a run to continue. Without this option, the command continues a run or "
            "starts one.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the configuration, number of parameters, FLOPs and memory, and exit."),
    ] = False,
) -> None:
    """Train a quality model on images and their ground-truth masks.

    Takes a Pascal VOC folder, or a folder of images and one of masks. Writes a model folder for `segqc audit --model`.

    The same command continues a run that was stopped, at any moment and by any means. To train on several GPUs, start
    it with `torchrun --nproc_per_node 4 -m segqc train ...`.
    """
    if dry_run:
        with large_imports():
            from segqc.training.dry_run import print_dry_run

        print_dry_run(config, console)
        return
    if resume and not (config.out / "training" / "run.json").is_file():
        raise BadInput(config.out, "holds no run to resume", "check --out, or leave out --resume to start a new run")
    with large_imports():
        from segqc.training.run import train as run

    folder = run(config, console)
    console.print()
    console.print(wrote(folder, what="the model folder "), soft_wrap=True)
    console.print(f"Next: segqc audit --model {folder} --predictions MASKS --images IMAGES --out audit", soft_wrap=True)
