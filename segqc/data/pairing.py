"""Which part of a file's name is its id: found from the names of a folder of pictures and one of masks.

`leftImg8bit/aachen/a_01_leftImg8bit.png` and `gtFine/aachen/a_01_gtFine_labelTrainIds.png` share the id `aachen/a_01`
once `_leftImg8bit` and `_gtFine_labelTrainIds` are taken off.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from segqc.base.errors import BadInput

_PARTS = 3  # pieces between delimiters that an affix may have
_PREFERRED = ("labeltrainids", "labelids", "mask", "label", "labels", "seg", "segmentation", "gt")
"""Endings that are taken where several kinds of mask fit equally; the first wins."""


@dataclass(frozen=True)
class NamePattern:
    """What stands before and after the id in a file's name, suffix such as .png apart."""

    before: str = ""
    after: str = ""

    @classmethod
    def parse(cls, text: str) -> "NamePattern":
        """From the text of an option: an ending (``_mask``), or a pattern with ``{id}`` (``mask_{id}``).

        Raises
        ------
        ValueError
            A pattern with more than one ``{id}``.
        """
        if "{id}" not in text:
            return cls(after=text)
        before, after = text.split("{id}", 1)
        if "{id}" in after:
            raise ValueError(f"Expected one {{id}} in a pattern of names, but got {text!r}")
        return cls(before, after)

    def id_of(self, path: str) -> str | None:
        """The id of a path without suffix ("a/mask_01" -> "a/01"); None for a name that does not fit."""
        if not (self.before or self.after):
            return path or None
        folder, _, name = path.rpartition("/")
        if not (name.startswith(self.before) and name.endswith(self.after)) or len(name) <= len(self.before) + len(
            self.after
        ):
            return None
        id_ = name[len(self.before) : len(name) - len(self.after)]
        return f"{folder}/{id_}" if folder else id_

    def __str__(self) -> str:
        return f"{self.before}{{id}}{self.after}"


AS_IT_IS = NamePattern()


def find_patterns(
    images: Sequence[str], masks: Sequence[str], image: NamePattern | None = None, mask: NamePattern | None = None
) -> tuple[NamePattern, NamePattern]:
    """The patterns by which most files pair; names that pair as they are stay as they are.

    Parameters
    ----------
    images, masks : sequence of str
        Paths below their folders, without suffix.
    image, mask : NamePattern, optional
        Patterns that the user gave.

    Raises
    ------
    BadInput
        Several kinds of mask fit equally well, and none of them is the usual one.
    """
    plain = set(images) & set(masks)
    if image is None and mask is None and len(plain) * 2 >= min(len(set(images)), len(set(masks))):
        return AS_IT_IS, AS_IT_IS
    image_patterns = [image] if image is not None else _candidates(images)
    mask_patterns = [mask] if mask is not None else _candidates(masks)
    matched = []
    for of_images in image_patterns:
        ids = {found for path in images if (found := of_images.id_of(path)) is not None}
        for of_masks in mask_patterns:
            named = Counter(found for path in masks if (found := of_masks.id_of(path)) is not None)
            count = len(ids & named.keys())
            matched.append((count, _shortness(of_images, of_masks), of_images, of_masks))
    best = max((count for count, *_ in matched), default=0)
    if best == 0:
        return image or AS_IT_IS, mask or AS_IT_IS
    fitting = [(shortness, a, b) for count, shortness, a, b in matched if count >= 0.9 * best]
    # An ending that all names of one kind share ("_gtFine_labelIds") pairs; a longer one of the same files does not.
    kinds = _different_kinds(fitting, masks)
    if len(kinds) > 1:
        kinds = _preferred(kinds)
    if len(kinds) > 1:
        endings = ", ".join(pattern.after or pattern.before for _, pattern in kinds)
        raise BadInput(
            "--mask-suffix",
            f"several kinds of mask fit the pictures: {endings}",
            f"give --mask-suffix {kinds[0][1].after}",
        )
    return kinds[0]


def _shortness(image: NamePattern, mask: NamePattern) -> int:
    return len(image.before) + len(image.after) + len(mask.before) + len(mask.after)


def _candidates(paths: Sequence[str]) -> list[NamePattern]:
    """Patterns that a good share of the names fit: beginnings and endings of up to three parts."""
    befores: Counter[str] = Counter()
    afters: Counter[str] = Counter()
    for path in paths:
        name = path.rpartition("/")[2]
        cuts = [match.start() for match in re.finditer(r"[_\-. ]", name)]
        afters.update(name[cut:] for cut in cuts[-_PARTS:] if cut > 0)
        befores.update(name[: cut + 1] for cut in cuts[:_PARTS] if cut + 1 < len(name))
    enough = max(2, len(paths) // 10) if len(paths) > 1 else 1
    found = [NamePattern(after=text) for text, count in afters.most_common(40) if count >= enough]
    found += [NamePattern(before=text) for text, count in befores.most_common(20) if count >= enough]
    return [AS_IT_IS, *found]


def _different_kinds(
    fitting: list[tuple[int, NamePattern, NamePattern]], masks: Sequence[str]
) -> list[tuple[NamePattern, NamePattern]]:
    """One pair of patterns for each set of mask files, the shortest affixes that pair them."""
    kinds: dict[frozenset[str], tuple[int, NamePattern, NamePattern]] = {}
    for shortness, image, mask in sorted(fitting, key=lambda item: item[0]):
        files = frozenset(path for path in masks if mask.id_of(path) is not None)
        kinds.setdefault(files, (shortness, image, mask))
    return [(image, mask) for _, image, mask in kinds.values()]


def _preferred(kinds: list[tuple[NamePattern, NamePattern]]) -> list[tuple[NamePattern, NamePattern]]:
    for ending in _PREFERRED:
        chosen = [kind for kind in kinds if kind[1].after.lower().rpartition("_")[2] == ending]
        if chosen:
            return chosen[:1]
    return kinds


def find_mask_pattern(paths: Sequence[str]) -> NamePattern | None:
    """Pattern of the masks' names in a folder that holds both (`x_mask` beside `x`); None if there is none."""
    known = set(paths)
    counted = [
        (sum(1 for path in paths if pattern.id_of(path) in known), -len(pattern.before + pattern.after), place, pattern)
        for place, pattern in enumerate(_candidates(paths))
        if pattern != AS_IT_IS
    ]
    count, _, _, pattern = max(counted, default=(0, 0, 0, AS_IT_IS))
    return pattern if count and count * 3 >= len(known) else None
