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
from segqc.calibration.drift import SMALLEST_SAMPLE, DriftMonitor
from segqc.data.labels import LabelSpace
from segqc.hook.background import BackgroundWorker
from segqc.hook.outputs import MaskReader
from segqc.hook.pictures import PictureReader
from segqc.hook.policies import Inspection, Policy, ReviewFolder
from segqc.hook.reading import ReadPrediction, describe, not_judged, picture_size, read_prediction
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


@dataclass(frozen=True)
class HookOptions:
    """How a hook works; see `segqc.hook.attach`.

    Attributes
    ----------
    threshold : float or None
        Scores above it fail, the others pass; None: the calibration decides, where there is one.
    sample_rate : float
        Share of the predictions that is judged, in (0, 1].
    queue_size : int or None
        Most predictions that wait for the background thread; None: there is no such thread.
    window : int
        Scores that are compared together with the calibration's.
    seed : int
        Random seed of the sample.
    """

    threshold: float | None
    sample_rate: float
    queue_size: int | None
    window: int
    seed: int


class QualityHook:
    """A hook on a model, and the verdicts that it gave. Obtain one by `attach`; calling it calls the model.

    Attributes
    ----------
    last : list of Verdict or None
        Verdicts on the last forward pass (in the background: on the one that was judged last), one a prediction, None
        for those that were left out or dropped. Empty after a forward pass whose inputs or outputs were not understood.
    counts : Counts
    decisions : Counter
        How often the decision was "pass", "review" and "fail".
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
        policies: Sequence[Policy],
        options: HookOptions,
    ) -> None:
        self.model = model
        self.last: list[Verdict | None] = []
        self.counts = Counts()
        self.decisions: Counter[str] = Counter()
        self.errors: deque[str] = deque(maxlen=_KEPT_ERRORS)
        reference = () if qc.calibration is None else qc.calibration.reference
        self.drift = DriftMonitor(reference, options.window) if len(reference) >= SMALLEST_SAMPLE else None
        self._qc, self._pictures, self._masks, self._policies = qc, pictures, masks, policies
        self._options, self._random = options, random.Random(options.seed)
        self._lock = threading.Lock()
        self._warned: set[str] = set()
        self._worker = None if options.queue_size is None else BackgroundWorker(options.queue_size)
        self._closed = False
        self._registered = None
        if isinstance(model, nn.Module) and not isinstance(model, torch.jit.ScriptModule):
            self._registered = model.register_forward_hook(_Listener(self), with_kwargs=True)

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
            first, chosen = self._sample(len(images), training)
            masks = self._masks.find(output, [picture_size(image) for image in images]) if chosen else []
            padding = kwargs.get("pixel_mask")
        except Exception as error:  # whatever a foreign model's inputs and outputs hold, the pipeline goes on
            self._trouble(f"predictions could not be judged: {describe(error)}")
            self._count(failed=1)
            return
        verdicts += [None] * len(images)
        done = []
        for i in chosen:
            if self._worker is not None and self._worker.full:  # before the work of reading
                self._count(dropped=1)
                continue
            prediction = read_prediction(self._pictures, self._masks, images[i], masks[i], padding, i)
            task = partial(self._judge, prediction, first + i, verdicts, i)
            if self._worker is None:
                done.append(task())
            elif not self._worker.offer(partial(self._in_background, task)):
                self._count(dropped=1)
        self._act(done)

    def _sample(self, count: int, training: bool) -> tuple[int, list[int]]:
        """Number of the first of `count` predictions, and the places of those to judge."""
        with self._lock:
            first = self.counts.seen
            self.counts.seen += count
            rate = self._options.sample_rate
            chosen = [] if training else [i for i in range(count) if self._random.random() < rate]
            self.counts.sampled_out += count - len(chosen)
        return first, chosen

    def _judge(self, prediction: ReadPrediction, number: int, verdicts: list[Verdict | None], place: int) -> Inspection:
        """Judge the prediction at a place of its forward pass, whose verdicts are those, and keep account of it."""
        verdict = self._verdict(prediction)
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
        return Inspection(number, prediction.image, prediction.mask, verdict)

    def _verdict(self, prediction: ReadPrediction) -> Verdict:
        """The quality model's verdict, with the decision of the threshold where there is one."""
        if prediction.image is None or prediction.mask is None:
            return not_judged(prediction.error)
        try:
            verdict = self._qc.judge_pair(Image.fromarray(prediction.image), prediction.mask)
        except Exception as error:  # out of memory, say
            return not_judged(describe(error))
        threshold = self._options.threshold
        if threshold is None or verdict.score is None:
            return verdict
        return dataclasses.replace(verdict, decision="fail" if verdict.score > threshold else "pass")

    def _in_background(self, task: Callable[[], Inspection]) -> None:
        try:
            self._act([task()])
        except Exception as error:  # there is nobody above this thread to catch it
            self._trouble(f"in the background: {describe(error)}")

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
