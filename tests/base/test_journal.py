"""What a journal keeps after a clean end, a kill at any byte, and garbage."""

import json
import random
import signal
import subprocess
import sys

import pytest

from segqc.base.journal import Journal

HEADER = {"model": "abc", "sizes": [1, 2]}


def write(path, rows, header=HEADER):
    with Journal(path, header) as journal:
        for key, row in rows.items():
            journal.append(key, row)


def test_reopening_gives_the_same_rows(tmp_path):
    rows = {
        "a": {"score": 0.1 + 0.2, "none": None, "nested": {"list": [1, 2.5, "x", True]}},
        "b/c": {},
        "": {"empty key": ""},
        "ünï\n\u2028\udcff": {"line break": "one\ntwo\r\x85\u2029"},
    }
    write(tmp_path / "sub" / "j.jsonl", rows)
    journal = Journal(tmp_path / "sub" / "j.jsonl", HEADER)
    assert journal.rows == rows
    assert list(journal.rows) == list(rows)
    assert "b/c" in journal
    assert "c" not in journal


def test_nothing_is_written_before_the_first_row(tmp_path):
    with Journal(tmp_path / "j.jsonl", HEADER):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_later_row_replaces_an_earlier_one_of_its_key(tmp_path):
    write(tmp_path / "j.jsonl", {"a": {"n": 1}, "b": {"n": 2}})
    write(tmp_path / "j.jsonl", {"a": {"n": 3}})
    assert Journal(tmp_path / "j.jsonl", HEADER).rows == {"a": {"n": 3}, "b": {"n": 2}}


def test_header_with_tuples_is_recognised(tmp_path):
    write(tmp_path / "j.jsonl", {"a": {}}, {"sizes": (1, 2)})
    assert "a" in Journal(tmp_path / "j.jsonl", {"sizes": (1, 2)})


@pytest.mark.parametrize("other", [{"model": "abd", "sizes": [1, 2]}, {"model": "abc"}, {}, HEADER | {"more": None}])
def test_another_header_starts_afresh(tmp_path, other):
    path = tmp_path / "j.jsonl"
    write(path, {"a": {"n": 1}})
    journal = Journal(path, other)
    assert journal.rows == {}
    assert Journal(path, HEADER).rows == {"a": {"n": 1}}  # looking does not destroy
    journal.append("b", {"n": 2})
    journal.close()
    assert Journal(path, other).rows == {"b": {"n": 2}}
    assert Journal(path, HEADER).rows == {}


def test_a_file_cut_at_any_byte_keeps_its_whole_lines_and_takes_the_next_row(tmp_path):
    path = tmp_path / "j.jsonl"
    write(path, {f"k{i}": {"n": i} for i in range(3)})
    content = path.read_bytes()
    # a line is whole even when only its line break is missing
    ends = [i for i, byte in enumerate(content) if byte == ord("\n")]
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        whole = max(0, sum(end <= cut for end in ends) - 1)
        journal = Journal(path, HEADER)
        assert list(journal.rows) == [f"k{i}" for i in range(whole)], cut
        journal.append("next", {"n": cut})
        journal.close()
        again = Journal(path, HEADER).rows
        assert again == {f"k{i}": {"n": i} for i in range(whole)} | {"next": {"n": cut}}, cut


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xfe\x80",
        b"\x00" * 100,
        b"not json\n",
        b"null\n",
        b"12\n",
        b"[]\n",
        b"{}\n",
        b'{"key": "x"}\n',
        b'{"key": [], "row": {}}\n',
        b"[" * 100_000,
    ],
    ids=lambda g: repr(g[:12]),
)
@pytest.mark.parametrize("at", ["end", "middle", "start"])
def test_garbage_ends_the_journal_but_not_the_run(tmp_path, garbage, at):
    path = tmp_path / "j.jsonl"
    write(path, {"a": {"n": 1}, "b": {"n": 2}})
    lines = path.read_bytes().splitlines(keepends=True)
    place = {"end": 3, "middle": 2, "start": 0}[at]
    path.write_bytes(b"".join(lines[:place]) + garbage + b"".join(lines[place:]))
    journal = Journal(path, HEADER)
    assert list(journal.rows) == ["a", "b"][: max(0, place - 1)]
    journal.append("c", {"n": 3})
    journal.close()
    assert Journal(path, HEADER).rows == journal.rows
    assert path.read_bytes().count(b"\n") == 1 + len(journal.rows)


