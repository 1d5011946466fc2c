"""The published numbers that ours stand beside: ``published.csv``, one row for each."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files


@cache
def published() -> list[dict[str, str]]:
    """One mapping for each row: ``table, model, dataset, resolution, metric, value, note, source``.

    Models and data sets go by the names of their plugins, ablation rows by their printed names.
    Parameters are in millions, operations in units of 2^30, as printed. ``note`` says why a number can't be
    reproduced, where that is known. ``table`` is the number of the table that it stands in, I to IV, and
    ``source`` says where it comes from: the publication that printed those tables, or a model's own.
    """
    with (files(__package__) / "published.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def lookup(table: str, metric: str, *, model: str, dataset: str, resolution: int) -> float | None:
    """One published number, or None where the publication has none."""
    asked = (table, metric, model, dataset, str(resolution))
    for row in published():
        if asked == (row["table"], row["metric"], row["model"], row["dataset"], row["resolution"]):
            return float(row["value"])
    return None
