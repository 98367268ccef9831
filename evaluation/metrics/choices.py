"""What there is to choose from among the metrics, importable without NumPy."""

from typing import Literal

Backend = Literal["segqc", "medpy"]
