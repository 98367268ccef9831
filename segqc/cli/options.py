"""Options of a command, made from the dataclass that the command fills in: names, types, ranges, choices and help texts
are those of its fields.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from segqc.base.errors import BadInput
from segqc.base.settings import Setting, choices, item_type, settings_of

EMPTY = "none"
"""Empties a list of which the default is not empty: `--deep-svdd none`."""


def fills_in(config: type, first: str = "") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that makes a Typer command of a function which takes a config.

    Parameters
    ----------
    config : type
        A dataclass whose fields have a `Setting`.
    first : str
        Fields that the help lists first, with spaces between; the others follow in the order of the dataclass, and then
        the function's own options.

    Returns
    -------
    callable
        Takes ``run(config, **switches)``. The switches are options that are no settings, such as --dry-run; they are
        annotated for Typer.
    """

    def decorate(run: Callable[..., None]) -> Callable[..., None]:
        switches = _parameters(run)[1:]

        @functools.wraps(run)
        def command(**given: Any) -> None:
            own = {switch.name: given.pop(switch.name) for switch in switches}
            run(config(**values_of(config, given)), **own)

        return _with_signature(command, [*parameters_of(config, first), *switches])

    return decorate


def takes(*parameters: inspect.Parameter) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that makes a Typer command of ``run(**given)``, for a command that fills in more than one config."""

    def decorate(run: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(run)
        def command(**given: Any) -> None:
            run(**given)

        return _with_signature(command, [*parameters, *_parameters(run)])

    return decorate


def _parameters(run: Callable[..., None]) -> list[inspect.Parameter]:
    """Return the parameters that a function names, without its ``**given``."""
    every = inspect.signature(run).parameters.values()
    return [parameter for parameter in every if parameter.kind is not inspect.Parameter.VAR_KEYWORD]


def _with_signature(command: Callable[..., None], parameters: Sequence[inspect.Parameter]) -> Callable[..., None]:
    """Give the function these parameters in the eyes of Typer, which passes all of them by name."""
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect.signature reads
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def parameters_of(config: type, first: str = "", unset: str = "") -> list[inspect.Parameter]:
    """Make a parameter for each field that the command line may set.

    Parameters
    ----------
    config : type
    first : str
        Fields that come first, with spaces between.
    unset : str
        Fields whose option is None unless it is given; see `parameter_of`.
    """
    names = [name for name, (_, setting) in settings_of(config).items() if not setting.python_only]
    order = first.split() + [name for name in names if name not in first.split()]
    return [parameter_of(config, name, unset=name in unset.split()) for name in order]


def parameter_of(
    config: type, name: str, help: str | None = None, panel: str | None = None, unset: bool = False
) -> inspect.Parameter:
    """Make the parameter of a command that sets a field.

    Parameters
    ----------
    config : type
    name : str
    help : str or None
        What to say instead of the field's own help.
    panel : str or None
        Heading in the help under which the option stands.
    unset : bool
        Whether the option is None unless it is given, whatever the field's default.
    """
    hint, setting = settings_of(config)[name]
    default = None if unset else _default(config, name)
    about: dict[str, Any] = {"help": help or setting.help, "rich_help_panel": panel}
    declarations = [setting.option] if setting.option else []
    if hint is bool:
        yes = _option(name, setting)
        declarations = [f"{yes}/--no-{yes.removeprefix('--')}" if default else yes]
    elif item_type(hint) is not None:
        given = list[item_type(hint)] if setting.repeated else str  # type: ignore[misc]  # made at run time
        required = default is inspect.Parameter.empty
        hint = given if required else given | None
        if not required:
            default = ",".join(map(str, default)) if default else None
    else:
        about |= {"min": setting.low, "max": setting.high}
        if choices(hint):
            about["metavar"] = "<choice>"  # the help text names them; all of them here would leave it no room
    if unset:
        hint = hint | None
    shown = typer.Argument(**about) if setting.positional else typer.Option(*declarations, **about)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[hint, shown])


def values_of(config: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Convert what Typer read to values of the dataclass: lists become tuples. Other names stay as they are.

    Raises
    ------
    BadInput
        A list of numbers holds something else.
    """
    values = dict(given)
    for name in given.keys() & settings_of(config).keys():
        hint, setting = settings_of(config)[name]
        value, kind = given[name], item_type(hint)
        if kind is not None and value is None:
            values[name] = _default(config, name)
        elif kind is not None and setting.repeated:
            values[name] = tuple(value)
        elif kind is not None:
            values[name] = _items(_option(name, setting), value, kind, may_be_emptied=bool(_default(config, name)))
    return values


def _items(option: str, text: str, kind: type, may_be_emptied: bool) -> tuple[Any, ...]:
    """Split "a, b" into ("a", "b"), or "0,1" into (0, 1)."""
    if may_be_emptied and text.strip() == EMPTY:
        return ()
    if kind not in (int, float):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise BadInput(
            option,
            f"expected {'whole ' if kind is int else ''}numbers with commas between them, but got {text!r}",
            f"give something like {option} 0,1",
        ) from None


def option_name(field: str) -> str:
    """Spell a field as an option: "voc_root" as "--voc-root"."""
    return "--" + field.replace("_", "-")


def _option(name: str, setting: Setting) -> str:
    return setting.option or option_name(name)


def _default(config: type, name: str) -> Any:
    """The field's default, or `inspect.Parameter.empty` where it has none: the option is then required."""
    default = next(field.default for field in dataclasses.fields(config) if field.name == name)
    return inspect.Parameter.empty if default is dataclasses.MISSING else default
