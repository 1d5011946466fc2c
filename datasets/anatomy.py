"""A procedural thorax: which tissue lies where. How it looks in a modality is somebody else's business.

Coordinates are those of a radiologist's axial view: x to the right of the picture, which is the patient's
left, y downward to the back, both in [-1, 1]; z from the lung's apex (0) to its base (1).
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from .pen import Pen

#: Tissues are drawn this much finer than the slice, so that borders get partial volumes.
OVERSAMPLING = 2
_TURN = np.linspace(0.0, 2.0 * np.pi, 72, endpoint=False)
_COS, _SIN = np.cos(_TURN), np.sin(_TURN)
_RIGHT, _LEFT = -1.0, 1.0  # the patient's sides, as signs of x


class Tissue(IntEnum):
    """What a point of the picture is made of."""

    AIR = 0
    TABLE = 1
    FAT = 2
    MUSCLE = 3
    LUNG = 4
    VESSEL = 5
    HEART = 6
    LIVER = 7
    SPONGY_BONE = 8
    COMPACT_BONE = 9
    NODULE = 10
    GROUND_GLASS = 11
    CONSOLIDATION = 12
    AIRWAY = 13


LESIONS = (Tissue.NODULE, Tissue.GROUND_GLASS, Tissue.CONSOLIDATION)
OUTSIDE = (Tissue.AIR, Tissue.TABLE)


class Thorax:
    """One patient. Everything about them is drawn from the generator at the start.

    Args:
        random: Source of this patient's shape.
    """

    def __init__(self, random: np.random.Generator) -> None:
        uniform = random.uniform
        self.width = uniform(0.76, 0.93)
        self.depth = self.width * uniform(0.62, 0.78)
        self.fat = uniform(0.03, 0.13)
        self.exponent = uniform(2.1, 2.7)
        self.waves = random.normal(0.0, 0.008, 6)
        self.centre = random.normal(0.0, 0.02, 2)
        self.tilt = random.normal(0.0, 0.05)
        self.lung_size = uniform(0.90, 1.04)
        self.lung_waves = random.normal(0.0, 0.02, (2, 6))
        self.heart = uniform(0.85, 1.2)
        self.liver_level = uniform(0.72, 0.95)
        self.ribs = uniform(0.0, 1.0)
        self.arms = uniform() < 0.15
        self.table = uniform() < 0.7
        self.table_curve = uniform(0.0, 0.25)
        self.vessels = _vessel_trees(random)
        self.lesions = _lesions(random)

    def tissues(self, z: float, size: int) -> NDArray[np.uint8]:
        """Tissue of every point at level ``z``: uint8 (size * OVERSAMPLING, same), values of ``Tissue``."""
        pen = Pen(size * OVERSAMPLING, self.centre, self.tilt)
        # Shoulders narrow the chest above, and it widens towards the base.
        wide, deep = self.width * (0.86 + 0.14 * np.sin(np.pi * min(z + 0.25, 1.0) / 1.6)), self.depth
        ring = self._outline(wide, deep)
        cavity = ring * (1.0 - self.fat) * [[0.90], [0.87]]
        if self.table:
            under = min(deep + 0.04, 0.93)
            edge = under - self.table_curve
            pen.line([(-0.97, edge), (-0.5, under), (0.5, under), (0.97, edge)], Tissue.TABLE)
        if self.arms:
            self._draw_arms(pen, wide)
        pen.shape(ring, Tissue.FAT)
        pen.shape(ring * (1.0 - self.fat), Tissue.MUSCLE)
        self._draw_ribs(pen, cavity, z)
        pen.shape(cavity * 0.985, Tissue.FAT)
        lungs = [
            self._lung(cavity, z, side, waves)
            for side, waves in zip((_RIGHT, _LEFT), self.lung_waves, strict=True)
        ]
        with pen.within(lungs):
            pen.shape(cavity, Tissue.LUNG)
            self._draw_vessels(pen, cavity, z)
            self._draw_lesions(pen, cavity, z)
            self._draw_diaphragm(pen, cavity, z)
        self._draw_mediastinum(pen, z)
        self._draw_bones(pen, cavity, z)
        return pen.labels()

    def _outline(self, wide: float, deep: float) -> NDArray[np.float64]:
        """Skin as (2, points): a superellipse with a few waves and a flattened back."""
        radius = (np.abs(_COS / wide) ** self.exponent + np.abs(_SIN / deep) ** self.exponent) ** (
            -1 / self.exponent
        )
        for order, wave in enumerate(self.waves, start=2):
            radius = radius * (1.0 + wave * np.cos(order * _TURN + 7.0 * wave))
        x, y = radius * _COS, radius * _SIN
        return np.stack([x, np.where(y > 0, y * (0.96 - 0.10 * np.cos(2.2 * x) ** 8), y)])

    def _draw_arms(self, pen: Pen, wide: float) -> None:
        for side in (_RIGHT, _LEFT):
            x = side * min(wide + 0.13, 0.99)
            pen.ellipse(x, 0.12, 0.12, 0.14, Tissue.FAT)
            pen.ellipse(x, 0.12, 0.10, 0.12, Tissue.MUSCLE)
            pen.ellipse(x, 0.12, 0.035, 0.035, Tissue.COMPACT_BONE)

    def _draw_ribs(self, pen: Pen, cavity: NDArray[np.float64], z: float) -> None:
        """Ribs run obliquely, so that one level cuts each at another place around the chest."""
        for number in range(9):
            for side in (_RIGHT, _LEFT):
                at = (number / 9.0 + 0.6 * z + 0.11 * self.ribs * number % 0.08) % 1.0
                turn = np.pi / 2 - side * np.pi * (0.09 + 0.80 * at)  # from the spine to the front
                x, y = _at(cavity, turn) * 1.035
                pen.ellipse(x, y, 0.075, 0.024, Tissue.COMPACT_BONE, turn + np.pi / 2)
                pen.ellipse(x, y, 0.058, 0.011, Tissue.SPONGY_BONE, turn + np.pi / 2)

    def _lung(
        self, cavity: NDArray[np.float64], z: float, side: float, waves: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Outline of one lung, (2, points)."""
        grown = self.lung_size * min(1.0, 0.45 + 1.9 * z)
        wide, deep = np.abs(cavity).max(axis=1)
        x, y = _COS, _SIN
        for order, wave in enumerate(waves, start=2):
            x, y = x * (1.0 + wave * np.cos(order * _TURN)), y * (1.0 + wave * np.sin(order * _TURN + order))
        # A lung is hollow towards the heart and follows the chest wall outside.
        hollow = 0.22 * np.clip(-side * _COS, 0.0, 1.0) * np.cos(_TURN * 2.0) ** 2
        x = side * wide * (0.535 - 0.03 * z) + (x + side * hollow) * wide * 0.47 * grown
        y = 0.03 * (1.0 - z) + y * deep * 1.05 * grown
        return _kept_inside(np.stack([x, y]), cavity * 0.965)

    def _draw_diaphragm(self, pen: Pen, cavity: NDArray[np.float64], z: float) -> None:
        """Its domes come up in the middle of each lung; the liver fills the right one."""
        wide, deep = np.abs(cavity).max(axis=1)
        for side, organ, level in (
            (_RIGHT, Tissue.LIVER, self.liver_level),
            (_LEFT, Tissue.MUSCLE, self.liver_level + 0.05),
        ):
            if z > level:
                reach = min(1.0, 2.0 * np.sqrt(z - level))
                pen.ellipse(side * wide * 0.45, -0.10 * deep, wide * 0.42 * reach, deep * 0.62 * reach, organ)

    def _draw_vessels(self, pen: Pen, cavity: NDArray[np.float64], z: float) -> None:
        """Whatever of the vessel trees runs through the slice: discs across it, streaks along it."""
        x, y, level, radius = self.vessels
        wide, deep = np.abs(cavity).max(axis=1)
        near = np.abs(level - z) < 0.022 + 0.6 * radius
        pen.discs(x[near] * wide, y[near] * deep, radius[near], Tissue.VESSEL)

    def _draw_lesions(self, pen: Pen, cavity: NDArray[np.float64], z: float) -> None:
        wide, deep = np.abs(cavity).max(axis=1)
        for kind, x, y, level, radius, blobs in self.lesions:
            height = 1.0 - ((z - level) / (1.6 * radius)) ** 2
            if height > 0:
                dx, dy, part = blobs.T * radius * np.sqrt(height)
                pen.discs(x * wide + dx, y * deep + dy, part, kind)

    def _draw_mediastinum(self, pen: Pen, z: float) -> None:
        deep = self.depth
        pen.ellipse(0.0, -0.12 * deep, 0.15 + 0.05 * z, deep * 0.60, Tissue.FAT)
        pen.ellipse(0.0, 0.28 * deep, 0.13, deep * 0.34, Tissue.MUSCLE)
        if z > 0.42:  # the heart, more to the patient's left
            grown = self.heart * np.sin(np.pi * min((z - 0.42) / 0.85, 0.62)) ** 0.6
            pen.ellipse(
                0.10 + 0.05 * grown, -0.20 * deep, 0.31 * grown + 0.02, 0.27 * grown, Tissue.FAT, 0.45
            )
            pen.ellipse(0.10 + 0.05 * grown, -0.20 * deep, 0.29 * grown, 0.245 * grown, Tissue.HEART, 0.45)
        elif z > 0.22:  # arch, ascending aorta, pulmonary trunk
            pen.ellipse(0.0, -0.30 * deep, 0.075, 0.070, Tissue.HEART)
            pen.ellipse(0.11, -0.22 * deep, 0.075 + 0.1 * (z - 0.2), 0.055, Tissue.HEART, 0.6)
            pen.ellipse(-0.09, -0.20 * deep, 0.038, 0.042, Tissue.HEART)
        else:  # the great vessels of the neck
            for x, y in ((-0.13, -0.30), (-0.05, -0.22), (0.06, -0.24), (0.14, -0.18)):
                pen.ellipse(x, y * deep, 0.042, 0.042, Tissue.HEART)
        if z > 0.2:
            pen.ellipse(0.11, 0.36 * deep, 0.060, 0.060, Tissue.HEART)  # descending aorta
        if z < 0.40:
            pen.ellipse(0.0, 0.02 * deep, 0.055, 0.050, Tissue.AIRWAY)
        elif z < 0.58:
            for side in (_RIGHT, _LEFT):
                pen.ellipse(side * (0.05 + 0.7 * (z - 0.40)), 0.05 * deep, 0.042, 0.036, Tissue.AIRWAY)

    def _draw_bones(self, pen: Pen, cavity: NDArray[np.float64], z: float) -> None:
        deep = np.abs(cavity[1]).max()
        back = 0.70 * deep
        pen.ellipse(0.0, back + 0.16, 0.17, 0.09, Tissue.MUSCLE)
        pen.polygon(
            [(-0.14, back + 0.16), (0.0, back + 0.10), (0.14, back + 0.16), (0.0, back + 0.19)],
            Tissue.COMPACT_BONE,
        )
        pen.polygon([(-0.025, back + 0.15), (0.025, back + 0.15), (0.0, back + 0.29)], Tissue.COMPACT_BONE)
        pen.ellipse(0.0, back, 0.115, 0.092, Tissue.COMPACT_BONE)
        pen.ellipse(0.0, back, 0.095, 0.073, Tissue.SPONGY_BONE)
        pen.ellipse(0.0, back + 0.105, 0.045, 0.038, Tissue.MUSCLE)  # the spinal canal
        front = _at(cavity, -np.pi / 2)[1]
        pen.ellipse(0.0, front - 0.012, 0.105, 0.030, Tissue.COMPACT_BONE)
        pen.ellipse(0.0, front - 0.012, 0.088, 0.017, Tissue.SPONGY_BONE)
        if z < 0.5:  # shoulder blades
            for side in (_RIGHT, _LEFT):
                x, y = _at(cavity, np.pi / 2 - side * 0.85) * 1.13
                pen.ellipse(x, y, 0.17 - 0.15 * z, 0.017, Tissue.COMPACT_BONE, -side * 0.75)


