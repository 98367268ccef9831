"""Guesses are asked for once, alone, and kept in one byte a class and cell."""

import numpy as np
import pytest
import torch
from tiny import picture, tiny_model

from segqc.training.guessers import FOLDS, CrossFitted
from segqc.training.remembered import RememberedGuesses

KEYS = [(5, 0), (0, 1), (11, 0)]


@pytest.fixture
def features() -> list[torch.Tensor]:
    model = tiny_model("segmenter")
    return model.image_features(torch.from_numpy(np.stack([picture(row) for row, _ in KEYS])))


def test_a_remembered_guess_is_the_guess_and_is_made_once(features) -> None:
    guess = CrossFitted([tiny_model("segmenter", seed=seed) for seed in range(FOLDS)], seed=0).belief
    asked = []

    def counted(shown, keys):
        asked.append(list(keys))
        return guess(shown, keys)

    remembered = RememberedGuesses(counted)
    first = remembered(features, KEYS)
    assert asked == [[key] for key in KEYS], "each alone"
    np.testing.assert_allclose(np.stack(first), guess(features, KEYS), atol=1 / 32 + 1e-4)
    again = remembered([maps.flip(0) for maps in features], KEYS[::-1])
    assert len(asked) == len(KEYS)
    for one, other in zip(first, again[::-1], strict=True):
        np.testing.assert_array_equal(one, other)
        assert other.dtype == np.float32


def test_another_view_is_another_guess_and_what_finds_no_room_is_asked_for_again(features) -> None:
    asked = []

    def guess(shown, keys):
        asked.extend(keys)
        return np.log(np.random.default_rng(keys[0][1]).dirichlet(np.ones(4), (1, 8, 8)).transpose(0, 3, 1, 2))

    one = [maps[:1] for maps in features]
    plenty = RememberedGuesses(guess)
    assert not np.array_equal(plenty(one, [(0, 0)])[0], plenty(one, [(0, 1)])[0])
    plenty(one, [(0, 0)])
    assert asked == [(0, 0), (0, 1)]
    none = RememberedGuesses(guess, most_bytes=0)
    asked.clear()
    np.testing.assert_array_equal(none(one, [(0, 0)])[0], none(one, [(0, 0)])[0])
    assert asked == [(0, 0), (0, 0)]


def test_improbable_classes_stay_improbable() -> None:
    belief = np.full((1, 2, 1, 1), -100.0)
    belief[0, 0] = 0
    found = RememberedGuesses(lambda features, keys: belief)([torch.zeros(1, 1, 1, 1)], [(0, 0)])[0]
    assert found[:, 0, 0].tolist() == [0.0, -255 / 16]
