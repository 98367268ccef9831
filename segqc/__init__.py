"""segqc finds the wrong predictions of a segmentation model, worst first, without ground truth.

qc = segqc.load("runs/voc")
for result in qc.score(images, masks):
    print(result.score, result.worst_class, result.worst_box)
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["QualityControl", "Score", "__version__", "load"]

if TYPE_CHECKING:
    from segqc.scoring import QualityControl, Score, load


def __getattr__(name: str) -> Any:
    """Import torch only when something is to be scored, so that `segqc --help` answers at once."""
    if name in {"QualityControl", "Score", "load"}:
        from segqc import scoring

        return getattr(scoring, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
