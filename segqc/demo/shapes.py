"""Things of the demo's scenes, each a list of painted polygons in a frame of its own: x to the right and y down, about
-1..1.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Points = np.ndarray


@dataclass(frozen=True)
class Part:
    """One polygon of a thing.

    Attributes
    ----------
    points : float64 [n, 2]
        Corners (x, y) in the frame of the thing.
    tone : float
        Brightness relative to the thing's own colour (used when `color` is None).
    color : (r, g, b) or None
        Its own colour in 0..255: glass, tyres, eyes.
    """

    points: Points
    tone: float = 1.0
    color: tuple[int, int, int] | None = None


GLASS, TYRE, DARK, WHITE = (70, 92, 112), (34, 34, 38), (26, 22, 24), (238, 236, 230)


def ellipse(x: float, y: float, rx: float, ry: float, angle: float = 0.0) -> Points:
    """Ellipse as a polygon; `angle` in radians."""
    t = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    a, b = rx * np.cos(t), ry * np.sin(t)
    return np.stack([x + a * np.cos(angle) - b * np.sin(angle), y + a * np.sin(angle) + b * np.cos(angle)], axis=1)


def box(left: float, top: float, right: float, bottom: float) -> Points:
    """Axis-parallel rectangle."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


def smooth(points: list[tuple[float, float]], rounds: int = 2) -> Points:
    """Corner cutting (Chaikin 1974)."""
    p = np.asarray(points, float)
    for _ in range(rounds):
        q = np.roll(p, -1, axis=0)
        p = np.stack([0.75 * p + 0.25 * q, 0.25 * p + 0.75 * q], axis=1).reshape(-1, 2)
    return p


