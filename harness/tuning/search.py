"""The search: trials that are proposed by TPE, one after another, and told what came of those before.

Nothing of it is stored. A trial is a cell, and its record the only trace: with a seed the proposals follow
from what was told before, so that the same search finds its finished cells again, and goes on where it was
stopped.

Source: Bergstra et al. 2011, "Algorithms for hyper-parameter optimization", as Optuna has it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..api import Between, Goal, OneOf
from ..cell.records import Record
from ..errors import SpecError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

DIGITS = 3
"""Of a number that is tried: more make no difference, and a logarithm's last bits vary between machines."""
Space = Mapping[str, Between | OneOf]


@dataclass(frozen=True)
class Trial:
    """One trial, and what came of it.

    Attributes:
        settings: What it tried.
        value: Its score; None where it did not complete.
    """

    number: int
    settings: Mapping[str, Any]
    record: Record
    value: float | None


def search(
    space: Space,
    run: Callable[[Mapping[str, Any]], Record],
    score: str,
    goal: Goal,
    *,
    trials: int,
    seed: int,
) -> Iterator[Trial]:
    """Try settings.

    Args:
        space: What may be tried.
        run: Trains a cell with settings, or finds its record.
        score: What is made better: of the evaluation that chose each cell's networks.
        goal: Which way is better.
        trials: How many.
        seed: Of the proposals.

    Raises:
        SpecError: Optuna is not installed.
    """
    optuna = sampler_package()
    study = optuna.create_study(
        direction="minimize" if goal == "lower" else "maximize", sampler=optuna.samplers.TPESampler(seed=seed)
    )
    distributions = {name: _distribution(tune) for name, tune in space.items()}
    for number in range(trials):
        proposed = study.ask(distributions)
        settings = {name: _value(space[name], value) for name, value in proposed.params.items()}
        record = run(settings)
        value = value_of(record, score)
        # Diverged: worse than all that completed, so TPE keeps away. Failed says nothing of the settings.
        states = {"diverged": optuna.trial.TrialState.PRUNED, "failed": optuna.trial.TrialState.FAIL}
        if value is None:
            study.tell(proposed, state=states.get(record.status, optuna.trial.TrialState.FAIL))
        else:
            study.tell(proposed, value)
        yield Trial(number, settings, record, value)


def sampler_package() -> Any:
    """Optuna, which proposes; asked for before anything is trained.

    Raises:
        SpecError: It is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise SpecError(
            f"optuna can't be used: {error}",
            needed="the package optuna",
            hint='pip install "hagan-bench[tune]"',
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def value_of(record: Record, score: str) -> float | None:
    """What a cell is judged by: the score that its networks were chosen by."""
    return record.scores["selected"].get(score) if record.status == "complete" else None


def is_better(value: float, other: float, goal: Goal) -> bool:
    """Whether a score is better than another."""
    return value < other if goal == "lower" else value > other


def best_of(trials: Iterable[Trial], goal: Goal) -> Trial | None:
    """The best trial, the first of equals; None where none completed."""
    best: Trial | None = None
    for trial in trials:
        if trial.value is not None:
            if best is None or best.value is None or is_better(trial.value, best.value, goal):
                best = trial
    return best


def _distribution(tune: Between | OneOf) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(tune, OneOf):
        return CategoricalDistribution([json.dumps(value) for value in tune.values])
    low, high, log = tune
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)


def _value(tune: Between | OneOf, proposed: Any) -> Any:
    """What is proposed, as a setting: text becomes what it says, and numbers have few digits."""
    if isinstance(tune, OneOf):
        return json.loads(proposed)
    return proposed if isinstance(proposed, int) else float(f"{proposed:.{DIGITS}g}")
