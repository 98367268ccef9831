"""Which picture of a data set an annotation file means by a name.

Annotation files name pictures as their tool saw them: `a.jpg`, `images/val/a.jpg`, `/data/images/a.jpg`, or an address.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath
from urllib.parse import parse_qs, unquote, urlparse

_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")


def picture_id(name: str) -> str:
    """The id that a file's name stands for: with "/" between its parts, without what looks like a suffix."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.with_name(_SUFFIX.sub("", path.name) or path.name).as_posix() if path.name else ""


def address_id(address: str) -> str:
    """The id that Label Studio's address of a picture stands for.

    Local files have their path in the address's `d`; uploaded ones have eight digits before their name.
    """
    parsed = urlparse(address)
    local = parse_qs(parsed.query).get("d")
    if local:
        return picture_id(local[0])
    path = PurePosixPath(unquote(parsed.path))
    if "upload" in path.parts:
        path = path.with_name(_UPLOADED.sub("", path.name))
    return picture_id(path.as_posix())


def match_names(names: Sequence[str], known: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Find the picture that each name means: the id itself, else the only id that ends alike.

    Parameters
    ----------
    names : sequence of str
        As `picture_id` makes them.
    known : collection of str
        Ids of the pictures.

    Returns
    -------
    dict of str to str
        Id by name; each id once.
    dict of str to str
        By name, why there is none.
    """
    ends: dict[str, list[str]] = defaultdict(list)
    for id_ in known:
        parts = id_.split("/")
        for start in range(len(parts)):
            ends["/".join(parts[start:])].append(id_)
    found: dict[str, str] = {}
    missing: dict[str, str] = {}
    taken = set(names) & set(known)
    for name in names:
        if name in found or name in missing:
            continue
        if name in taken:
            found[name] = name
            continue
        parts = name.split("/")
        tails = ("/".join(parts[start:]) for start in range(len(parts)))
        candidates = next((ends[tail] for tail in tails if tail in ends), [])
        if len(candidates) == 1 and candidates[0] not in taken:
            found[name] = candidates[0]
            taken.add(candidates[0])
        elif candidates:
            missing[name] = f"could mean the picture {candidates[0]}, but is not the only name that could"
        else:
            missing[name] = "has no picture, or several files of its name"
    return found, missing
