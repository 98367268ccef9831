"""Warns of every public function, class and method without a docstring; in a strict build a warning fails.

Public is what a page of the API names after `:::`, and the members of it whose names begin with a letter.
"""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import griffe
from mkdocs.config.defaults import MkDocsConfig

_log = logging.getLogger("mkdocs.hooks.public_docstrings")
_NAMED = re.compile(r"^::: ([\w.]+)$", re.MULTILINE)


def on_pre_build(config: MkDocsConfig) -> None:
    """Look at what the pages name."""
    root = Path(config.config_file_path).parent
    loader = griffe.GriffeLoader(search_paths=[root])
    for page in sorted((root / "docs" / "api").glob("*.md")):
        for name in _NAMED.findall(page.read_text(encoding="utf-8")):
            loader.load(name.partition(".")[0])
            for path in _undocumented(loader.modules_collection[name]):
                _log.warning("%s has no docstring (named in %s)", path, page.name)


def _undocumented(item: griffe.Object | griffe.Alias) -> Iterator[str]:
    """Paths of the public functions, classes and modules in `item` that lack a docstring."""
    if item.is_alias:
        item = item.final_target
    if not (item.is_function or item.is_class or item.is_module):
        return
    if item.docstring is None or not item.docstring.value.strip():
        yield item.path
    if item.is_class or item.is_module:
        for name, member in item.members.items():
            if not name.startswith("_") and not member.is_alias:
                yield from _undocumented(member)
