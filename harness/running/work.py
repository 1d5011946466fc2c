"""The work on one cell: prepare, train, choose, score, record."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch

from .. import plugins
from ..api import Goal, Model
from ..cell.records import Record, RunFolder, Status
from ..data.image_set import ImageSet
from ..errors import BenchError, Diverged, Interrupted, StorageError
from ..files import storage_error
from ..scoring.demands import check_chooser
from ..scoring.report import Report
from ..scoring.scorer import Scorer
from ..scoring.selection import make_metrics
from ..tasks import Task
from ..training.augmentation import augmented_once
from ..training.checkpoints import load_networks
from ..training.feed import make_feed
from ..training.loop import Trainer
from ..training.observers import Observers
from .environment import memory_for_training
from .images import open_task
from .model import load_model, make_model
from .place import Settings
from .recording import Ending, make_record, with_scores
from .resolve import ResolvedCell
from .scorers import make_scorer, population


class Work:
    """The steps of one cell, in the order in which they are taken."""

    def __init__(
        self, cell: ResolvedCell, folder: RunFolder, settings: Settings, device: torch.device
    ) -> None:
        self.cell = cell
        self.spec = cell.spec
        self.folder = folder
        self.settings = settings
        self.device = device

    def run(self) -> Record:
        """Do what is not done yet; the record is written last.

        Raises:
            BenchError: Anything that the user can put right.
            Interrupted: Somebody asked to stop; the state is saved.
        """
        self._check_metrics()
        weights = self._weights()
        started = time.monotonic()
        task = self.task()
        prepare_seconds = time.monotonic() - started
        scorer = self.scorer(self.spec.protocol.metrics, task, task.train)
        # Not earlier: what was refused is no run.
        self.folder.write_spec(self.spec)
        model = make_model(self.spec, self.cell.model, self.cell.model_config, self.device)
        task.check_model(model)
        if weights:
            model.use_weights(weights)
        trainer = self._trainer(model, task, scorer)
        trainer.resume()
        if self.settings.compile:
            trainer.compile()
        observers = Observers(plugins.current().manager, self.settings.tell)
        ending = self._train_and_score(trainer, task, scorer, observers)
        record = make_record(self.cell, task, trainer, scorer, ending, prepare_seconds)
        self._write(record)
        observers.run_finished(trainer.run, record.model_dump())
        return record

    def add_scores(self, record: Record, metrics: list[str]) -> Record:
        """Score the networks of a finished cell by further metrics, without training again."""
        task = self.task()
        scorer = self.scorer(metrics, task, task.train)
        models = [load_model(self.folder, self.device, which) for which in ("best", "last")]
        best, last = (scorer.report(*task.generate(model)) for model in models)
        best.context.update(self._augmented_real(scorer, task, models[0]))
        record = with_scores(record, scorer, best, last)
        self._write(record)
        return record

    def _write(self, record: Record) -> None:
        """Write the record into the folder that the run began with."""
        if not self.folder.spec.exists():
            raise StorageError(
                f"{self.folder.path} was removed while the cell ran",
                needed="the folder of the run, to keep its record",
                hint="the same command runs the cell again",
            )
        self.folder.write_record(record)

    def _train_and_score(self, trainer: Trainer, task: Task, scorer: Scorer, observers: Observers) -> Ending:
        """Train to the end, and score what came out; what a model does wrong is an ending too."""
        status: Status
        try:
            trainer.fit(observers, self.settings.stop)
            started = time.monotonic()
            best, last = self._final_scores(trainer, task, scorer)
            trainer.progress.score_seconds += time.monotonic() - started
            return Ending("complete", best, last)
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
        nothing = Report({}, {}, [], [])
        return Ending(status, nothing, nothing.scores, error)

    def _final_scores(self, trainer: Trainer, task: Task, scorer: Scorer) -> tuple[Report, dict[str, float]]:
        """The best and the last networks, scored by all metrics on images that no evaluation saw.

        The best of many looks at the same samples is better than those networks are; fresh samples undo that.
        """
        model, progress = trainer.model, trainer.progress
        last_is_best = progress.best_epoch == self.spec.protocol.epochs
        last = {} if last_is_best else scorer.score(*task.generate(model))
        assert progress.best_networks is not None  # the last epoch is always evaluated
        model.load_state_dict(load_networks(self.folder.best, progress.best_networks))
        outputs = task.generate(model)
        task.picture(self.folder.samples, outputs)
        best = scorer.report(*outputs)
        best.context.update(self._augmented_real(scorer, task, model))
        return best, last or best.scores

    def task(self) -> Task:
        """What the model is asked for, with the images of the cell."""
        return open_task(
            self.spec,
            self.cell.model,
            self.cell.dataset,
            self.settings.cache,
            skip_bad=self.settings.skip_bad,
            workers=self.settings.workers,
            progress=self.settings.preparing,
            tell=self.settings.tell,
        )

    def _trainer(self, model: Model, task: Task, scorer: Scorer) -> Trainer:
        """The training of a model, with evaluations by the metric that selects and no other."""
        selecting = self.spec.protocol.selecting_metric
        judge = self.judge(task, scorer)
        most = self.settings.device_memory
        most = memory_for_training(self.device) if most is None else most
        return Trainer(
            model,
            make_feed(task.stacks(task.train), self.device, most),
            task.shown,
            self.spec,
            self.folder,
            lambda: judge.score(*task.preview(model), only=[selecting]),
            _selection(scorer, selecting),
        )

    def judge(self, task: Task, scorer: Scorer) -> Scorer:
        """Who scores evaluations during training; ``scorer`` itself where they see the same real images."""
        if task.evaluated_against is task.train:
            return scorer
        return self.scorer([self.spec.protocol.selecting_metric], task, task.evaluated_against)

    def scorer(self, metrics: Sequence[str], task: Task, real: ImageSet) -> Scorer:
        """A scorer against these real images. Nobody should learn after days that a score can't be had."""
        channels, held_out = self.spec.protocol.channels, task.held_out
        scorer = make_scorer(
            metrics,
            population(real, channels),
            None if held_out is None else population(held_out, channels),
            self.settings.scoring_place(self.device),
        )
        spec = self.spec
        scorer.check(task.count, paired=spec.dataset.pair is not None, labelled=spec.protocol.labels)
        return scorer

    def _check_metrics(self) -> None:
        """Make sure, before raw files are read, that metrics have what they need and the first may choose."""
        place = self.settings.scoring_place(self.device)
        metrics, spaces = make_metrics(self.spec.protocol.metrics, place.weights)
        selecting = self.spec.protocol.selecting_metric
        check_chooser(selecting, metrics[selecting])
        for space in spaces.values():
            space.check()

    def _weights(self) -> dict[str, Path]:
        """The model's published files by name; asked for before raw files are read."""
        place = self.settings.scoring_place(self.device)
        needed = self.cell.model.needed_weights(self.cell.model_config)
        return {file.name: place.weights.find(file) for file in needed}

    def _augmented_real(self, scorer: Scorer, task: Task, model: Model) -> dict[str, float]:
        """What real images score after the augmentation that the model imitates: SCORE_augmented_real."""
        if not task.imitates or not model.augmentations:
            return {}
        moved = augmented_once(task.train.images, model.augmentations, self.spec.protocol.shift_reach)
        # Pairs that were moved alike are as good to learn from: there is no limit to speak of.
        seeing = [name for name, metric in scorer.metrics.items() if not metric.needs_labels]
        scores = scorer.score(moved, only=seeing)
        return {f"{name}_augmented_real": value for name, value in scores.items() if name in scorer.goals}


def _selection(scorer: Scorer, metric: str) -> tuple[str, Goal]:
    """The score that tells the best evaluation: the first of the metric that selects."""
    return next(iter(scorer.metrics[metric].goals.items()))
