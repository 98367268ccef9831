"""A look at many files at once: facts by id, and what they add up to."""

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from segqc.base.errors import BadInput
from segqc.base.fingerprints import file_stamp
from segqc.base.journal import Journal
from segqc.base.parallel import ordered_map
from segqc.data.inspection.facts import MaskFacts, PictureFacts, mask_facts, picture_facts
from segqc.data.pairs import Pair


@dataclass(frozen=True)
class Survey:
    """What the files of a data set hold.

    Attributes
    ----------
    masks : dict of str to MaskFacts
    pictures : dict of str to PictureFacts
    paths : dict of str to Path
        Mask file of each id.
    """

    masks: Mapping[str, MaskFacts]
    pictures: Mapping[str, PictureFacts] = field(default_factory=dict)
    paths: Mapping[str, Path] = field(default_factory=dict)

    @cached_property
    def readable(self) -> dict[str, MaskFacts]:
        """Masks that could be read."""
        return {id_: facts for id_, facts in self.masks.items() if not facts.error}

    @cached_property
    def with_values(self) -> dict[str, MaskFacts]:
        """Masks that hold numbers."""
        return {id_: facts for id_, facts in self.readable.items() if not facts.coloured}

    @cached_property
    def with_colours(self) -> dict[str, MaskFacts]:
        """Masks that hold colours."""
        return {id_: facts for id_, facts in self.readable.items() if facts.coloured}

    @cached_property
    def value_pixels(self) -> Counter[int]:
        """Pixels of each value over all masks that hold numbers."""
        return sum((Counter(facts.pixels) for facts in self.with_values.values()), Counter())

    @cached_property
    def value_masks(self) -> Counter[int]:
        """Masks that hold each value."""
        return Counter(value for facts in self.with_values.values() for value in facts.pixels)

    @property
    def values(self) -> set[int]:
        """All stored numbers."""
        return set(self.value_pixels)

    def example(self, wanted: Callable[[MaskFacts], bool]) -> Path | str:
        """The first mask file for which `wanted` holds."""
        return next((self.paths.get(id_, id_) for id_, facts in self.readable.items() if wanted(facts)), "")


def survey_pairs(
    pairs: Sequence[Pair],
    journal: Journal | None = None,
    advance: Callable[[], object] = lambda: None,
    pictures: bool = True,
) -> Survey:
    """Look at every picture and mask of the pairs, with threads.

    Parameters
    ----------
    pairs : sequence of Pair
    journal : Journal, optional
        Keeps what was found; a file that has not changed since is not opened again.
    advance : callable
        Called after each pair.
    pictures : bool
        Whether pictures are looked at too.
    """

    def look(pair: Pair) -> tuple[Pair, dict]:
        files = [path for path in (pair.mask, pair.image if pictures else None) if path is not None]
        stamps = [file_stamp(path) for path in files]
        if journal is not None and pair.id in journal and journal.rows[pair.id]["files"] == stamps:
            return pair, journal.rows[pair.id]
        row: dict = {"files": stamps}
        if pair.mask is not None:
            row["mask"] = mask_facts(pair.mask).to_json()
        if pictures:
            row["picture"] = picture_facts(pair.image).to_json()
        return pair, row

    masks, shown, paths = {}, {}, {}
    for pair, row in ordered_map(look, pairs):
        if journal is not None and journal.rows.get(pair.id) != row:
            journal.append(pair.id, row)
        if pair.mask is not None:
            masks[pair.id], paths[pair.id] = MaskFacts.from_json(row["mask"]), pair.mask
        if pictures:
            shown[pair.id] = PictureFacts.from_json(row["picture"])
        advance()
    return Survey(masks, shown, paths)


def draw_pairs(pairs: Sequence[Pair], count: int, seed: int = 0) -> list[Pair]:
    """`count` of the pairs, drawn by seed, in their order; all of them where there are fewer."""
    if len(pairs) <= count:
        return list(pairs)
    return [pairs[place] for place in sorted(random.Random(seed).sample(range(len(pairs)), count))]


def commonest_reason(reasons: Sequence[tuple[str, str]]) -> str:
    """One line for a screen: the commonest reason among (file or id, reason), with an example and its count."""
    if not reasons:
        return ""
    kinds = [_kind_of(place, reason) for place, reason in reasons]
    kind, count = Counter(kinds).most_common(1)[0]
    place, reason = reasons[kinds.index(kind)]
    return f"{count} of {len(reasons)}: {reason} (for example {place})"


def _kind_of(place: str, reason: str) -> str:
    """A reason without the numbers, paths and names that differ from file to file."""
    for name in filter(None, (place, Path(place).name, Path(place).stem)):
        reason = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "", reason)
    plain = " ".join(word for word in reason.split() if "/" not in word)
    return "".join("0" if character.isdigit() else character for character in plain)[:60]


def nothing_readable(survey: Survey, what: str) -> BadInput | None:
    """The error to raise where no mask of a survey can be read at all."""
    if survey.readable or not survey.masks:
        return None
    said = commonest_reason([(str(survey.paths.get(id_, id_)), facts.error) for id_, facts in survey.masks.items()])
    return BadInput(what, f"no mask can be read: {said}")
