"""`segqc predict`."""

from typing import Annotated

import typer

from segqc.base.console import console
from segqc.base.imports import large_imports
from segqc.cli.options import fills_in
from segqc.predict.config import PredictConfig

EPILOG = "Example: segqc predict --voc-root VOCdevkit --image-set val --out deeplab_out"


@fills_in(PredictConfig)
def predict(
    config: PredictConfig,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 1 if an image could not be predicted.")
    ] = False,
) -> None:
    """Predict masks for a folder of images with a torchvision segmentation model.

    Writes one palette PNG per image, at the image's size, and predict.json with the images that failed and why.
    """
    with large_imports():
        from segqc.data.inspection.survey import commonest_reason
        from segqc.predict.run import predict as run

    summary = run(config, console)
    console.print(
        f"{summary.written} masks written, {summary.skipped} existed already, {len(summary.failed)} images failed "
        f"(reasons in {config.out / 'predict.json'})."
    )
    for line in summary.passed_over:
        console.print(line, soft_wrap=True, highlight=False)
    if summary.failed:
        why = commonest_reason([(failed["image"], failed["reason"]) for failed in summary.failed])
        console.print(f"Failed: {why}", soft_wrap=True, highlight=False)
    source = f"--voc-root {config.voc_root}" if config.voc_root else f"--images {config.images}"
    console.print(f"Next: segqc audit --model MODEL --predictions {config.out} {source} --out audit", soft_wrap=True)
    if strict and summary.failed:
        raise typer.Exit(1)
