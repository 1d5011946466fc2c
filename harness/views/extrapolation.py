"""Distances against the number of images, drawn, with their way to infinitely many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ..api import Curve


def extrapolation_figure(curves: Sequence[Curve], title: str) -> Figure:
    """A panel for each distance, over 1/N: what was measured, and the line to the limit."""
    figure = Figure(figsize=(3.4 * len(curves), 3.0), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(curves)))
    for panel, curve in zip(panels, curves, strict=True):
        inverse = 1 / np.array(curve.sizes)
        reach = np.array([0, inverse.max()])
        panel.plot(reach, curve.limit + curve.slope * reach, color="0.6", linewidth=1)
        panel.errorbar(inverse, curve.means, curve.deviations, fmt="o", markersize=4, linewidth=1)
        panel.plot(0, curve.limit, "o", markersize=7, markerfacecolor="white", color="C1", clip_on=False)
        panel.annotate(
            f"{curve.limit:.3g}", (0, curve.limit), (8, -3), textcoords="offset points", fontsize=8
        )
        panel.set_xlim(0, inverse.max() * 1.05)
        shown = curve.sizes[::-2] if len(curve.sizes) > 4 else curve.sizes
        panel.set_xticks([0, *(1 / size for size in shown)], ["∞", *map(str, shown)], fontsize=7)
        panel.tick_params(axis="y", labelsize=7)
        panel.set_xlabel("images on each side (over 1/N)", fontsize=8)
        panel.set_ylabel(curve.score, fontsize=8)
        panel.grid(linewidth=0.3)
    figure.suptitle(title, fontsize=9)
    return figure
