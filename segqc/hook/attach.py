"""The hook itself: what a model was shown and what it predicted go to the quality model; nothing comes back but
verdicts.
"""

import contextlib
import dataclasses
import random
import threading
import warnings
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import nn

from segqc.calibration.calibration import Calibration
from segqc.calibration.drift import SMALLEST_SAMPLE, WINDOW, DriftMonitor
from segqc.data.labels import LabelSpace
from segqc.hook.background import BackgroundWorker
from segqc.hook.outputs import MaskReader
from segqc.hook.pictures import PictureReader, valid_part
from segqc.hook.policies import Inspection, Raise, ReviewFolder, make_policies
from segqc.verdict import Verdict

_KEPT_ERRORS = 20


class Judge(Protocol):
    """What is needed of a `segqc.QualityControl`."""

    calibration: Calibration | None

    @property
    def labels(self) -> LabelSpace: ...

    def judge_pair(self, image: Image.Image, mask: np.ndarray) -> Verdict: ...


@dataclass
class Counts:
    """Predictions since the hook was attached.

    Attributes
    ----------
    seen : int
        Predicted while the hook was there: the sum of the next four, and of what waits in the queue.
    scored : int
    sampled_out : int
        Left out by the sampling rate, or predicted in training mode.
    dropped : int
        Turned away by a full queue.
    failed : int
        Not judged: the pair cannot be scored, or the model's inputs or outputs were not understood (then a forward pass
        counts once).
    """

    seen: int = 0
    scored: int = 0
    sampled_out: int = 0
    dropped: int = 0
    failed: int = 0


