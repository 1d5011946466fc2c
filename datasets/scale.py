"""From a file's own values to greys: which value is black, which is white, and for whom they hold."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.api import DataError


class Window(NamedTuple):
    """The values that become black and white.

    Attributes:
        low: What becomes black, and everything below.
        high: What becomes white, and everything above.
        is_sigmoid: Whether greys bend softly towards both instead, as DICOM's SIGMOID function does.
    """

    low: float
    high: float
    is_sigmoid: bool = False

    def greys(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values of any unit as [0, 1]."""
        low, width = np.float32(self.low), np.float32(self.high - self.low)
        if self.is_sigmoid:  # PS3.3, C.11.2.1.3.1, with c and w as the middle and the width
            inner = np.clip(-4.0 * ((values - low) / width - np.float32(0.5)), -80.0, 80.0)
            return np.asarray(1.0 / (1.0 + np.exp(inner)), dtype=np.float32)
        unit = np.subtract(values, low, dtype=np.float32)
        unit /= width
        return np.clip(unit, 0.0, 1.0, out=unit)


@dataclass(frozen=True)
class Stack:
    """The pictures of one file, in the file's own values.

    Attributes:
        values: float32 (n, H, W), or (n, H, W, 3) in red, green and blue.
        mode: How the file stores them, such as ``RGB`` or ``int16``.
        white: The value of white where the file's type says it, black being 0; None where a window must.
        is_inverted: Whether low values are bright.
        nothing: Where nothing was measured, bool (n, H, W), which is shown black; None for nowhere.
        spacing: Size of a pixel, (down, across); None where the file doesn't tell.
        in_mm: Whether that is in millimetres, or only their ratio.
    """

    values: NDArray[np.float32]
    mode: str
    white: float | None = None
    is_inverted: bool = False
    nothing: NDArray[np.bool_] | None = None
    spacing: tuple[float, float] | None = None
    in_mm: bool = True

    @property
    def starts_at_zero(self) -> bool:
        """Whether values have no sign, so that 0 is black."""
        return self.mode.startswith("uint") or self.mode.endswith(";16")

    def greys(self, window: Window | None) -> NDArray[np.float32]:
        """The pictures in [0, 1]; the window is for values of which the file doesn't say what is white."""
        if self.white is not None:
            window = Window(0.0, self.white)
        assert window is not None
        unit = window.greys(self.values)
        if self.is_inverted:
            np.subtract(np.float32(1.0), unit, out=unit)
        if self.nothing is not None:
            unit[self.nothing] = 0.0
        return unit

    def measured(self) -> NDArray[np.float32]:
        """All values where something was measured, (m,)."""
        return self.values.ravel() if self.nothing is None else self.values[~self.nothing].ravel()


class Floats(NamedTuple):
    """Finite floats, where nothing was measured, and what is white among them if they tell."""

    values: NDArray[np.float32]
    nothing: NDArray[np.bool_] | None
    white: float | None


def checked_floats(values: NDArray[np.float32], name: str) -> Floats:
    """Floats of a file: NaN is where nothing was measured; 1 is white where all others are in [0, 1].

    Raises:
        DataError: There is infinity among them, or nothing else than NaN.
    """
    nothing = np.isnan(values)
    has_nothing = bool(nothing.any())
    kept = np.where(nothing, np.float32(0.0), values) if has_nothing else values
    if not np.isfinite(kept).all() or nothing.all():
        raise DataError(
            f"{name} holds floats from {values.min():g} to {values.max():g}", needed="finite numbers"
        )
    return Floats(
        kept, nothing if has_nothing else None, 1.0 if kept.min() >= 0.0 and kept.max() <= 1.0 else None
    )


def shared(windows: Sequence[Window]) -> Window:
    """One window for pictures that belong together: the median of what they name."""
    return Window(
        statistics.median(window.low for window in windows),
        statistics.median(window.high for window in windows),
        windows[0].is_sigmoid,
    )


def by_percentile(
    stacks: Iterable[Stack], low: float | None, high: float | None, white: float, where: str
) -> Window:
    """The window between two percentiles of all that stacks measured, or the values that are named instead.

    Args:
        stacks: What is to be shown on one scale.
        low: What becomes black; None for the percentile.
        high: What becomes white; None for the percentile.
        white: The percentile of white; what is left to 100 is that of black.
        where: What to call them in an error.

    Raises:
        DataError: There is no contrast between the two.
    """
    if low is None or high is None:
        parts = [stack.measured() for stack in stacks if stack.white is None]
        values = np.concatenate(parts)  # a copy
        if not values.size:
            raise DataError(f"{where} shows nothing: every value means that nothing was measured")
        low = percentile(values, 100.0 - white) if low is None else low
        high = percentile(values, white) if high is None else high
    return named(low, high, where)


def named(low: float, high: float, where: str) -> Window:
    """The window between two values.

    Raises:
        DataError: The first is not below the second.
    """
    if not low < high:
        raise DataError(
            f"{where} has no contrast between {low:g} and {high:g}",
            needed="more than one grey",
            hint="name other values: --set dataset.low=BLACK --set dataset.high=WHITE",
        )
    return Window(low, high)


def percentile(values: NDArray[np.float32], percent: float) -> float:
    """What NumPy's ``percentile`` gives, to the last bit, several times as fast: one partition, not three.

    Args:
        values: (m,), at least one, all finite; their order is lost.
        percent: From 0 to 100.
    """
    last = len(values) - 1
    place = last * (percent / 100.0)
    below = min(int(place), last)
    values.partition(below)
    low = values[below]
    high = values[below + 1 :].min() if below < last else low
    share, step = place - below, high - low
    return float(low + step * share if share < 0.5 else high - step * (1.0 - share))


def luma(picture: NDArray[np.float32], *, is_8_bit: bool) -> NDArray[np.float32]:
    """A picture (H, W, 3) in [0, 1] as grey: ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B.

    Of 8 bits it is a grey of 8 bits, rounded as Pillow and libjpeg do it.
    """
    if is_8_bit:
        levels = np.rint(picture * np.float32(255.0)).astype(np.uint32)
        rounded = (levels @ np.array([19595, 38470, 7471], np.uint32) + np.uint32(0x8000)) >> 16
        grey: NDArray[np.float32] = rounded.astype(np.float32) / np.float32(255.0)
        return grey
    return np.asarray(picture @ np.array([0.299, 0.587, 0.114], dtype=np.float32), dtype=np.float32)
