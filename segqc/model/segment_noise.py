"""Segment noise: from a true mask, a wrong one as a segmentation model would make it.

The location t of `segqc.gumbel` hides each cell by itself, and independent flips average out over a neighbourhood: a
network sees through them to the very shape that should be judged. Segmentation models err otherwise, by the segment: an
object is called something else, is missed, is cut in half, has a wrong outline. This noise does the same to a true
mask, and the network learns p(true mask | wrong mask, picture). It is ours, not the paper's.

Four kinds of error, mixed (`KIND_ENDS`):

    none      the true mask itself: a good prediction is to be believed
    guess     a mask drawn from the belief about the picture alone of a network that has not seen it
              (segqc.training.guessers), by the Gumbel-max trick with noise that neighbouring cells share: the errors
              that a model with such features makes on new pictures
    partial   the guess in one region, the truth in the rest: models that are better than the network
    edit      classes swapped for such as look alike, objects missed or halved, objects of another picture added
    foreign   the mask of another picture

and in half of all cases the outline is bent. Everything is a function of (truth, other, guess, seed).
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from segqc.data.labels import VOID

KINDS = ("none", "guess", "partial", "edit", "foreign")
KIND_ENDS = (0.12, 0.40, 0.62, 0.95, 1.0)  # cumulative probabilities of the kinds
_BEND = 0.5  # probability of a bent outline
_GUESS_GRIDS = (2, 4, 8, 16)  # knots on a side of the Gumbel noise
_GUESS_STRENGTHS = (0.0, 0.5, 1.0)  # 0: the most probable classes; 1: a sample of the belief


@dataclass(frozen=True)
class SegmentNoise:
    """The noise of one label space.

    Parameters
    ----------
    swaps : ndarray `[K, K]` float64
        Row c: with which probability an object of class c is called c' instead; rows of foreground classes sum to one,
        see `class_swaps`.
    background : int or None
        What is left where an object is missed; None: objects are never missed, only called something else.
    """

    swaps: np.ndarray
    background: int | None

    def kind(self, seed: int) -> str:
        """Which of `KINDS` the draw of this seed is."""
        return KINDS[int(np.searchsorted(KIND_ENDS, np.random.default_rng(seed).random(), side="right"))]

    def needs_guess(self, seed: int) -> bool:
        """Whether the draw of this seed makes use of a guess."""
        return self.kind(seed) in ("guess", "partial")

    def draw(self, truth: np.ndarray, other: np.ndarray, belief: np.ndarray | None, seed: int) -> np.ndarray:
        """One wrong mask.

        Parameters
        ----------
        truth, other : ndarray `[S, S]` uint8
            True masks of the picture and of another one, 255 where void. Predictions have no void: it is filled.
        belief : ndarray `[K, S, S]` float32, or None
            log p(class | picture); needed where `needs_guess(seed)`.
        seed : int

        Returns
        -------
        ndarray `[S, S]` uint8, class indices; 255 only where the whole truth is void.
        """
        kind = self.kind(seed)
        rng = np.random.default_rng((seed, 1))
        truth = fill_void(truth, self.background, rng)
        if kind in ("guess", "partial"):
            if belief is None:
                raise ValueError(f"Expected `belief` for noise of the kind {kind!r}, but got None")
            guess = draw_guess(belief, rng)
            mask = (
                guess
                if kind == "guess"
                else np.where(_region(truth if rng.random() < 0.5 else guess, rng), truth, guess)
            )
        elif kind == "edit":
            mask = self._edit(truth, fill_void(other, self.background, rng), rng)
        else:
            mask = truth if kind == "none" else fill_void(other, self.background, rng)
        if rng.random() < _BEND:
            mask = bend(mask, rng.uniform(0.2, 2.2) * len(mask) / 64, rng)
        return mask

    def _edit(self, truth: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Each class keeps, loses or changes its name, in all of its cells, in one object or in half of them; perhaps
        something is added.
        """
        mask = truth.copy()
        for label in np.unique(truth):
            what = rng.random()
            if label in (self.background, VOID) or what < 0.45:
                continue
            cells = truth == label
            if rng.random() < 0.4:
                objects, count = ndimage.label(cells)
                cells = objects == rng.integers(1, count + 1)
            if rng.random() < 0.35:
                cells = cells & _half_plane(len(mask), rng)
            missed = what < 0.6 and self.background is not None
            mask[cells] = self.background if missed else rng.choice(len(self.swaps), p=self.swaps[label])
        added = rng.random()
        if added < 0.3:
            cells = (other != VOID) if self.background is None else (other != self.background) & (other != VOID)
            cells = cells & _region(other, rng) if rng.random() < 0.5 or self.background is None else cells
            mask = np.where(cells, other, mask)
        elif added < 0.45:
            foreground = np.flatnonzero(self.swaps.sum(1) > 0)
            mask[_region(mask, rng)] = rng.choice(foreground)
        return mask


