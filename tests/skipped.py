"""One line at the end of a run: which tests were skipped, and what to install so that they run."""

import re
from collections import Counter
from collections.abc import Generator, Iterable

import pytest

NO_CHROMIUM = "no program named chromium is on the PATH"
INSTALL = "pip install '.[dev,consumers,ray]'"
NO_DATA = "the folder ../shared/data is not beside this checkout"

_PACKAGE = re.compile(r"could not import '([\w.]+)'|^([\w.-]+) is not installed$")


def what_was_skipped(reasons: Iterable[str]) -> str | None:
    """The closing line on skipped tests, or None when there are none.

    Parameters
    ----------
    reasons : iterable of str
        The reason of each skipped test, as given to `pytest.skip`.
    """
    counts: Counter[str] = Counter()
    packages: set[str] = set()
    for reason in reasons:
        if match := _PACKAGE.search(reason):
            packages.add((match[1] or match[2]).split(".")[0])
            counts["package"] += 1
        else:
            counts[reason] += 1
    if not counts:
        return None
    names = {
        NO_CHROMIUM: "in a browser (install Chromium: apt-get install chromium)",
        NO_DATA: "on real data (they read the folder ../shared/data)",
        "package": f"with optional packages ({INSTALL}; missing: {', '.join(sorted(packages))})",
    }
    parts = [f"{count} {names.get(kind, f'({kind})')}" for kind, count in counts.most_common()]
    total = sum(counts.values())
    return f"{total} test{'s' if total > 1 else ''} did not run: {'; '.join(parts)}."


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
    """Write the line below all that pytest writes, but for the counts."""
    yield
    reports = terminalreporter.stats.get("skipped", [])
    if line := what_was_skipped(report.longrepr[2].removeprefix("Skipped: ") for report in reports):
        terminalreporter.write_line(line, yellow=True)
