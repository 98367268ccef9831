"""Processes that end, are killed or fork while a hook judges in the background: nothing judged is lost, and nothing
hangs or aborts.
"""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from segqc.hook.review_folder import append_row
from segqc.results.schema import REVIEW_COLUMNS, names

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def ended(tmp_path_factory) -> tuple[dict[str, int], Path, str]:
    """How the processes ended, where their review folders are, and what they wrote to stderr."""
    folder = tmp_path_factory.mktemp("ended")
    places = [str(HERE), str(HERE.parent), str(HERE.parents[1])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, HERE / "ending_processes.py", folder], env=environment, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), folder, done.stderr


def rows(folder: Path) -> list[dict[str, str]]:
    """Rows of the table, every one whole."""
    text = (folder / "scores.csv").read_text()
    assert text.endswith("\n")
    found = list(csv.DictReader(text.splitlines()))
    assert all(set(row) == set(names(REVIEW_COLUMNS)) and None not in row.values() for row in found)
    assert len({row["id"] for row in found}) == len(found)
    return found


def test_a_process_that_ends_without_close_judges_what_waits(ended):
    codes, folder, _ = ended
    assert codes["forgotten"] == 0
    assert len(rows(folder / "forgotten")) == 12


def test_a_process_that_ends_waits_no_longer_than_it_was_told_and_says_what_is_lost(ended):
    codes, folder, said = ended
    assert codes["too_much"] == 0
    judged = len(rows(folder / "too_much"))
    assert 1 <= judged < 12
    assert f"the process ended before {12 - judged} predictions were judged" in said


@pytest.mark.parametrize(("case", "code"), [("killed", -9), ("terminated", -15), ("left", 3)])
def test_what_was_judged_is_there_after_a_kill(ended, case, code):
    codes, folder, _ = ended
    assert codes[case] == code
    found = rows(folder / case)
    assert [int(row["id"].rsplit("-", 1)[1]) for row in found] == list(range(5))


def test_parent_and_child_of_a_fork_judge_what_each_predicts(ended):
    codes, folder, _ = ended
    assert codes["forked"] == 0
    found = rows(folder / "forked")
    assert len(found) == 14
    runs = [row["id"].rsplit("-", 1)[0] for row in found]
    assert sorted(runs.count(run) for run in set(runs)) == [2, 12]


def test_the_workers_of_a_data_loader_judge_before_they_end(ended):
    codes, folder, _ = ended
    assert codes["loaded"] == 0
    assert len(rows(folder / "loaded")) == 6


def test_a_line_that_was_cut_short_does_not_swallow_the_next(tmp_path: Path):
    table = tmp_path / "scores.csv"
    append_row(table, {"id": "a", "score": 0.25, "status": "ok"})
    with table.open("a") as file:
        file.write("b,17,0.8")
    append_row(table, {"id": "c", "score": 0.5, "status": "error", "reason": 'a "quoted", reason'})
    assert [(row["id"], row["score"], row["reason"]) for row in rows(tmp_path)] == [
        ("a", "0.25", ""), ("c", "0.5", 'a "quoted", reason')
    ]  # fmt: skip


def test_a_full_disk_leaves_no_part_of_a_row_and_stops_nothing(ended):
    codes, folder, said = ended
    assert codes["full"] == 0
    assert [row["id"][-7:] for row in rows(folder / "full")] == ["0000000"]
    assert "the review folder could not be written" in said
