"""Guesses that are made once: log p(class | picture) of each view of a picture, kept in memory.

A guess costs a forward, together a fifth of a step on a CPU, and a training of few pairs wants the same ones many
times.
"""

import zlib
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from segqc.training.feature_cache import Key
from segqc.training.wrong_masks import Guess

_STEPS_PER_NAT = 16  # log p in one byte: not below -15.9, and right to the 32nd part of a nat


class RememberedGuesses:
    """A `Guess` that asks another one for what it does not know yet.

    Pictures are asked for one at a time: in the last bits, what a network says of a picture depends on its company, and
    a training that was killed is to repeat what it would have seen.

    Parameters
    ----------
    guess : Guess
    most_bytes : int
        Memory for guesses; what comes after is asked for each time.
    """

    def __init__(self, guess: Guess, most_bytes: int = 512 << 20) -> None:
        self._guess, self._room = guess, most_bytes
        self._known: dict[Key, tuple[tuple[int, ...], bytes]] = {}

    def __call__(self, features: Sequence[Tensor], keys: Sequence[Key]) -> list[np.ndarray]:
        """log p(class | picture), M times `[K, S, S]` float32, of M pictures by `image_features` and (row, view)."""
        return [self._belief([maps[n : n + 1] for maps in features], key) for n, key in enumerate(keys)]

    def _belief(self, features: Sequence[Tensor], key: Key) -> np.ndarray:
        if key in self._known:
            shape, packed = self._known[key]
            steps = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(shape)
        else:
            steps = np.rint(-_STEPS_PER_NAT * self._guess(features, [key])[0]).clip(0, 255).astype(np.uint8)
            packed = zlib.compress(steps.tobytes(), level=1)
            if len(packed) <= self._room:
                self._room -= len(packed)
                self._known[key] = steps.shape, packed
        return steps * np.float32(-1 / _STEPS_PER_NAT)
