"""What a person is told of a cell that ended: its scores, how far they came, and what to do next."""

from __future__ import annotations

import sys
from collections.abc import Sequence
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
    further = []
    if record.status == "complete":
        further = [("learnt", line) for line in _learnt(folder, record)]
        further.append(("next", _next(record.spec, results, presets)))
    print_outcome(folder, record, further)
    if record.status != "complete":
        reason = (record.error or "").strip().splitlines()
        print(f"error: the cell {record.status}: {reason[-1] if reason else ''}", file=sys.stderr)
        sys.exit(UNFINISHED)


def print_outcome(folder: RunFolder, record: Record, further: Sequence[tuple[str, str]] = ()) -> None:
    """Print how a cell ended, its scores of the best and the last networks, and where its files are."""
    best, last, goals = record.scores["best"], record.scores["last"], _goals(record)
    rows: list[tuple[str, Any]] = [("status", record.status)]
    if record.best_epoch is not None:
        rows.append(("best at", f"epoch {record.best_epoch} of {record.spec.protocol.epochs}"))
    if best:
        rows.append(("score", f"{'best':<12} {'last':<12} {'better' if goals else ''}"))
    for name, value in best.items():
        of_last = f"{last[name]:.6g}" if name in last else ""
        rows.append((name, f"{value:<12.6g} {of_last:<12} {goals.get(name, '')}"))
    rows += [(name, f"{value:.6g}") for name, value in record.context.items()]
    rows.append(("images", f"{record.n_generated} generated against {record.n_real} real"))
    rows += [("note", note) for note in record.notes]
    rows += [("caveat", caveat) for caveat in record.caveats]
    rows.append(("record", folder.record))
    if folder.samples.exists():
        rows.append(("samples", folder.samples))
    rows += further
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}".rstrip())


def _goals(record: Record) -> dict[str, str]:
    """Which scores are better where they are lower or higher; the others are there to be read."""
    from ..tables.survey import Installed

    installed = Installed()
    return {name: installed.goal(name) for name in record.scores["best"] if installed.is_score(name)}


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
