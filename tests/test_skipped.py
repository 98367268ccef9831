"""The closing line names what was skipped and what to install, also when several processes run the tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from skipped import INSTALL, NO_CHROMIUM, NO_DATA, what_was_skipped

SUITE = """
import pytest

@pytest.mark.skip(reason="cvat-sdk is not installed")
def test_one(): pass

def test_two(): pass
"""


def test_the_line_counts_by_cause():
    reasons = [NO_CHROMIUM] * 3 + [NO_DATA, "could not import 'medpy.metric': No module named 'medpy'"]
    assert what_was_skipped([*reasons, "cvat-sdk is not installed", "a whim"]) == (
        "7 tests did not run: 3 in a browser (install Chromium: apt-get install chromium); "
        "2 with optional packages (pip install '.[dev,consumers,ray]'; missing: cvat-sdk, medpy); "
        "1 on real data (they read the folder ../shared/data); 1 (a whim)."
    )
    assert what_was_skipped([]) is None


@pytest.mark.parametrize("processes", ["0", "1"])
def test_the_line_stands_above_the_counts(processes, tmp_path):
    (tmp_path / "conftest.py").write_text("from skipped import pytest_terminal_summary\n")
    (tmp_path / "test_suite.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-ra", "-n", processes, "-p", "no:cacheprovider", str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment["PYTHONPATH"] = str(Path(__file__).parent)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    *_, line, counts = done.stdout.splitlines()
    assert line == f"1 test did not run: 1 with optional packages ({INSTALL}; missing: cvat-sdk)."
    assert "1 passed, 1 skipped" in counts


def test_no_browser_is_a_failure_where_one_is_required():
    code = "import gallery_browser; next(gallery_browser.launch())"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "PATH": "", "SEGQC_REQUIRE_BROWSER": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert f"AssertionError: {NO_CHROMIUM}" in done.stderr
