"""`segqc demo`."""

from segqc.base.console import console
from segqc.cli.options import fills_in
from segqc.demo.config import DemoConfig

EPILOG = "Example: segqc demo --out demo"


@fills_in(DemoConfig)
def demo(config: DemoConfig) -> None:
    """The whole story on rendered scenes, in about five minutes on two cores: no data and no network needed."""
    from segqc.demo.run import demo as run

    run(config, console)
