"""What is tuned: a cell of which some settings are left open, what it is compared with, and what is found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ..api import Goal, SpecError, tunable
from ..cell.spec import RunRequest, label_of, pair_of
from ..files import atomic_write
from ..running.images import open_task
from ..running.place import Settings
from ..running.resolve import complete, resolve
from ..scoring.demands import check_chooser
from ..scoring.selection import make_metrics
from ..values import read_value
from .search import Space, Trial

REFERENCE = "reference"


@dataclass(frozen=True)
class Experiment:
    """What is tuned.

    Attributes:
        request: A cell; what it doesn't name may be tried.
    """

    request: RunRequest

    @cached_property
    def space(self) -> Space:
        """What may be tried: all that the model declares and nobody named.

        Raises:
            SpecError: Nothing.
        """
        completed = complete(self.request)
        found = {
            name: tune
            for name, tune in tunable(completed.model.Config).items()
            if name not in completed.named.model
        }
        if not found:
            raise SpecError(
                f"model {self.request.model} has no setting left to be tried",
                needed="settings with tune=Between(...) or OneOf(...) in its Config, some of them not set",
                hint=f"bench show model {self.request.model}",
            )
        return found

    def judged_by(self, settings: Settings) -> tuple[str, Goal]:
        """The score that chooses networks, and which way it is better.

        Raises:
            SpecError: It looks at those on whom results are reported.
        """
        selecting = complete(self.request).protocol.selecting_metric
        metrics, _ = make_metrics([selecting], settings.scoring_place(_cpu()).weights)
        check_chooser(selecting, metrics[selecting])
        return next(iter(metrics[selecting].goals.items()))

    def chooser(self, settings: Settings) -> str:
        """Whose images choose the settings.

        Raises:
            SpecError: Those on which results are reported.
        """
        cell = resolve(self.request)
        task = open_task(
            cell.spec,
            cell.model,
            cell.dataset,
            settings.cache,
            skip_bad=settings.skip_bad,
            workers=settings.workers,
            progress=settings.preparing,
            tell=settings.tell,
        )
        if task.chooser == "test patients":
            raise SpecError(
                f"{self.request.dataset} names no validation patients, and its test patients would choose",
                needed="a split with validation patients",
                hint="bench data info --dataset NAME counts them",
            )
        return task.chooser

    def trial(self, settings: Mapping[str, Any]) -> RunRequest:
        """The cell of a trial."""
        return replace(self.request, settings={**self.request.settings, **settings})

    @property
    def reference(self) -> RunRequest | None:
        """The cell with the settings of the model's original; None where it has no such preset."""
        if REFERENCE not in complete(self.request).model.presets:
            return None
        return replace(self.request, presets=(*self.request.presets, REFERENCE))

    def write(self, folder: Path, trial: Trial, trials: int) -> Path:
        """Write what the best of so many trials found, as a grid that trains with it, and return its path."""
        request = self.request
        label = label_of(request.dataset, pair_of(request.source, request.target))
        path = folder / f"{request.model}-{label.replace(' ', '-')}-{request.resolution}.toml"
        title = f"{request.model} as tuned on {label} at {request.resolution} px: the best of {trials} trials"
        named = {name: read_value(value) for name, value in {**request.settings, **trial.settings}.items()}
        lines = [
            f"title = {_toml(title)}",
            f"models = {_toml([request.model])}",
            f"datasets = {_toml([request.dataset])}",
            f"resolutions = {_toml([request.resolution])}",
            f"seeds = {_toml([request.seed])}",
            *(f"{name} = {_toml(getattr(request, name))}" for name in ("source", "target") if request.source),
            f"presets = {_toml(list(request.presets))}",
            "",
            "[settings]",
            *(f"{_toml(name)} = {_toml(value)}" for name, value in named.items()),
            "",
            "[table]",
            f"scores = {_toml(list(trial.record.scores['selected'])[:1])}",
        ]
        with atomic_write(path) as file:
            file.write(("\n".join(lines) + "\n").encode())
        return path


def _toml(value: Any) -> str:
    """A text, number, truth value or list, which TOML writes as JSON does."""
    return json.dumps(value)


def _cpu() -> Any:
    import torch

    return torch.device("cpu")
