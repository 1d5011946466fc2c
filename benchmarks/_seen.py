"""What scores see, as a page and as a heat map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import _report
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

from harness.api import Goal
from harness.files import atomic_write

TOLD = 2.0
"""Deviations that one comparison can tell."""
MOST = 1000
"""Deviations beyond which a number says no more."""
EDGES = (-50, -10, -5, -2, 2, 5, 10, 50, 500)
FOLLOWED = ("frd", "swd")
"""Scores whose growth with each strength is told in numbers."""
Seen = dict[str, Any]


def worse(told: dict[str, Any], goal: Goal) -> list[float]:
    """How much worse a score became in each strength, in its deviations without anything wrong."""
    sign = 1 if goal == "lower" else -1
    return [sign * (value - told["plain"]) / max(told["deviation"], 1e-6) for value in told["moved"]]


def grows(told: dict[str, Any], goal: Goal) -> bool:
    """Whether a score becomes worse with every strength."""
    steps = np.diff([told["plain"], *told["moved"]])
    return bool((steps > 0).all() if goal == "lower" else (steps < 0).all())


def page(seen: Sequence[Seen], metrics: str, draws: int, resolution: int) -> str:
    """The results in Markdown."""
    parts = [_page_of(subject) for subject in seen]
    return (
        "# What each score sees\n\n"
        f"Made by `python benchmarks/sensitivity.py --metrics {metrics}`: {draws} divisions of the patients "
        "into two fifths to "
        "train on, two fifths as samples, with one thing wrong with them, and a fifth that is held out. A "
        "number is how much worse a score becomes, in standard deviations over the divisions of what it is "
        f"with nothing wrong. Above {TOLD:g} (bold) one comparison at this number of images tells it; around "
        "0 the score is blind; below 0 it takes what is wrong for an improvement. Images have "
        f"{resolution} x {resolution} pixels.\n\n![heat map](sensitivity.png)\n\n" + "\n".join(parts)
    )  # fmt: skip


def _page_of(subject: Seen) -> str:
    goals = subject["goals"]
    lines = [
        [f"{row['corruption']}, {strength}", *(_number(worse(row["scores"][s], goals[s])[k]) for s in goals)]
        for row in subject["rows"]
        for k, strength in enumerate(row["strengths"])
    ]
    return (
        f"## {subject['name']}\n\n{subject['images']} images of {subject['patients']} patients, two "
        f"fifths on each side; {subject['about']}.\n\n"
        + _report.table(["wrong", *goals], lines)
        + "\n\nValues, with nothing wrong and in each strength:\n\n"
        + _report.table(["wrong", *_heads(FOLLOWED)], [_values(row, goals) for row in subject["rows"]])
        + "\n"
    )


def _number(value: float) -> str:
    text = f"{value:.1f}" if abs(value) < 10 else f"{value:.0f}" if abs(value) < MOST else f"over {MOST}"
    return f"**{text}**" if value >= TOLD else text


def _heads(scores: Sequence[str]) -> Iterator[str]:
    for score in scores:
        yield from (score, "grows")


def _values(row: dict[str, Any], goals: dict[str, Goal]) -> list[str]:
    cells = [f"{row['corruption']}: {', '.join(row['strengths'])}"]
    for score in FOLLOWED:
        told = row["scores"][score]
        values = [told["plain"], *told["moved"]]
        cells += [", ".join(f"{value:.3g}" for value in values), "yes" if grows(told, goals[score]) else "no"]
    return cells


def heat_map(seen: Sequence[Seen], path: Path) -> None:
    """A square for each score and strength: red where it is seen, blue where it looks like an improvement."""
    figure = Figure(figsize=(7.2 * len(seen), 8.2), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(seen), sharey=True))
    norm = BoundaryNorm(EDGES, 256)
    for panel, subject in zip(panels, seen, strict=True):
        goals = subject["goals"]
        rows = [
            (f"{row['corruption']}, {strength}", [worse(row["scores"][s], goals[s])[k] for s in goals])
            for row in subject["rows"]
            for k, strength in enumerate(row["strengths"])
        ]
        values = np.array([numbers for _, numbers in rows])
        image = panel.imshow(values.clip(EDGES[0], EDGES[-1]), cmap="RdBu_r", norm=norm, aspect="auto")
        for (y, x), value in np.ndenumerate(values):
            # Dark squares have white figures.
            colour = "white" if value > EDGES[-3] or value < EDGES[1] else "black"
            text = f"{value:.0f}" if abs(value) < MOST else ">"
            panel.text(x, y, text, ha="center", va="center", fontsize=6, color=colour)
        panel.set_xticks(range(len(goals)), list(goals), rotation=90, fontsize=7)
        panel.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=7)
        for above in range(3, len(rows), 3):
            panel.axhline(above - 0.5, color="white", linewidth=2)
        panel.set_title(f"{subject['name']}: {subject['images']} images", fontsize=9)
    figure.colorbar(image, ax=panels, ticks=EDGES, shrink=0.6, label="worse by, in standard deviations")
    FigureCanvasAgg(figure)
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=120)
