"""Fixtures shared by all tests: real development data where it is there, and a tiny rendered VOC with models trained on
it for a few steps. At its end a run says what was skipped.
"""

import os
from pathlib import Path

# One thread a worker, also in the processes that tests start: the last bits of a training depend on the number of
# threads. It must be said before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests make many models, and writing the graphs of each takes a second: tests of ONNX Runtime ask for it.
os.environ["SEGQC_RUNTIME"] = "torch"

import pytest
from cases import pytest_runtest_makereport, pytest_sessionfinish  # noqa: F401 (hooks)
from once import made_once
from skipped import NO_DATA, pytest_terminal_summary  # noqa: F401 (a hook)

from segqc.data.masks import read_mask, write_mask
from segqc.demo.scenes import DEMO_LABELS, render_dataset
from segqc.training.config import TrainConfig
from segqc.training.run import train

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
DEMO_CLASSES = ",".join(DEMO_LABELS.names)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that no worker is left alone with one of them at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real data for development; absent on a user's machine."""
    if not SHARED_DATA.is_dir():
        pytest.skip(NO_DATA)
    return SHARED_DATA


@pytest.fixture(scope="session")
def voc_root(shared_data: Path) -> Path:
    """A VOCdevkit folder with real Pascal VOC pairs."""
    return shared_data / "voc" / "VOCdevkit"


@pytest.fixture(scope="session")
def tiny_voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """28 training and 6 further rendered scenes of 88 x 66 px in VOC's layout, seven classes."""
    return made_once(tmp_path_factory, "tiny_voc", lambda root: render_dataset(root, train=28, audit=6, size=(88, 66)))


@pytest.fixture(scope="session")
def tiny_predictions(tiny_voc: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Masks for the six further scenes: the truth with its void rim relabelled as background."""

    def write(folder: Path) -> None:
        for name in (tiny_voc / "ImageSets" / "Segmentation" / "val.txt").read_text().split():
            mask = read_mask(tiny_voc / "SegmentationClass" / f"{name}.png", DEMO_LABELS)
            write_mask(folder / f"{name}.png", mask * (mask != 255), DEMO_LABELS)

    return made_once(tmp_path_factory, "tiny_predictions", write)


def tiny_train_config(root: Path, out: Path, **changes: object) -> TrainConfig:
    """A training of seconds: the `cpu` network at a quarter of its grid, fp32."""
    settings: dict = {
        "voc_root": root, "out": out, "image_set": "train", "classes": DEMO_CLASSES,
        "encoder": "tf_efficientnet_lite0", "image_size": 64, "grid_size": 16,
        "steps": 12, "batch_size": 4, "views": 1, "validate_every": 5, "checkpoint_every": 4, "warmup_steps": 2,
        "density_items": 20, "validation_fraction": 0.2, "device": "cpu", "precision": "fp32",
    }  # fmt: skip
    return TrainConfig(**(settings | changes))


@pytest.fixture(scope="session")
def tiny_model(tiny_voc: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a `structured` model after 12 steps."""
    return made_once(tmp_path_factory, "tiny_model", lambda out: train(tiny_train_config(tiny_voc, out)))


@pytest.fixture(scope="session")
def tiny_paper_model(tiny_voc: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a `paper` model after 12 steps."""
    return made_once(
        tmp_path_factory, "tiny_paper_model", lambda out: train(tiny_train_config(tiny_voc, out, method="paper"))
    )
