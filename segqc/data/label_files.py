"""Class names from files: CVAT's labelmap.txt, a text file with a name a line, JSON of several shapes."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segqc.base.errors import BadInput
from segqc.base.files import read_json
from segqc.base.storage.paths import as_path
from segqc.data.label_lists import LABEL_LISTS
from segqc.data.labels import LabelSpace, palette_of

LABEL_FILES = ("labelmap.txt", "class_names.txt", "classes.txt", "classes.json", "dataset_meta.json", "id2label.json")
"""Names under which data sets keep their classes."""

_VOID_NAMES = {"void", "ignore", "ignored", "__ignore__", "unlabeled", "unlabelled", "don't care"}
_BACKGROUND_NAMES = {"background", "_background_", "__background__"}


def parse_classes(text: str) -> LabelSpace:
    """Label space from the text of an option.

    Parameters
    ----------
    text : str
        The name of a public data set (`segqc.data.label_lists.LABEL_LISTS`); names separated by commas, the first being
        the background; or the path of a file that `read_label_file` reads (.json or .txt).

    Raises
    ------
    BadInput
        When the text or the file is none of these.
    """
    text = text.strip()
    if text in LABEL_LISTS:
        return LABEL_LISTS[text]
    if text.lower().endswith((".json", ".txt")):
        return read_label_file(text)
    try:
        return LabelSpace(tuple(name.strip() for name in text.split(",")), void_stated=False)
    except ValueError as error:
        fix = f'give names as "background,cat,dog", a .json or .txt file, or one of {", ".join(LABEL_LISTS)}'
        raise BadInput(f"classes {text!r}", str(error), fix) from error


def find_label_file(root: Path) -> Path | None:
    """The file in a data set's folder that names its classes."""
    return next((root / name for name in LABEL_FILES if (root / name).is_file()), None)


