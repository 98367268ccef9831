"""Quality control inside a pipeline: attached to a segmentation model, it judges each predicted mask and changes
nothing.

    handle = qc.attach(model, policy="review/")   # torchvision, segmentation_models_pytorch, Hugging Face, any callable
    model(x)                                      # as before
    handle.last, handle.counts, handle.close()

`pictures` finds what the model was shown and undoes its normalisation, `outputs` finds the masks in what it returned,
`policies` says what happens to suspect ones, `background` keeps the work off the pipeline's thread, and `attach` puts
them together.
"""

from segqc.hook.attach import attach
from segqc.hook.policies import Callback, Inspection, QualityAlarm, Raise, ReviewFolder
from segqc.hook.quality_hook import Counts, QualityHook

__all__ = ["Callback", "Counts", "Inspection", "QualityAlarm", "QualityHook", "Raise", "ReviewFolder", "attach"]
