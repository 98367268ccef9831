"""XML of annotation tools, read without entities."""

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from segqc.base.errors import BadInput
from segqc.data.decoding import check_file

_LARGEST = 512 * 2**20  # bytes


def read_xml(path: Path) -> Element:
    """The root of an XML file.

    Raises
    ------
    BadInput
        The file is missing, larger than 512 MiB, no XML, or declares a document type: its entities could grow without
        bound.
    """
    check_file(path)
    if path.stat().st_size > _LARGEST:
        raise BadInput(path, f"has more than {_LARGEST >> 20} MiB", "split it")
    content = path.read_bytes()
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise BadInput(path, "declares a document type, which annotation files do not need", "remove the declaration")
    try:
        return ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise BadInput(path, f"is not valid XML: {error}", "export it again") from error


def text(element: Element, tag: str) -> str:
    """The text of a child, without white space around it; empty where there is none."""
    return (element.findtext(tag) or "").strip()


def number(path: Path, element: Element, tag: str) -> float:
    """The number in a child.

    Raises
    ------
    BadInput
        There is none.
    """
    try:
        return float(text(element, tag))
    except ValueError as error:
        raise BadInput(path, f"has no number in <{tag}>", "export it again") from error
