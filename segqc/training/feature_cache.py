"""Frozen image features on disk, so that an epoch costs no encoder.

One row per (picture, view): the encoder's maps beside the mask on the grid, in flat memory-mapped files. In eight bits,
between its least and its largest value, a channel of a map has noise of a half to one per cent of its standard
deviation (EfficientNet-Lite2, pictures of Pascal VOC), and takes half the space of float16. Rows are computed in fixed
blocks and a block is marked done after it is written: a killed run computes at most one block again, and always with
the same companions, so that resumed features are equal to the last bit.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from segqc.base.files import read_json, write_json
from segqc.base.parallel import ordered_map
from segqc.base.scoring import side_by_side
from segqc.data.dataset import PairDataset

BLOCK = 16
_SIDE_BY_SIDE = 4  # pictures of a block that one thread encodes

Key = tuple[int, int | None]  # index of the pair in its dataset, augmented view (None: as it is)


class Encoder(Protocol):
    """What computes features: a `QualityModel`, or anything with its frozen maps."""

    @property
    def device(self) -> torch.device: ...

    def image_features(self, images: torch.Tensor) -> Sequence[torch.Tensor]:
        """Images `[M, 3, I, I]` uint8 to maps `[M, C, h, w]`."""


class FeatureCache:
    """Features and masks of fixed (pair, view) keys.

    Parameters
    ----------
    folder : Path
        Holds `features.u8` or `features.f16`, `ranges.f32`, `masks.u8`, `done.u8` and `cache.json`.
    keys : sequence of (pair index, view)
    shapes : list of `(C, h, w)`
        Shapes of the encoder's maps.
    grid_size : int
        S of the masks.
    fingerprint : str
        Hash of all other settings that the rows depend on; a mismatch rebuilds the cache.
    create : bool
        False in processes that only wait for another to create it.
    bits : int
        Bits that a feature takes: 8, or 16 for float16.
    """

    decodes = False  # a sample is read from memory-mapped files

    def __init__(
        self,
        folder: Path,
        keys: Sequence[Key],
        shapes: Sequence[tuple[int, ...]],
        grid_size: int,
        fingerprint: str,
        create: bool = True,
        bits: int = 8,
    ) -> None:
        self.folder = Path(folder)
        self.row_of = {key: row for row, key in enumerate(keys)}
        self.keys = list(keys)
        self.shapes = [tuple(int(n) for n in shape) for shape in shapes]
        self.blocks = math.ceil(len(self.keys) / BLOCK)
        name, dtype = ("features.u8", np.uint8) if bits == 8 else ("features.f16", np.float16)
        sizes = {
            name: (dtype, (len(keys), sum(math.prod(s) for s in self.shapes))),
            "ranges.f32": (np.float32, (len(keys), 2, sum(shape[0] for shape in self.shapes))),
            "masks.u8": (np.uint8, (len(keys), grid_size, grid_size)),
            "done.u8": (np.uint8, (self.blocks,)),
        }
        if create:
            self._create(
                sizes,
                {
                    "fingerprint": fingerprint,
                    "bits": bits,
                    "rows": len(self.keys),
                    "shapes": [list(s) for s in self.shapes],
                    "grid_size": grid_size,
                },
            )
        self._features, self._ranges, self._masks, self._done = (
            np.memmap(self.folder / file, dtype=kind, mode="r+", shape=shape) for file, (kind, shape) in sizes.items()
        )

    def _create(self, sizes: dict, header: dict) -> None:
        marker = self.folder / "cache.json"
        if marker.is_file() and read_json(marker) == header:
            return
        marker.unlink(missing_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, (dtype, shape) in sizes.items():
            # A fresh memmap is all zeros, and sparse on disk until it is filled.
            np.memmap(self.folder / name, dtype=dtype, mode="w+", shape=shape)
        write_json(marker, header)

    @property
    def missing(self) -> list[int]:
        """Blocks still to be computed."""
        return np.flatnonzero(self._done == 0).tolist()

    def fill(
        self,
        blocks: Sequence[int],
        model: Encoder,
        dataset: PairDataset,
        advance: Callable[[int], None],
        bfloat16: bool = False,
        processes: int = 1,
    ) -> None:
        """Compute these blocks; `advance(rows)` is called after each. `bfloat16`: autocast the encoder, whose maps are
        rounded anyway. `processes`: how many share the machine's cores.
        """

        def pictures(block: int) -> tuple[int, list[dict[str, np.ndarray]]]:
            return block, [dataset.sample(*key) for key in self.keys[block * BLOCK : (block + 1) * BLOCK]]

        for block, samples in ordered_map(pictures, blocks):
            rows = slice(block * BLOCK, block * BLOCK + len(samples))
            maps = encoded(model, torch.from_numpy(np.stack([s["image"] for s in samples])), bfloat16, processes)
            if self._features.dtype == np.uint8:
                packed = [_to_bytes(map_.float().cpu()) for map_ in maps]
                self._ranges[rows] = np.concatenate([ranges for _, ranges in packed], axis=2)
                values = [levels for levels, _ in packed]
            else:
                values = [map_.half().cpu().numpy() for map_ in maps]
            self._features[rows] = np.concatenate([value.reshape(len(samples), -1) for value in values], axis=1)
            self._masks[rows] = np.stack([s["mask"] for s in samples])
            self._done[block] = 1
            advance(len(samples))

    def first_view(self, index: int) -> int | None:
        """The pair as it is, or its view 0 where only augmented views are kept: the view to take where any will do."""
        return None if (index, None) in self.row_of else 0

    def mask(self, index: int, view: int | None = None) -> np.ndarray:
        """The mask alone, uint8 `[S, S]`, of a filled key."""
        return np.array(self._masks[self.row_of[index, view]])

    def sample(self, index: int, view: int | None = None) -> dict[str, Any]:
        """`{"features": list of ndarray [C, h, w] float16, "mask": ndarray [S, S] uint8}` of a filled key."""
        row = self.row_of[index, view]
        parts = np.split(self._features[row], np.cumsum([math.prod(shape) for shape in self.shapes])[:-1])
        ranges = np.split(self._ranges[row], np.cumsum([shape[0] for shape in self.shapes])[:-1], axis=1)
        features = [
            _unpacked(part.reshape(shape), *own) for part, shape, own in zip(parts, self.shapes, ranges, strict=True)
        ]
        return {"features": features, "mask": np.array(self._masks[row])}

    def __getitem__(self, key: Key) -> dict[str, Any]:
        """`sample` of a key: what a DataLoader's sampler yields."""
        return self.sample(*key)


