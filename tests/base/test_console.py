"""What is printed: names as they are, whatever signs they have; one line for what goes wrong; silence once nobody reads
any more.
"""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from export_audit import CLASSES, write_audit
from rich.console import Console
from typer.testing import CliRunner

from segqc.base.console import PlainConsole, make_progress, wrote
from segqc.cli import app as cli
from segqc.cli import audit as cli_audit
from segqc.cli import calibration as cli_calibration
from segqc.results.table import read_audit_table

ODD = "scan[/v2] br[ack]et :cow:"


def printed(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> tuple[int, str]:
    """Exit code and standard error of the entry point."""
    errors = io.StringIO()
    monkeypatch.setattr(sys, "argv", ["segqc", *map(str, arguments)])
    monkeypatch.setattr(sys, "stderr", errors)
    with pytest.raises(SystemExit) as done:
        cli.main()
    return done.value.code, errors.getvalue()  # type: ignore[return-value]


def test_a_table_of_an_audit_has_the_names_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = PlainConsole()
    wide.width = 250
    for module in (cli_audit, cli_calibration):
        monkeypatch.setattr(module, "console", wide)
    row = read_audit_table(write_audit(tmp_path)).rows[0] | {"id": ODD, "worst_class": ODD, "expected_class": ODD}
    summary = {"pairs_per_second": 1, "hardly_seen": 2, "resized": 0, "scored": 1, "errors": 0, "seconds": 1}
    summary |= {"peak_memory_gib": 1}
    cli_audit._print_audit([row], summary)
    cli_calibration.print_calibrated(
        {
            "source": "accepted",
            "decisions": {ODD: 1},
            "fdr": 0.1,
            "flagged": 1,
            "statements": [ODD],
            "warnings": [ODD],
            "objects": None,
        }
    )
    said = capsys.readouterr().out
    assert said.count(ODD) == 6
    assert "2 masks are mostly of classes that the model hardly saw in training; see `reason`." in said
    assert "1 s, 1 pairs/s, 1 GiB" in said
    cli_audit._print_audit([row], summary | {"peak_memory_gib": None})  # as on Windows without psutil
    said = capsys.readouterr().out
    assert "1 s, 1 pairs/s\n" in said
    assert "None" not in said


def test_paths_and_notes_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    console = PlainConsole()
    console.print(wrote(ODD, ": " + ODD, ODD + " "), soft_wrap=True)
    assert capsys.readouterr().out == f"Wrote {ODD} {ODD}: {ODD}\n"
    with make_progress(Console(force_terminal=True, width=250), "note") as progress:  # a console of somebody else's
        progress.add_task(ODD, total=1, note=ODD)
    assert capsys.readouterr().out.count(ODD) >= 2


def test_commands_print_what_they_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where the queue goes by default
    audit = write_audit(tmp_path / "br[ack]et :cow:")
    for command in (
        ["export", "--to", "csv", "--out", tmp_path / "x[/y]"],
        ["gallery", "--out", tmp_path / "x[/y].html"],
    ):
        done = CliRunner().invoke(cli.app, [*map(str, command), "--audit", str(audit), "--classes", CLASSES])
        assert done.exit_code == 0, done.output
        assert "x[/y]" in done.output
    assert (
        "br[ack]et :cow:"
        in CliRunner().invoke(cli.app, ["export", "--to", "csv", "--audit", str(audit), "--classes", CLASSES]).output
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gallery", "--audit", "nope[/x]"], "nope[/x]: holds no scores.parquet"),
        (["calibrate", "--audit", "audit", "--ground-truth", "--out", "file/x.json"], "file: is in the way"),
        (["calibrate", "--audit", "audit", "--ground-truth", "--out", "folder"], "folder: Is a directory"),
        (["gallery", "--audit", "audit", "--out", "folder", "--classes", CLASSES], "folder: is a folder"),
        (["export", "--audit", "audit", "--to", "csv", "--out", "file", "--classes", CLASSES], "file: is in the way"),
        (["monitor", "scores.csv", "--calibration", "nothing[/x].json"], "nothing[/x].json: does not exist"),
    ],
)
def test_what_goes_wrong_is_one_line_and_exit_code_2(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_audit(tmp_path)
    summary = tmp_path / "audit" / "summary.json"
    summary.write_text('{"model": {"fingerprint": "x"}, "config": {}}')
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    code, said = printed(monkeypatch, *arguments)
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith(f"segqc: {words}")


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "audit/scores.csv")

    monkeypatch.setattr("segqc.gallery.command.make_gallery", full)
    assert printed(monkeypatch, "gallery", "--audit", "audit") == (
        2,
        "segqc: audit/scores.csv: No space left on device\n",
    )


def test_a_command_whose_reader_has_gone_writes_its_files_and_says_nothing(tmp_path: Path) -> None:
    code = """
import sys
from segqc.base.console import console
sys.stdin.read()
for _ in range(20_000):
    console.print("A line.")
open("last", "w").close()
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, stderr=-1, cwd=tmp_path)
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    child.stdin.close()
    assert (child.wait(60), child.stderr.read()) == (0, b"")
    child.stderr.close()
    assert (tmp_path / "last").is_file()


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        *((["audit"], *option) for option in (("top", 0), ("top", -3), ("folds", 1), ("steps", 0), ("seed", -1))),
        *(
            (["train"], *option)
            for option in (
                ("steps", 0),
                ("guess-steps", 0),
                ("batch-size", 0),
                ("learning-rate", -1),
                ("image-size", 0),
            )
        ),
        *(
            (["train"], *option)
            for option in (("grid-size", 0), ("views", -1), ("density-items", -1), ("workers", -1), ("seed", -1))
        ),
        *((["train"], *option) for option in (("validate-every", 0), ("checkpoint-every", 0))),
        *((["predict", "--out", "out"], *option) for option in (("resize", 0), ("num-classes", 1))),
        *(
            (["evaluate", "--audit", "a"], *option)
            for option in (("top", 0), ("resamples", 0), ("corruptions", -1), ("threshold", 2), ("seed", -1))
        ),
        *((["monitor", "a", "--calibration", "c"], *option) for option in (("level", 7), ("window", 0))),
        *(
            (["calibrate", "--audit", "a"], name, 1.5)
            for name in ("dice-limit", "max-failures", "confidence", "coverage", "fdr", "review-level")
        ),
        *(
            (["export", "--audit", "a", "--to", "csv"], *option)
            for option in (("top", 0), ("max-p-value", 2), ("tolerance", -1))
        ),
        (["demo"], "seed", -1),
        *(
            (["tabular", "fit", "--data", "t"], *option)
            for option in (("contamination", 0.6), ("steps", 0), ("seed", -1))
        ),
        *(
            (["tabular", "score", "--data", "t"], *option)
            for option in (("cells", -1), ("explained", -1), ("chunk", 0))
        ),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(command: list[str], option: str, value: float) -> None:
    done = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}).invoke(
        cli.app, [*command, f"--{option}", str(value)]
    )
    assert done.exit_code == 2
    assert f"Invalid value for '--{option}'" in done.output