class QualityHook:
    """A hook on a model, and the verdicts that it gave. Obtain one by `attach`; calling it calls the model.

    Attributes
    ----------
    last : list of Verdict or None
        Of the last forward pass (in the background: of the one that was judged last), one a prediction, None for those
        that were left out or dropped. Empty after a forward pass whose inputs or outputs were not understood.
    counts : Counts
    decisions : Counter
        Of "pass", "review" and "fail".
    drift : DriftMonitor or None
        Scores so far against those of the calibration; None without one.
    errors : deque of str
        The last things that went wrong inside the hook.
    """

    def __init__(
        self,
        qc: Judge,
        model: Callable[..., Any],
        pictures: PictureReader,
        masks: MaskReader,
        policies: Sequence[Any],
        threshold: float | None,
        sample_rate: float,
        queue_size: int | None,
        window: int,
        seed: int,
    ) -> None:
        self.model = model
        self.last: list[Verdict | None] = []
        self.counts = Counts()
        self.decisions: Counter[str] = Counter()
        self.errors: deque[str] = deque(maxlen=_KEPT_ERRORS)
        reference = () if qc.calibration is None else qc.calibration.reference
        self.drift = DriftMonitor(reference, window) if len(reference) >= SMALLEST_SAMPLE else None
        self._qc, self._pictures, self._masks, self._policies = qc, pictures, masks, policies
        self._threshold, self._sample_rate, self._random = threshold, sample_rate, random.Random(seed)
        self._lock = threading.Lock()
        self._warned: set[str] = set()
        self._worker = None if queue_size is None else BackgroundWorker(queue_size)
        self._closed = False
        hookable = isinstance(model, nn.Module) and not isinstance(model, torch.jit.ScriptModule)
        self._registered = model.register_forward_hook(_Listener(self), with_kwargs=True) if hookable else None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the model returns, unchanged."""
        output = self.model(*args, **kwargs)
        if self._registered is None and not self._closed:
            self._inspect(args, kwargs, output)
        return output

    def _inspect(self, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any, training: bool = False) -> None:
        """Judge the predictions of one forward pass, or hand them to the background. Only a policy may raise."""
        verdicts: list[Verdict | None] = []
        if self._worker is None:
            self.last = verdicts
        try:
            images = self._pictures.find(args, kwargs)
            with self._lock:
                first = self.counts.seen
                self.counts.seen += len(images)
                chosen = (
                    [] if training else [i for i in range(len(images)) if self._random.random() < self._sample_rate]
                )
                self.counts.sampled_out += len(images) - len(chosen)
            found = self._masks.find(output, [_size(image) for image in images]) if chosen else []
            padding = kwargs.get("pixel_mask")
        except Exception as error:  # whatever a foreign model's inputs and outputs hold, the pipeline goes on
            self._trouble(f"predictions could not be judged: {type(error).__name__}: {error}")
            self._count(failed=1)
            return
        verdicts += [None] * len(images)
        done = []
        for i in chosen:
            if self._worker is not None and self._worker.full:
                self._count(dropped=1)
                continue
            image, mask, verdict = None, None, None
            try:
                valid = None if padding is None else valid_part(padding[i])
                image = _part(self._pictures.read(images[i]), valid)
                mask = _part(self._masks.read(found[i], _size(images[i])), valid)
            except Exception as error:
                verdict = _not_judged(error)
            task = partial(self._judge, first + i, image, mask, verdicts, i, verdict)
            if self._worker is None:
                done.append(task())
            elif not self._worker.offer(partial(self._in_background, task)):
                self._count(dropped=1)
        self._act(done)

    def _judge(
        self,
        number: int,
        image: np.ndarray | None,
        mask: np.ndarray | None,
        verdicts: list[Any],
        place: int,
        verdict: Verdict | None,
    ) -> Inspection:
        """Judge one prediction, unless reading it gave a verdict already, and keep account of it."""
        if verdict is None:
            try:
                verdict = self._qc.judge_pair(Image.fromarray(image), mask)
            except Exception as error:  # out of memory, say
                verdict = _not_judged(error)
        if self._threshold is not None and verdict.score is not None:
            verdict = dataclasses.replace(verdict, decision="fail" if verdict.score > self._threshold else "pass")
        with self._lock:
            verdicts[place] = verdict
            self.last = verdicts
            if verdict.decision is not None:
                self.decisions[verdict.decision] += 1
            window = self.drift.update(verdict.score) if self.drift is not None and verdict.score is not None else None
        self._count(**{"scored" if verdict.error is None else "failed": 1})
        if verdict.error is not None:
            self._trouble(f"a prediction could not be scored: {verdict.error}")
        if window is not None and window.drifted:
            self._trouble(f"{window}; what the calibration says may no longer hold", key="drift")
        return Inspection(number, image, mask, verdict)

    def _in_background(self, task: Callable[[], Inspection]) -> None:
        try:
            self._act([task()])
        except Exception as error:  # there is nobody above this thread to catch it
            self._trouble(f"in the background: {type(error).__name__}: {error}")

    def _act(self, inspections: Sequence[Inspection]) -> None:
        for policy in self._policies if inspections else ():
            try:
                policy(inspections)
            except OSError as error:
                if not isinstance(policy, ReviewFolder):
                    raise
                self._trouble(f"the review folder could not be written: {error}")

    def _count(self, **changes: int) -> None:
        with self._lock:
            for name, change in changes.items():
                setattr(self.counts, name, getattr(self.counts, name) + change)

    def _trouble(self, text: str, key: str | None = None) -> None:
        """Keep what went wrong, and warn the first time."""
        with self._lock:
            self.errors.append(text)
            known = (key or text) in self._warned
            self._warned.add(key or text)
        if not known:
            with contextlib.suppress(Warning):  # where warnings are errors
                warnings.warn(f"segqc: {text}", stacklevel=3)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until the background has judged all it has; False when `timeout` seconds were not enough."""
        return self._worker is None or self._worker.flush(timeout)

    def close(self) -> None:
        """Leave the model as it was, after the background has judged what it has.

        Calling the hook still calls the model.
        """
        if self._closed:
            return
        self._closed = True
        if self._registered is not None:
            self._registered.remove()
        if self._worker is not None:
            self._worker.close()

    def __enter__(self) -> "QualityHook":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Listener:
    """What a module holds of a hook.

    Copies of the module, and files of it, hold something that does nothing, and needs no segqc to be loaded.
    """

    def __init__(self, hook: QualityHook) -> None:
        # Compiled code breaks its graph here and goes on after it; tracing into the quality model would fail.
        self._inspect = torch.compiler.disable(hook._inspect)

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        if not (torch.jit.is_tracing() or torch.compiler.is_exporting()):  # nothing is predicted then
            self._inspect(args, kwargs, output, training=module.training)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (contextlib.nullcontext(), "__exit__")  # takes any arguments, returns None


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
        A module gets a forward hook and is called as before. Of any other callable (a TorchScript module, too), call
        the returned hook instead; its pictures are found among the arguments.
    mean, std : float or three of them, optional
        Of the normalisation that the model's inputs went through; ImageNet's by default. Inputs of uint8, and Pillow
        images, went through none.
    image_processor : optional
        The Hugging Face processor that made the inputs: brings its own normalisation and post-processing.
    classes : sequence of str, int or None, optional
        For each class of the segmenter the quality model's (name or index); needed only where they differ. Names that
        it does not know, and None, are not judged.
    binary_threshold : float
        Of segmenters with one channel: 0 for logits, 0.5 for probabilities.
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
        Of the sample.

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
    policies = make_policies(policy, qc.labels)
    if not 0 < sample_rate <= 1:
        raise ValueError(f"Expected `sample_rate` in (0, 1], but got {sample_rate}")
    if threshold is not None and qc.calibration is not None:
        raise ValueError(
            "Expected no `threshold` beside a calibration, which decides by itself: load the model without it, or leave it out"
        )
    if threshold is None and qc.calibration is None and any(item.needs_decision for item in policies):
        raise ValueError(
            "This policy needs decisions: give `threshold`, or calibrate (`segqc calibrate`) and load the model with its calibration"
        )
    if background and any(isinstance(item, Raise) for item in policies):
        raise ValueError(
            "A background thread cannot stop the pipeline: raise without `background`, or use a function or a folder"
        )
    masks = MaskReader(qc.labels, classes, binary_threshold, image_processor)
    if masks.not_judged:
        warnings.warn(
            f"The quality model does not know these classes, whose pixels are not judged: {', '.join(masks.not_judged)}",
            stacklevel=3,
        )
    return QualityHook(
        qc,
        model,
        PictureReader(mean, std, image_processor),
        masks,
        policies,
        threshold,
        sample_rate,
        queue_size if background else None,
        window,
        seed,
    )


def _not_judged(error: Exception) -> Verdict:
    """What is said of a prediction that could not be read or judged: a person should look."""
    return Verdict(score=None, decision="review", error=f"{type(error).__name__}: {error}")


def _part(array: np.ndarray, valid: tuple[slice, slice] | None) -> np.ndarray:
    """`[H, W, ...]` without its padding."""
    return array if valid is None else np.ascontiguousarray(array[valid])


def _size(image: Any) -> tuple[int, int]:
    """(height, width) of a picture that `PictureReader.find` found."""
    if hasattr(image, "height"):
        return image.height, image.width
    return tuple(image.shape[1:3] if image.shape[0] == 3 else image.shape[:2])
