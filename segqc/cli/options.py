"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

VocRoot = Annotated[
    Path | None,
    typer.Option("--voc-root", help="Pascal VOC: a VOCdevkit, a VOC2012, or a folder that holds a VOCdevkit."),
]
Images = Annotated[
    Path | None, typer.Option("--images", help="Folder of pictures (.jpg, .jpeg, .png), searched recursively.")
]
Device = Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:1, mps; by default what there is.")]