def read_label_file(path: Path | str) -> LabelSpace:
    """Label space of a file.

    Parameters
    ----------
    path : Path or str
        A ``labelmap.txt`` of CVAT (``name:r,g,b::``), a ``.txt`` with a name a line, or a ``.json`` with a list of
        names, with ids and names (``{"7": "road", "24": "person"}``), or with the fields of a `LabelSpace`.

    Raises
    ------
    BadInput
        The file is none of these, or its classes make no label space.
    """
    path = as_path(path).expanduser()
    try:
        if path.suffix.lower() == ".json":
            return _from_json(read_json(path))
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        lines = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        coloured = bool(lines) and all(line.count(":") >= 3 and "," in line for line in lines)
        return _from_labelmap(lines) if coloured else _from_names(lines)
    except OSError as error:
        raise BadInput(path, f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadInput(path, f"is not UTF-8 text: {error.reason}") from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        fix = 'write a name a line, or JSON such as {"names": ["background", "cat"], "void": 255, "background": 0}'
        if "class names" in str(error) and "255" in str(error):
            fix = 'merge classes by ids, such as {"ids": {"0": "background", "1": "cat", "7": "cat"}, "names": [...]}'
        raise BadInput(path, str(error), fix) from error


def labels_of_names(path: Path | str, named: Mapping[str, int], void: int | None = None) -> LabelSpace:
    """Label space of classes with the file values that stand for them.

    Raises
    ------
    BadInput
        They make none.
    """
    values = sorted(named.values())
    ordered = sorted(named, key=lambda name: named[name])
    ids = None if values == list(range(len(values))) else {named[name]: place for place, name in enumerate(ordered)}
    background = next((place for place, name in enumerate(ordered) if name.lower() in _BACKGROUND_NAMES), 0)
    try:
        return LabelSpace(
            tuple(ordered), void if void is not None else 255, background, ids=ids, void_stated=void is not None
        )
    except ValueError as error:
        raise BadInput(path, str(error), "name the classes with --classes") from error


def _from_names(lines: list[str]) -> LabelSpace:
    """A name a line; LabelMe's `__ignore__` at the top stands for -1, which is void."""
    if lines and lines[0].lower() in _VOID_NAMES:
        return LabelSpace(tuple(lines[1:]), void=-1, ids={index: index for index in range(len(lines) - 1)})
    return LabelSpace(tuple(lines), void_stated=False)


def _from_labelmap(lines: list[str]) -> LabelSpace:
    """CVAT's labelmap.txt: background first, whatever its line; a class named "ignored" is void."""
    colours: dict[str, tuple[int, ...]] = {}
    for line in lines:
        name, colour, *_ = line.split(":")
        colours[name] = tuple(int(part) for part in colour.split(","))
    void = next((name for name in colours if name.lower() in _VOID_NAMES), None)
    names = [name for name in colours if name != void]
    background = next((name for name in names if name.lower() in _BACKGROUND_NAMES), None)
    if background is not None:
        names.remove(background)
        names.insert(0, background)
    palette = palette_of([colours[name] for name in names], None if void is None else colours[void])
    return LabelSpace(tuple(names), 255, 0 if background is not None else None, palette, void_stated=void is not None)


def _from_json(content: Any) -> LabelSpace:
    if isinstance(content, list):
        return LabelSpace(tuple(content), void_stated=False)
    if not isinstance(content, Mapping):
        raise ValueError(f"Expected a list of names or an object, but got {type(content).__name__}")
    if "names" in content:
        return _from_fields(dict(content))
    if "label_map" in content:  # Datumaro's dataset_meta.json
        return _from_datumaro(content)
    return _from_ids(content)


def _from_fields(content: dict[str, Any]) -> LabelSpace:
    """Read a `LabelSpace` as JSON.

    The file may also give names by id, several void values, the background by name and a void value below the classes.
    """
    if isinstance(content["names"], Mapping):
        content |= {"ids": content["names"], "names": list(dict.fromkeys(map(str, content["names"].values())))}
    names = list(content["names"])
    if isinstance(content.get("background"), str):
        content["background"] = names.index(content["background"]) if content["background"] != "none" else None
    ids = content.get("ids")
    if ids is not None:
        content["ids"] = ids = {
            str(value): names.index(name) if isinstance(name, str) else name for value, name in ids.items()
        }
    voids = content.get("void", 255)
    listed = [voids] if not isinstance(voids, list) else voids
    numbers = [value for value in listed if value is not None]
    if ids is None and any(not len(names) <= value <= 255 for value in numbers):
        content["ids"] = ids = {str(value): index for index, value in enumerate(_free_values(len(names), numbers))}
    if "void" in content:
        content["void"] = numbers[0] if numbers else None
    if len(numbers) > 1:
        content["ids"] = (ids or {str(index): index for index in range(len(names))}) | {
            str(v): 255 for v in numbers[1:]
        }
    return LabelSpace.from_dict(content)


def _free_values(count: int, voids: list[int]) -> list[int]:
    """File values of the classes, 0 upwards, the void ones left out: with void 0 the first class is 1."""
    return [value for value in range(count + len(voids) + 1) if value not in voids][:count]


def _from_datumaro(content: Mapping[str, Any]) -> LabelSpace:
    """Datumaro's dataset_meta.json: names by index, and their colours in the same order."""
    labels = _from_ids(content["label_map"])
    colours = content.get("segmentation_colors")
    if colours is None:
        return labels
    by_value = dict(zip(sorted(map(int, content["label_map"])), colours, strict=True))
    assert labels.ids is not None
    own = {index: by_value[value] for value, index in labels.ids.items() if index != 255}
    void = None if labels.void is None else by_value.get(labels.void)
    return dataclasses.replace(labels, palette=palette_of([own[place] for place in range(labels.num_classes)], void))


def _from_ids(content: Mapping[str, Any]) -> LabelSpace:
    """Read names by value, as in {"7": "road", "24": "person", "26": "person"}.

    Values that share a name are one class, and void is known by its usual names.
    """
    named = {int(value): str(name) for value, name in content.items()}
    voids = [value for value, name in named.items() if name.lower() in _VOID_NAMES]
    names = tuple(dict.fromkeys(name for name in named.values() if name.lower() not in _VOID_NAMES))
    ids = {value: names.index(name) for value, name in named.items() if value not in voids}
    ids |= {value: 255 for value in voids[1:]}
    background = next((place for place, name in enumerate(names) if name.lower() in _BACKGROUND_NAMES), 0)
    void = voids[0] if voids else (255 if 255 not in ids else None)
    return LabelSpace(names, void, background, ids=ids, void_stated=bool(voids))
