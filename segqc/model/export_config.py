"""Settings of `segqc export-model`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from segqc.base.settings import Setting, check_settings
from segqc.model.catalogue import BUNDLED


@dataclass(frozen=True)
class ExportModelConfig:
    """`segqc export-model`: a model as one file that runs without segqc."""

    out: Annotated[Path, Setting("File to write, such as model.onnx.")]
    model: Annotated[
        Path,
        Setting(
            "Model folder written by `segqc train`, or the name of a model that comes with segqc: voc (default) or "
            "voc-fast."
        ),
    ] = BUNDLED
    format: Annotated[Literal["onnx"], Setting("Format of the file: onnx.")] = "onnx"

    def __post_init__(self) -> None:
        check_settings(self)
