"""One cell, from a request to a record.

What is done stays done: a finished cell is returned as it is, a half-done one goes on from its checkpoint.
"""

from __future__ import annotations

import datetime
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from .. import plugins
from ..api import Goal, Model
from ..cell.records import Record, RecordError, RunFolder, Status, Store, missing_metrics
from ..cell.spec import RunRequest, RunSpec
from ..errors import BenchError, BusyError, Diverged
from ..files import clear_partial, storage_error
from ..scoring.scorer import Report, Scorer
from ..scoring.weights import Weights
from ..tasks import Task
from ..training.arithmetic import effective_precision
from ..training.augmentation import augmentation_caveats, augmented_once
from ..training.checkpoints import load_networks
from ..training.loop import Interrupted, Trainer, TrainingProgress
from ..training.observers import Observers
from .environment import brought_by, describe, pick_device, source_commit, versions
from .images import open_task
from .model import load_model, make_model
from .resolve import ResolvedCell, resolve
from .scorers import ScoringPlace, make_scorer, population


@dataclass(frozen=True)
class Settings:
    """Where and on what a cell runs: nothing here changes its result.

    Attributes:
        results: The store of run folders.
        cache: Folder of prepared image sets, features and weights.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        workers: Processes that read raw files; None for one per core.
        skip_bad: Leave damaged raw files out, and record them.
        weights: Where feature networks' weights are found.
        compile: Compile the networks for training. Like the device it changes rounding and no mathematics, so
            it is no part of a cell's identity; the record tells.
        stop: Asked before every step; True saves a checkpoint and raises ``Interrupted``.
        preparing: Told (items done, items in all) while raw files are read.
        tell: Told, in one sentence each, what the user should know and nothing stops for.
    """

    results: Store
    cache: Path
    device: str = "auto"
    workers: int | None = None
    skip_bad: bool = False
    weights: Weights | None = None
    compile: bool = False
    stop: Callable[[], bool] = field(default=lambda: False)
    preparing: Callable[[int, int], None] | None = None
    tell: Callable[[str], None] = warnings.warn

    def scoring_place(self, device: torch.device) -> ScoringPlace:
        """Where and with what scores are computed."""
        return ScoringPlace(device, self.cache, self.weights or Weights(self.cache / "weights"))


@dataclass(frozen=True)
class Outcome:
    """A finished cell.

    Attributes:
        is_new: Whether this call did anything, or found the record as it is.
    """

    folder: RunFolder
    record: Record
    is_new: bool


def run_cell(request: RunRequest, settings: Settings) -> Outcome:
    """Train, score and record one cell, or go on with it, or return what is there.

    Raises:
        BenchError: Anything that the user can put right.
        Interrupted: ``settings.stop`` said so; the state is saved.
    """
    cell = resolve(request)
    folder = settings.results.folder(cell.spec)
    device = pick_device(settings.device)
    with _locked(folder):
        record = _trusted_record(cell.spec, folder, settings.tell)
        work = _Work(cell, folder, settings, device)
        if record is None or record.status == "failed":
            return Outcome(folder, work.run(), is_new=True)
        missing = missing_metrics(record.score_versions, cell.spec.protocol.metrics)
        if record.status == "complete" and missing:
            return Outcome(folder, work.add_scores(record, missing), is_new=True)
        if not folder.spec.exists():
            folder.write_spec(cell.spec)
        return Outcome(folder, record, is_new=False)


def _trusted_record(spec: RunSpec, folder: RunFolder, tell: Callable[[str], None]) -> Record | None:
    """The cell's record; one that is damaged, edited or another cell's is left aside and made again."""
    try:
        record = folder.read_record()
        if record is None or record.identity == spec.identity:
            return record
        problem = f"{folder.record} is of another cell, {record.spec.folder_name}"
    except RecordError as error:
        problem = error.found
    aside = folder.leave_aside(folder.record)
    tell(f"{problem}; it is left aside as {aside.name}, and made again")
    return None


