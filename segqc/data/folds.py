"""Splits of ids: folds for cross-fitting, and training against validation; each depends on (seed, id) alone.

Slices of one volume are alike: their groups, the volumes, are split where there are enough of them.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from segqc.base.errors import BadInput
from segqc.base.fingerprints import stable_seed, uniform_of_text

Groups = Mapping[str, str] | None
"""The group of each id, such as the volume of a slice; None: each id is by itself."""


def groups_by_pattern(ids: Sequence[str], pattern: str) -> dict[str, str]:
    """The group of each id: what the first group of a regular expression finds in it; an id without a match is by
    itself.

    Raises
    ------
    BadInput
        The pattern is no regular expression, has no group, matches no id, or finds one group only.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise BadInput(
            "--group", f"{pattern!r} is no regular expression: {error}", r"give one like '^(\w+)_'"
        ) from error
    if expression.groups == 0:
        raise BadInput("--group", f"{pattern!r} has no group", "put parentheses around the part that names the group")
    found = {id_: expression.search(id_) for id_ in ids}
    groups = {id_: match.group(1) or id_ for id_, match in found.items() if match is not None}
    if len(set(groups.values())) < 2 and len(ids) > 1:
        what = f"finds only the group {next(iter(groups.values()))!r}" if groups else "matches none"
        raise BadInput("--group", f"{pattern!r} {what} in {len(ids)} ids such as {ids[0]!r}", "correct the pattern")
    return {id_: groups.get(id_, id_) for id_ in ids}


def folds(ids: Sequence[str], k: int = 3, seed: int = 0, groups: Groups = None) -> dict[str, int]:
    """Fold 0..k-1 of each id, from a hash of (seed, id): adding a pair moves no other.

    Groups, if there are at least `k`, are dealt to the folds in the order of their hashes, ids with them.

    Raises ValueError for fewer than two folds, or a fold without any id.
    """
    if k < 2:
        raise ValueError(f"Expected at least 2 folds, but got {k}")
    names = set() if groups is None else set(groups.values())
    if groups is not None and len(names) >= k:
        ordered = sorted(names, key=lambda name: (stable_seed("fold", seed, name), name))
        return {id_: ordered.index(groups[id_]) % k for id_ in ids}
    assigned = {id_: stable_seed("fold", seed, id_) % k for id_ in ids}
    if len(set(assigned.values())) < k:
        found = f"{len(assigned)} ids leave some empty"
        raise ValueError(f"Expected ids in each of {k} folds, but {found}; use more pairs or fewer folds")
    return assigned


def rows_without_fold(
    train_ids: Sequence[str],
    validation_ids: Sequence[str],
    fold: int,
    k: int = 3,
    seed: int = 0,
    groups: Groups = None,
) -> tuple[list[int], list[int]]:
    """Rows to train and to validate on when a fold is left out of both.

    Rows count along the training ids and on along the validation ids, fold included: what is stored by row serves every
    fold.

    Raises
    ------
    ValueError
        In the cases of `folds`, and when the other folds hold no pair to train on or none to validate on.
    """
    ids = [*train_ids, *validation_ids]
    fold_of = folds(ids, k, seed, groups)
    kept = [row for row, id_ in enumerate(ids) if fold_of[id_] != fold]
    rows = [row for row in kept if row < len(train_ids)], [row for row in kept if row >= len(train_ids)]
    if not all(rows):
        what = "train" if rows[1] else "validate"
        raise ValueError(
            f"Without fold {fold} of {k} there is no pair left to {what} on; use more pairs, more folds or another seed"
        )
    return rows


def split_validation(
    ids: Sequence[str], fraction: float = 0.1, seed: int = 0, groups: Groups = None, whole: bool = False
) -> tuple[list[str], list[str]]:
    """Split ids into training and validation, each in the given order; whole groups, where a group or more make up
    `fraction` of them.

    `whole`: groups are never divided. Where they are too few for a share of them, the smallest is validation.

    Whether an id is validation depends on (seed, id) alone, so that adding a picture moves no other; the share is
    `fraction` on average. Only when that leaves a side empty (a handful of ids), the id nearest to the border crosses
    it; a single id stays in training.
    """
    few = groups is not None and len({groups[id_] for id_ in ids}) * fraction < 1
    if whole and few and groups is not None:
        sizes = Counter(groups[id_] for id_ in ids)
        held_out = min(sizes, key=lambda name: (sizes[name], name))
        parts = ([id_ for id_ in ids if (groups[id_] == held_out) == chosen] for chosen in (False, True))
        return next(parts), next(parts)
    if groups is None or few:
        groups = {id_: id_ for id_ in ids}
    position = {id_: uniform_of_text(f"{seed}/{groups[id_]}") for id_ in ids}
    ordered = sorted(position.values())
    border = min(max(fraction, math.nextafter(ordered[0], 1.0)), ordered[-1]) if ordered else fraction
    return [id_ for id_ in ids if position[id_] >= border], [id_ for id_ in ids if position[id_] < border]
