"""What networks that learnt from synthetic images are worth, drawn: bars of Dice, and what they see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..api import Population
from ..data.pictures import evenly, overlaid
from ..running.scorers import population
from ..scoring.cache import FeatureCache
from ..scoring.metrics.utility import RealSide, Utility, pairs_of
from ..scoring.segmentation.learning import Pairs, learn, segment
from ..tables.survey import Result
from ..tasks import Outputs, Task

SHOWN = 8
"""Test images whose segmentations are shown."""
_SIDES = {"real": "utility_real", "synthetic": "utility", "both": "utility_gain_both"}


def bars_figure(runs: Mapping[str, Result], title: str) -> Figure:
    """Dice of each structure, learnt from real images, from each model's, and from both together.

    Lines are standard errors over test patients.
    """
    records = {name: result.record for name, result in runs.items()}
    values = {name: record.scores["best"] | record.context for name, record in records.items()}
    parts = sorted(
        {score for one in records.values() for score in one.scores["best"] if score.startswith("utility/")}
    )
    figure = Figure(figsize=(1.6 + 1.5 * len(runs), 2.2 * (1 + len(parts))), layout="constrained")
    panels = figure.subplots(1 + len(parts), 1, squeeze=False)[:, 0]
    for panel, part in zip(panels, ["", *(part.removeprefix("utility") for part in parts)], strict=True):
        for offset, (side, score) in enumerate(_SIDES.items()):
            for place, one in enumerate(values.values()):
                if (height := one.get(f"{score}{part}")) is None:
                    continue
                low, high = _around(one, f"{score}{part}", height)
                panel.bar(
                    place + 0.27 * (offset - 1),
                    height,
                    0.25,
                    color=f"C{offset}",
                    yerr=[[max(height - low, 0)], [max(high - height, 0)]],
                    error_kw={"linewidth": 1},
                    label=side if place == 0 else None,
                )
        panel.set_xticks(range(len(values)), list(values), fontsize=7)
        panel.set_ylim(0, 1)
        panel.set_ylabel("Dice", fontsize=7)
        panel.set_title(part[1:] or "all structures", fontsize=8)
        panel.tick_params(labelsize=7)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, fontsize=6, loc="outside lower center", ncols=len(names))
    figure.suptitle(f"{title}\nLines: standard errors over patients", fontsize=8)
    return figure


def segmentations(
    task: Task, outputs: Outputs, cache: FeatureCache, device: torch.device
) -> Mapping[str, Any]:
    """Images with what is true of them and what networks see, by title, uint8 (n, 3, H, W).

    Of labelled synthesis, test images as networks see them that learnt from real and from synthetic pairs; of
    the latter one is trained anew. Of translations, what a network of real images sees in them.
    """
    channels = task.channels
    assert task.held_out is not None
    held_out = population(task.held_out, channels)
    metric = Utility()
    metric.keeper, metric.device = cache, device
    side = RealSide(metric, population(task.train, channels), held_out)
    truth = pairs_of(held_out)
    rows = evenly(len(truth.images), SHOWN)
    truth = Pairs(truth.images[rows], truth.labels[rows])
    real = side.networks[0]
    shown = {"truth": overlaid(*truth), "learnt from real": _seen(real, truth.images, device)}
    if outputs.targets is not None:
        return {**shown, "the same, in translations": _seen(real, outputs.images[rows], device)}
    pairs = pairs_of(Population(outputs.images, labels=outputs.labels)).ordered()
    taught = learn(pairs, side.classes, metric.recipe, 0, device)
    return {**shown, "learnt from synthetic": _seen(taught, truth.images, device)}


def _seen(network: Any, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.uint8]:
    return overlaid(images, segment(network, images, device))


def _around(values: Mapping[str, float], score: str, height: float) -> tuple[float, float]:
    error = values.get(f"{score}_se", 0.0)
    return height - error, height + error


def has_utility(results: Sequence[Result]) -> list[Result]:
    """Those that were scored by utility."""
    return [result for result in results if "utility" in result.record.scores["best"]]
