"""Settings of `segqc demo`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from segqc.base.settings import Setting, check_settings


def _size(help_: str) -> Setting:
    """A number that only Python sets: tests run a smaller demo."""
    return Setting(help_, low=1, python_only=True)


@dataclass(frozen=True)
class DemoConfig:
    """`segqc demo`. The defaults take about five minutes on two cores."""

    out: Annotated[Path, Setting("Folder for everything.")] = Path("demo")
    seed: Annotated[int, Setting("Of scenes and trainings.", low=0)] = 0
    train_scenes: Annotated[int, _size("Scenes for the segmenter and, with their true masks, for the QC model.")] = 400
    audit_scenes: Annotated[int, _size("Scenes of the audit; neither network has seen them.")] = 120
    scene_size: Annotated[tuple[int, int], _size("Width and height of a scene, px.")] = (176, 132)
    segmenter_steps: Annotated[int, _size("Optimizer steps of the segmenter.")] = 1000
    qc_steps: Annotated[int, _size("Optimizer steps of the QC model.")] = 600
    qc_image_size: Annotated[int, _size("Side of the squashed picture that the QC model sees, px.")] = 192
    qc_grid_size: Annotated[int, _size("Side of its mask grid, cells.")] = 32
    top: Annotated[int, _size('Size of "the worst" in the figures, and rows of the contact sheet.')] = 24

    def __post_init__(self) -> None:
        check_settings(self)
