"""Draw labelled shapes in coordinates of [-1, 1] that are turned and moved as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

_ROUND = np.exp(1j * np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False))


class Pen:
    """Draws labels of 0 to 255 onto a grid of ``side`` by ``side`` points, which is 0 at first.

    Args:
        side: Points along each side.
        centre: Where the origin of the coordinates comes to lie, (2,), in [-1, 1].
        tilt: Angle by which the coordinates are turned, in radians.
    """

    def __init__(self, side: int, centre: NDArray[np.float64], tilt: float) -> None:
        self._half = side / 2.0
        # Points are complex numbers here: turning and moving the patient is one multiplication and one sum.
        self._turn = np.exp(1j * tilt) * self._half
        self._shift = complex(*(centre + 1.0)) * self._half
        self._picture = Image.new("L", (side, side), 0)
        self._draw = ImageDraw.Draw(self._picture)

    def labels(self) -> NDArray[np.uint8]:
        """What was drawn: uint8 (side, side)."""
        return np.array(self._picture)

    @contextmanager
    def within(self, outlines: list[NDArray[np.float64]]) -> Iterator[None]:
        """Let what is drawn meanwhile appear inside these outlines only."""
        mask = Image.new("L", self._picture.size, 0)
        for outline in outlines:
            ImageDraw.Draw(mask).polygon(self._placed(outline[0] + 1j * outline[1]), fill=255)
        outside = self._picture.copy()
        yield
        outside.paste(self._picture, mask=mask)
        self._picture.paste(outside)

    def shape(self, points: NDArray[np.float64], tissue: int) -> None:
        """A closed outline, (2, points)."""
        self._draw.polygon(self._placed(points[0] + 1j * points[1]), fill=tissue)

    def polygon(self, corners: list[tuple[float, float]], tissue: int) -> None:
        """A few corners (x, y)."""
        self.shape(np.array(corners).T, tissue)

    def ellipse(self, x: float, y: float, a: float, b: float, tissue: int, turn: float = 0.0) -> None:
        """Half axes ``a`` along the direction ``turn`` and ``b`` across."""
        points = complex(x, y) + np.exp(1j * turn) * (a * _ROUND.real + 1j * b * _ROUND.imag)
        self._draw.polygon(self._placed(points), fill=tissue)

    def discs(
        self, x: NDArray[np.float64], y: NDArray[np.float64], radius: NDArray[np.float64], tissue: int
    ) -> None:
        """Many small ones, (n,) each."""
        centre = (x + 1j * y) * self._turn + self._shift
        r = radius * self._half
        boxes = np.stack([centre.real - r, centre.imag - r, centre.real + r, centre.imag + r], axis=1)
        for box in boxes.tolist():
            self._draw.ellipse(box, fill=tissue)

    def line(self, corners: list[tuple[float, float]], tissue: int) -> None:
        """A thin line."""
        points = self._placed(np.array([complex(*corner) for corner in corners]))
        self._draw.line(points, fill=tissue, width=max(1, round(self._half / 80)), joint="curve")

    def _placed(self, points: NDArray[np.complex128]) -> list[float]:
        flat: list[float] = (points * self._turn + self._shift).view(np.float64).tolist()
        return flat
