"""segqc finds the wrong predictions of a segmentation model, worst first, without ground truth.

qc = segqc.load("runs/voc")
for result in qc.score(images, masks):
    print(result.score, result.worst_class, result.worst_box)

report = segqc.audit(predictions="deeplab_out", images="JPEGImages", out="audit")
print(report.rows[0]["id"], report.summary["score_quantiles"])

folder = segqc.train(images="pictures", masks="masks", classes="background,road,car", out="runs/roads")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from segqc.base.version import __version__

__all__ = ["QualityControl", "Score", "__version__", "audit", "load", "train"]

if TYPE_CHECKING:
    from segqc.auditing.api import audit
    from segqc.quality_control import QualityControl, load
    from segqc.training.api import train
    from segqc.verdict import Score

_MODULES = {
    "QualityControl": "segqc.quality_control",
    "Score": "segqc.verdict",
    "audit": "segqc.auditing.api",
    "load": "segqc.quality_control",
    "train": "segqc.training.api",
}
"""The module of each public name."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import segqc` and `segqc --help` answer at once, without torch."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
