"""XML files written whole or not at all, whose texts XML can hold."""

import re
from pathlib import Path
from xml.etree import ElementTree

from segqc.base.files import atomic_path

# XML 1.0, section 2.2: everything but these may stand in a document, escaped or not.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(value: object) -> str:
    """`value` as text; characters that no XML document can hold become U+FFFD."""
    return _FORBIDDEN.sub("\ufffd", str(value))


def xml_string(element: ElementTree.Element) -> str:
    """The element, indented, with what it says made fit for XML."""
    for part in element.iter():
        part.attrib = {name: xml_text(value) for name, value in part.attrib.items()}
        part.text = None if part.text is None else xml_text(part.text)
    ElementTree.indent(element)
    return ElementTree.tostring(element, encoding="unicode") + "\n"


def write_xml(path: Path, element: ElementTree.Element) -> None:
    """Write a document without a declaration: UTF-8 is XML's own default."""
    with atomic_path(path) as temporary:
        temporary.write_text(xml_string(element), encoding="utf-8", newline="\n")
