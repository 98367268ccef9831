"""`attach`: puts a quality hook on a segmentation model, after checking the options."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from segqc.calibration.drift import WINDOW
from segqc.hook.outputs import MaskReader
from segqc.hook.pictures import PictureReader
from segqc.hook.policies import Policy, Raise, make_policies
from segqc.hook.quality_hook import HookOptions, Judge, QualityHook


def attach(
    qc: Judge,
    model: Callable[..., Any],
    *,
    mean: Any = None,
    std: Any = None,
    image_processor: Any = None,
    classes: Sequence[Any] | None = None,
    binary_threshold: float = 0.0,
    policy: Any = "annotate",
    threshold: float | None = None,
    sample_rate: float = 1.0,
    background: bool = False,
    queue_size: int = 16,
    window: int = WINDOW,
    seed: int = 0,
) -> QualityHook:
    """Judge every mask that a model predicts, without changing what it returns.

    Parameters
    ----------
    qc : QualityControl
    model : nn.Module or callable
        A module gets a forward hook and is called as before. For any other callable (a TorchScript module, too), call
        the returned hook in its place; the pictures are found among the arguments.
    mean, std : float or three of them, optional
        Mean and standard deviation of the normalisation of the model's inputs; ImageNet's by default. Inputs of uint8,
        and Pillow images, are taken as not normalised.
    image_processor : optional
        The Hugging Face processor that made the inputs: brings its own normalisation and post-processing.
    classes : sequence of str, int or None, optional
        For each class of the segmenter the quality model's (name or index); needed only where they differ. Names that
        it does not know, and None, are not judged.
    binary_threshold : float
        Threshold of segmenters with one channel: 0 for logits, 0.5 for probabilities.
    policy : optional
        What happens beside `.last`: "annotate" (nothing), a function (called with every `Inspection`), "raise"
        (`QualityAlarm` on a failure), a folder (suspect predictions are written there), or a list of these.
    threshold : float, optional
        Without a calibration: scores above it fail, the others pass.
    sample_rate : float
        Share of the predictions that is judged, chosen at random.
    background : bool
        Judge in a thread of its own. A prediction that finds `queue_size` others waiting is dropped and counted.
    queue_size : int
        Most predictions that wait, which bounds memory.
    window : int
        Scores that are compared together with the calibration's (`segqc.calibration.drift`).
    seed : int
        Random seed of the sample.

    Returns
    -------
    QualityHook
        Its verdicts do not depend on batch size, order or companions. Predictions in training mode are not judged.
        Nothing that goes wrong inside the hook reaches the pipeline: it is counted, kept in `.errors`, and warned of
        once.

    Raises
    ------
    ValueError
        Options that contradict each other, or a policy that waits for decisions which neither calibration nor threshold
        will give.
    """
    options = HookOptions(threshold, sample_rate, queue_size if background else None, window, seed)
    policies = make_policies(policy, qc.labels)
    _check_options(qc, policies, options)
    masks = MaskReader(qc.labels, classes, binary_threshold, image_processor)
    if masks.not_judged:
        unknown = ", ".join(masks.not_judged)
        warnings.warn(
            f"The quality model does not know these classes, whose pixels are not judged: {unknown}", stacklevel=3
        )
    return QualityHook(qc, model, PictureReader(mean, std, image_processor), masks, policies, options)


def _check_options(qc: Judge, policies: Sequence[Policy], options: HookOptions) -> None:
    """Refuse options that contradict each other; see `attach`."""
    if not 0 < options.sample_rate <= 1:
        raise ValueError(f"Expected `sample_rate` in (0, 1], but got {options.sample_rate}")
    if options.threshold is not None and qc.calibration is not None:
        raise ValueError(
            "Expected no `threshold` beside a calibration, which decides by itself: "
            "load the model without it, or leave it out"
        )
    if options.threshold is None and qc.calibration is None and any(policy.needs_decision for policy in policies):
        raise ValueError(
            "This policy needs decisions: give `threshold`, "
            "or calibrate (`segqc calibrate`) and load the model with its calibration"
        )
    if options.queue_size is not None and any(isinstance(policy, Raise) for policy in policies):
        raise ValueError(
            "A background thread cannot stop the pipeline: raise without `background`, or use a function or a folder"
        )
