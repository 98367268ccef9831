"""The fuzz of the readers: a seeded part of it."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow warns of odd files

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "fuzz_readers.py"


@pytest.fixture(scope="module")
def fuzzing():
    """The script as a module."""
    specification = importlib.util.spec_from_file_location("fuzz_readers", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_mutated_files_are_read_or_refused(fuzzing, tmp_path):
    pytest.importorskip("pycocotools")
    counts = fuzzing.fuzz(320, seed=1, folder=tmp_path)
    assert sum(found.total() for found in counts.values()) == 320
    assert all(found["refused"] for found in counts.values())


def test_what_is_not_mutated_is_read(fuzzing, tmp_path):
    for name, (content, read) in fuzzing.samples().items():
        path = tmp_path / name.partition(".")[0] / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        read(path)


def test_a_mutation_depends_on_its_seed_alone(fuzzing):
    content = bytes(range(200))
    first, second = (fuzzing.mutate(content, np.random.default_rng([1, 2])) for _ in range(2))
    assert first == second != content