class _Work:
    """The steps of one cell, in the order in which they are taken."""

    def __init__(
        self,
        cell: ResolvedCell,
        folder: RunFolder,
        settings: Settings,
        device: torch.device,
    ) -> None:
        self.cell = cell
        self.spec = cell.spec
        self.folder = folder
        self.settings = settings
        self.device = device

    def run(self) -> Record:
        """Do what is not done yet; the record is written last."""
        clear_partial(self.folder.path)
        started = time.monotonic()
        self.task = task = self._task()
        self.prepare_seconds = time.monotonic() - started
        self.scorer = self._scorer(self.spec.protocol.metrics, task)
        # Not earlier: what was refused is no run.
        self.folder.write_spec(self.spec)
        model = make_model(self.spec, self.cell.model, self.cell.model_config, self.device)
        trainer = Trainer(
            model,
            [
                torch.from_numpy(np.array(stack)).to(self.device)
                for stack in (task.train.images, task.train.source)
                if stack is not None
            ],
            self.spec,
            self.folder,
            lambda: self.scorer.score(*task.preview(model), only=[self.spec.protocol.selecting_metric]),
            self._selection(),
        )
        trainer.resume()
        if self.settings.compile:
            trainer.compile()
        observers = Observers(plugins.current().manager, self.settings.tell)
        report = Report({}, {}, [])
        status: Status = "complete"
        error = None
        try:
            trainer.fit(observers, self.settings.stop)
            started = time.monotonic()
            report = self._present(model, trainer.progress)
            trainer.progress.score_seconds += time.monotonic() - started
        except Diverged as reason:
            status, error = "diverged", str(reason)
        except (BenchError, Interrupted):
            raise
        except OSError as problem:
            # A full disk, or a folder that is gone: no fault of the model.
            raise storage_error(self.folder.path, problem) from problem
        except Exception:
            # A plugin may raise anything; its cell has failed, and the record says how.
            status, error = "failed", traceback.format_exc()
        record = self._record(trainer, status, error, report)
        self.folder.write_record(record)
        observers.run_finished(trainer.run, record.model_dump())
        return record

    def add_scores(self, record: Record, metrics: list[str]) -> Record:
        """Score the networks of a finished cell by further metrics, without training again."""
        task = self._task()
        scorer = self._scorer(metrics, task)
        models = [load_model(self.folder, self.device, which) for which in ("best", "last")]
        best, last = (scorer.report(*task.generate(model)) for model in models)
        best.context.update(self._augmented_real(scorer, task, models[0]))
        known = record.scores
        update = {
            "scores": {"best": known["best"] | best.scores, "last": known["last"] | last.scores},
            "context": record.context | best.context,
            "notes": list(dict.fromkeys([*record.notes, *best.notes])),
            "score_versions": _merged(record.score_versions, scorer.versions()),
            "plugins": _merged(record.plugins, self._judges(scorer)),
        }
        record = record.model_copy(update=update)
        self.folder.write_record(record)
        return record

    def _task(self) -> Task:
        """What the model is asked for, with the images of the cell."""
        return open_task(
            self.spec,
            self.cell.model,
            self.cell.dataset,
            self.settings.cache,
            skip_bad=self.settings.skip_bad,
            workers=self.settings.workers,
            progress=self.settings.preparing,
        )

    def _scorer(self, metrics: Sequence[str], task: Task) -> Scorer:
        """The scorer of these metrics. Nobody should learn after days of training that one can't be had."""
        channels, held_out = self.spec.protocol.channels, task.held_out
        scorer = make_scorer(
            metrics,
            population(task.train, channels),
            None if held_out is None else population(held_out, channels),
            self.settings.scoring_place(self.device),
        )
        scorer.check(task.count, paired=self.spec.dataset.pair is not None)
        return scorer

    def _judges(self, scorer: Scorer) -> dict[str, dict[str, str]]:
        """Who brought the metrics and feature spaces."""
        return brought_by({"metrics": scorer.metrics, "features": scorer.spaces})

    def _selection(self) -> tuple[str, Goal]:
        """The score that tells the best evaluation: the first of the first metric."""
        first = self.scorer.metrics[self.spec.protocol.selecting_metric]
        return next(iter(first.goals.items()))

    def _present(self, model: Model, progress: TrainingProgress) -> Report:
        """Score the last and the best networks by all metrics: evaluations computed only what chooses."""
        last_is_best = progress.best_epoch == self.spec.protocol.epochs
        if not last_is_best:
            progress.last = self.scorer.score(*self.task.generate(model))
        assert progress.best_networks is not None  # the last epoch is always evaluated
        model.load_state_dict(load_networks(self.folder.best, progress.best_networks))
        outputs = self.task.generate(model)
        self.task.picture(self.folder.samples, outputs)
        report = self.scorer.report(*outputs)
        report.context.update(self._augmented_real(self.scorer, self.task, model))
        progress.best = report.scores
        if last_is_best:
            progress.last = report.scores
        return report

    def _augmented_real(self, scorer: Scorer, task: Task, model: Model) -> dict[str, float]:
        """What real images score after the augmentation that the model imitates: SCORE_augmented_real."""
        if not task.imitates or not model.augmentations:
            return {}
        moved = augmented_once(task.train.images, model.augmentations, self.spec.protocol.shift_reach)
        scores = scorer.score(moved)
        return {f"{name}_augmented_real": scores[name] for name in scorer.goals}

    def _record(self, trainer: Trainer, status: Status, error: str | None, report: Report) -> Record:
        progress: TrainingProgress = trainer.progress
        spec, images, held_out = self.spec, self.task.train, self.task.held_out
        return Record(
            status=status,
            identity=spec.identity,
            spec=spec,
            scores={"best": progress.best, "last": progress.last},
            context=report.context,
            notes=[*report.notes, *self.task.notes],
            best_epoch=progress.best_epoch,
            best_networks=progress.best_networks,
            epochs_done=progress.step // trainer.run.steps_per_epoch,
            steps=progress.step,
            score_versions=self.scorer.versions(),
            n_real=len(images),
            n_generated=self.task.count,
            dataset={
                "fingerprint": spec.dataset.fingerprint,
                "image_set": images.fingerprint,
                "images": len(images),
                "patients": len(set(images.patients)),
                "held_out_images": len(held_out) if held_out else 0,
                "held_out_patients": len(set(held_out.patients)) if held_out else 0,
                "channels": images.channels,
                "conversions": images.conversions,
                "skipped": images.skipped,
                "libraries": images.libraries,
                **self.task.facts,
            },
            caveats=[
                *trainer.model.caveats(trainer.last_clock),
                *augmentation_caveats(trainer.model.augmentations, self.cell.dataset.flips),
            ],
            versions=versions(),
            plugins=brought_by({"models": [spec.model.name], "datasets": [spec.dataset.name]})
            | self._judges(self.scorer),
            device={
                **describe(self.device),
                "precision": effective_precision(spec.protocol.precision, self.device),
                "compiled": trainer.compiled,
            },
            timing={
                "prepare": round(self.prepare_seconds, 3),
                "train": round(progress.train_seconds, 3),
                "score": round(progress.score_seconds, 3),
                "images_per_second": round(
                    progress.step * trainer.run.batch_size / max(progress.train_seconds, 1e-9), 2
                ),
            },
            git=source_commit(),
            finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            error=error,
        )


def _merged(known: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """Two levels of names, with those that were added."""
    return {kind: {**known.get(kind, {}), **added.get(kind, {})} for kind in {**known, **added}}


@contextmanager
def _locked(folder: RunFolder) -> Iterator[None]:
    """Hold a cell, so that no second process writes over it. The system lets go when a process dies."""
    lock = FileLock(folder.lock)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BusyError(
            f"another process is working on {folder.path}", hint="wait for it, or name other --results"
        ) from error
    except OSError as error:
        raise storage_error(folder.path, error) from error
    try:
        yield
    finally:
        lock.release()
