"""The hook itself: what a model was shown and what it predicted go to the quality model; nothing comes back but
verdicts.
"""

import dataclasses
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import nn

from segqc.base.forks import renew_after_fork
from segqc.calibration.calibration import Calibration
from segqc.calibration.drift import DriftMonitor
from segqc.data.labels import LabelSpace
from segqc.hook.account import Account, Counts
from segqc.hook.background import BackgroundWorker
from segqc.hook.inspection import Inspection, Policy
from segqc.hook.listener import Listener, is_captured
from segqc.hook.outputs import MaskReader
from segqc.hook.pictures import PictureReader
from segqc.hook.reading import ReadPrediction, describe, not_judged, picture_size, read_prediction
from segqc.hook.review_folder import ReviewFolder
from segqc.hook.watching import Seen, Verdicts, is_watched, last_of, publish, watching
from segqc.verdict import Verdict


class Judge(Protocol):
    """What is needed of a `segqc.QualityControl`."""

    calibration: Calibration | None
    levels: tuple[int, ...] | None
    source: dict[str, str] | None

    @property
    def tiles(self) -> int: ...

    @property
    def labels(self) -> LabelSpace: ...

    @property
    def highest_score(self) -> float: ...

    def judge_pair(self, image: Image.Image, mask: np.ndarray) -> Verdict: ...


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
    exit_seconds : float
        How long a process that ends waits for that thread.
    window : int
        Scores that are compared together with the calibration's.
    seed : int
        Random seed of the sample.
    only_watched : bool
        Judge only what is predicted inside a block that watches the hook.
    """

    threshold: float | None
    sample_rate: float
    queue_size: int | None
    exit_seconds: float
    window: int
    seed: int
    only_watched: bool


class QualityHook:
    """A hook on a model, and the verdicts that it gave. Obtain one by `attach`; calling it calls the model.

    Attributes
    ----------
    paused : bool
        Set it to pass over what is predicted, uncounted, until it is set back.
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
        reference = () if qc.calibration is None else qc.calibration.reference
        self._account = Account(reference, options.window, options.sample_rate, options.seed)
        self._qc, self._pictures, self._masks, self._policies = qc, pictures, masks, policies
        self._options = options
        self._worker = None
        if options.queue_size is not None:
            self._worker = BackgroundWorker(options.queue_size, options.exit_seconds, self._account.abandoned)
        self.paused, self._called, self._closed, self._registered = False, False, False, None
        self.renew()
        renew_after_fork(self)
        if isinstance(model, nn.Module) and not isinstance(model, torch.jit.ScriptModule):
            # Compiled code that is not to be broken calls the listener's operator instead, outside of what is traced.
            self._listener = Listener(torch.compiler.disable(self._inspect))
            self._registered = self._listener.attach(model)

    def renew(self) -> None:
        """Forget the last verdicts: in a forked child they are another process's."""
        self._newest: Verdicts = []

    @property
    def counts(self) -> Counts:
        """Predictions so far, by what became of them."""
        return self._account.counts

    @property
    def decisions(self) -> Counter[str]:
        """How often each decision was taken."""
        return self._account.decisions

    @property
    def drift(self) -> DriftMonitor | None:
        """Scores so far against those of the calibration."""
        return self._account.drift

    @property
    def errors(self) -> deque[str]:
        """The last things that went wrong inside the hook."""
        return self._account.errors

    @property
    def last(self) -> Verdicts:
        """Verdicts on the last forward pass of this thread or task (where it made none, of any; in the background, on
        the one that was judged last), one a prediction, None for those that were left out or dropped.

        Empty after a forward pass in which no pictures were found.
        """
        own = None if self._worker is not None else last_of(self)
        return self._newest if own is None else own

    def watch(self) -> AbstractContextManager[Seen]:
        """Collect the verdicts on what is predicted inside a `with` block by its own thread or task, whatever others
        predict meanwhile.
        """
        return watching(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the model returns, unchanged."""
        output = self.model(*args, **kwargs)
        if self._registered is None and not self._closed:
            self._inspect(args, kwargs, output)
        return output

    def _inspect(self, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any, training: bool = False) -> None:
        """Judge the predictions of one forward pass, or hand them to the background. Only a policy may raise."""
        if self._closed or self.paused or (self._options.only_watched and not is_watched(self)):
            return
        self._called = True
        if is_captured():
            self._account.notice(_CAPTURED)
            return
        verdicts: Verdicts = []
        publish(self, verdicts)
        try:
            images = self._pictures.find(args, kwargs)
        except Exception as error:  # whatever a foreign model's inputs hold, the pipeline goes on
            verdict = not_judged(describe(error))
            self._account.judged(verdict)
            self._act([Inspection(self._account.one_more(), None, None, verdict)])
            return
        verdicts += [None] * len(images)
        if training:
            self._account.in_training(len(images))
            return
        first, chosen = self._account.sample(len(images))
        read = self._reader(images, output, kwargs.get("pixel_mask"))
        done = []
        for i in chosen:
            if self._worker is None:
                done.append(self._judge(read(i), first + i, verdicts, i))
                continue
            full = self._worker.full  # before the work of reading
            if full or not self._worker.offer(partial(self._in_background, read(i), first + i, verdicts, i)):
                self._account.dropped()
        if self._worker is None:
            self._newest = verdicts
            self._act(done)

    def _reader(self, images: Sequence[Any], output: Any, padding: Any) -> Callable[[int], ReadPrediction]:
        """Reads the prediction at a place of a forward pass."""
        try:
            masks = self._masks.find(output, [picture_size(image) for image in images]) if images else []
        except Exception as error:  # whatever a foreign model's outputs hold
            reason = describe(error)
            return lambda i: read_prediction(self._pictures, reason, images[i], None, padding, i)
        return lambda i: read_prediction(self._pictures, self._masks, images[i], masks[i], padding, i)

    def _judge(self, prediction: ReadPrediction, number: int, verdicts: Verdicts, place: int) -> Inspection:
        """Judge the prediction at a place of its forward pass, whose verdicts are those, and keep account of it."""
        verdicts[place] = verdict = self._verdict(prediction)
        self._account.judged(verdict)
        inspection = Inspection(number, prediction.image, prediction.mask, verdict)
        self._act([inspection], at_once=True)
        return inspection

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

    def _in_background(self, prediction: ReadPrediction, number: int, verdicts: Verdicts, place: int) -> None:
        try:
            inspection = self._judge(prediction, number, verdicts, place)
            self._newest = verdicts
            self._act([inspection])
        except Exception as error:  # there is nobody above this thread to catch it
            self._account.trouble(f"in the background: {describe(error)}")

    def _act(self, inspections: Sequence[Inspection], at_once: bool = False) -> None:
        """Let the policies act that act at once, or the others."""
        for policy in self._policies if inspections else ():
            if policy.at_once != at_once:
                continue
            try:
                policy(inspections)
            except OSError as error:
                if not isinstance(policy, ReviewFolder):
                    raise
                self._account.trouble(f"the review folder could not be written: {error}")

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
        if not self._called and not self._options.only_watched:
            self._account.notice(_NEVER_CALLED)

    def __enter__(self) -> "QualityHook":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_CAPTURED = (
    "a forward pass was captured in a CUDA graph, whose replays run no hooks and are not judged: "
    "attach the function that replays it, and call the handle in its place"
)
_NEVER_CALLED = (
    "the hook saw no forward pass: attach to the module that your code calls, call it as model(x) and not as "
    "model.forward(x), and attach before it is compiled"
)
