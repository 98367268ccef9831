"""Training pairs on the network's grid: read, augmented, squashed.

The augmentation of a view is a pure function of (seed, id, view): order of reading, number of workers and restarts
change nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageEnhance

from segqc.base.errors import BadInput
from segqc.base.fingerprints import wide_seed
from segqc.data.grid import image_to_grid, mask_to_grid
from segqc.data.labels import VOID, LabelSpace
from segqc.data.masks import read_mask
from segqc.data.pairs import Pair
from segqc.data.pictures import AS_STORED, PictureReading, read_image
from segqc.data.tiles import Tiling


@dataclass(frozen=True)
class AugmentConfig:
    """How training pairs are varied.

    Parameters
    ----------
    scale : (float, float)
        Range of the crop's side as a fraction of the image's. Above 1 zooms out: the rest is void in the mask, mean
        colour in the image.
    flip : bool
        Mirror left and right in half of the views.
    jitter : float
        Brightness, contrast and saturation each change by a factor within 1 +- this; in [0, 1).

    Raises
    ------
    ValueError
        For an empty or non-positive range of scales, or a jitter outside [0, 1).
    """

    scale: tuple[float, float] = (0.5, 1.0)
    flip: bool = True
    jitter: float = 0.2

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", tuple(self.scale))  # JSON gives a list
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"Expected `scale` to be two positive fractions in ascending order, but got {self.scale}")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"Expected `jitter` to lie in [0, 1), but got {self.jitter}")

    def within(self, share: float) -> "AugmentConfig":
        """The same, of tiles whose sides are this share of the picture's in place of whole pictures."""
        return replace(self, scale=(share * self.scale[0], share * self.scale[1]))


def view_generator(seed: int, id_: str, view: int) -> np.random.Generator:
    """Random numbers of one view of one pair, the same in every process and on every machine."""
    return np.random.default_rng(wide_seed(f"{seed}/{view}/{id_}"))


def augment(
    image: Image.Image, mask: np.ndarray, rng: np.random.Generator, config: AugmentConfig
) -> tuple[Image.Image, np.ndarray]:
    """One random view of a pair: crop at a random scale, mirror, jitter the colours.

    The crop has the shape of the image, hence keeps its proportions when squashed. Image and mask are cut by the same
    whole pixels and the mask is never interpolated, so that they stay aligned and no label appears that was not there.

    Parameters
    ----------
    image : PIL.Image.Image
        RGB, W x H.
    mask : np.ndarray
        uint8 [H, W], class indices, 255 where void.
    rng : np.random.Generator
        Seven numbers are drawn from it whatever `config` says.
    config : AugmentConfig

    Returns
    -------
    (PIL.Image.Image, np.ndarray)
        Picture and mask, both of the crop's size.

    Raises
    ------
    ValueError
        When image and mask differ in size.
    """
    width, height = image.size
    if mask.shape != (height, width):
        raise ValueError(f"Expected `mask` to be [{height}, {width}] like the image, but got {list(mask.shape)}")
    at_scale, at_x, at_y, at_flip, *at_jitter = rng.random(7)

    scale = config.scale[0] + at_scale * (config.scale[1] - config.scale[0])
    new_width, new_height = max(round(scale * width), 1), max(round(scale * height), 1)
    # A smaller crop lies anywhere in the image, the image anywhere in a larger one (then these are negative).
    left, top = round(at_x * (width - new_width)), round(at_y * (height - new_height))

    inside = (max(left, 0), max(top, 0), min(left + new_width, width), min(top + new_height, height))
    part = _jittered(image.crop(inside), at_jitter, config.jitter)
    labels = mask[inside[1] : inside[3], inside[0] : inside[2]]
    if scale > 1:
        mean = tuple(int(value) for value in np.asarray(part).reshape(-1, 3).mean(axis=0).round())
        canvas = Image.new("RGB", (new_width, new_height), mean)
        canvas.paste(part, (-left, -top))
        padded = np.full((new_height, new_width), VOID, np.uint8)
        padded[-top : height - top, -left : width - left] = labels
        part, labels = canvas, padded
    if config.flip and at_flip < 0.5:
        part, labels = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT), labels[:, ::-1]
    return part, np.ascontiguousarray(labels)


