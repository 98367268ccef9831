"""Renders the demo's data set: textured scenes with exact masks, in the folders of Pascal VOC.

Each scene draws a hardness from 0 to 1; with it grow the chances of small, turned, hidden, camouflaged, badly lit,
blurred and noisy things. Training and audited scenes come from the same distribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from segqc.base.files import atomic_path
from segqc.data.labels import VOID, LabelSpace
from segqc.data.masks import write_mask
from segqc.demo.shapes import CLUTTER, THINGS, Part
from segqc.demo.textures import BACKDROPS, Backdrop, noise

DEMO_LABELS = LabelSpace(("background", *THINGS))
"""Background and the six things that are to be found."""

SUPERSAMPLE = 4

PAINTS = [(198, 52, 44), (44, 92, 172), (232, 184, 52), (58, 132, 84), (226, 224, 218), (112, 116, 124), (224, 118, 44)]
FURS = [(206, 132, 66), (66, 58, 56), (152, 148, 146), (226, 208, 178), (122, 86, 58), (232, 228, 222)]
USUAL_COLORS = {
    "bird": [(214, 62, 50), (236, 196, 60), (64, 134, 196)],
    "boat": [(214, 66, 52), (236, 236, 230), (36, 74, 130)],
    "bus": [(240, 186, 44), (214, 92, 40)],
    "car": [(42, 92, 188), (176, 36, 40), (84, 168, 176)],
    "cat": [(222, 138, 62), (236, 196, 140)],
    "dog": [(112, 74, 46), (66, 54, 50), (168, 132, 96)],
}
CLUTTER_COLORS = {
    "bush": [(66, 104, 54), (88, 122, 60), (46, 82, 58)],
    "rock": [(134, 130, 124), (112, 98, 84)],
    "crate": PAINTS + FURS,
}
HOMES = {"bird": "forest", "boat": "sea", "bus": "street", "car": "street", "cat": "room", "dog": "meadow"}
HEIGHTS = {"bird": 0.32, "boat": 0.4, "bus": 0.38, "car": 0.34, "cat": 0.36, "dog": 0.36}


@dataclass(frozen=True)
class Scene:
    """A rendered scene.

    Attributes
    ----------
    rgb : uint8 [H, W, 3]
    mask : uint8 [H, W]
        Class indices, 255 on the rim between classes.
    hardness : float
        The scene's draw, 0 (easy) to 1.
    """

    rgb: np.ndarray
    mask: np.ndarray
    hardness: float


@dataclass(frozen=True)
class Placement:
    """Where and how a thing stands: centre and half-size in pixels, turn in radians, stretch of its height, mirrored or
    not.
    """

    x: float
    y: float
    scale: float
    turn: float
    stretch: float
    mirrored: bool


def render_scene(seed: int, index: int, size: tuple[int, int] = (176, 132), void_rim: bool = True) -> Scene:
    """One scene, a function of (seed, index) and the size alone.

    Parameters
    ----------
    seed, index : int
        Which data set and which of its scenes.
    size : (width, height)
        In pixels, at least 32 each.
    void_rim : bool
        Mark the pixels where two classes meet as void, as Pascal VOC does.
    """
    width, height = size
    if min(size) < 32:
        raise ValueError(f"Expected argument `size` to be at least 32 pixels each way, but got {size}")
    rng = np.random.default_rng([seed, index])
    hardness = float(rng.random() ** 1.5)
    count = int(rng.choice([1, 2, 3], p=[0.5, 0.33, 0.17]))
    names = [str(name) for name in rng.choice(list(THINGS), count)]
    # Most things are met where they belong; the others are a hard case of their own.
    place = HOMES[names[0]] if rng.random() < 0.8 - 0.5 * hardness else str(rng.choice(list(BACKDROPS)))
    scene = BACKDROPS[place](rng, height, width)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(0, 2 + round(3 * hardness)))):
        _put_clutter(rng, scene, mask, 0.1 + 0.16 * rng.random())
    for order, name in enumerate(sorted(names, key=lambda _: rng.random())):
        _put_thing(rng, scene, mask, name, hardness, slot=(order + 0.5) / count)
    if rng.random() < 0.25 + 0.4 * hardness:
        _put_clutter(rng, scene, mask, 0.1 + 0.2 * hardness * rng.random())
    rgb = _expose(rng, scene.rgb, hardness)
    if void_rim:
        mask = np.where(_rim(mask), np.uint8(VOID), mask)
    return Scene(rgb, mask, hardness)


def _put_thing(
    rng: np.random.Generator, scene: Backdrop, mask: np.ndarray, name: str, hardness: float, slot: float
) -> None:
    height, width = mask.shape
    small = rng.random() < 0.3 * hardness
    scale = height * HEIGHTS[name] * (rng.uniform(0.35, 0.55) if small else rng.uniform(0.7, 1.2))
    turn = rng.uniform(-np.pi, np.pi) if rng.random() < 0.25 * hardness else rng.normal(0, 0.09)
    floor = rng.uniform(0.15, 0.85) * (height - scene.horizon) + scene.horizon
    lifted = name == "bird" and rng.random() < 0.5
    y = rng.uniform(0.2, 0.7) * height if lifted else min(floor, height * 0.92) - 0.7 * scale
    where = Placement(
        x=width * (slot + rng.normal(0, 0.1)),
        y=max(y, 0.5 * scale),
        scale=scale,
        turn=turn,
        stretch=rng.uniform(0.85, 1.15) if rng.random() > 0.3 * hardness else rng.uniform(0.6, 1.5),
        mirrored=rng.random() < 0.5,
    )
    furry = name in ("bird", "cat", "dog")
    # Outside of its usual colours a thing shares them with others: only its shape tells.
    palette = USUAL_COLORS[name] if rng.random() < 0.85 - 0.4 * hardness else FURS if furry else PAINTS
    color = np.asarray(palette[rng.integers(len(palette))], np.float32) * rng.uniform(0.85, 1.12)
    hidden = rng.uniform(0.3, 0.75) if rng.random() < 0.35 * hardness else 0.0
    coat = noise(rng, height, width, 3, 2, 1.6) * 0.09 if furry else noise(rng, height, width, 24, 2, 2.0) * 0.06
    if not lifted:
        _shadow(scene, where)
    covered = _composite(scene, THINGS[name](rng), where, color, coat, hidden)
    mask[covered] = DEMO_LABELS.names.index(name)


def _put_clutter(rng: np.random.Generator, scene: Backdrop, mask: np.ndarray, share: float) -> None:
    """Something without a label; where it covers a thing, the thing ends."""
    height, width = mask.shape
    name = str(rng.choice(list(CLUTTER)))
    colors = CLUTTER_COLORS.get(name, [(92, 88, 84), (104, 78, 56)])
    color = np.asarray(colors[rng.integers(len(colors))], np.float32) * rng.uniform(0.8, 1.15)
    y = rng.uniform(scene.horizon, height * 0.95)
    where = Placement(rng.uniform(0, width), y - 0.5 * share * height, share * height, rng.normal(0, 0.05), 1.0, False)
    cell = 4.0 if name in ("bush", "rock") else 9.0
    _shadow(scene, where)
    mask[_composite(scene, CLUTTER[name](rng), where, color, noise(rng, height, width, cell, 2) * 0.12, 0.0)] = 0


def _composite(
    scene: Backdrop, parts: list[Part], where: Placement, color: np.ndarray, coat: np.ndarray, hidden: float
) -> np.ndarray:
    """Paint a thing into the scene; returns the pixels it covers by more than half, bool [H, W].

    Picture and mask come from one supersampled silhouette. `hidden` blends the thing with what is behind it:
    camouflage.
    """
    height, width = coat.shape
    flip = np.array([-1.0 if where.mirrored else 1.0, where.stretch])
    rotate = np.array([[np.cos(where.turn), np.sin(where.turn)], [-np.sin(where.turn), np.cos(where.turn)]])
    outlines = [(part.points * flip) @ rotate * where.scale + (where.x, where.y) for part in parts]
    corners = np.concatenate(outlines)
    left, top = np.clip(np.floor(corners.min(0)).astype(int), 0, (width, height))
    right, bottom = np.clip(np.ceil(corners.max(0)).astype(int) + 1, 0, (width, height))
    covered = np.zeros((height, width), bool)
    if right <= left or bottom <= top:
        return covered
    box = (slice(top, bottom), slice(left, right))
    fine = ((right - left) * SUPERSAMPLE, (bottom - top) * SUPERSAMPLE)
    silhouette, paint = Image.new("L", fine), Image.new("RGB", fine, tuple(int(v) for v in np.clip(color, 0, 255)))
    draw_shape, draw_paint = ImageDraw.Draw(silhouette), ImageDraw.Draw(paint)
    for part, outline in zip(parts, outlines, strict=True):
        path = [tuple(point) for point in (outline - (left, top)) * SUPERSAMPLE]
        draw_shape.polygon(path, fill=255)
        shade = part.color or tuple(int(v) for v in np.clip(color * part.tone, 0, 255))
        draw_paint.polygon(path, fill=shade)
    alpha = np.asarray(silhouette.reduce(SUPERSAMPLE), np.float32) / 255
    colors = np.asarray(paint.reduce(SUPERSAMPLE), np.float32)
    rows = np.arange(top, bottom, dtype=np.float32)[:, None]
    light = 1.0 - 0.2 * np.clip((rows - where.y) / max(where.scale, 1.0), -1, 1)
    colors = colors * (light + coat[box])[..., None]
    behind = scene.rgb[box]
    blend = (alpha * (1 - hidden))[..., None] if hidden == 0 else alpha[..., None]
    if hidden:
        # Keep a trace of the thing's own shading over the colours behind it.
        colors = (1 - hidden) * colors + hidden * (
            behind * (0.9 + 0.1 * light[..., None]) + 0.12 * (colors - colors.mean((0, 1)))
        )
    scene.rgb[box] = behind * (1 - blend) + colors * blend
    covered[box] = alpha >= 0.5
    return covered


def _shadow(scene: Backdrop, where: Placement) -> None:
    """A soft dark ellipse at the foot of a thing."""
    height, width = scene.rgb.shape[:2]
    rows, columns = np.ogrid[:height, :width]
    foot = where.y + 0.75 * where.scale
    distance = ((columns - where.x) / (0.95 * where.scale)) ** 2 + ((rows - foot) / (0.2 * where.scale)) ** 2
    scene.rgb[:] *= 1 - 0.45 * np.exp(-(distance**1.5)).astype(np.float32)[..., None]


def _expose(rng: np.random.Generator, rgb: np.ndarray, hardness: float) -> np.ndarray:
    """The camera: light, haze, night, blur and sensor noise; uint8 [H, W, 3]."""
    height, width = rgb.shape[:2]
    rows, columns = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    image = rgb * (1.04 - 0.13 * (rows**2 + columns**2))[..., None] * rng.uniform(0.88, 1.1)
    if rng.random() < 0.2 * hardness:
        haze = rng.uniform(0.25, 0.55)
        image = image * (1 - haze) + haze * np.asarray((188, 194, 202))
    if rng.random() < 0.25 * hardness:
        image = image * rng.uniform(0.25, 0.5) * np.asarray((0.86, 0.95, 1.25))
    if rng.random() < 0.25 * hardness:
        picture = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).filter(
            ImageFilter.GaussianBlur(rng.uniform(0.8, 2.0))
        )
        image = np.asarray(picture, np.float32)
    grain = rng.uniform(1, 4) if rng.random() > 0.35 * hardness else rng.uniform(8, 20)
    return np.clip(image + grain * rng.standard_normal((height, width, 3)), 0, 255).astype(np.uint8)


def _rim(mask: np.ndarray) -> np.ndarray:
    """Pixels with another label above, below, left or right of them."""
    rim = np.zeros(mask.shape, bool)
    for axis in (0, 1):
        moved, edge = np.moveaxis(mask, axis, 0), np.moveaxis(rim, axis, 0)
        different = moved[1:] != moved[:-1]
        edge[1:] |= different
        edge[:-1] |= different
    return rim


def render_dataset(root: Path, train: int, audit: int, seed: int = 0, size: tuple[int, int] = (176, 132)) -> None:
    """Write a data set in Pascal VOC's layout.

    `JPEGImages/*.jpg`, `SegmentationClass/*.png` and `ImageSets/Segmentation/{train,val}.txt`, the last being the
    audited scenes.

    Parameters
    ----------
    root : Path
        Folder to write into; made when absent.
    train, audit : int
        Number of scenes in each image set, at least 1.
    seed, size
        See `render_scene`.
    """
    if min(train, audit) < 1:
        raise ValueError(f"Expected at least one scene in each set, but got {train} and {audit}")
    names = [f"scene_{index:05d}" for index in range(train + audit)]
    for index, name in enumerate(names):
        scene = render_scene(seed, index, size)
        with atomic_path(root / "JPEGImages" / f"{name}.jpg") as path:
            Image.fromarray(scene.rgb).save(path, quality=92)
        write_mask(root / "SegmentationClass" / f"{name}.png", scene.mask, DEMO_LABELS)
    for image_set, chosen in (("train", names[:train]), ("val", names[train:])):
        with atomic_path(root / "ImageSets" / "Segmentation" / f"{image_set}.txt") as path:
            path.write_text("".join(f"{name}\n" for name in chosen), encoding="utf-8")
