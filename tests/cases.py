"""A table of what was tried and what happens now, written by the tests that try it.

Tests carry ``@pytest.mark.case(area, case, what_happens)``. With the environment variable `SEGQC_CASES` naming a file,
a run of them in one process writes those that passed as a table in Markdown.
"""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

HEAD = """# The review page, case by case

Each line is tried in Chromium by the test that it names, which also wrote it:
`SEGQC_CASES=docs/review-cases.md python -m pytest {files}`

"""

_passed: dict[str, list[tuple[str, str, str, str]]] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Generator[None, pytest.TestReport]:
    """Note the case of a test that has passed."""
    report = yield
    marker = item.get_closest_marker("case")
    if marker and report.when == "call" and report.passed:
        name = item.name.split("[")[0]
        lines = _passed.setdefault(item.location[0], [])
        if not any(line[3] == name for line in lines):
            lines.append((*marker.args, name))
    return report


def pytest_sessionfinish() -> None:
    """Write the table where it is wanted."""
    wanted = os.environ.get("SEGQC_CASES")
    if not wanted or not _passed:
        return
    lines = ["| | case | what happens | test |", "|---|---|---|---|"]
    lines += [
        f"| {area} | {what} | {now} | `{name}` |" for found in _passed.values() for area, what, now, name in found
    ]
    Path(wanted).write_text(HEAD.format(files=" ".join(sorted(_passed))) + "\n".join(lines) + "\n", "utf-8")