def _at(ring: NDArray[np.float64], turn: float) -> NDArray[np.float64]:
    """The point of a closed outline in the direction ``turn``."""
    return ring[:, round(turn / (2.0 * np.pi) * ring.shape[1]) % ring.shape[1]]


def _kept_inside(points: NDArray[np.float64], ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pull points that lie outside of a star-shaped outline back onto it."""
    turn = np.arctan2(points[1], points[0])
    limit = np.interp(turn, _TURN, np.hypot(*ring), period=2.0 * np.pi)
    # The outline's points are not at the angles _TURN exactly (it is stretched), but near enough.
    length = np.hypot(*points)
    shrink: NDArray[np.float64] = np.minimum(1.0, limit / np.maximum(length, 1e-9))
    return points * shrink


def _vessel_trees(random: np.random.Generator) -> NDArray[np.float64]:
    """Centre line points (x, y, z, radius) of branching vessels in both lungs, as (4, points)."""
    trunks, children, steps = 18, 4, 28
    t = np.linspace(0.0, 1.0, steps)
    lines = []
    for side in (_RIGHT, _LEFT):
        fan = random.uniform(-1.45, 1.45, trunks)
        way = np.stack([side * np.cos(fan) * 0.72, np.sin(fan) * 0.72, random.uniform(-0.5, 0.55, trunks)])
        way = way * random.uniform(0.7, 1.0, trunks)
        start = np.stack([np.full(trunks, side * 0.24), np.zeros(trunks), random.uniform(0.42, 0.55, trunks)])
        bend = random.normal(0.0, 0.05, (3, trunks, 1)) * np.sin(np.pi * t)
        trunk = start[..., None] + way[..., None] * t + bend
        size = random.uniform(0.016, 0.028, (trunks, 1)) * (1.0 - 0.80 * t) ** 0.8
        lines.append(np.concatenate([trunk, size[None]]).reshape(4, -1))
        fork = random.integers(steps // 5, steps - 4, (trunks, children))
        base = np.take_along_axis(trunk[:, :, None, :], fork[None, ..., None], axis=3)
        turned = way[:, :, None] * random.uniform(0.25, 0.5, (trunks, children)) + random.normal(
            0.0, 0.14, (3, trunks, children)
        )
        branch = base + turned[..., None] * t
        thin = 0.72 * np.take_along_axis(size, fork, axis=1)[..., None] * (1.0 - 0.65 * t)
        lines.append(np.concatenate([branch, thin[None]]).reshape(4, -1))
    return np.concatenate(lines, axis=1)


def _lesions(
    random: np.random.Generator,
) -> list[tuple[Tissue, float, float, float, float, NDArray[np.float64]]]:
    """Nodules, ground glass, consolidations: kind, x, y, z, radius and blobs (dx, dy, radius) of each."""
    found = []
    for kind, expected, smallest, largest in (
        (Tissue.GROUND_GLASS, 0.8, 0.07, 0.20),
        (Tissue.CONSOLIDATION, 0.4, 0.05, 0.16),
        (Tissue.NODULE, 0.9, 0.018, 0.06),
    ):
        for _ in range(random.poisson(expected)):
            side = random.choice([_RIGHT, _LEFT])
            count = 1 if kind is Tissue.NODULE else 9
            spread = 0.0 if kind is Tissue.NODULE else 0.55
            blobs = np.concatenate(
                [random.normal(0.0, spread, (count, 2)), random.uniform(0.35, 1.0, (count, 1))], axis=1
            )
            x, y, z = side * random.uniform(0.35, 0.85), random.uniform(-0.6, 0.75), random.uniform(0.1, 0.95)
            found.append((kind, x, y, z, random.uniform(smallest, largest), blobs))
    return found
