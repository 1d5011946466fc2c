"""The published numbers that ours stand beside: ``published.csv``, one row for each."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import pandas


@cache
def published() -> pandas.DataFrame:
    """Columns ``table, model, dataset, resolution, metric, value, note, source``.

    Models and data sets go by the names of their plugins, ablation rows by their printed names.
    Parameters are in millions, operations in units of 2^30, as printed. ``note`` says why a number can't be
    reproduced, where that is known. ``table`` is the number of the table that it stands in, I to IV, and
    ``source`` says where it comes from: the publication that printed those tables, or a model's own.
    """
    with (files(__package__) / "published.csv").open(encoding="utf-8") as file:
        return pandas.read_csv(file, keep_default_na=False)


def lookup(table: str, metric: str, *, model: str, dataset: str, resolution: int) -> float | None:
    """One published number, or None where the publication has none."""
    rows = published()
    found = rows[
        (rows.table == table)
        & (rows.metric == metric)
        & (rows.model == model)
        & (rows.dataset == dataset)
        & (rows.resolution == resolution)
    ]
    return float(found.value.iloc[0]) if len(found) else None
