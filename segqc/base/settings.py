"""Configurations: what their fields mean and may be, and their way to JSON and back."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from segqc.base.errors import BadInput
from segqc.base.storage.paths import as_path, is_address

T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """What a field of a config means. It stands in the annotation: `top: Annotated[int, Setting("...", low=1)] = 24`.

    One text and one range serve the field, its check, its option on the command line and the documentation.

    Attributes
    ----------
    help : str
        What the field does, with its unit and, when the default is computed, what the default is.
    low, high : float or None
        Range of the number, or of each number of a tuple.
    inside : bool
        Whether the bounds themselves are refused too.
    option : str or None
        Name of the option where it differs from the field's, such as "--decision".
    positional : bool
        Whether it is an argument of the command and no option.
    repeated : bool
        Whether a tuple is given by repeating the option; other tuples are given with commas between their items.
    python_only : bool
        Whether the command line leaves it out.
    on_disk : bool
        Whether a path must be local, because files there are written in place.
    """

    help: str
    low: float | None = None
    high: float | None = None
    inside: bool = False
    option: str | None = None
    positional: bool = False
    repeated: bool = False
    python_only: bool = False
    on_disk: bool = False


@cache
def settings_of(config: type) -> dict[str, tuple[Any, Setting]]:
    """Return the type, without `Annotated`, and the `Setting` of each field of a config dataclass that has one."""
    hints = typing.get_type_hints(config, include_extras=True)
    found: dict[str, tuple[Any, Setting]] = {}
    for field in dataclasses.fields(config):
        hint, *extras = typing.get_args(hints[field.name]) or [None]
        setting = next((extra for extra in extras if isinstance(extra, Setting)), None)
        if setting is not None:
            found[field.name] = hint, setting
    return found


def not_none(hint: Any) -> Any:
    """Return the type in "type or None", and any other type as it is."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return next(option for option in typing.get_args(hint) if option is not type(None))
    return hint


def item_type(hint: Any) -> Any:
    """Return the type of a tuple's items, or None if the type is no tuple."""
    return typing.get_args(not_none(hint))[0] if typing.get_origin(not_none(hint)) is tuple else None


def choices(hint: Any) -> tuple[Any, ...]:
    """Return the values that a Literal, or a tuple of a Literal, may have; () for any other type."""
    hint = not_none(item_type(hint) or hint)
    return typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()


def check_settings(config: Any) -> None:
    """Refuse numbers outside the range of their `Setting`, and values that their Literal does not list; make paths that
    are addresses of a store (s3://...) such paths.

    None is always allowed: it stands for a default.

    Raises
    ------
    ValueError
        Names the field, the values that it may have, and its value.
    BadInput
        A path that must be local is an address.
    """
    for name, (hint, setting) in settings_of(config.__class__).items():
        value = getattr(config, name)
        if isinstance(value, Path) and is_address(value):
            if setting.on_disk:
                fix = "give a local folder; a tool of the store, such as `aws s3 sync`, copies it when it is finished"
                raise BadInput(as_path(value), f"cannot be `{name}`: files there are written in place", fix)
            object.__setattr__(config, name, as_path(value))  # before the config, which is frozen, is seen by anybody
        elif item_type(hint) is Path:
            object.__setattr__(config, name, tuple(map(as_path, value)))
        for item in value if isinstance(value, tuple) else (value,):
            if item is not None:
                _check_choice(name, item, choices(hint))
                _check_range(name, item, setting)


