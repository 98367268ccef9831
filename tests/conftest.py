"""Fixtures shared by all tests."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real data for development; absent on a user's machine."""
    if not SHARED_DATA.is_dir():
        pytest.skip("real development data is not beside this checkout")
    return SHARED_DATA


@pytest.fixture(scope="session")
def voc_root(shared_data: Path) -> Path:
    """A VOCdevkit folder with real Pascal VOC pairs."""
    return shared_data / "voc" / "VOCdevkit"
