"""A folder that several workers need is made by one of them."""

import pytest
from once import made_once


def test_a_folder_is_made_once_and_again_after_a_failure(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path_factory.mktemp("run")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setattr(tmp_path_factory, "getbasetemp", lambda: base)
    calls = []

    def make(folder):
        folder.mkdir()
        calls.append(folder)
        if len(calls) == 1:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        made_once(tmp_path_factory, "thing", make)
    assert made_once(tmp_path_factory, "thing", make) == made_once(tmp_path_factory, "thing", make) == base / "thing"
    assert len(calls) == 2

    worker = base / "popen-gw1"
    worker.mkdir()
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw1")
    monkeypatch.setattr(tmp_path_factory, "getbasetemp", lambda: worker)
    assert made_once(tmp_path_factory, "thing", make) == base / "thing"
    assert len(calls) == 2
