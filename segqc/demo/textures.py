"""Procedural textures and backdrops of the demo's scenes: NumPy and Pillow only, every value from the generator passed
in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Backdrop:
    """An empty scene.

    Attributes
    ----------
    rgb : float32 [H, W, 3]
        Colours in 0..255.
    horizon : int
        Row where the ground begins; things stand below it.
    """

    rgb: np.ndarray
    horizon: int


def noise(
    rng: np.random.Generator, height: int, width: int, cell: float, octaves: int = 3, stretch: float = 1.0
) -> np.ndarray:
    """Fractal value noise, float32 [height, width], mean about 0 and standard deviation about 1.

    `cell` is the size in pixels of the coarsest lump, `stretch` how much wider than high it is.
    """
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        rows = max(2, round(height * 2**octave / cell) + 1)
        columns = max(2, round(width * 2**octave / (cell * stretch)) + 1)
        grid = Image.fromarray(rng.standard_normal((rows, columns)).astype(np.float32))
        total += np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC)) * 0.6**octave
    return total / max(float(total.std()), 1e-6)


def tint(color: Color, pattern: np.ndarray, strength: float) -> np.ndarray:
    """A colour made lighter and darker by a pattern: float32 [H, W, 3]."""
    return np.asarray(color, np.float32) * (1 + strength * pattern[..., None])


def gradient(height: int, width: int, top: Color, bottom: Color) -> np.ndarray:
    """Vertical gradient, float32 [height, width, 3]."""
    t = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    return np.broadcast_to(
        np.asarray(top, np.float32) * (1 - t) + np.asarray(bottom, np.float32) * t, (height, width, 3)
    ).copy()


def sky(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Gradient sky with clouds, at one of several hours of the day."""
    hours: list[tuple[Color, Color]] = [
        ((96, 150, 214), (206, 224, 238)),
        ((126, 160, 196), (236, 214, 190)),
        ((88, 92, 140), (240, 168, 120)),
        ((150, 160, 172), (204, 208, 212)),
    ]
    base = gradient(height, width, *hours[rng.integers(len(hours))])
    clouds = np.clip(noise(rng, height, width, 40, 4, 2.2) - rng.uniform(0.0, 1.2), 0, 1.4)[..., None] * 0.55
    return base * (1 - clouds) + 246 * clouds


def _stack(rng: np.random.Generator, height: int, width: int, horizon: int, ground: np.ndarray) -> Backdrop:
    rgb = np.concatenate([sky(rng, max(horizon, 1), width)[:horizon], ground[horizon:]])
    return Backdrop(rgb.astype(np.float32), horizon)


def meadow(rng: np.random.Generator, height: int, width: int) -> Backdrop:
    """Grass under the sky, a tree line behind."""
    horizon = int(height * rng.uniform(0.25, 0.5))
    green: Color = (float(rng.uniform(80, 128)), float(rng.uniform(120, 156)), float(rng.uniform(50, 80)))
    blades = 0.13 * noise(rng, height, width, 5, 2, 0.4) + 0.14 * noise(rng, height, width, 50, 2, 2.0)
    scene = _stack(rng, height, width, horizon, tint(green, blades, 1.0))
    tops = horizon - np.clip(6 + 5 * noise(rng, 2, width, 16, 3)[0], 1, 18)
    trees = (np.arange(height)[:, None] >= tops) & (np.arange(height)[:, None] < horizon)
    scene.rgb[trees] = (tint((54, 86, 56), noise(rng, height, width, 7, 2), 0.16))[trees]
    return scene


