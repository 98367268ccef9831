"""Settings of `segqc demo`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from segqc.base.settings import Setting, check_settings

DURATION = "3 to 7 minutes on two cores"
"""How long the defaults take: 193 s on a machine with nothing else to do, 409 s beside another process."""


def _size(help_: str) -> Setting:
    """A number that only Python sets: tests run a smaller demo."""
    return Setting(help_, low=1, python_only=True)


@dataclass(frozen=True)
class DemoConfig:
    """`segqc demo`; how long the defaults take is in `DURATION`."""

    out: Annotated[Path, Setting("Folder for all files of the demo.", on_disk=True)] = Path("demo")
    seed: Annotated[int, Setting("Random seed for scenes and trainings.", low=0)] = 0
    train_scenes: Annotated[int, _size("Number of scenes that the segmenter and the quality model are trained on.")] = (
        400
    )
    audit_scenes: Annotated[int, _size("Number of audited scenes; neither network was trained on them.")] = 120
    scene_size: Annotated[tuple[int, int], _size("Width and height of a scene, in pixels.")] = (176, 132)
    segmenter_steps: Annotated[int, _size("Number of optimizer steps of the segmenter.")] = 1000
    qc_steps: Annotated[int, _size("Number of optimizer steps of the quality model.")] = 600
    qc_image_size: Annotated[
        int, _size("Side of the square that the quality model's images are resized to, in pixels.")
    ] = 192
    qc_grid_size: Annotated[int, _size("Side of the quality model's mask grid, in cells.")] = 32
    top: Annotated[
        int, _size("Number of predictions that count as the worst in the figures, and of masks on the contact sheet.")
    ] = 24

    def __post_init__(self) -> None:
        check_settings(self)
