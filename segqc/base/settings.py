"""Configurations: ranges of their numbers, and their way to JSON and back."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def check_range(config: Any, names: str, low: float, high: float = math.inf, inside: bool = False) -> None:
    """Refuse numbers of a config that make no sense; None is no number, and stands for a default.

    Parameters
    ----------
    config : dataclass
    names : str
        Fields, with spaces between.
    low, high : float
    inside : bool
        Whether the bounds themselves are refused too.

    Raises
    ------
    ValueError
        Names the field, the range and the number.
    """
    for name in names.split():
        value = getattr(config, name)
        if value is not None and not (low < value < high if inside else low <= value <= high):
            least = "above" if inside else "at least"
            wanted = (
                f"{least} {low:g}"
                if high == math.inf
                else f"strictly between {low:g} and {high:g}"
                if inside
                else f"from {low:g} to {high:g}"
            )
            raise ValueError(f"Expected {name} to be {wanted}, but got {value}")


def to_json(config: Any) -> Any:
    """A config dataclass as plain JSON values."""
    if dataclasses.is_dataclass(config):
        return {f.name: to_json(getattr(config, f.name)) for f in dataclasses.fields(config)}
    if isinstance(config, Mapping):
        return {str(key): to_json(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [to_json(value) for value in config]
    return str(config) if isinstance(config, Path) else config


def from_json(cls: type[T], values: Mapping[str, Any], where: str = "config") -> T:
    """A config dataclass from JSON values; unknown and missing keys are refused.

    Raises
    ------
    ValueError
        Names the key and `where` it stands.
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
    """JSON knows no tuples, paths or dataclasses: restore them from the type hint."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        return None if value is None else _convert(options[0], value, where)
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast(type, hint), value, where)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"Expected a list at {where}, but got {value!r}")
        inner = typing.get_args(hint)[0]
        return tuple(_convert(inner, item, where) for item in value)
    if hint is Path and not isinstance(value, (str, Path)):
        raise ValueError(f"Expected a path at {where}, but got {value!r}")
    return Path(value) if hint is Path else value
