"""The objects of the generated scenes: each category is a recipe for polygons, so image and mask share one geometry.

A recipe draws in a unit frame, x to the right, y down, both in [-1, 1]; colours are given as tones of the object's own random
palette, so that no category has a colour of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Tone = int  # index into an object's palette: 0 main, 1 second, 2 light, 3 dark


class Part(NamedTuple):
    """One filled polygon of an object. points: [n, 2] in the unit frame."""

    points: Points
    tone: Tone


def ellipse(x: float, y: float, rx: float, ry: float, angle: float = 0.0) -> Points:
    """An ellipse as a polygon [24, 2]."""
    t = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    u, v = rx * np.cos(t), ry * np.sin(t)
    return np.stack([x + c * u - s * v, y + s * u + c * v], axis=1)


def box(left: float, top: float, right: float, bottom: float) -> Points:
    """A rectangle [4, 2]."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def limb(start: Points, end: Points, thick: float, thin: float) -> Points:
    """A tapering bar from start to end [4, 2]."""
    along = end - start
    across = np.array([-along[1], along[0]]) / (np.linalg.norm(along) + 1e-9)
    return np.array([start + across * thick, end + across * thin, end - across * thin, start - across * thick])


def face(rng: np.random.Generator) -> list[Part]:
    """A head from the front: hair, ears, two eyes, nose, mouth."""
    width = rng.uniform(0.62, 0.78)
    eye_y, eye_x, turn = rng.uniform(-0.2, -0.05), width * rng.uniform(0.4, 0.5), rng.uniform(-0.1, 0.1)
    parts = [
        Part(ellipse(0, -0.12, width + 0.1, 0.88), 1),
        Part(ellipse(-width, 0.05, 0.12, 0.2), 0),
        Part(ellipse(width, 0.05, 0.12, 0.2), 0),
        Part(ellipse(0, 0.12, width, 0.86), 0),
    ]
    for side in (-1, 1):
        x = side * eye_x + turn
        parts += [Part(ellipse(x, eye_y, 0.17, 0.11), 2), Part(ellipse(x + turn / 2, eye_y, 0.08, 0.09), 3)]
        parts.append(Part(box(x - 0.19, eye_y - 0.25, x + 0.19, eye_y - 0.18), 3))
    nose = np.array([[turn, 0.0], [turn + 0.11, 0.32], [turn - 0.11, 0.32]])
    mouth = ellipse(turn, rng.uniform(0.56, 0.64), width * rng.uniform(0.35, 0.5), rng.uniform(0.05, 0.11))
    return [*parts, Part(nose, 1), Part(mouth, 3)]


def body(rng: np.random.Generator) -> list[Part]:
    """A figure with jointed limbs in a random posture and a small head without features."""
    lean = rng.uniform(-0.12, 0.12)
    neck, hip = np.array([lean, -0.55]), np.array([0.0, 0.1])
    parts = []
    for side in (-1, 1):
        parts += _two_bones(
            hip + np.array([side * 0.13, 0]), side * rng.uniform(0.05, 0.6), -side * rng.uniform(0, 0.35), 0.46, 0.12, 1
        )
    torso = np.array([neck, neck, hip, hip]) + np.array([[-0.3, 0.02], [0.3, 0.02], [0.2, 0.05], [-0.2, 0.05]])
    parts.append(Part(torso, 0))
    for side in (-1, 1):
        parts += _two_bones(
            neck + np.array([side * 0.27, 0.06]),
            side * rng.uniform(0.2, 2.6),
            side * rng.uniform(0, 1.1),
            0.34,
            0.09,
            0,
        )
    return [*parts, Part(ellipse(neck[0], neck[1] - 0.22, 0.17, 0.21), 2)]


def _two_bones(joint: Points, angle: float, bend: float, length: float, thick: float, tone: Tone) -> list[Part]:
    middle = joint + length * np.array([np.sin(angle), np.cos(angle)])
    end = middle + length * np.array([np.sin(angle + bend), np.cos(angle + bend)])
    return [
        Part(limb(joint, middle, thick, thick * 0.8), tone),
        Part(ellipse(middle[0], middle[1], thick * 0.8, thick * 0.8), tone),
        Part(limb(middle, end, thick * 0.8, thick * 0.55), tone),
        Part(ellipse(end[0], end[1], thick * 0.8, thick * 0.8), 2),
    ]


