"""Anomalies in tables of categories and numbers, with the noise and the losses of the masks."""

from typing import TYPE_CHECKING, Any

__all__ = ["GumbelScoreDetector"]

if TYPE_CHECKING:
    from segqc.tabular.detector import GumbelScoreDetector


def __getattr__(name: str) -> Any:
    """Import torch only when a detector is asked for: the command line reads `segqc.tabular.config` for its help."""
    if name == "GumbelScoreDetector":
        from segqc.tabular.detector import GumbelScoreDetector

        return GumbelScoreDetector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
