"""Values that files and random draws of earlier versions depend on: none may change."""

from pathlib import Path

from segqc.base.fingerprints import (
    file_sha256,
    file_stamp,
    files_digest,
    short_digest,
    stable_seed,
    text_sha256,
    uniform_of_text,
    wide_seed,
)

STRANGE = "name\udcff"  # a file name that is not UTF-8, as Python reads it from a folder


def test_seeds_and_digests_of_texts_keep_their_values():
    assert stable_seed(0, "step", 3, None) == 3135168500816388767
    assert wide_seed("0/1/a") == 333297835191174891259901196703977650157
    assert uniform_of_text("0/a") == 0.9823869317100176
    assert short_digest("a/1", 5) == "baeec194e7"
    assert text_sha256("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_names_that_are_not_utf8_have_digests_of_their_own():
    assert short_digest(STRANGE) != short_digest("name\udcfe")
    assert short_digest("\ud800", errors="surrogatepass") != short_digest("\ud801", errors="surrogatepass")
    assert wide_seed(STRANGE) != wide_seed("name")


def test_digests_of_files_depend_on_their_bytes_alone(tmp_path: Path):
    one, two, missing = tmp_path / "one", tmp_path / "two", tmp_path / "missing"
    one.write_bytes(b"abc")
    two.write_bytes(b"abc")
    assert file_sha256(one) == file_sha256(two) == text_sha256("abc").hex()
    assert files_digest([one, missing, two]) == files_digest([two, one]) == "4b91544197570fbf"
    two.write_bytes(b"abd")
    assert files_digest([one, two]) != files_digest([two, one])


def test_a_stamp_tells_a_replaced_file_and_a_missing_one(tmp_path: Path):
    path = tmp_path / "file"
    assert file_stamp(path) == [str(path.resolve()), None, None, None]
    path.write_bytes(b"abc")
    before = file_stamp(path)
    assert before[:2] == [str(path.resolve()), 3]
    path.write_bytes(b"abcd")
    assert file_stamp(path) != before
