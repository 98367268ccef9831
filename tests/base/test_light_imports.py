"""What needs no network and no fit is imported without torch, timm and scikit-learn: each of them takes seconds."""

import subprocess
import sys

LIGHT = """
segqc segqc.cli.app segqc.verdict segqc.model.catalogue
segqc.base.console segqc.base.errors segqc.base.files segqc.base.fingerprints segqc.base.journal segqc.base.locks
segqc.base.parallel segqc.base.settings segqc.base.tables
segqc.data.cells segqc.data.dataset segqc.data.folds segqc.data.grid segqc.data.labels segqc.data.masks
segqc.data.pictures segqc.data.rasters segqc.data.pairs segqc.data.small_objects
segqc.auditing.config segqc.calibration.config segqc.demo.config segqc.export.config segqc.gallery.config
segqc.predict.config segqc.tabular.config segqc.training.config
"""

HEAVY = "torch timm torchvision sklearn matplotlib tensorboard"

IMPORT_IN_TURN = """
import importlib, sys
light, heavy = (text.split() for text in sys.argv[1:])
for name in light:
    importlib.import_module(name)
    loaded = [package for package in heavy if package in sys.modules]
    if loaded:
        raise SystemExit(f"{name} loads {', '.join(loaded)}")
"""


def test_light_modules_leave_the_heavy_packages_alone() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_IN_TURN, LIGHT, HEAVY], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