def street(rng: np.random.Generator, height: int, width: int) -> Backdrop:
    """Houses with windows, pavement, road with a lane mark."""
    horizon = int(height * rng.uniform(0.38, 0.52))
    grey = float(rng.uniform(88, 128))
    road = tint(
        (grey, grey, grey + 4), 0.07 * noise(rng, height, width, 3, 2) + 0.05 * noise(rng, height, width, 40, 2, 3), 1.0
    )
    road[horizon : horizon + 8] *= 1.35
    lane = int(horizon + (height - horizon) * rng.uniform(0.55, 0.8))
    road[lane : lane + 3, (np.arange(width) // 14) % 2 == 0] = (214, 208, 186)
    scene = _stack(rng, height, width, horizon, road)
    left = 0
    while left < width:
        right = min(width, left + int(rng.integers(22, 46)))
        top = int(horizon * rng.uniform(0.05, 0.5))
        wall = np.asarray([rng.uniform(112, 206), rng.uniform(96, 176), rng.uniform(84, 164)], np.float32)
        house = wall * (1 + 0.05 * noise(rng, horizon - top, right - left, 4, 2)[..., None])
        rows, columns = np.mgrid[: horizon - top, : right - left]
        panes = (rows % 11 > 3) & (rows % 11 < 9) & (columns % 9 > 2) & (columns % 9 < 7) & (rows < horizon - top - 5)
        house[panes] = wall * 0.42 if rng.random() < 0.7 else (232, 206, 138)
        scene.rgb[top:horizon, left:right] = house
        left = right
    return scene


def sea(rng: np.random.Generator, height: int, width: int) -> Backdrop:
    """Water with waves, sometimes a beach in front."""
    horizon = int(height * rng.uniform(0.28, 0.5))
    blue: Color = (float(rng.uniform(38, 80)), float(rng.uniform(98, 132)), float(rng.uniform(128, 166)))
    waves = 0.12 * noise(rng, height, width, 4, 3, 5.0) + 0.07 * noise(rng, height, width, 30, 2, 3.0)
    water = tint(blue, waves, 1.0) + np.clip(noise(rng, height, width, 3, 1, 7.0) - 1.7, 0, 1)[..., None] * 70
    scene = _stack(rng, height, width, horizon, water)
    if rng.random() < 0.5:
        edge = height * rng.uniform(0.74, 0.9) + 2.5 * noise(rng, 2, width, 60, 2)[0]
        sand = np.arange(height)[:, None] > edge
        scene.rgb[sand] = tint((216, 192, 148), noise(rng, height, width, 3, 2), 0.06)[sand]
    return scene


def forest(rng: np.random.Generator, height: int, width: int) -> Backdrop:
    """Foliage, trunks, a brown floor of leaves."""
    horizon = int(height * rng.uniform(0.45, 0.6))
    green: Color = (float(rng.uniform(44, 74)), float(rng.uniform(78, 104)), float(rng.uniform(44, 60)))
    rgb = tint(green, noise(rng, height, width, 14, 4), 0.26)
    rgb += np.clip(noise(rng, height, width, 18, 3) - 1.2, 0, 1)[..., None] * np.asarray((120, 124, 66), np.float32)
    for _ in range(int(rng.integers(3, 8))):
        thick = int(rng.integers(3, 9))
        left = int(rng.integers(0, width - thick))
        bark = (
            tint((86, 64, 46), noise(rng, height, thick, 5, 2, 0.3), 0.18) * np.linspace(1.2, 0.7, thick)[None, :, None]
        )
        foot = horizon + int(rng.integers(0, 10))
        rgb[:foot, left : left + thick] = bark[:foot]
    floor = tint(
        (124, 92, 58), 0.16 * noise(rng, height, width, 4, 2, 1.6) + 0.12 * noise(rng, height, width, 30, 2, 2), 1.0
    )
    rgb[horizon:] = floor[horizon:]
    return Backdrop(rgb.astype(np.float32), horizon)


def room(rng: np.random.Generator, height: int, width: int) -> Backdrop:
    """A papered wall, skirting and planks or carpet."""
    horizon = int(height * rng.uniform(0.5, 0.66))
    wall: Color = tuple(rng.uniform(124, 214, 3))  # type: ignore[assignment]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    paper = (
        np.sin(columns / rng.uniform(1.6, 5.0)) if rng.random() < 0.5 else np.sin(columns / 3.1) * np.sin(rows / 3.1)
    )
    rgb = (
        tint(wall, 0.045 * paper + 0.02 * noise(rng, height, width, 3, 1), 1.0)
        * np.linspace(1.08, 0.9, width)[None, :, None]
    )
    wood: Color = (float(rng.uniform(116, 186)), float(rng.uniform(84, 124)), float(rng.uniform(56, 84)))
    planks = tint(wood, 0.09 * noise(rng, height, width, 4, 3, 9.0), 1.0)
    depth = np.maximum(rows - horizon, 0) / max(height - horizon, 1)
    planks *= np.where(((columns - width / 2) / (0.35 + depth) + 400) % 22 < 1.6, 0.72, 1.0)[..., None]
    rgb[horizon:] = planks[horizon:]
    rgb[horizon - 3 : horizon] = (232, 226, 214)
    return Backdrop(rgb.astype(np.float32), horizon)


def dunes(rng: np.random.Generator, height: int, width: int) -> Backdrop:
    """Ridge behind ridge of sand or snow."""
    horizon = int(height * rng.uniform(0.3, 0.45))
    base = np.asarray((214, 170, 112) if rng.random() < 0.5 else (208, 216, 228), np.float32)
    rgb = sky(rng, height, width)
    for layer in range(4):
        ridge = horizon + (height - horizon) * layer / 5 + (4 + 3 * layer) * noise(rng, 2, width, 90, 2)[0]
        below = np.arange(height)[:, None] > ridge
        shade = base * (0.78 + 0.08 * layer) * (1 + 0.045 * noise(rng, height, width, 3, 2, 4.0)[..., None])
        rgb[below] = shade[below]
    return Backdrop(rgb.astype(np.float32), horizon)


BACKDROPS: dict[str, Callable[[np.random.Generator, int, int], Backdrop]] = {
    "meadow": meadow,
    "street": street,
    "sea": sea,
    "forest": forest,
    "room": room,
    "dunes": dunes,
}
