"""What a heat map is drawn from, kept small: a pipeline keeps many verdicts, and looks at few of their heat maps."""

from dataclasses import dataclass

import numpy as np

from segqc.data.grid import surprise_of_pixels


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
    labels : ndarray `[R]` uint8
        The mask by runs of equal pixels, in reading order: the label of each run.
    starts : ndarray `[R]` int64
        First pixel of each run.
    shape : (height, width)
    """

    count: int
    classes: np.ndarray
    posterior: np.ndarray
    labels: np.ndarray
    starts: np.ndarray
    shape: tuple[int, int]

    @classmethod
    def pack(cls, posterior: np.ndarray, mask: np.ndarray) -> "PackedHeat":
        """Pack a posterior `[K, S, S]` float32 and a mask `[H, W]` uint8, K and above being void."""
        pixels = mask.ravel()
        starts = np.concatenate([[0], np.flatnonzero(pixels[1:] != pixels[:-1]) + 1])
        labels = pixels[starts]
        classes = np.flatnonzero(np.bincount(labels, minlength=256)[: len(posterior)])
        return cls(len(posterior), classes, posterior[classes], labels, starts, mask.shape)

    def __call__(self) -> np.ndarray:
        """How surprising each pixel's class is, float32 `[H, W]` in [0, 1], 0 where void."""
        posterior = np.zeros((self.count, *self.posterior.shape[1:]), np.float32)
        posterior[self.classes] = self.posterior
        lengths = np.diff(self.starts, append=self.shape[0] * self.shape[1])
        return surprise_of_pixels(posterior, np.repeat(self.labels, lengths).reshape(self.shape))
