"""`segqc demo`."""

from segqc.base.console import console
from segqc.base.imports import large_imports
from segqc.cli.options import fills_in
from segqc.demo.config import DemoConfig

EPILOG = "Example: segqc demo --out demo"


@fills_in(DemoConfig)
def demo(config: DemoConfig) -> None:
    """Show everything on rendered scenes, without data or network, in 3 to 7 minutes on two cores.

    Renders scenes, trains a segmenter that sometimes fails, trains a quality model, audits the segmenter's predictions,
    and prints how well the audit found the failures. Writes the review page of the audit, too.
    """
    with large_imports():
        from segqc.demo.run import demo as run

    run(config, console)
