"""Folds: fixed by seed and id, and left out of training and validation rows."""

from collections import Counter

import pytest

from segqc.base.errors import BadInput
from segqc.data.folds import folds, groups_by_pattern, rows_without_fold, split_validation


def test_folds_stay_when_pairs_are_added_and_must_not_be_empty() -> None:
    small, large = folds([f"p{i}" for i in range(20)], 4), folds([f"p{i}" for i in range(300)], 4)
    assert small.items() <= large.items()
    assert set(large.values()) == {0, 1, 2, 3}
    assert min(Counter(large.values()).values()) > 40
    assert folds(list(large), 4, seed=1) != large
    with pytest.raises(ValueError, match="leave some empty"):
        folds(["a", "b"], 3)
    with pytest.raises(ValueError, match="at least 2"):
        folds(["a", "b"], 1)


def test_a_fold_leaves_both_parts_and_rows_keep_their_places() -> None:
    train, validation = [f"t{i}" for i in range(40)], [f"v{i}" for i in range(12)]
    everything = [*train, *validation]
    fold_of = folds(everything, 3, seed=2)
    for fold in range(3):
        rows, validation_rows = rows_without_fold(train, validation, fold, 3, seed=2)
        assert [everything[row] for row in rows] == [id_ for id_ in train if fold_of[id_] != fold]
        assert [everything[row] for row in validation_rows] == [id_ for id_ in validation if fold_of[id_] != fold]


def test_a_fold_that_holds_all_of_a_part_is_refused() -> None:
    ids = [f"p{i}" for i in range(30)]
    fold_of = folds(ids, 3)
    held, rest = [id_ for id_ in ids if fold_of[id_] == 1], [id_ for id_ in ids if fold_of[id_] != 1]
    with pytest.raises(ValueError, match="no pair left to validate on"):
        rows_without_fold(rest, held, 1)
    with pytest.raises(ValueError, match="no pair left to train on"):
        rows_without_fold(held, rest, 1)


def test_slices_of_a_volume_stay_together_where_there_are_volumes_enough() -> None:
    groups = {f"v{volume}/{slice_:03d}": f"v{volume}" for volume in range(4) for slice_ in range(10)}
    fold_of = folds(list(groups), 3, groups=groups)
    assert set(fold_of.values()) == {0, 1, 2}
    assert len({(groups[id_], fold) for id_, fold in fold_of.items()}) == 4
    # a volume whose slices cannot be read moves no other
    assert folds([id_ for id_ in groups if groups[id_] != "v1"], 3, groups=groups).items() <= fold_of.items()
    one = {id_: "v0" for id_ in groups}
    assert folds(list(groups), 3, groups=one) == folds(list(groups), 3)
    train, validation = split_validation(list(groups), 0.3, groups=groups)
    assert {groups[id_] for id_ in train}.isdisjoint(groups[id_] for id_ in validation)
    assert len(train) + len(validation) == 40
    assert split_validation(list(groups), 0.1, groups=groups) == split_validation(list(groups), 0.1)


VIDEOS = [f"{video}_{frame:03}" for video, frames in (("a", 30), ("b", 4), ("c", 12)) for frame in range(frames)]


def test_groups_are_what_the_pattern_finds_and_others_are_by_themselves() -> None:
    groups = groups_by_pattern([*VIDEOS, "lone"], r"^([^_]+)_")
    assert Counter(groups.values()) == {"a": 30, "b": 4, "c": 12, "lone": 1}
    assert groups["c_011"] == "c"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "is no regular expression"),
        (r"^\w_", "has no group"),
        (r"^(x)_", "matches none"),
        (r"(_)", "only the group '_'"),
    ],
)
def test_patterns_that_make_no_groups_are_refused(pattern: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as refused:
        groups_by_pattern(VIDEOS, pattern)
    assert "--group" in str(refused.value)


def test_few_groups_are_left_whole_on_demand_and_the_smallest_is_validated_on() -> None:
    groups = groups_by_pattern(VIDEOS, r"^([^_]+)_")
    train, validation = split_validation(VIDEOS, 0.1, groups=groups, whole=True)
    assert {groups[id_] for id_ in validation} == {"b"}
    assert [*train, *validation] == [id_ for id_ in VIDEOS if id_[0] != "b"] + [id_ for id_ in VIDEOS if id_[0] == "b"]
    rest, some = ({groups[id_] for id_ in part} for part in split_validation(VIDEOS, 0.1, groups=groups))
    assert rest & some, "slices of few volumes are divided, as before"
