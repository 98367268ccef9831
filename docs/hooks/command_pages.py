"""A page for each command, rendered from the command line itself: what `segqc COMMAND --help` says, as tables."""

import re
import typing
from collections.abc import Iterator
from pathlib import Path

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from segqc.cli.app import app

SECTION = "Commands"
_KINDS = {"str": "text", "int": "integer", "float": "number", "posixpath": "path", "list": "text, repeatable"}
_BARE = re.compile(r"(`[^`]*`)|(--[a-z][a-z-]*|\b[A-Z]{2,}_[A-Z_]+\b)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the navigation's section of commands."""
    pages = [{name: path} for name, path, _ in _commands()]
    section = next(item for item in config.nav or [] if SECTION in item)
    section[SECTION] = [{"All commands": "commands/index.md"}, *pages]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, and an index of them."""
    lines = ["# Commands", "", "| command | what it does |", "|---|---|"]
    for name, path, command in _commands():
        files.append(File.generated(config, path, content=_page(name, command)))
        lines.append(f"| [`segqc {name}`]({Path(path).name}) | {_prose(_summary(command))} |")
    lines += ["", "Every command answers to `--help`. Expected errors are one line on stderr and exit code 2.", ""]
    files.append(File.generated(config, "commands/index.md", content="\n".join(lines)))
    return files


def _commands(group=None, prefix: str = "") -> Iterator[tuple[str, str, object]]:
    """Name, page and command of each command, groups flattened."""
    group = typer.main.get_command(app) if group is None else group
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix}{name} ")
        elif not command.hidden:
            yield f"{prefix}{name}", f"commands/{prefix}{name}.md".replace(" ", "-"), command


def _page(name: str, command) -> str:
    """One command: summary, description, usage, tables of its arguments and options."""
    summary, _, description = (command.help or "").partition("\n\n")
    lines = [f"# segqc {name}", "", _prose(summary), ""]
    lines += [_prose(description), ""] if description else []
    arguments = [each.name.upper() for each in command.params if each.param_type_name == "argument"]
    usage = " ".join(["segqc", name, *arguments, "[OPTIONS]"])
    lines += ["```bash", usage]
    for example in (command.epilog or "").replace("\b", "").split("\n\n"):
        label, _, line = " ".join(example.split()).partition(": ")
        lines += [f"# {label.lower()}", line] if line else []
    lines += ["```", ""]
    panels: dict[str, list] = {}
    for each in command.params:
        if getattr(each, "hidden", False) or each.name == "help":
            continue
        panels.setdefault(getattr(each, "rich_help_panel", None) or "Options", []).append(each)
    for panel, params in panels.items():
        lines += [f"## {panel}", "", "| option | value | default | meaning |", "|---|---|---|---|"]
        lines += [_row(each) for each in params] + [""]
    return "\n".join(lines)


def _row(param) -> str:
    """A line of the table."""
    if param.param_type_name == "argument":
        names = param.name.upper()
    else:
        names = ", ".join([*param.opts, *param.secondary_opts])
    flag, default = getattr(param, "is_flag", False), param.default
    if param.required:
        shown = "required"
    elif default is None or default is False or callable(default) or "UNSET" in repr(default).upper():
        shown = ""
    else:
        shown = f"`{param.opts[0] if flag else default}`"
    return f"| `{names}` | {'' if flag else _kind(param)} | {shown} | {_prose(getattr(param, 'help', '') or '')} |"


def _kind(param) -> str:
    """What may be given: a type with its range, or the choices. Typer keeps it in one of two places, by version."""
    annotation = getattr(getattr(param, "type_descriptor", None), "annotation", None)
    if annotation is None:
        name, holder = getattr(param.type, "name", "text"), param.type
        choices = getattr(param.type, "choices", ())
    else:
        name, holder = getattr(annotation, "__name__", str(annotation)).lower(), param
        choices = typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ()
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    low, high = getattr(holder, "min", None), getattr(holder, "max", None)
    name = _KINDS.get(name.removesuffix(" range"), name)
    if low is not None and high is not None:
        return f"{name}, {low:g} to {high:g}"
    return f"{name}, at least {low:g}" if low is not None else name


def _summary(command) -> str:
    return (command.help or "").partition("\n\n")[0]


def _prose(text: str) -> str:
    """Help text as Markdown: lines joined, options in code, nothing that a table or HTML would take for its own."""
    paragraphs = [" ".join(part.split()) for part in text.replace("\b", "").split("\n\n")]
    escaped = (part.replace("<", "&lt;").replace("|", "\\|") for part in paragraphs)
    return "\n\n".join(_BARE.sub(lambda found: found[1] or f"`{found[2]}`", part) for part in escaped)
