"""What heat map and objects are made from, kept small: a pipeline keeps many verdicts, and looks into few of them."""

from dataclasses import dataclass

import numpy as np

from segqc.data.grid import surprise_of_pixels
from segqc.data.runs import find_runs


@dataclass(frozen=True)
class PackedHeat:
    """A mask, packed without loss, and what matters of a posterior; call it for the heat map.

    Attributes
    ----------
    count : int
        Classes of the posterior.
    classes : ndarray `[C]`
        Those that the mask has or that are the likeliest in some cell: of the others nothing is shown.
    posterior : ndarray `[C, S, S]` float32
    labels : ndarray `[R]` uint8
        The mask by its runs: the label of each.
    starts : ndarray `[R]` uint32
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
        runs = find_runs(mask)
        labels = runs.values(mask)
        kept = np.bincount(labels, minlength=256)[: len(posterior)] > 0
        kept |= (posterior == posterior.max(0)).any((1, 2))
        classes = np.flatnonzero(kept)
        return cls(len(posterior), classes, posterior[classes], labels, runs.starts.astype(np.uint32), runs.shape)

    @property
    def mask(self) -> np.ndarray:
        """The mask, uint8 `[H, W]`."""
        lengths = np.diff(self.starts, append=np.uint32(self.shape[0] * self.shape[1]))
        return np.repeat(self.labels, lengths).reshape(self.shape)

    @property
    def full_posterior(self) -> np.ndarray:
        """The posterior, float32 `[K, S, S]`, 0 for the classes that were not kept."""
        posterior = np.zeros((self.count, *self.posterior.shape[1:]), np.float32)
        posterior[self.classes] = self.posterior
        return posterior

    def __call__(self) -> np.ndarray:
        """How surprising each pixel's class is, float32 `[H, W]` in [0, 1], 0 where void."""
        return surprise_of_pixels(self.full_posterior, self.mask)