def limb(path: list[tuple[float, float]], start: float, end: float) -> Points:
    """A path thickened from half-width `start` to half-width `end`: legs, tails, masts."""
    p = np.asarray(path, float)
    along = np.gradient(p, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.maximum(
        np.linalg.norm(along, axis=1, keepdims=True), 1e-9
    )
    half = np.linspace(start, end, len(p))[:, None]
    return np.concatenate([p + across * half, (p - across * half)[::-1]])


def _legs(rng: np.random.Generator, hips: tuple[float, ...], top: float, foot: float, width: float) -> list[Part]:
    """Legs with a stride of their own; those behind are darker."""
    legs = []
    for index, x in enumerate(hips):
        swing = rng.uniform(-0.16, 0.16)
        knee = (x + swing * 0.4 + 0.03, (top + foot) / 2)
        legs.append(Part(limb([(x, top), knee, (x + swing, foot)], width, width * 0.7), 0.72 if index % 2 else 0.94))
    return legs


def cat(rng: np.random.Generator) -> list[Part]:
    """Round head, pointed ears, slender legs, long curved tail."""
    lift = rng.uniform(-0.5, 0.1)
    tail = [(-0.6, 0.0), (-0.82, -0.08), (-0.98, lift * 0.6 - 0.1), (-0.94, lift - 0.3), (-0.8, lift - 0.42)]
    hx, hy = 0.64 + rng.uniform(-0.05, 0.05), -0.3 + rng.uniform(-0.12, 0.12)
    parts = [Part(limb(tail, 0.075, 0.055), 0.85), *_legs(rng, (-0.5, -0.36, 0.32, 0.46), 0.12, 0.74, 0.075)]
    parts += [Part(ellipse(-0.05, 0.04, 0.62, 0.27, 0.04)), Part(ellipse(0.45, -0.1, 0.2, 0.24, -0.6))]
    for side in (-1, 1):
        x = hx + side * 0.16
        parts.append(Part(np.array([(x - 0.1, hy - 0.12), (x + side * 0.05, hy - 0.42), (x + 0.1, hy - 0.12)]), 0.9))
    parts += [Part(ellipse(hx, hy, 0.27, 0.24)), Part(ellipse(hx + 0.1, hy + 0.1, 0.11, 0.08), 1.22)]
    if rng.random() < 0.5:
        parts += [Part(limb([(x, -0.2), (x + 0.02, 0.04)], 0.035, 0.01), 0.6) for x in (-0.42, -0.22, -0.02, 0.18)]
    return [
        *parts,
        Part(ellipse(hx + 0.04, hy - 0.02, 0.035, 0.045), color=DARK),
        Part(ellipse(hx + 0.18, hy - 0.02, 0.035, 0.045), color=DARK),
    ]


def dog(rng: np.random.Generator) -> list[Part]:
    """Longer head with a muzzle, hanging ears, deep chest, short raised tail."""
    hx, hy = 0.62 + rng.uniform(-0.04, 0.06), -0.4 + rng.uniform(-0.1, 0.14)
    tail = [(-0.58, -0.12), (-0.76, -0.3), (-0.8 + rng.uniform(-0.12, 0.12), -0.5)]
    parts = [Part(limb(tail, 0.08, 0.03), 0.9), *_legs(rng, (-0.48, -0.3, 0.3, 0.46), 0.1, 0.8, 0.1)]
    parts += [
        Part(smooth([(-0.66, -0.2), (0.1, -0.22), (0.56, -0.34), (0.64, 0.0), (0.4, 0.34), (-0.1, 0.16), (-0.6, 0.22)]))
    ]
    parts += [Part(limb([(0.42, -0.1), (hx - 0.08, hy)], 0.2, 0.17)), Part(ellipse(hx, hy, 0.22, 0.2))]
    parts += [
        Part(
            smooth([(hx + 0.05, hy - 0.08), (hx + 0.4, hy + 0.02), (hx + 0.4, hy + 0.16), (hx + 0.02, hy + 0.17)]), 1.1
        )
    ]
    parts += [
        Part(ellipse(hx + 0.36, hy + 0.04, 0.06, 0.05), color=DARK),
        Part(ellipse(hx - 0.1, hy + 0.06, 0.09, 0.22, 0.25), 0.66),
    ]
    if rng.random() < 0.5:
        parts.append(Part(ellipse(rng.uniform(-0.4, 0.1), -0.05, 0.18, 0.13), 0.6))
    return [*parts, Part(ellipse(hx + 0.1, hy - 0.04, 0.035, 0.035), color=DARK)]


def bird(rng: np.random.Generator) -> list[Part]:
    """Drop-shaped body, beak, wing folded or raised, thin legs when perched."""
    flying = rng.random() < 0.5
    tail = smooth([(-0.45, 0.0), (-0.98, 0.02), (-0.94, 0.22), (-0.4, 0.24)], 1)
    parts = [Part(tail, 0.7)]
    if flying:
        up = rng.uniform(0.6, 0.95)
        parts.append(Part(smooth([(-0.3, 0.0), (-0.42, -up), (-0.1, -up * 0.7), (0.22, 0.0)]), 0.66))
    else:
        parts += [Part(limb([(x, 0.32), (x + 0.02, 0.78)], 0.028, 0.024), color=(196, 128, 52)) for x in (-0.06, 0.1)]
    parts += [Part(ellipse(-0.02, 0.1, 0.52, 0.3, -0.22)), Part(ellipse(0.1, 0.2, 0.34, 0.18, -0.25), 1.25)]
    parts.append(Part(np.array([(0.62, -0.3), (0.94, -0.2), (0.62, -0.12)]), color=(228, 158, 48)))
    parts.append(Part(ellipse(0.5, -0.2, 0.2, 0.19)))
    wing = (
        [(0.14, -0.02), (-0.2, -0.62), (-0.62, -0.86), (-0.34, 0.12)]
        if flying
        else [(0.2, -0.02), (-0.3, -0.1), (-0.74, 0.2), (-0.1, 0.3)]
    )
    return [*parts, Part(smooth(wing), 0.78), Part(ellipse(0.56, -0.24, 0.04, 0.04), color=DARK)]


def _wheels(positions: tuple[float, ...], y: float, radius: float) -> list[Part]:
    return [
        part
        for x in positions
        for part in (
            Part(ellipse(x, y, radius, radius), color=TYRE),
            Part(ellipse(x, y, radius * 0.5, radius * 0.5), color=(168, 170, 174)),
        )
    ]


def car(rng: np.random.Generator) -> list[Part]:
    """Low body, cabin in the middle, two wheels."""
    roof, front = -0.42 + rng.uniform(-0.08, 0.06), rng.uniform(0.3, 0.48)
    cabin = [(-0.62, -0.02), (-0.42, roof), (0.18, roof), (front, -0.02)]
    glass = [(-0.5, -0.06), (-0.36, roof + 0.08), (0.14, roof + 0.08), (front - 0.12, -0.06)]
    body = smooth([(-0.95, 0.0), (-0.6, -0.08), (0.5, -0.08), (0.92, 0.06), (0.96, 0.34), (-0.96, 0.34)], 1)
    parts = [
        Part(np.array(cabin), 0.92),
        Part(np.array(glass), color=GLASS),
        Part(box(-0.12, roof + 0.06, -0.06, 0.0), 0.92),
        Part(body),
    ]
    parts += [Part(box(-0.9, 0.16, 0.92, 0.21), 0.72), Part(ellipse(0.88, 0.13, 0.06, 0.06), color=(250, 236, 180))]
    return [*parts, Part(ellipse(-0.92, 0.12, 0.04, 0.06), color=(190, 40, 36)), *_wheels((-0.55, 0.56), 0.36, 0.19)]


def bus(rng: np.random.Generator) -> list[Part]:
    """A long tall box with a row of windows and a stripe."""
    top = -0.62 + rng.uniform(-0.06, 0.08)
    parts = [
        Part(smooth([(-0.97, top), (0.97, top), (0.97, 0.42), (-0.97, 0.42)], 1)),
        Part(box(-0.94, 0.08, 0.94, 0.17), 1.35),
    ]
    count = int(rng.integers(4, 7))
    edges = np.linspace(-0.88, 0.66, count + 1)
    parts += [Part(box(a + 0.03, top + 0.16, b - 0.03, -0.02), color=GLASS) for a, b in itertools.pairwise(edges)]
    parts += [
        Part(box(0.72, top + 0.14, 0.92, 0.3), color=(58, 78, 98)),
        Part(ellipse(0.92, 0.3, 0.04, 0.05), color=(250, 236, 180)),
    ]
    return [*parts, *_wheels((-0.58, 0.5), 0.44, 0.15)]


def boat(rng: np.random.Generator) -> list[Part]:
    """A hull with a sail or a cabin."""
    hull = Part(smooth([(-0.92, 0.18), (0.98, 0.12), (0.7, 0.58), (-0.66, 0.58)], 1))
    if rng.random() < 0.6:
        mast = Part(limb([(0.02, 0.2), (0.02, -0.95)], 0.03, 0.02), color=(112, 84, 58))
        sails = [
            Part(np.array([(0.08, -0.9), (0.72, 0.06), (0.08, 0.06)]), color=WHITE),
            Part(np.array([(-0.04, -0.74), (-0.58, 0.06), (-0.04, 0.06)]), 1.2),
        ]
        parts = [mast, *sails, hull]
    else:
        parts = [
            Part(box(-0.42, -0.32, 0.26, 0.2), color=WHITE),
            *(Part(box(x, -0.22, x + 0.14, -0.04), color=GLASS) for x in (-0.34, -0.14, 0.06)),
        ]
        parts += [Part(box(-0.22, -0.66, -0.02, -0.32), 0.8), hull]
    return [*parts, Part(limb([(-0.84, 0.27), (0.9, 0.22)], 0.035, 0.035), 1.4)]


def bush(rng: np.random.Generator) -> list[Part]:
    """Clutter: a heap of leaves."""
    return [
        Part(
            ellipse(rng.uniform(-0.6, 0.6), rng.uniform(-0.3, 0.4), rng.uniform(0.2, 0.42), rng.uniform(0.2, 0.4)),
            rng.uniform(0.7, 1.2),
        )
        for _ in range(9)
    ]


def rock(rng: np.random.Generator) -> list[Part]:
    """Clutter: a boulder with a lit and a dark side."""
    t = np.sort(rng.uniform(0, 2 * np.pi, 9))
    outline = np.stack([np.cos(t) * rng.uniform(0.6, 0.95, 9), np.sin(t) * rng.uniform(0.4, 0.62, 9)], axis=1)
    return [Part(smooth([tuple(p) for p in outline], 1)), Part(outline * 0.55 + (-0.12, -0.14), 1.16)]


def crate(rng: np.random.Generator) -> list[Part]:
    """Clutter: a box of boards (in paint it passes for a bus without windows)."""
    wide = rng.uniform(0.5, 0.95)
    boards = [Part(box(-wide, y, wide, y + 0.05), 0.66) for y in (-0.2, 0.1, 0.36)]
    return [
        Part(box(-wide, -0.5, wide, 0.6)),
        *boards,
        Part(box(-wide, -0.5, -wide + 0.08, 0.6), 0.8),
        Part(box(wide - 0.08, -0.5, wide, 0.6), 0.8),
    ]


def post(rng: np.random.Generator) -> list[Part]:
    """Clutter: a lamp post or trunk, higher than anything else."""
    thick = rng.uniform(0.05, 0.12)
    return [
        Part(box(-thick, -1.6, thick, 0.9)),
        Part(box(-thick, -1.6, -thick * 0.3, 0.9), 1.25),
        Part(ellipse(0, -1.6, 0.26, 0.2), 1.2),
    ]


THINGS: dict[str, Callable[[np.random.Generator], list[Part]]] = {
    "bird": bird,
    "boat": boat,
    "bus": bus,
    "car": car,
    "cat": cat,
    "dog": dog,
}
CLUTTER: dict[str, Callable[[np.random.Generator], list[Part]]] = {
    "bush": bush,
    "rock": rock,
    "crate": crate,
    "post": post,
}
