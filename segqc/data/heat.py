"""What a heat map is drawn from, kept small: a pipeline keeps many verdicts, and looks at few of their heat maps."""

import zlib
from dataclasses import dataclass

import numpy as np

from segqc.data.grid import surprise_of_pixels

_FASTEST = 1


@dataclass(frozen=True)
class PackedHeat:
    """A posterior and a mask, packed without loss; call it for the heat map.

    Attributes
    ----------
    count : int
        Classes of the posterior.
    classes : ndarray `[C]`
        Those that the mask has: of the others the heat map shows nothing.
    posterior : ndarray `[C, S, S]` float32
    mask : bytes
        uint8 `shape`, compressed.
    shape : (height, width)
    """

    count: int
    classes: np.ndarray
    posterior: np.ndarray
    mask: bytes
    shape: tuple[int, int]

    @classmethod
    def pack(cls, posterior: np.ndarray, mask: np.ndarray) -> "PackedHeat":
        """Pack a posterior `[K, S, S]` float32 and a mask `[H, W]` uint8, K and above being void."""
        classes = np.flatnonzero(np.bincount(mask.ravel(), minlength=256)[: len(posterior)])
        packed = zlib.compress(np.ascontiguousarray(mask).data, _FASTEST)
        return cls(len(posterior), classes, posterior[classes], packed, mask.shape)

    def __call__(self) -> np.ndarray:
        """How surprising each pixel's class is, float32 `[H, W]` in [0, 1], 0 where void."""
        posterior = np.zeros((self.count, *self.posterior.shape[1:]), np.float32)
        posterior[self.classes] = self.posterior
        mask = np.frombuffer(zlib.decompress(self.mask), np.uint8).reshape(self.shape)
        return surprise_of_pixels(posterior, mask)
