"""Quality control inside a pipeline: attached to a segmentation model, it judges each predicted mask and changes
nothing.

    handle = qc.attach(model, policy="review/")   # torchvision, segmentation_models_pytorch, Hugging Face, any callable
    model(x)                                      # as before
    handle.last, handle.counts, handle.close()

`pictures` finds what the model was shown and undoes its normalisation, `outputs` finds the masks in what it returned,
`policies` says what happens to suspect ones, `background` keeps the work off the pipeline's thread, `listener` is what
a module holds of a hook, `account` counts, `watching` keeps threads and tasks apart, and `attach` puts them together.
"""

from segqc.hook.account import Counts
from segqc.hook.attach import attach
from segqc.hook.inspection import Inspection
from segqc.hook.policies import Callback, QualityAlarm, Raise
from segqc.hook.quality_hook import QualityHook
from segqc.hook.review_folder import ReviewFolder
from segqc.hook.watching import Seen

__all__ = [
    "Callback",
    "Counts",
    "Inspection",
    "QualityAlarm",
    "QualityHook",
    "Raise",
    "ReviewFolder",
    "Seen",
    "attach",
]
