"""Cells on two or more machines that share nothing but a folder, with workers killed and frozen at random.

    python benchmarks/two_hosts.py --cells 40 [--smoke --res 64]

Checked at the end: each cell was trained by one process at a time, but for the one step that a holder was
about to make when it lost its cell; every line stands once in its log, every record was written once, and
what came out is what an undisturbed run gives.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pretend_hosts
import torch

from harness import claims, plugins
from harness.cell.logs import read_log
from harness.cell.records import RunFolder, Store
from harness.cell.spec import RunRequest
from harness.errors import BenchError, BusyError
from harness.running.cell import run_cell
from harness.running.place import Settings
from harness.training.loop import Trainer

HOSTS = {"a": 0.0, "b": 3600.0, "c": -3600.0, "d": 86400.0}
"""Machines, of which as many take part as are asked for, and by how many seconds their clocks are wrong."""
WORKERS = 2
"""On each machine."""
SMALL = {"epochs": 6, "evaluate_every": 2, "batch_size": 8, "limit": 24}


@dataclass
class Arena:
    """The folder that all machines see, and who works there.

    Attributes:
        kind: Model, data set, side and metric of the cells.
        hosts: The machines.
        smoke: Whether they are those of the preset smoke; otherwise they are smaller ones.
        events: What workers tell: one file each, one JSON list a line.
        workers: Live workers by process id.
    """

    root: Path
    cells: int
    pause: float
    kind: tuple[str, str, int, str]
    smoke: bool = False
    hosts: tuple[str, ...] = ("a", "b")
    events: Path = field(init=False)
    workers: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.events = self.root / "events"
        for name in ("events", "locks"):
            (self.root / name).mkdir()

    @property
    def store(self) -> Store:
        """Its results."""
        return Store(self.root / "results")

    def start(self, host: str) -> None:
        """Start a worker on a machine."""
        pid = os.fork()
        if pid:
            self.workers[pid] = host
            return
        try:
            pretend_hosts.become(host, self.root / "locks", clock=HOSTS[host])
            self._work()
            os._exit(0)
        except BaseException as error:
            self._tell("died", "", repr(error))
            os._exit(1)

    def request(self, seed: int) -> RunRequest:
        """A cell."""
        model, dataset, side, metric = self.kind
        settings = {**({} if self.smoke else SMALL), "metrics": metric}
        return RunRequest(model, dataset, side, seed, settings, ("smoke",) if self.smoke else ())

    def _work(self) -> None:
        """Take cells that nobody works on until all are done."""
        self._watch_steps()
        cache = self.root / f"cache-{socket.gethostname()}"
        settings = Settings(self.store, cache, device="cpu", workers=1)
        order = list(range(self.cells))
        random.Random(os.getpid()).shuffle(order)
        while order:
            for seed in list(order):
                try:
                    run_cell(self.request(seed), settings)
                    order.remove(seed)
                except BusyError:
                    continue
                except BenchError as error:
                    self._tell("refused", str(seed), error.found)
                    order.remove(seed)
            time.sleep(0.05)

    def _watch_steps(self) -> None:
        """Have each claim, each step that begins, and each record that was written, told with its time."""
        take, step, write = claims.Claim.take, Trainer._step, RunFolder.write_record

        def told_take(claim: claims.Claim) -> None:
            take(claim)
            self._tell("took", claim.folder.name, "")

        def told_step(trainer: Trainer, *arguments: Any) -> Any:
            self._tell("step", trainer.folder.path.name, trainer.progress.step)
            time.sleep(self.pause)
            return step(trainer, *arguments)

        def told_write(folder: RunFolder, record: Any) -> None:
            write(folder, record)
            self._tell("record", folder.path.name, record.status)

        claims.Claim.take = told_take  # type: ignore[method-assign]
        Trainer._step = told_step  # type: ignore[method-assign]
        RunFolder.write_record = told_write  # type: ignore[method-assign]

    def _tell(self, what: str, cell: str, detail: object) -> None:
        line = json.dumps([time.monotonic(), os.getpid(), what, cell, detail]) + "\n"
        handle = os.open(self.events / str(os.getpid()), os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.write(handle, line.encode())
        os.close(handle)

    def told(self) -> list[Any]:
        """All that was told, in the order of time."""
        lines = [line for file in self.events.iterdir() for line in file.read_text().splitlines()]
        return sorted(json.loads(line) for line in lines)

    def done(self) -> int:
        """How many cells have a record."""
        return len(list(self.store.runs.glob("*/record.json")))

    def reap(self) -> None:
        """Forget workers that ended."""
        for pid in list(self.workers):
            if os.waitpid(pid, os.WNOHANG)[0]:
                del self.workers[pid]


def disturb(arena: Arena, dice: random.Random, every: float, most: int, seconds: float) -> Counter[str]:
    """Kill and freeze workers at random, so many times at most, until all cells are done."""
    done: Counter[str] = Counter()
    frozen: dict[int, float] = {}
    until = time.monotonic() + seconds
    following = time.monotonic() + every
    while arena.done() < arena.cells:
        if time.monotonic() > until:
            break
        time.sleep(0.05)
        arena.reap()
        for pid, wakes in list(frozen.items()):
            if time.monotonic() > wakes:
                del frozen[pid]
                if pid in arena.workers:
                    os.kill(pid, signal.SIGCONT)
        for host in arena.hosts:
            while list(arena.workers.values()).count(host) < WORKERS:
                arena.start(host)
        awake = [pid for pid in arena.workers if pid not in frozen]
        if time.monotonic() > following and len(awake) > 1 and done.total() < most:
            following = time.monotonic() + dice.uniform(0.5, 1.5) * every
            victim = dice.choice(awake)
            if dice.random() < 0.5:
                os.kill(victim, signal.SIGKILL)
                done["killed"] += 1
            else:
                os.kill(victim, signal.SIGSTOP)
                frozen[victim] = time.monotonic() + dice.uniform(0.5, 2.5) * claims.LEASE_SECONDS
                done["frozen"] += 1
    for pid in frozen:
        if pid in arena.workers:
            os.kill(pid, signal.SIGCONT)
    # Those who were frozen wake up to what others have finished: nothing may come of that.
    end = time.monotonic() + 30 + 3 * claims.LEASE_SECONDS
    while arena.workers and time.monotonic() < end:
        time.sleep(0.05)
        arena.reap()
    for pid in list(arena.workers):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        done["never ended"] += 1
    return done


def faults(arena: Arena) -> list[str]:
    """What went wrong, in words."""
    found = [f"{arena.done()} of {arena.cells} cells have a record"] if arena.done() < arena.cells else []
    holders: dict[str, int] = {}
    late: Counter[tuple[str, int]] = Counter()
    records: Counter[str] = Counter()
    for _, pid, what, cell, detail in arena.told():
        if what == "took":  # who lost a cell may take it again, once its next holder is gone
            holders[cell] = pid
            late[cell, pid] = 0
        elif what == "step":
            # Between its last look and its next step a holder may stand still, and lose the cell: that step
            # is made, in its memory. Before another it looks again.
            late[cell, pid] += holders.get(cell) != pid
            if late[cell, pid] > 1:
                found.append(f"{cell}: {pid} made step {detail}, long after {holders.get(cell)} took it")
        elif what == "record":
            records[cell] += 1
        else:
            found.append(f"{what} {cell}: {detail}")
    found += [f"{cell} was recorded {count} times" for cell, count in records.items() if count != 1]
    for folder in arena.store.folders():
        lines = read_log(folder.log)
        losses = [line["step"] for line in lines if "losses" in line]
        scores = [line["epoch"] for line in lines if "scores" in line]
        protocol = folder.read_spec().protocol
        every = protocol.evaluate_every
        if losses != sorted(set(losses)) or scores != list(range(every, protocol.epochs + 1, every)):
            found.append(f"{folder.path.name}: losses at steps {losses}, scores at epochs {scores}")
        if left := [path.name for path in folder.path.iterdir() if path.name.endswith((".part", ".lease"))]:
            found.append(f"{folder.path.name}: left behind {left}")
    return found


def differences(arena: Arena, seeds: list[int]) -> list[str]:
    """Cells whose log or scores are not those of an undisturbed run."""
    plain = Settings(Store(arena.root / "plain"), arena.root / "cache-plain", device="cpu", workers=1)
    found = []
    for seed in seeds:
        alone = run_cell(arena.request(seed), plain)
        other = arena.store.folder(alone.record.spec)
        record = other.read_record()
        if record is None or record.scores != alone.record.scores:
            found.append(f"{other.path.name}: other scores than undisturbed")
        if other.log.read_bytes() != alone.folder.log.read_bytes():
            found.append(f"{other.path.name}: another log than undisturbed")
    return found


def main() -> None:
    """Do it, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=40)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the kills and freezes")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two of them, on average")
    parser.add_argument("--most", type=int, default=1000, help="how many of them")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds that each training step is held up")
    parser.add_argument("--lease", type=float, default=claims.LEASE_SECONDS, help="seconds")
    parser.add_argument("--seconds", type=float, default=1500.0, help="after which it is given up")
    parser.add_argument("--model", default="dcgan")
    parser.add_argument("--dataset", default="phantom")
    parser.add_argument("--res", type=int, default=32)
    parser.add_argument("--metric", default="swd")
    parser.add_argument("--hosts", type=int, choices=range(1, len(HOSTS) + 1), default=2)
    parser.add_argument("--smoke", action="store_true", help="cells of the preset smoke")
    asked = parser.parse_args()
    claims.LEASE_SECONDS, claims.HEARTBEAT_SECONDS = asked.lease, asked.lease / 5
    torch.set_num_threads(1)
    # Before workers are forked: each would take seconds for it, and be killed before it is done.
    importlib.import_module("torch._dynamo")
    plugins.current().load("models", asked.model)
    print(f"seed {asked.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        kind = (asked.model, asked.dataset, asked.res, asked.metric)
        hosts = tuple(HOSTS)[: asked.hosts]
        arena = Arena(Path(folder), asked.cells, asked.pause, kind, asked.smoke, hosts)
        began = time.monotonic()
        done = disturb(arena, random.Random(asked.seed), asked.every, asked.most, asked.seconds)
        seconds = time.monotonic() - began
        found = faults(arena) + differences(arena, [0, asked.cells - 1])
        told = arena.told()
        starts = len({(pid, cell) for _, pid, what, cell, _ in told if what == "step"})
        print(
            f"{asked.cells} cells in {seconds:.0f} s: {starts} trainings begun or gone on with; {dict(done)}"
        )
    for fault in found:
        print(f"FAULT {fault}")
    print(
        "each cell by one at a time, each line once, each record once"
        if not found
        else f"{len(found)} faults"
    )
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
