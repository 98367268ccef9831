"""The command line: every command fills in a config dataclass and calls one function."""

import io
import sys
import warnings
from typing import Annotated, Any, NoReturn

import typer
from rich.text import Text

from segqc.base.console import console, error_console
from segqc.base.cores import wait_passively
from segqc.base.errors import BadInput, StorageError, describe_os_error
from segqc.base.version import __version__
from segqc.cli import audit, calibration, demo, evaluate, export_model, inspect, predict, review, tabular, train

app = typer.Typer(
    name="segqc",
    help="Find the wrong predictions of a segmentation model, worst first, without ground truth.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _version(show: bool) -> None:
    if show:
        console.print(f"segqc {__version__}")
        raise typer.Exit


@app.callback()
def _segqc(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command(epilog=inspect.EPILOG)(inspect.inspect)
app.command(epilog=train.EPILOG)(train.train)
app.command(epilog=audit.EPILOG)(audit.audit)
app.command(epilog=audit.MERGE_EPILOG)(audit.merge)
app.command(epilog=predict.EPILOG)(predict.predict)
app.command(epilog=evaluate.EPILOG)(evaluate.evaluate)
app.command(epilog=calibration.CALIBRATE_EPILOG)(calibration.calibrate)
app.command(epilog=calibration.MONITOR_EPILOG)(calibration.monitor)
app.command(epilog=review.EXPORT_EPILOG)(review.export)
app.command(epilog=export_model.EPILOG)(export_model.export_model)
app.command(epilog=review.GALLERY_EPILOG)(review.gallery)
app.command(epilog=demo.EPILOG)(demo.demo)
app.add_typer(tabular.app, name="tabular")


def _show_warning(message: Warning | str, *where: Any, **other: Any) -> None:
    """Print a warning as one line of words: file, line and source text tell a user nothing."""
    error_console.print(Text.assemble(("Warning:", "bold yellow"), " ", str(message)), soft_wrap=True)


def main() -> None:
    """Run the command line. Expected errors are printed in one line, without a traceback, and end with exit code 2."""
    wait_passively()
    # a file name may hold characters that the terminal's encoding lacks: print them escaped instead of failing
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    warnings.showwarning = _show_warning
    try:
        app()
    except (BadInput, StorageError, ValueError, FloatingPointError, OSError) as error:
        said = describe_os_error(error) if isinstance(error, OSError) else str(error)
        error_console.print(Text.assemble(("segqc:", "bold red"), " ", said), soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        _stopped()
    except SystemExit as ended:
        if ended.code != _INTERRUPTED:
            raise
        _stopped()


_INTERRUPTED = 130
"""Exit code after Ctrl-C, which Typer turns into the end of the program by itself."""


def _stopped() -> NoReturn:
    error_console.print("Stopped. Run the same command again to continue.")
    sys.exit(_INTERRUPTED)
