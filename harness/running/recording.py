"""What came out of a cell, as a record."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..cell.logs import log_digest
from ..cell.records import Record, Status
from ..plugins import Kind
from ..scoring.report import Report
from ..scoring.scorer import Scorer
from ..tasks import Task
from ..training.arithmetic import effective_precision
from ..training.augmentation import augmentation_caveats
from ..training.feed import Streamed
from ..training.loop import Trainer
from .environment import brought_by, describe, source_commit, versions
from .resolve import ResolvedCell
from .sessions import sessions_of


@dataclass(frozen=True)
class Ending:
    """How a cell ended.

    Attributes:
        best: The scores of the best networks, and how far to trust them; empty where it did not complete.
        last: The scores of the last networks.
        error: What a model did wrong; None where it completed.
    """

    status: Status
    best: Report
    last: Mapping[str, float]
    error: str | None = None


def make_record(
    cell: ResolvedCell, task: Task, trainer: Trainer, scorer: Scorer, ending: Ending, prepare_seconds: float
) -> Record:
    """The record of a cell that ended."""
    spec, progress = cell.spec, trainer.progress
    took_part: dict[Kind, Iterable[str]] = {
        "models": [spec.model.name],
        "datasets": [spec.dataset.name],
        "metrics": scorer.metrics,
        "features": scorer.spaces,
    }
    return Record(
        status=ending.status,
        identity=spec.identity,
        spec=spec,
        scores={"best": ending.best.scores, "last": dict(ending.last), "selected": progress.best},
        context=ending.best.context,
        notes=[*ending.best.notes, *task.notes],
        best_epoch=progress.best_epoch,
        best_networks=progress.best_networks,
        log=log_digest(trainer.folder.log),
        epochs_done=progress.step // trainer.run.steps_per_epoch,
        steps=progress.step,
        score_versions=scorer.versions(),
        n_real=len(task.train),
        n_generated=task.count,
        dataset=_facts(spec.dataset.fingerprint, task),
        caveats=[
            *trainer.model.caveats(trainer.last_clock),
            *augmentation_caveats(trainer.model.augmentations, cell.dataset.flips),
            *(cell.dataset.caveats() if task.held_out else ()),
            *ending.best.caveats,
        ],
        versions=versions(),
        plugins=brought_by(took_part),
        device={
            **describe(trainer.device),
            "precision": effective_precision(spec.protocol.precision, trainer.device),
            "compiled": trainer.compiled,
            "streamed": isinstance(trainer.feed, Streamed),
        },
        timing={
            "prepare": round(prepare_seconds, 3),
            "train": round(progress.train_seconds, 3),
            "score": round(progress.score_seconds, 3),
            "longest_evaluation": round(progress.longest_evaluation, 3),
            "images_per_second": round(
                progress.step * trainer.run.batch_size / max(progress.train_seconds, 1e-9), 2
            ),
        },
        sessions=sessions_of(trainer.folder.path),
        git=source_commit(),
        finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        error=ending.error,
    )


def with_scores(record: Record, scorer: Scorer, best: Report, last: Report) -> Record:
    """A finished cell's record with the scores of further metrics."""
    known = record.scores
    judges = brought_by({"metrics": scorer.metrics, "features": scorer.spaces})
    return record.model_copy(
        update={
            "scores": {
                **known,
                "best": known["best"] | best.scores,
                "last": known["last"] | last.scores,
            },
            "context": record.context | best.context,
            "notes": list(dict.fromkeys([*record.notes, *best.notes])),
            "caveats": list(dict.fromkeys([*record.caveats, *best.caveats])),
            "score_versions": _merged(record.score_versions, scorer.versions()),
            "plugins": _merged(record.plugins, judges),
        }
    )


def _facts(fingerprint: str, task: Task) -> dict[str, Any]:
    """Which images the cell saw."""
    images, held_out = task.train, task.held_out
    return {
        "fingerprint": fingerprint,
        "image_set": images.fingerprint,
        "images": len(images),
        "patients": len(set(images.patients)),
        "held_out_images": len(held_out) if held_out else 0,
        "held_out_patients": len(set(held_out.patients)) if held_out else 0,
        "channels": images.channels,
        "conversions": images.conversions,
        "skipped": images.skipped,
        "libraries": images.libraries,
        **task.facts,
    }


def _merged(known: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """Two levels of names, with those that were added."""
    return {kind: {**known.get(kind, {}), **added.get(kind, {})} for kind in {**known, **added}}