def class_swaps(
    looks: np.ndarray, foreground: tuple[int, ...], alike: float = 0.6, sharpness: float = 6.0
) -> np.ndarray:
    """Probabilities of calling a class by another one's name, from how alike classes look.

    Parameters
    ----------
    looks : ndarray `[K, C]`
        Mean feature vector of each class under the image encoder; a row of zeros where nothing is known.
    foreground : tuple of int
        Classes that are swapped for one another.
    alike : float in [0, 1]
        Share that goes by likeness, softmax(sharpness x cosine of the centred vectors); the rest is uniform.
    sharpness : float

    Returns
    -------
    ndarray `[K, K]` float64, zero diagonal; rows of foreground classes sum to one, the others to zero.
    """
    classes = np.array(foreground)
    vectors = looks[classes].astype(np.float64)
    known = np.abs(vectors).sum(1) > 0
    vectors[known] -= vectors[known].mean(0) if known.any() else 0
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    likeness = np.exp(sharpness * (vectors @ vectors.T))
    others = 1 - np.eye(len(classes))
    swaps = np.zeros((len(looks), len(looks)))
    if len(classes) > 1:
        part = alike * likeness * others / (likeness * others).sum(1, keepdims=True) + (
            1 - alike
        ) * others / others.sum(1, keepdims=True)
        swaps[np.ix_(classes, classes)] = part
    else:
        swaps[classes[0], classes[0]] = 1.0  # a single class has no other name
    return swaps


def fill_void(mask: np.ndarray, background: int | None, rng: np.random.Generator) -> np.ndarray:
    """Void cells get the nearest label (always without a background class, else in six of ten masks), or become
    background.
    """
    void = mask == VOID
    if not void.any() or void.all():
        return mask
    if background is None or rng.random() < 0.6:
        nearest = ndimage.distance_transform_edt(void, return_distances=False, return_indices=True)
        return mask[tuple(nearest)]
    return np.where(void, np.uint8(background), mask)


def draw_guess(belief: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """argmax of log p + s G with Gumbel noise G on a coarse grid, linear in between: at s = 1 about a sample of p
    (Gumbel-max trick).

    `belief` `[K, S, S]` to uint8 `[S, S]`.
    """
    classes, side = belief.shape[0], belief.shape[-1]
    knots = int(rng.choice(_GUESS_GRIDS))
    noise = rng.gumbel(size=(classes, knots, knots)).astype(np.float32) * np.float32(rng.choice(_GUESS_STRENGTHS))
    return (belief + _interpolated(noise, side)).argmax(0).astype(np.uint8)


def bend(mask: np.ndarray, amplitude: float, rng: np.random.Generator) -> np.ndarray:
    """Move the cells along a smooth random field of `amplitude` cells (standard deviation), in three of ten masks also
    all of them together.
    """
    side, knots = len(mask), int(rng.choice((3, 5, 9)))
    field = _interpolated(rng.normal(0, amplitude, (2, knots, knots)).astype(np.float32), side)
    if rng.random() < 0.3:
        field = field + rng.normal(0, 1.5 * amplitude, (2, 1, 1))
    rows, columns = np.mgrid[:side, :side]
    return mask[_inside(rows + field[0], side), _inside(columns + field[1], side)]


def _interpolated(values: np.ndarray, side: int) -> np.ndarray:
    """Values at knots, float32 `[C, k, k]`, corner to corner on a grid `[C, side, side]`, bilinear."""
    knots = values.shape[-1]
    distance = np.abs(np.linspace(0, knots - 1, side, dtype=np.float32)[:, None] - np.arange(knots, dtype=np.float32))
    weights = np.maximum(1 - distance, 0)  # [side, k], rows sum to one
    return weights @ values @ weights.T


def _inside(positions: np.ndarray, side: int) -> np.ndarray:
    return np.clip(np.rint(positions), 0, side - 1).astype(np.int64)


def _half_plane(side: int, rng: np.random.Generator) -> np.ndarray:
    """One side of a random line through the middle three fifths, bool `[S, S]`."""
    angle, centre = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.8, 2) * side
    rows, columns = np.mgrid[:side, :side]
    return np.cos(angle) * (rows - centre[0]) + np.sin(angle) * (columns - centre[1]) > 0


def _region(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A half plane, a box, or some of the classes, bool `[S, S]`."""
    side, shape = len(mask), rng.random()
    if shape < 0.4:
        return _half_plane(side, rng)
    if shape < 0.7:
        height, width = (max(1, int(length)) for length in rng.uniform(0.15, 0.7, 2) * side)
        top, left = rng.integers(0, side - height + 1), rng.integers(0, side - width + 1)
        box = np.zeros((side, side), bool)
        box[top : top + height, left : left + width] = True
        return box
    classes = np.unique(mask)
    return np.isin(mask, classes[rng.random(len(classes)) < 0.5])