def _jittered(image: Image.Image, at: Sequence[float], jitter: float) -> Image.Image:
    """Brightness, contrast and saturation, in this order, times 1 - jitter .. 1 + jitter for `at` of 0 .. 1."""
    if jitter == 0:
        return image
    for enhance, position in zip((ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color), at, strict=True):
        image = enhance(image).enhance(1 + jitter * (2 * position - 1))
    return image


class PairDataset:
    """Pairs by index, as arrays on the network's grid.

    Parameters
    ----------
    pairs : sequence of Pair
        Each with a mask.
    labels : LabelSpace
        Classes of the masks.
    image_size, grid_size : int
        Sides I and S of the squashed image and mask.
    augment : AugmentConfig, optional
        None: views are not augmented.
    seed : int
        Random seed for the augmentation.
    pictures : PictureReading
        How picture files are read.
    tiles : int
        Tiles along a side in which pictures are scored: then a view is one of a tile, and the pair as it is one tile of
        it, whose place is a function of (seed, id).
    """

    decodes = True  # a sample costs the decoding of its files

    def __init__(
        self,
        pairs: Sequence[Pair],
        labels: LabelSpace,
        image_size: int,
        grid_size: int,
        augment: AugmentConfig | None = None,
        seed: int = 0,
        pictures: PictureReading = AS_STORED,
        tiles: int = 1,
    ) -> None:
        self.pairs = list(pairs)
        self.labels = labels
        self.image_size = image_size
        self.grid_size = grid_size
        self.tiles = tiles
        share = Tiling(tiles, grid_size).share
        self.augment = None if augment is None else augment.within(share)
        self._still = AugmentConfig((share, share), flip=False, jitter=0)
        self.seed = seed
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, key: int | tuple[int, int | None]) -> dict[str, np.ndarray]:
        """`sample` for a key of index or (index, view): what a DataLoader's sampler yields."""
        index, view = key if isinstance(key, tuple) else (key, None)
        return self.sample(index, view)

    def first_view(self, index: int) -> None:
        """None, the pair as it is: the view to take where any will do."""
        return None

    def mask(self, index: int, view: int | None = None) -> np.ndarray:
        """The mask of `sample`, uint8 `[S, S]`; the picture is not read when there is nothing to cut from it."""
        pair = self.pairs[index]
        if view is not None or pair.mask is None or self.tiles > 1:
            return self.sample(index, view)["mask"]
        return mask_to_grid(read_mask(pair.mask, self.labels), self.grid_size, self.labels)

    def sample(self, index: int, view: int | None = None) -> dict[str, np.ndarray]:
        """One pair.

        Parameters
        ----------
        index : int
            Into `pairs`.
        view : int, optional
            Number of the augmented view, a pure function of (seed, id, view). None: as it is on disk, or a tile of it.

        Returns
        -------
        dict
            ``image``: uint8 [3, I, I]; ``mask``: uint8 [S, S], 255 where void.

        Raises
        ------
        BadInput
            When image or mask cannot be read, differ in size, or there is no mask.
        """
        pair = self.pairs[index]
        if pair.mask is None:
            raise BadInput(pair.image, "has no mask", "leave pairs without masks out of the dataset")
        image = read_image(pair.image, self.pictures)
        mask = read_mask(pair.mask, self.labels, image)
        if view is not None and self.augment is not None:
            image, mask = augment(image, mask, view_generator(self.seed, pair.id, view), self.augment)
        elif self.tiles > 1:
            image, mask = augment(image, mask, view_generator(self.seed, pair.id, -1), self._still)
        return {"image": image_to_grid(image, self.image_size), "mask": mask_to_grid(mask, self.grid_size, self.labels)}
