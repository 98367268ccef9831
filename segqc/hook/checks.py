"""Options of `attach` that cannot work are refused when the hook is made: a safety net must not be found off later."""

import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

from torch import nn

from segqc.calibration.drift import SMALLEST_SAMPLE
from segqc.hook.inspection import Policy
from segqc.hook.policies import Raise
from segqc.hook.quality_hook import HookOptions, Judge

_RUNS = ("run", "predict", "forward", "infer", "__call__")


def check_model(model: Any) -> None:
    """Refuse what is not called, and modules whose hooks would not be run.

    Raises
    ------
    ValueError
        The reason names the way that works.
    """
    kind = type(model).__name__
    if isinstance(model, type):
        raise ValueError(f"Expected a model, but got the class {model.__name__}: attach an instance of it")
    if not callable(model):
        ways = [name for name in _RUNS if callable(getattr(model, name, None))]
        way = (
            f"attach its method: attach(model.{ways[0]}), and call the handle in its place"
            if ways
            else "attach a function"
        )
        raise ValueError(f"Expected a model that can be called, but {kind} cannot: {way}")
    if type(model).__module__.split(".")[0] == "ultralytics":
        raise ValueError(
            f"{kind} of Ultralytics runs no hooks, and returns instances with classes: attach a function that takes a "
            "picture and returns class indices [H, W], and call the handle in its place"
        )
    if isinstance(model, nn.Module) and getattr(model, "_compiled_call_impl", None) is not None:
        raise ValueError(
            f"This {kind} was compiled in place, and compiled code may leave out a hook that comes later: "
            "attach before model.compile(), or attach to what torch.compile(model) returns"
        )


def check_options(qc: Judge, model: Any, policies: Sequence[Policy], options: HookOptions) -> None:
    """Refuse options that contradict each other or that no value of a score can meet.

    Raises
    ------
    ValueError
    """
    check_model(model)
    _check_number("sample_rate", options.sample_rate, lambda rate: 0 < rate <= 1, "in (0, 1]")
    _check_number("exit_seconds", options.exit_seconds, lambda seconds: seconds >= 0, "0 or more")
    _check_number(
        "window", options.window, lambda size: size >= SMALLEST_SAMPLE, f"{SMALLEST_SAMPLE} or more", Integral
    )
    if options.queue_size is not None:
        _check_number("queue_size", options.queue_size, lambda size: size >= 1, "at least one place", Integral)
    if options.threshold is not None:
        highest = qc.highest_score
        said = "a finite number" if math.isinf(highest) else f"in [0, {highest:g}], where scores lie"
        inside = (lambda value: True) if math.isinf(highest) else (lambda value: 0 <= value <= highest)
        _check_number("threshold", options.threshold, inside, said)
    calibration = qc.calibration if qc.calibration is not None and qc.calibration.decides else None
    if options.threshold is not None and calibration is not None:
        raise ValueError(
            "Expected no `threshold` beside a calibration, which decides by itself: "
            "load the model without it, or leave it out"
        )
    if options.threshold is None and calibration is None and any(policy.needs_decision for policy in policies):
        raise ValueError(
            "This policy needs decisions: give `threshold`, "
            "or calibrate (`segqc calibrate`) and load the model with its calibration"
        )
    if calibration is not None and calibration.missing and any(policy.needs_decision for policy in policies):
        raise ValueError(
            "This policy needs decisions, which the calibration withholds: "
            f"accept {calibration.missing} more predictions and calibrate again"
        )
    if options.queue_size is not None and any(isinstance(policy, Raise) for policy in policies):
        raise ValueError(
            "A background thread cannot stop the pipeline: raise without `background`, or use a function or a folder"
        )


def _check_number(name: str, value: Any, inside: Callable[[Any], bool], wanted: str, kind: type[Any] = Real) -> None:
    if isinstance(value, bool) or not isinstance(value, kind) or not math.isfinite(value) or not inside(value):
        raise ValueError(f"Expected `{name}` {wanted}, but got {value!r}")
