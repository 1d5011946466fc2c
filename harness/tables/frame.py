"""Records as one table for pandas: a row for each."""

from __future__ import annotations

from collections.abc import Iterable

import pandas

from .survey import Result


def frame_of(results: Iterable[Result]) -> pandas.DataFrame:
    """One row for each record.

    Returns:
        ``run``, ``model``, ``dataset``, ``pair`` (missing outside of a paired task), ``resolution``,
        ``seed``, ``status``, ``epochs`` (done), ``steps``, ``best_epoch``, ``identity``; every setting as
        ``set.NAME``; every best score by its name, every last one as ``last.NAME``, and what the best
        networks were selected by as ``selected.NAME``; context as ``context.NAME``.
    """
    return pandas.DataFrame(
        {
            "run": result.folder.path.name,
            "model": result.spec.model.name,
            "dataset": result.spec.dataset.name,
            "pair": str(result.spec.dataset.pair) if result.spec.dataset.pair else None,
            "resolution": result.spec.resolution,
            "seed": result.spec.seed,
            "status": result.record.status,
            "epochs": result.record.epochs_done,
            "steps": result.record.steps,
            "best_epoch": result.record.best_epoch,
            "identity": result.record.identity,
            **{f"set.{name}": value for name, value in result.spec.settings.items()},
            **result.record.scores["best"],
            **{f"last.{name}": value for name, value in result.record.scores["last"].items()},
            **{f"selected.{name}": value for name, value in result.record.scores["selected"].items()},
            **{f"context.{name}": value for name, value in result.record.context.items()},
        }
        for result in results
    )
