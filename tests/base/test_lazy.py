"""Sequences whose items are made when they are asked for behave like lists."""

import pytest

from segqc.base.lazy import Computed


def test_it_is_a_sequence_like_a_list() -> None:
    squares = Computed(5, lambda place: place**2)
    listed = [0, 1, 4, 9, 16]
    assert (list(squares), len(squares), squares[-1], squares[1:-1]) == (listed, 5, 16, [1, 4, 9])
    assert squares[::-2] == listed[::-2]
    assert squares == listed
    assert listed == squares
    assert squares != listed[:-1]
    assert squares != 5
    assert list(reversed(squares)) == listed[::-1]
    assert 9 in squares
    for place in (5, -6):
        with pytest.raises(IndexError):
            squares[place]


def test_an_item_is_made_anew_at_each_look() -> None:
    rows = Computed(1, lambda place: {"rank": place})
    rows[0]["rank"] = 7
    assert rows[0] == {"rank": 0}
