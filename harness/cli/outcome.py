"""What a person is told of a cell that ended: its scores, how far they came, and what to do next."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import typed
from .exits import UNFINISHED
from .options import RESULTS, registry

if TYPE_CHECKING:
    from ..cell.records import Record, RunFolder
    from ..cell.spec import RunSpec


def report(folder: RunFolder, record: Record, results: Path, presets: tuple[str, ...]) -> None:
    """Say what came out; the exit code tells where the cell did not complete.

    Args:
        folder: The cell's.
        record: Its record.
        results: The results folder, for what to type next.
        presets: Those that the cell was asked for with.
    """
    rows: list[tuple[str, Any]] = [("status", record.status)]
    if record.best_epoch is not None:
        rows.append(("best at", f"epoch {record.best_epoch} of {record.spec.protocol.epochs}"))
    last = record.scores["last"]
    rows += [
        (name, f"{value:<12.6g} last {last[name]:.6g}" if name in last else f"{value:.6g}")
        for name, value in record.scores["best"].items()
    ]
    rows += [(name, f"{value:.6g}") for name, value in record.context.items()]
    rows.append(("images", f"{record.n_generated} generated against {record.n_real} real"))
    rows += [("note", note) for note in record.notes]
    rows += [("caveat", caveat) for caveat in record.caveats]
    rows.append(("record", folder.record))
    if folder.samples.exists():
        rows.append(("samples", folder.samples))
    if record.status == "complete":
        rows += [("learnt", line) for line in _learnt(folder, record)]
        rows.append(("next", _next(record.spec, results, presets)))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")
    if record.status != "complete":
        reason = (record.error or "").strip().splitlines()
        print(f"error: the cell {record.status}: {reason[-1] if reason else ''}", file=sys.stderr)
        sys.exit(UNFINISHED)


def _learnt(folder: RunFolder, record: Record) -> list[str]:
    """How far the selecting score came from the first evaluation to the one that counts."""
    from ..cell.logs import read_log
    from ..errors import BenchError
    from ..tables.survey import Installed

    try:
        name, *_ = Installed().scores([record.spec.protocol.selecting_metric])
    except BenchError:
        return []  # a record of a metric that is not installed is still a record
    evaluations = [line for line in read_log(folder.log) if name in line.get("scores", {})]
    if (
        not evaluations
        or evaluations[0]["epoch"] == record.best_epoch
        or name not in record.scores["selected"]
    ):
        return []
    first, best = evaluations[0]["scores"][name], record.scores["selected"][name]
    factor = max(first, best) / min(first, best) if min(first, best) > 0 else 1.0
    times = f", {factor:.1f} times {'less' if best < first else 'more'}" if factor >= 1.1 else ""
    return [
        f"{name} was {first:.4g} after epoch {evaluations[0]['epoch']} and {best:.4g} after epoch "
        f"{record.best_epoch}{times}"
    ]


def _next(spec: RunSpec, results: Path, presets: tuple[str, ...]) -> str:
    """One line that a person may type now."""
    if not registry().load("datasets", spec.dataset.name).needs_root and spec.dataset.pair is None:
        own = ["bench", "run", "--model", spec.model.name, "--dataset", "folder", "--data-root", "DIR"]
        again = [word for preset in presets for word in ("--preset", preset)]
        return f"your own images: {typed(*own, '--res', spec.resolution, *again)}"
    where = [] if results == RESULTS else ["--results", results]
    return f"all results on one page: {typed('bench', 'report', *where)}"