def _check_choice(name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    if allowed and value not in allowed:
        raise ValueError(f"Unknown {name} {value!r}; choose one of {', '.join(map(str, allowed))}")


def _check_range(name: str, value: Any, setting: Setting) -> None:
    if setting.low is None and setting.high is None:
        return
    low = -math.inf if setting.low is None else setting.low
    high = math.inf if setting.high is None else setting.high
    if not math.isfinite(value) or not (low < value < high if setting.inside else low <= value <= high):
        least = "above" if setting.inside else "at least"
        wanted = (
            f"{least} {low:g}"
            if high == math.inf
            else f"strictly between {low:g} and {high:g}"
            if setting.inside
            else f"from {low:g} to {high:g}"
        )
        raise ValueError(f"Expected {name} to be {wanted}, but got {value}")


VocRoot = Annotated[
    Path | None, Setting("Pascal VOC folder: a VOCdevkit, a VOC2012, or a folder that contains a VOCdevkit.")
]
Images = Annotated[
    Path | None, Setting("Folder of images (JPEG, PNG, TIFF, BMP, WebP, GIF or NIfTI), searched recursively.")
]
Tracker = Literal["tensorboard", "mlflow", "wandb"]
TRACK_HELP = (
    "Experiment trackers that get settings, curves and results, with commas between them: tensorboard, mlflow, wandb."
)
Device = Annotated[
    str | None, Setting("Device to compute on: cpu, cuda, cuda:1 or mps (default: an accelerator if there is one).")
]

EngineName = Literal["local", "ray"]
Engine = Annotated[
    EngineName,
    Setting(
        "What divides the work: local (this machine's cores, or the processes that torchrun started; default), or ray "
        "(the workers of a Ray cluster; pip install 'segqc[ray]'). Results are the same."
    ),
]
RayAddress = Annotated[
    str | None,
    Setting(
        "With --engine ray: address of a running cluster, such as auto or 10.0.0.1:6379 (default: that in RAY_ADDRESS, "
        "else a cluster of this machine's cores, for this command only)."
    ),
]

Runtime = Annotated[
    Literal["auto", "onnx", "torch"],
    Setting(
        "What computes the model: onnx (ONNX Runtime, faster, on CPUs only), torch, or auto (default): onnx on a CPU "
        "if it can be used. Scores of the two differ by less than 0.0001."
    ),
]
RUNTIMES: tuple[str, ...] = typing.get_args(typing.get_args(Runtime)[0])


def check_engine(engine: EngineName, ray_address: str | None) -> None:
    """Refuse the address of a cluster that would not be used.

    Raises
    ------
    ValueError
        An address is given, and the engine is not Ray.
    """
    if ray_address is not None and engine != "ray":
        raise ValueError(f"ray_address {ray_address!r} applies only to the engine ray; choose it, or leave it out")


def to_json(config: Any) -> Any:
    """Convert a config dataclass to plain JSON values."""
    if dataclasses.is_dataclass(config):
        return {f.name: to_json(getattr(config, f.name)) for f in dataclasses.fields(config)}
    if isinstance(config, Mapping):
        return {str(key): to_json(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [to_json(value) for value in config]
    return str(config) if isinstance(config, Path) else config


def from_json(cls: type[T], values: Mapping[str, Any], where: str = "config") -> T:
    """Make a config dataclass from JSON values; unknown and missing keys are refused.

    Raises
    ------
    ValueError
        Names the key, and where it stands.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"Expected an object at {where}, but got {values!r}")
    hints = typing.get_type_hints(cls)
    unknown = set(values) - set(hints)
    if unknown:
        raise ValueError(f"Unknown key {', '.join(sorted(unknown))} in {where}; it may come from a newer segqc")
    try:
        return cls(**{name: _convert(hints[name], value, f"{where}.{name}") for name, value in values.items()})
    except TypeError as error:
        raise ValueError(f"{where} is incomplete: {error}") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Restore tuples, paths and dataclasses, which JSON lacks, by the type hint."""
    if not_none(hint) is not hint:
        return None if value is None else _convert(not_none(hint), value, where)
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast(type, hint), value, where)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"Expected a list at {where}, but got {value!r}")
        inner = typing.get_args(hint)[0]
        return tuple(_convert(inner, item, where) for item in value)
    if hint is Path and not isinstance(value, (str, Path)):
        raise ValueError(f"Expected a path at {where}, but got {value!r}")
    return as_path(value) if hint is Path else value