def vehicle(rng: np.random.Generator) -> list[Part]:
    """A car or van from the side: hull, cabin, windows, two wheels."""
    roof, back, front = rng.uniform(-0.55, -0.35), rng.uniform(-0.85, -0.45), rng.uniform(0.25, 0.6)
    slope = rng.uniform(0.1, 0.3)
    cabin = np.array([[back - slope / 2, 0.02], [back, roof], [front, roof], [front + slope, 0.02]])
    middle = (back + front) / 2
    panes = [(back + 0.05, middle - 0.04), (middle + 0.04, front - 0.02)]
    parts = [Part(cabin, 0), Part(box(-1, -0.02, 1, 0.36), 0), Part(box(-1, 0.24, 1, 0.36), 1)]
    parts += [Part(box(left, roof + 0.08, right, -0.02), 2) for left, right in panes]
    for x in (-0.58, 0.58):
        parts += [Part(ellipse(x, 0.36, 0.25, 0.25), 3), Part(ellipse(x, 0.36, 0.1, 0.1), 2)]
    return parts


def plant(rng: np.random.Generator) -> list[Part]:
    """Leaves fanned out along a stem that grows out of a pot."""
    sway = rng.uniform(-0.2, 0.2)
    parts = [Part(limb(np.array([0.0, 0.6]), np.array([sway, -0.6]), 0.06, 0.03), 3)]
    for k in range(int(rng.integers(7, 12))):
        height = rng.uniform(0, 1)
        angle = (-1) ** k * rng.uniform(0.3, 1.3) - np.pi / 2
        length = rng.uniform(0.25, 0.45)
        x = sway * height + length * np.cos(angle)
        y = 0.4 - height + length * np.sin(angle) * 0.8
        parts.append(Part(ellipse(x, y, length, length * 0.28, angle), k % 2))
    pot = np.array([[-0.34, 0.5], [0.34, 0.5], [0.24, 1.0], [-0.24, 1.0]])
    return [*parts, Part(pot, 2), Part(box(-0.38, 0.46, 0.38, 0.58), 3)]


def tool(rng: np.random.Generator) -> list[Part]:
    """A long handle with a hammer's, spanner's or shovel's head, lying at any angle."""
    width = rng.uniform(0.08, 0.12)
    parts = [Part(box(-width, -0.6, width, 1.0), 0), Part(box(-width * 1.2, 0.45, width * 1.2, 1.0), 3)]
    kind = int(rng.integers(3))
    if kind == 0:
        parts += [Part(box(-0.5, -0.95, 0.4, -0.58), 1), Part(box(0.3, -1.0, 0.55, -0.52), 2)]
    elif kind == 1:
        jaw = np.array([[-0.3, -0.55], [-0.36, -0.85], [-0.2, -1.0], [-0.13, -0.75], [0.13, -0.75]])
        parts.append(Part(np.concatenate([jaw, [[0.2, -1.0], [0.36, -0.85], [0.3, -0.55]]]), 1))
    else:
        parts.append(Part(np.array([[-0.34, -0.4], [-0.34, -0.8], [0, -1.0], [0.34, -0.8], [0.34, -0.4]]), 1))
    angle = rng.uniform(-np.pi, np.pi)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return [Part(part.points @ turn, part.tone) for part in parts]


def building(rng: np.random.Generator) -> list[Part]:
    """A front with a regular grid of windows, a door and a flat or pitched roof."""
    width, columns, rows = rng.uniform(0.5, 0.85), int(rng.integers(2, 5)), int(rng.integers(2, 4))
    eaves = rng.uniform(-0.75, -0.45)
    roof = [[-width - 0.1, eaves], [0, -1.0], [width + 0.1, eaves]]
    flat = [[-width - 0.05, eaves], [-width - 0.05, eaves - 0.12], [width + 0.05, eaves - 0.12], [width + 0.05, eaves]]
    parts = [Part(box(-width, eaves, width, 1.0), 0), Part(np.array(roof if rng.random() < 0.6 else flat), 1)]
    step_x, step_y = 2 * width / columns, (0.6 - eaves) / rows
    tone = int(rng.integers(2, 4))
    for i in range(columns):
        for j in range(rows):
            x, y = -width + (i + 0.5) * step_x, eaves + (j + 0.5) * step_y
            parts.append(Part(box(x - step_x * 0.28, y - step_y * 0.3, x + step_x * 0.28, y + step_y * 0.3), tone))
    return [*parts, Part(box(-0.13, 0.6, 0.13, 1.0), 3)]


# The order is the masks' class order, from 1 on.
CATEGORIES: dict[str, Callable[[np.random.Generator], list[Part]]] = {
    "face": face,
    "body": body,
    "vehicle": vehicle,
    "plant": plant,
    "tool": tool,
    "building": building,
}
