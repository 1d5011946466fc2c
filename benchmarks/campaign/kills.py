"""Kills and signals: at random moments, before single file operations, in the middle of a write."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.cli.exits import stopped_by

from .healthy import Healthy, cell, facts, outcome, views
from .server import Call, Prepare, call
from .verdict import Fault, Trial


def kill_at_moments(healthy: Healthy, trial: Trial, draw: random.Random) -> None:
    """A cell is killed up to three times at random moments, preparation included, and then left alone."""
    model = draw.choice(["dcgan", "hagan", "wgan"])
    real = draw.random() < 0.15
    assert healthy.wanted
    place = healthy.empty()
    arguments = cell(place / "results", place / "cache", model)
    moments = [draw.uniform(0.0, 8.0 if real else 4.0) for _ in range(draw.randint(1, 3))]
    trial.did = f"{model}{', a process of its own' if real else ''}: SIGKILL after {_words(moments)}"
    for moment in moments:
        with Call(arguments, place, real=real) as running:
            running.kill_after(moment)
            ended = running.wait()
        if ended.code != -signal.SIGKILL:
            trial.check(ended, codes={0})
    _left_alone(healthy, trial, arguments, model)


def kill_at_an_operation(healthy: Healthy, trial: Trial, draw: random.Random) -> None:
    """A cell is killed before one of its file operations, or one of each of two tries."""
    _killed_inside(
        healthy, trial, draw, [_before_operation(draw.randint(1, 90)) for _ in range(draw.randint(1, 2))]
    )


def kill_in_a_write(healthy: Healthy, trial: Trial, draw: random.Random) -> None:
    """A cell is killed by the system in the middle of writing a file, after so many bytes of it."""
    _killed_inside(healthy, trial, draw, [_after_bytes(int(10 ** draw.uniform(1, 6.4)))])


def kill_a_view(healthy: Healthy, trial: Trial, draw: random.Random) -> None:
    """Whatever reads finished cells is killed at a moment; the same again shows the same as undisturbed."""
    results, cache = healthy.fresh()
    name, arguments = draw.choice([view for view in views(healthy, results, cache) if view[0] != "data"])
    undisturbed = trial.check(call(arguments, healthy.place), codes={0})
    wanted = outcome(name, undisturbed, results)
    results, cache = healthy.fresh()
    before = _contents(results / "runs")
    number = draw.randint(1, 12)
    trial.did = f"{name}: SIGKILL before its file operation {number}"
    killed = call(arguments, healthy.place, _before_operation(number))
    trial.way = "the same" if killed.code == -signal.SIGKILL else "it ended before"
    again = trial.check(call(arguments, healthy.place), codes={0})
    if outcome(name, again, results) != wanted:
        raise Fault("silent", f"{name} shows something else than undisturbed")
    if _contents(results / "runs") != before:
        raise Fault("lost", f"{name} changed the runs that it reads")


def signal_a_cell(healthy: Healthy, trial: Trial, draw: random.Random) -> None:
    """A real process is asked to stop, once or twice, or halted for a while; then the same command again."""
    kinds = [
        ["SIGTERM"],
        ["SIGINT"],
        ["SIGHUP"],
        ["SIGINT", "SIGINT"],
        ["SIGTERM", "SIGTERM"],
        ["SIGUSR1"],
        ["SIGUSR1", "SIGTERM"],
        ["SIGSTOP", "SIGCONT"],
    ]
    sent, moment = draw.choice(kinds), draw.uniform(2.5, 9.0)
    assert healthy.wanted
    place = healthy.empty()
    arguments = cell(place / "results", place / "cache")
    trial.did = f"{' and '.join(sent)} after {moment:.2f} s"
    with Call(arguments, place, _obey_hangups, real=True) as running:
        running.kill_after(moment, getattr(signal, sent[0]))
        for name in sent[1:]:
            running.kill_after(draw.uniform(0.05, 0.5), getattr(signal, name))
        ended = running.wait()
    numbers = [getattr(signal, name) for name in sent]
    if -ended.code in numbers:
        # As shells count, the same code; before a command listens, and after it, Python ends by the signal.
        trial.way = "ended by the signal itself"
    else:
        codes = set() if "SIGSTOP" in sent else {stopped_by(number) for number in numbers}
        codes |= {130} if len(codes) and len(sent) > 1 else set()  # whichever insists, it is as Ctrl-C
        trial.check(ended, codes={0, *codes})
        trial.way = "too late, and done" if ended.code == 0 else "stopped, and went on"
    _left_alone(healthy, trial, arguments, "dcgan")


def _killed_inside(healthy: Healthy, trial: Trial, draw: random.Random, deaths: list[Prepare]) -> None:
    """Make a cell, on a prepared cache or none, that dies in its own way each time, and then live."""
    assert healthy.wanted
    place = healthy.empty()
    model = draw.choice(["dcgan", "dcgan", "hagan"])
    if prepared := draw.random() < 0.5:
        shutil.copytree(healthy.cache, place / "cache")
    arguments = cell(place / "results", place / "cache", model)
    state = "on prepared images" if prepared else "from nothing"
    trial.did = f"{model}, {state}, killed {', then '.join(death.__doc__ or '' for death in deaths)}"
    trial.way = "it ended before"
    for death in deaths:
        ended = call(arguments, place, death)
        if ended.code < 0:
            trial.way = "the same"
        else:
            trial.check(ended, codes={0, 2})
    _left_alone(healthy, trial, arguments, model)


def _left_alone(healthy: Healthy, trial: Trial, arguments: list[str], model: str) -> None:
    """The same command, undisturbed, must come to what an undisturbed cell comes to."""
    results = healthy.place / "results"
    trial.check(call(arguments, healthy.place), codes={0})
    if different := healthy.differs(results, model):
        raise Fault("silent", f"{', '.join(different)} differ from those of an undisturbed cell")
    healthy.no_litter(results, healthy.place / "cache")


def _before_operation(number: int) -> Prepare:
    """A death before the so manyth file operation below the current folder."""

    def prepare() -> None:
        here, process, seen = os.getcwd(), os.getpid(), 0

        def die() -> None:
            nonlocal seen
            seen += os.getpid() == process
            if seen == number:
                os.kill(process, signal.SIGKILL)

        def watch(event: str, values: tuple[Any, ...]) -> None:
            if event not in OPERATIONS or not isinstance(values[0], str | bytes | os.PathLike):
                return
            reads = event == "open" and not (isinstance(values[2], int) and values[2] & WRITING)
            if not reads and os.fsdecode(values[0]).startswith(here):
                die()

        fsync = os.fsync

        def dying_fsync(descriptor: int) -> None:
            die()
            fsync(descriptor)

        os.fsync = dying_fsync
        sys.addaudithook(watch)

    prepare.__doc__ = f"before file operation {number}"
    return prepare


def _after_bytes(number: int) -> Prepare:
    """A death at the so manyth byte of a file: by SIGXFSZ, which Python ignores by itself."""

    def prepare() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (number, number))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    prepare.__doc__ = f"at byte {number:,} of a file"
    return prepare


def _obey_hangups() -> None:
    """Undo a nohup under which the campaign itself may run."""
    for name in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_DFL)


def _contents(runs: Path) -> dict[str, dict[str, str]]:
    return {folder.name: facts(folder) for folder in sorted(runs.iterdir())}


def _words(moments: list[float]) -> str:
    return " and ".join(f"{moment:.2f} s" for moment in moments)


OPERATIONS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

FAMILIES: dict[str, Callable[[Healthy, Trial, random.Random], None]] = {
    "kill: any moment": kill_at_moments,
    "kill: before a file operation": kill_at_an_operation,
    "kill: in the middle of a write": kill_in_a_write,
    "kill: tables, figures, samples": kill_a_view,
    "signals": signal_a_cell,
}
