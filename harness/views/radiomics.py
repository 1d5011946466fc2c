"""Which radiomic features of samples differ most from those of real images, drawn."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

SHOWN = 24
"""Features of a figure; the eye reads no more."""

Features = NDArray[np.float64]


def shifts(real: Features, generated: Features) -> Features:
    """How far the mean of each feature is from that of real images, in their standard deviations.

    Args:
        real: float64 (N, d).
        generated: float64 (M, d).

    Returns:
        float64 (d,); NaN for a feature that is the same in all real images, which FRD leaves out.
    """
    deviation = real.std(axis=0)
    deviation[real.min(axis=0) == real.max(axis=0)] = np.nan
    result: Features = (generated.mean(axis=0) - real.mean(axis=0)) / deviation
    return result


def largest(moved: Mapping[str, Features], count: int) -> NDArray[np.intp]:
    """Positions of the features that any model moves most, the largest shift first."""
    worst = np.nan_to_num(np.abs(np.stack(list(moved.values()))), nan=-1.0).max(axis=0)
    order = np.argsort(-worst, kind="stable")
    return np.asarray(order[worst[order] >= 0][:count])


def radiomics_figure(
    names: tuple[str, ...], real: Features, made: Mapping[str, Features], title: str
) -> Figure:
    """The features that differ most: a line for each, a dot for each model.

    Args:
        names: What the features are called.
        real: Those of real images, float64 (N, d).
        made: Those of each model's samples.
        title: What is shown.
    """
    moved = {model: shifts(real, features) for model, features in made.items()}
    shown = largest(moved, SHOWN)
    figure = Figure(figsize=(6.4, 1.2 + 0.19 * len(shown)), layout="constrained")
    panel = figure.subplots()
    lines = np.arange(len(shown))[::-1]
    # What real images have among themselves.
    panel.axvspan(-1, 1, color="0.9", label="one deviation of real images")
    panel.hlines(lines, *_ends(moved, shown), color="0.7", linewidth=0.6)
    for number, (model, values) in enumerate(moved.items()):
        panel.plot(values[shown], lines, "o", markersize=4, color=f"C{number % 10}", label=model)
    panel.set_xscale("symlog", linthresh=1)
    panel.set_yticks(lines, [_words(names[n]) for n in shown], fontsize=6)
    panel.tick_params(axis="x", labelsize=7)
    panel.set_xlabel("generated mean minus real mean, in standard deviations of real images", fontsize=7)
    panel.grid(axis="x", linewidth=0.3)
    figure.legend(fontsize=6, loc="outside lower center", ncols=4)
    panel.set_title(title, fontsize=8)
    return figure


def _ends(moved: Mapping[str, Features], shown: NDArray[np.intp]) -> tuple[Features, Features]:
    values = np.stack([each[shown] for each in moved.values()])
    return np.minimum(values.min(axis=0), 0), np.maximum(values.max(axis=0), 0)


def _words(name: str) -> str:
    """``wavelet-LH_glcm_Contrast`` as "wavelet LH, glcm: Contrast"."""
    image, kind, feature = name.replace("diagnostics_", "range_").split("_", 2)
    if image == "range":
        return f"{kind.replace('-', ' ')}: {feature}"
    return f"{image.replace('-', ' ')}, {kind}: {feature}"
