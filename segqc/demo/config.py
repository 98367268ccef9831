"""Settings of `segqc demo`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DemoConfig:
    """`segqc demo`. The defaults take about five minutes on two cores."""

    out: Path = Path("demo")
    seed: int = 0
    train_scenes: int = 400  # for the segmenter and, with their true masks, for the QC model
    audit_scenes: int = 120  # neither has seen these
    scene_size: tuple[int, int] = (176, 132)  # width, height, px
    segmenter_steps: int = 1000
    qc_steps: int = 600
    qc_image_size: int = 192  # side of the squashed picture that the QC model sees, px
    qc_grid_size: int = 32  # side of its mask grid, cells
    top: int = 24  # "the worst" in the figures, and the rows of the contact sheet
