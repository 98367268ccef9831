"""Paths of objects, their local copies and what is said where a store fails, on fsspec's store in memory."""

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segqc.base.errors import BadInput, StorageError
from segqc.base.files import atomic_path, read_json, remove_folder, write_json
from segqc.base.fingerprints import file_stamp
from segqc.base.journal import Journal
from segqc.base.settings import from_json, to_json
from segqc.base.storage import copies, objects
from segqc.base.storage.paths import RemotePath, as_path, common_folder, is_address, walk
from segqc.data.listing import files_by_id
from segqc.data.path_tables import read_path_table
from segqc.data.pictures import read_image
from segqc.training.config import TrainConfig

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in a store, empty, with a cache of its own."""
    monkeypatch.setenv("SEGQC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(objects, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(copies, "_SWEEPER", copies._Sweeper())
    objects._listed.cache_clear()
    objects._ASKED.clear()
    yield as_path("memory://bucket/data")
    fsspec.filesystem("memory").store.clear()


def put(path: Path, content: bytes) -> Path:
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return path


def copies_on_disk(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("s3://bucket/a", True), ("s3:/bucket/a", True), ("C:/bucket/a", False), ("a/s3:/b", False), ("s3:", False)],
)
def test_what_is_an_address(text: str, is_one: bool) -> None:
    assert is_address(text) is is_one
    assert isinstance(as_path(Path(text)), RemotePath) is is_one


def test_paths_of_objects_are_joined_like_absolute_ones() -> None:
    path = as_path("s3://bucket/images/a.png")
    assert str(path) == "s3://bucket/images/a.png"
    assert str(path.parent / "b" / "c.png") == "s3://bucket/images/b/c.png"
    assert Path("/data") / path == path
    assert path.parent / "s3://other/d.png" == as_path("s3://other/d.png")
    assert path.parent / "/data/d.png" == Path("/data/d.png")
    assert path.relative_to(path.parents[1]).as_posix() == "images/a.png"
    assert path.with_suffix(".npz").name == "a.npz"
    assert path.is_absolute()
    assert (path.resolve(), path.absolute(), path.expanduser()) == (path, path, path)
    assert common_folder([path, as_path("s3://bucket/masks/a.png")]) == as_path("s3://bucket")
    assert common_folder([Path("/data/x/a.png"), Path("/data/y/a.png")]) == Path("/data")


def test_addresses_survive_a_configuration(tmp_path: Path) -> None:
    config = TrainConfig(images=Path("s3://bucket/images"), masks=as_path("s3://bucket/masks"), out=tmp_path)
    assert isinstance(config.images, RemotePath)
    assert to_json(config)["images"] == "s3://bucket/images"
    assert from_json(TrainConfig, to_json(config)) == config
    with pytest.raises(BadInput, match=r"s3://bucket/run: cannot be `out`: files there are written in place"):
        TrainConfig(out=Path("s3://bucket/run"))


def test_questions_are_answered_as_for_files(bucket: Path) -> None:
    put(bucket / "sub" / "b.txt", b"two")
    put(bucket / "a.txt", b"one")
    assert sorted(path.name for path in bucket.iterdir()) == ["a.txt", "sub"]
    assert [path.name for path in bucket.rglob("*.txt")] == ["a.txt", "b.txt"]
    assert [str(path) for path in bucket.glob("*/b.*")] == ["memory://bucket/data/sub/b.txt"]
    assert [(folder.name, folders, names) for folder, folders, names in walk(bucket)] == [
        ("data", ["sub"], ["a.txt"]),
        ("sub", [], ["b.txt"]),
    ]
    assert (bucket / "a.txt").is_file()
    assert not (bucket / "a.txt").is_dir()
    assert (bucket / "sub").is_dir()
    assert not (bucket / "c.txt").exists()
    assert (bucket / "a.txt").stat().st_size == 3
    assert (bucket / "sub" / "b.txt").read_text() == "two"
    with pytest.raises(FileNotFoundError):
        (bucket / "c.txt").read_bytes()
    with pytest.raises(OSError, match="replaced whole"):
        (bucket / "a.txt").open("a")
    listed = pickle.loads(pickle.dumps(next(iter(bucket.glob("a.*")))))
    assert listed == bucket / "a.txt"
    assert (bucket / "a.txt").replace(bucket / "moved" / "a.txt").read_text() == "one"
    (bucket / "moved" / "a.txt").replace(bucket / "a.txt")
    (bucket / "a.txt").unlink()
    (bucket / "a.txt").unlink(missing_ok=True)
    remove_folder(bucket / "sub")
    assert list(bucket.iterdir()) == []


def test_what_opens_files_opens_objects(bucket: Path) -> None:
    with atomic_path(bucket / "images" / "a.png") as temporary:
        Image.new("RGB", (5, 4), "red").save(temporary)
    with atomic_path(bucket / "a.npy") as temporary:
        np.save(temporary, np.arange(3))
    assert read_image(bucket / "images" / "a.png").size == (5, 4)
    assert np.load(bucket / "a.npy").tolist() == [0, 1, 2]
    assert list(files_by_id(bucket, (".png",))) == ["images/a"]
    put(bucket / "table.csv", b"image,mask\nimages/a.png,memory://bucket/data/a.npy\nimages/b.png,a.npy\n")
    table = read_path_table(bucket / "table.csv")
    assert [(row.id, str(row.mask)) for row in table.rows] == [("a", "memory://bucket/data/a.npy")]
    assert [(str(p.path), p.reason.split(",")[0]) for p in table.problems] == [
        ("memory://bucket/data/images/b.png", "does not exist")
    ]


def test_a_replaced_object_has_another_stamp_and_is_fetched_again(bucket: Path) -> None:
    path = put(bucket / "a.json", b"1")
    before = file_stamp(path)
    assert before[:2] == ["memory://bucket/data/a.json", 1]
    assert read_json(path) == 1
    time.sleep(0.001)  # the store in memory has no tags, only times
    write_json(path, 12)
    assert read_json(bucket / "a.json") == 12
    assert file_stamp(bucket / "a.json") != before


def test_many_questions_on_one_folder_become_one_list(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(40):
        put(bucket / f"{number}.txt", b"x")
    asked = list[str]()
    tried = objects._tried
    monkeypatch.setattr(objects, "_tried", lambda call, address, what: asked.append(what) or tried(call, address, what))
    assert all((bucket / f"{number}.txt").is_file() for number in range(40))
    assert asked.count("listed") == 1
    assert asked.count("looked up") < 16
    put(bucket / "new.txt", b"x")
    assert (bucket / "new.txt").is_file()


def test_copies_stay_below_the_limit(bucket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGQC_STORE_GB", "0.0001")  # 100 kB
    paths = [put(bucket / f"{number}.bin", bytes(10_000)) for number in range(30)]
    for number, path in enumerate(paths):
        os.utime(os.fspath(path), (number, number))  # long ago, one after the other
        if number == 5:
            first = Path(os.fspath(bucket / "0.bin"))  # used again, so that it is not the least recently used
        assert sum(copy.stat().st_size for copy in copies_on_disk(tmp_path)) <= 100_000
    assert first.is_file()
    assert len(copies_on_disk(tmp_path)) >= 5
    monkeypatch.setenv("SEGQC_STORE_GB", "much")
    with pytest.raises(ValueError, match="Expected SEGQC_STORE_GB to be a number of GB, but got 'much'"):
        copies.limit_bytes()


def test_a_file_that_was_left_unfinished_goes_after_a_day(bucket: Path, tmp_path: Path) -> None:
    folder = copies.copies_folder() / "new"
    folder.mkdir(parents=True)
    for name, hours in ((".old.tmp", 25), (".young.tmp", 23)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - 3600 * hours,) * 2)
    copies.sweep(1e9)
    assert [path.name for path in folder.iterdir()] == [".young.tmp"]


def test_failures_are_tried_again_and_then_named(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(bucket / "a.bin", b"content")
    system = type(fsspec.filesystem("memory"))
    get_file, left = system.get_file, [3]

    def fails(self: object, source: str, target: str, **options: object) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise ConnectionError("the line\nwent dead")
        get_file(self, source, target, **options)

    monkeypatch.setattr(system, "get_file", fails)
    assert path.read_bytes() == b"content"
    remove_folder(copies.copies_folder())
    left[0] = 99
    with pytest.raises(StorageError) as caught:
        path.read_bytes()
    assert str(caught.value).startswith(
        f"{path}: could not be fetched in 8 attempts: the line went dead (check the net"
    )
    with pytest.raises(StorageError):
        read_image(path)  # no decoder takes it for a damaged picture
    left[0] = 0
    monkeypatch.setattr(system, "get_file", lambda self, source, target, **_: Path(target).write_bytes(b"cont"))
    with pytest.raises(StorageError, match=r"came with 4 of 7 bytes, twice"):
        path.read_bytes()


def test_what_is_missing_is_said() -> None:
    with pytest.raises(StorageError, match=r"^nothing://bucket/a: is of no known kind.*give a local path or s3://"):
        as_path("nothing://bucket/a").exists()
    code = (
        "import sys; sys.modules['s3fs'] = None\n"
        "from segqc.base.storage.paths import as_path\n"
        "assert 'fsspec' not in sys.modules\n"
        "as_path('s3://bucket/a').exists()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "s3://bucket/a: needs a package that is not installed" in done.stderr
    assert done.stderr.rstrip().endswith("(pip install 'segqc[s3]')")


def test_a_journal_in_a_store_is_continued(bucket: Path) -> None:
    path = bucket / ".progress" / "rows-0.jsonl"
    with Journal(path, {"model": 1}) as journal:
        journal.append("a", {"x": 1})
        journal.append("b", {"x": 2})
    with Journal(path, {"model": 1}) as journal:
        assert journal.rows == {"a": {"x": 1}, "b": {"x": 2}}
        journal.append("c", {"x": 3})
    assert list(Journal(path, {"model": 1}).rows) == ["a", "b", "c"]
    assert Journal(path, {"model": 2}).rows == {}
