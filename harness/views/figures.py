"""Figures from records and checkpoints: samples beside real images, what a model explains, curves.

Matplotlib's figures are drawn without its global state, so nothing here needs or touches a display.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from ..api import Batch, Model, Translator
from ..cell.logs import Line, LogError, finished_log
from ..data.image_set import ImageSet
from ..data.pixels import to_model_range, to_store_range
from ..files import atomic_write
from ..tables.survey import Result, differing
from ..tasks import Task
from ..tasks.sampling import translate_images

FORMATS = ("png", "pdf")
INCH_PER_IMAGE = 0.8


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Save a figure as ``stem``.png and ``stem``.pdf."""
    paths = [stem.with_name(f"{stem.name}.{form}") for form in FORMATS]
    FigureCanvasAgg(figure)
    for path, form in zip(paths, FORMATS, strict=True):
        with atomic_write(path) as file:
            # Without a date, the same records give the same bytes.
            metadata = {"CreationDate": None} if form == "pdf" else {}
            figure.savefig(file, format=form, dpi=200, bbox_inches="tight", metadata=metadata)
    return paths


def samples_figure(rows: Mapping[str, NDArray[np.uint8]], title: str) -> Figure:
    """Rows of images by name, uint8 (n, C, H, W)."""
    columns = max(len(images) for images in rows.values())
    figure, axes = _grid(len(rows), columns)
    for (name, images), line in zip(rows.items(), axes, strict=True):
        for axis, image in zip(line, images, strict=False):
            _show(axis, image)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
    figure.suptitle(title, fontsize=8, y=0.9, va="bottom")
    return figure


