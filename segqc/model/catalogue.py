"""Names of the methods and of the models that come with the package; importable without torch."""

from pathlib import Path
from typing import Literal

BUNDLED_MODELS = {name: Path(__file__).parents[1] / "models" / name for name in ("voc", "voc-fast")}
"""The models that come with the package, for the 21 classes of Pascal VOC.

A MODEL_CARD.md in each says what it is good for.
"""

BUNDLED = BUNDLED_MODELS["voc"]

Method = Literal["structured", "mixing", "paper", "segmenter"]
