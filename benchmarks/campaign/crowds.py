"""Several processes at once: on one cell, on one cache, on one grid; some of them are killed."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from harness.cli.exits import stopped_by

from .healthy import DATA, METRICS, TINY, Healthy, cell, facts
from .server import Call, call
from .verdict import Fault, Trial

GRID = """\
models = ["dcgan", "wgan"]
datasets = ["phantom"]
resolutions = [32]
seeds = [0]
[settings]
{settings}
[[overrides]]
model = "wgan"
settings = {{ architecture = "conv", critic_steps = 2 }}
"""


def crowd_on_a_cell(healthy: Healthy, trial: Trial, draw: random.Random) -> None:
    """Two to four processes make the same cell; one works, the others say so, one may be killed."""
    assert healthy.wanted
    place = healthy.empty()
    count, killed = draw.randint(2, 4), draw.random() < 0.4
    if draw.random() < 0.5:
        shutil.copytree(healthy.cache, place / "cache")
    arguments = cell(place / "results", place / "cache")
    trial.did = f"{count} processes{', the first is killed' if killed else ''}"
    calls = []
    for number in range(count):
        calls.append(Call(arguments, place))
        time.sleep(draw.uniform(0.0, 0.8))
        if killed and number == 0:
            calls[0].kill_after(draw.uniform(0.0, 1.5))
    ended = [one.wait(300) for one in calls]
    for one in ended[int(killed) :]:
        trial.check(one, codes={0, 2})
        if one.code == 2 and "is working on" not in one.err:
            raise Fault("lost", f"refused for another reason than that somebody works: {one.last_line}")
    trial.check(call(arguments, place), codes={0})
    if different := healthy.differs(place / "results", "dcgan"):
        raise Fault("silent", f"{', '.join(different)} differ from those of an undisturbed cell")
    healthy.no_litter(place / "results", place / "cache")


def crowd_on_a_cache(healthy: Healthy, trial: Trial, draw: random.Random) -> None:
    """Several processes prepare the same images, and one is killed; the others all end with them."""
    place = healthy.empty()
    count, sides = draw.randint(2, 3), draw.choice(["32", "32,64"])
    options = [option for option in DATA if option != "--res=32"]
    options += [f"--res={sides}", f"--cache={place / 'cache'}"]
    arguments = ["data", "prepare", *options, "--workers=1"]
    trial.did = f"{count} preparations of {sides} px, the first is killed"
    calls = [Call(arguments, place) for _ in range(count)]
    calls[0].kill_after(draw.uniform(0.0, 1.2))
    calls[0].send(signal.SIGKILL)
    ended = [one.wait(300) for one in calls]
    for one in ended[1:]:
        trial.check(one, codes={0})
    trial.check(call(["data", "verify", *options], place), codes={0})
    healthy.no_litter(place / "cache")


def crowd_on_a_grid(healthy: Healthy, trial: Trial, draw: random.Random) -> None:
    """Two processes take one grid of two cells; one is stopped or killed; it ends as undisturbed."""
    wanted = _undisturbed_grid(healthy, trial)
    arguments = _grid(healthy)
    place = healthy.place
    number = draw.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
    moment = draw.uniform(0.5, 12.0)
    second = draw.random() < 0.5
    trial.did = (
        f"{'two grids, one' if second else 'a grid'}: {signal.Signals(number).name} after {moment:.2f} s"
    )
    calls = [Call(arguments, place)]
    if second:
        time.sleep(draw.uniform(0.0, 2.0))
        calls.append(Call(arguments, place))
    calls[0].kill_after(moment, number)
    ended = [one.wait(600) for one in calls]
    if number != signal.SIGKILL and not (ended[0].code == -number and ended[0].seconds < 5):
        trial.check(ended[0], codes={0, 1, stopped_by(number)})
    for one in ended[1:]:
        trial.check(one, codes={0, 1})
    trial.check(call(arguments, place, seconds=600), codes={0})
    for folder, own in _grid_facts(place).items():
        if different := sorted(file for file in wanted[folder] if own.get(file) != wanted[folder][file]):
            raise Fault(
                "silent", f"{folder}: {', '.join(different)} differ from those of an undisturbed grid"
            )
    healthy.no_litter(place / "results", place / "cache")


def _grid(healthy: Healthy) -> list[str]:
    """A grid in an empty place with prepared images."""
    assert healthy.cells
    place = healthy.empty()
    shutil.copytree(healthy.cache, place / "cache")
    (place / "mine.toml").write_text(GRID.format(settings=_settings()))
    return ["grid", "mine.toml", "--jobs=1", f"--results={place / 'results'}", f"--cache={place / 'cache'}"]


def _undisturbed_grid(healthy: Healthy, trial: Trial) -> dict[str, dict[str, str]]:
    """What the grid comes to by itself. Its cells may have more threads than others, and so other digits."""
    if "grid" not in healthy.seen:
        trial.check(call(_grid(healthy), healthy.place, seconds=600), codes={0})
        healthy.seen["grid"] = _grid_facts(healthy.place)
    found: dict[str, dict[str, str]] = healthy.seen["grid"]
    return found


def _grid_facts(place: Path) -> dict[str, dict[str, str]]:
    found = {folder.name: facts(folder) for folder in sorted((place / "results" / "runs").iterdir())}
    for own in found.values():
        own.pop("best.previous.safetensors", None)
    return found


def _settings() -> str:
    """The settings of the healthy cells, as a grid writes them."""
    pairs = [option.removeprefix("--set=").split("=") for option in TINY if option.startswith("--set=")]
    lines = [f'"{name}" = {value}' for name, value in pairs]
    return "\n".join([*lines, "epochs = 3", f'metrics = "{METRICS.partition("=")[2]}"'])


FAMILIES: dict[str, Callable[[Healthy, Trial, random.Random], None]] = {
    "crowd: one cell": crowd_on_a_cell,
    "crowd: one cache": crowd_on_a_cache,
    "crowd: one grid": crowd_on_a_grid,
}
