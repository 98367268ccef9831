"""Folds: fixed by seed and id, and left out of training and validation rows."""

from collections import Counter

import pytest

from segqc.data.folds import folds, rows_without_fold, split_validation


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