def explain(model: Model, batch: Batch, *, seed: int = 0) -> Mapping[str, Tensor]:
    """What a model has to say about real images; empty where it says nothing."""
    model.eval()
    device = next(model.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        found = {title: values.detach().cpu() for title, values in model.explain(batch).items()}
    labels = model.shape.labels
    # Of images with their labels, the images.
    is_whole = {
        title: labels and values.shape[1:2] == (model.shape.channels,) for title, values in found.items()
    }
    return {title: values[:, :-labels] if is_whole[title] else values for title, values in found.items()}


def explained(model: Model, task: Task, shown: ImageSet, *, seed: int = 0) -> Mapping[str, Tensor]:
    """What a model has to say about these images of its task."""
    return explain(model, task.batch(shown, next(model.parameters()).device), seed=seed)


def translations(model: Translator, task: Task, shown: ImageSet, *, seed: int = 0) -> Mapping[str, Tensor]:
    """Source, output, target and absolute error of pairs, and what the model has to say about them."""
    assert shown.source is not None
    output = translate_images(model, shown.source)
    error = np.abs(output.astype(np.float32) - shown.images).mean(axis=1, keepdims=True) / 255
    stored = {"source": shown.source, "output": output, "target": shown.images}
    pictures = {name: to_model_range(torch.from_numpy(np.array(stack))) for name, stack in stored.items()}
    return {**pictures, "error": torch.from_numpy(error), **explained(model, task, shown, seed=seed)}


def explanation_figure(explanation: Mapping[str, Tensor], title: str) -> Figure:
    """A row for each image: its pictures and maps, one scale for each map, and its numbers on the right."""
    pictures = {name: values for name, values in explanation.items() if values.ndim == 4}
    numbers = {name: values for name, values in explanation.items() if values.ndim == 1}
    count = len(next(iter(explanation.values())))
    figure, axes = _grid(count, len(pictures) + bool(numbers))
    for column, (name, values) in enumerate(pictures.items()):
        is_map = bool((values >= 0).all()) and values.shape[1] == 1
        scale = f"\n0 to {float(values.max()):.2g}" if is_map else ""
        axes[0][column].set_title(textwrap.fill(name, 14) + scale, fontsize=7)
        for row in range(count):
            if is_map:
                shades = {"cmap": "inferno", "vmin": 0.0, "vmax": float(values.max())}
                axes[row][column].imshow(values[row, 0].numpy(), interpolation="bilinear", **shades)
                _frame(axes[row][column])
            else:
                _show(axes[row][column], to_store_range(values[row]).numpy())
    if numbers:
        for row in range(count):
            words = "\n".join(f"{name}\n{values[row]:.3f}" for name, values in numbers.items())
            axes[row][-1].text(0.08, 0.5, words, ha="left", va="center", fontsize=6)
    # Below: the heads of the columns may have several lines.
    figure.suptitle(title, fontsize=7, y=0.09, va="top")
    return figure


def logs_of(results: Sequence[Result]) -> tuple[dict[Result, list[Line]], list[str]]:
    """The logs that can be believed, and what is wrong with the others, one sentence each."""
    logs, problems = {}, []
    for result in results:
        try:
            logs[result] = finished_log(result.folder, result.record)
        except LogError as error:
            problems.append(error.found)
    return logs, problems


def curves_figure(logs: Mapping[Result, list[Line]], title: str) -> Figure | None:
    """Scores of all runs, one panel a score; below, the losses of each model. None without any log.

    Seeds share a name; runs of one model with other settings have names that say these.
    """
    scores = _series(logs, "scores")
    losses = _series(logs, "losses")
    names = sorted({name for lines in scores.values() for name in lines})
    called = _names(list(logs))
    models = sorted({called[result] for result in losses})
    if not names and not models:
        return None
    columns = min(3, max(len(names), len(models)))
    score_rows, loss_rows = -(-len(names) // columns), -(-len(models) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.4 * (score_rows + loss_rows)), layout="constrained")
    panels = figure.subplots(score_rows + loss_rows, columns, squeeze=False)
    for panel in panels.flat:
        panel.set_axis_off()
    for panel, name in zip(panels[:score_rows].flat, names, strict=False):
        by_model = [(called[result], lines.get(name, [])) for result, lines in scores.items()]
        _plot(panel, name, "epoch", sorted(by_model, key=lambda line: line[0]), marker=".")
    for panel, model in zip(panels[score_rows:].flat, models, strict=False):
        own = [lines for result, lines in losses.items() if called[result] == model]
        # A loss with a slash is a part of another one.
        by_loss = [(loss, lines[loss]) for lines in own for loss in sorted(lines) if "/" not in loss]
        _plot(panel, f"losses of {model}", "step", by_loss, marker="")
    figure.suptitle(title, fontsize=9)
    return figure


def _names(results: Sequence[Result]) -> dict[Result, str]:
    """Each run's model, and with it those settings that not all runs of this model share."""
    names: dict[Result, str] = {}
    for model in {result.spec.model.name for result in results}:
        own = {result: result.spec.settings for result in results if result.spec.model.name == model}
        names |= {result: f"{model} {settings}".strip() for result, settings in differing(own).items()}
    return names


def _plot(
    panel: Any, title: str, unit: str, lines: Sequence[tuple[str, list[tuple[int, float]]]], *, marker: str
) -> None:
    """Lines by name; those of one name (the seeds of a model) share a colour and a legend."""
    panel.set_axis_on()
    panel.set_title(title, fontsize=8)
    panel.set_xlabel(unit, fontsize=7)
    panel.tick_params(labelsize=7)
    names = list(dict.fromkeys(name for name, points in lines if points))
    labelled: set[str] = set()
    for name, points in lines:
        if points:
            x, y = zip(*points, strict=True)
            label = None if name in labelled else name
            labelled.add(name)
            # One point is no line, and would not be seen.
            mark = marker or ("." if len(points) == 1 else "")
            panel.plot(x, y, color=f"C{names.index(name) % 10}", marker=mark, linewidth=1, label=label)
    if names:
        panel.legend(fontsize=6)


def _series(logs: Mapping[Result, list[Line]], kind: str) -> dict[Result, dict[str, list[tuple[int, float]]]]:
    """Points of each run by name: (epoch, score) or (step, loss)."""
    series: dict[Result, dict[str, list[tuple[int, float]]]] = {}
    for result, log in logs.items():
        for line in log:
            at = line["epoch"] if kind == "scores" else line["step"]
            for name, value in line.get(kind, {}).items():
                series.setdefault(result, {}).setdefault(name, []).append((at, value))
    return series


def _grid(rows: int, columns: int) -> tuple[Figure, Any]:
    figure = Figure(figsize=(columns * INCH_PER_IMAGE, rows * INCH_PER_IMAGE))
    axes = figure.subplots(rows, columns, squeeze=False, gridspec_kw={"wspace": 0.04, "hspace": 0.04})
    for axis in axes.flat:
        _frame(axis)
    return figure, axes


def _frame(axis: Any) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)


def _show(axis: Any, image: NDArray[np.uint8]) -> None:
    """Show uint8 (C, H, W) as it is: grey levels are never stretched."""
    pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    axis.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    _frame(axis)
