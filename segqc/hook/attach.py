"""`attach`: puts a quality hook on a segmentation model, after checking the options."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from segqc.calibration.drift import WINDOW
from segqc.hook.background import EXIT_SECONDS
from segqc.hook.checks import check_options
from segqc.hook.outputs import MaskReader
from segqc.hook.pictures import PictureReader, inner_processor
from segqc.hook.policies import make_policies
from segqc.hook.quality_hook import HookOptions, Judge, QualityHook
from segqc.hook.review_folder import ReviewFolder
from segqc.hook.watching import Seen


def attach(
    qc: Judge,
    model: Callable[..., Any],
    *,
    mean: Any = None,
    std: Any = None,
    image_processor: Any = None,
    classes: Sequence[Any] | None = None,
    binary_threshold: float | None = None,
    policy: Any = "annotate",
    threshold: float | None = None,
    sample_rate: float = 1.0,
    background: bool = False,
    queue_size: int = 16,
    exit_seconds: float = EXIT_SECONDS,
    window: int = WINDOW,
    seed: int = 0,
    only_watched: bool = False,
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
        it does not know, whatever their case, underscores and spaces, and None, are not judged.
    binary_threshold : float, optional
        Threshold of segmenters with one channel, and of those without a channel for the background: 0 for logits, 0.5
        for probabilities. By default scores that all lie in [0, 1] are taken for probabilities, which is warned of.
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
    exit_seconds : float
        How long a process that ends without `close()` waits for the background; what is left then is counted as
        dropped.
    window : int
        Scores that are compared together with the calibration's (`segqc.calibration.drift`).
    seed : int
        Random seed of the sample.
    only_watched : bool
        Judge only what is predicted inside a `with handle.watch()` block.

    Returns
    -------
    QualityHook
        Its verdicts do not depend on batch size, order or companions. Predictions in training mode are not judged: they
        are counted, and warned of once. Nothing that goes wrong inside the hook reaches the pipeline: it is counted,
        kept in `.errors`, and warned of once.

    Raises
    ------
    ValueError
        A model that cannot be called or runs no hooks; options that contradict each other or that no score can meet;
        a policy that waits for decisions which neither calibration nor threshold will give.
    """
    queue = queue_size if background else None
    options = HookOptions(threshold, sample_rate, queue, exit_seconds, window, seed, only_watched)
    policies = make_policies(policy, qc.labels)
    for item in policies:
        if isinstance(item, ReviewFolder) and qc.source is not None:
            item.belong_to(qc.source, qc.levels, qc.tiles)
    check_options(qc, model, policies, options)
    image_processor = inner_processor(image_processor)
    masks = MaskReader(qc.labels, classes, binary_threshold, image_processor)
    if masks.classes.not_judged:
        unknown = ", ".join(masks.classes.not_judged)
        warnings.warn(
            f"The quality model does not know these classes, whose pixels are not judged: {unknown}", stacklevel=3
        )
    return QualityHook(qc, model, PictureReader(mean, std, image_processor), masks, policies, options)


@contextmanager
def watch(qc: Judge, model: nn.Module, **options: Any) -> Iterator[Seen]:
    """Judge what a model predicts inside a `with` block, by the thread or task of the block and no other.

    Parameters
    ----------
    qc : QualityControl
    model : nn.Module
        Called inside the block as before. Attach any other callable, and use `handle.watch()`.
    **options
        As in `attach`.

    Yields
    ------
    Seen
        `verdicts` holds one for each prediction as soon as it is made; in the background, when the block ends.

    Raises
    ------
    ValueError
        As `attach`, and for what is no module.
    """
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"Expected a module to watch, but got {type(model).__name__}: attach it, and use `with handle.watch()`"
        )
    with attach(qc, model, only_watched=True, **options) as handle, handle.watch() as seen:
        yield seen
