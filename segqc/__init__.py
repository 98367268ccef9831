"""segqc finds the wrong predictions of a segmentation model, worst first, without ground truth.

qc = segqc.load("runs/voc")
for result in qc.score(images, masks):
    print(result.score, result.worst_class, result.worst_box)
"""

from typing import TYPE_CHECKING, Any

from segqc.base.version import __version__

__all__ = ["QualityControl", "Score", "__version__", "load"]

if TYPE_CHECKING:
    from segqc.quality_control import QualityControl, load
    from segqc.verdict import Score


def __getattr__(name: str) -> Any:
    """Import torch only when something is to be scored, so that `segqc --help` answers at once."""
    if name in {"QualityControl", "load"}:
        from segqc import quality_control

        return getattr(quality_control, name)
    if name == "Score":
        from segqc.verdict import Score

        return Score
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