def test_no_flipped_bit_changes_a_row(tmp_path):
    """A damaged line ends the journal: what was before it stays, the rest is done again."""
    path = tmp_path / "j.jsonl"
    rows = {f"k{i}": {"score": 0.1 * i, "text": "ü\n", "list": [i, None, True]} for i in range(4)}
    write(path, rows)
    content = path.read_bytes()
    rng = random.Random(0)
    for place in rng.sample(range(8 * len(content)), 300):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        found = Journal(path, HEADER).rows
        assert found == {key: rows[key] for key in list(rows)[: len(found)]}, place


def test_a_second_header_ends_the_journal(tmp_path):
    path = tmp_path / "j.jsonl"
    write(path, {"a": {"n": 1}})
    path.write_bytes(path.read_bytes() * 2)
    assert Journal(path, HEADER).rows == {"a": {"n": 1}}


def test_a_row_that_is_not_json_adds_nothing(tmp_path):
    path = tmp_path / "j.jsonl"
    with Journal(path, HEADER) as journal:
        journal.append("a", {"n": 1})
        with pytest.raises(TypeError):
            journal.append("b", {"n": {1, 2}})
        assert "b" not in journal
        journal.append("c", {"n": 3})
    assert Journal(path, HEADER).rows == {"a": {"n": 1}, "c": {"n": 3}}


def test_every_row_is_on_disk_before_append_returns(tmp_path):
    path = tmp_path / "j.jsonl"
    with Journal(path, HEADER) as journal:
        for i in range(5):
            journal.append(str(i), {"n": i})
            assert list(Journal(path, HEADER).rows) == [str(n) for n in range(i + 1)]


def test_rows_survive_a_kill_in_the_middle_of_a_line(tmp_path):
    """A child appends, reports each append, then dies by SIGKILL with half a line written."""
    path = tmp_path / "j.jsonl"
    child = f"""
import os, signal
from segqc.base.journal import Journal
journal = Journal({str(path)!r}, {HEADER!r})
for i in range(20):
    journal.append(str(i), {{"n": i}})
    print(i, flush=True)
journal._file.write('{{"key": "torn", "row": {{"n')
journal._file.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert path.read_text().endswith('"row": {"n')
    reported = done.stdout.split()
    journal = Journal(path, HEADER)
    assert list(journal.rows) == reported == [str(i) for i in range(20)]
    journal.append("after", {"n": -1})
    journal.close()
    assert list(Journal(path, HEADER).rows) == [*reported, "after"]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_rows_survive_a_kill_at_any_moment(tmp_path):
    """A child appends without pause and is killed from outside; what it reported as appended is there."""
    path = tmp_path / "j.jsonl"
    child = f"""
from segqc.base.journal import Journal
journal = Journal({str(path)!r}, {HEADER!r})
i = 0
while True:
    journal.append(str(i), {{"n": i, "filler": "x" * 5000}})
    print(i, flush=True)
    i += 1
"""
    process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, text=True)
    try:
        seen = [int(process.stdout.readline()) for _ in range(50)]
    finally:
        process.kill()
        rest, _ = process.communicate()
    reported = seen + [int(line) for line in rest.split("\n")[:-1]]
    kept = [row["n"] for row in Journal(path, HEADER).rows.values()]
    assert kept == list(range(len(kept)))  # no hole, no torn row
    assert len(kept) >= len(reported) >= 50