def encoded(model: Encoder, images: torch.Tensor, bfloat16: bool, processes: int = 1) -> Sequence[torch.Tensor]:
    """The encoder's maps `[M, C, h, w]` of images `[M, 3, I, I]` uint8; on a CPU of four at a time, side by side."""

    @torch.inference_mode()  # here, as each thread has its own; so has autocast
    def encode(part: torch.Tensor) -> Sequence[torch.Tensor]:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=bfloat16):
            return model.image_features(part.to(model.device))

    if model.device.type != "cpu":
        return encode(images)
    parts = side_by_side(encode, images.split(_SIDE_BY_SIDE), processes)
    return [torch.cat(maps) for maps in zip(*parts, strict=True)]


def _to_bytes(maps: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Maps `[M, C, h, w]` as uint8, and the least value and the step of each channel, float32 `[M, 2, C]`."""
    least, most = maps.amin((2, 3)), maps.amax((2, 3))
    step = ((most - least) / 255).clamp_min(torch.finfo(torch.float32).tiny)
    levels = ((maps - least[:, :, None, None]) / step[:, :, None, None]).round_().clamp_(0, 255)
    return levels.to(torch.uint8).numpy(), torch.stack([least, step], dim=1).numpy()


def _unpacked(levels: np.ndarray, least: np.ndarray, step: np.ndarray) -> np.ndarray:
    """One picture's map, float16 `[C, h, w]`, from uint8 levels and the range of each channel `[C]`, or as it is."""
    if levels.dtype == np.float16:
        return np.array(levels)
    return (levels * step[:, None, None] + least[:, None, None]).astype(np.float16)
