"""`segqc inspect`."""

import typer

from segqc.base.console import console
from segqc.base.imports import large_imports
from segqc.cli.options import fills_in
from segqc.data.inspection.config import InspectConfig

EPILOG = (
    "Example: segqc inspect --images IMAGES --masks MASKS --classes background,lesion"
    "\n\nExample: segqc inspect --data cityscapes"
)


@fills_in(InspectConfig, first="data split layout images masks predictions voc_root image_set classes work")
def inspect(config: InspectConfig) -> None:
    """Look at a data set before anything is done with it: its pairs, sizes, label values, and what is suspicious.

    Takes a data set in a known layout, two folders, or an annotation file. Writes nothing but what it keeps in --work.
    Exits with code 2 if the masks can be read in two ways; the output names the option that decides.
    """
    with large_imports():
        from segqc.data.inspection.run import inspect as run

    found = run(config, console)
    if found.settled.grave or not found.survey.readable:
        raise typer.Exit(2)
    console.print("Next: segqc train with the same options, and --out RUN.", soft_wrap=True)
