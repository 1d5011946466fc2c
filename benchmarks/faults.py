"""A campaign of faults against the real command line: kills, signals, full disks, damage, strangers' files.

    python benchmarks/faults.py --minutes 60 --seed 1
    python benchmarks/faults.py --family fuzz --trials 2000
    python benchmarks/faults.py --again 3:123456
    python benchmarks/faults.py --self-test

Each trial has a seed of its own, does one harm to healthy results, and ends with a verdict: right (the same
bits as undisturbed, or refused with a documented exit code and a whole error), or one kind of fault.
``--again`` repeats one trial and tells all of it. ``--self-test`` plants faults in the product and wants them
found. Linux; small disks want root. Regenerates ``faults.json`` and ``faults.md`` in ``benchmarks/results``,
and the counts in ``docs/reliability.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import _report
from campaign import crowds, damage, fuzz, hostile, kills, storage
from campaign.healthy import Healthy
from campaign.page import numbers, page, with_counts
from campaign.planted import PLANTED
from campaign.server import warm
from campaign.verdict import FAULTS, Fault, Skip, Trial

DOCS = Path(__file__).parents[1] / "docs" / "reliability.md"
MODULES = (kills, damage, storage, crowds, hostile, fuzz)
FAMILIES = {name: run for module in MODULES for name, run in module.FAMILIES.items()}
#: Trials in a row of each family: what is cheap, and has many kinds, is tried more often.
SHARES = {"damage": 6, "fuzz": 25, **dict.fromkeys(hostile.FAMILIES, 3), "crowd: one grid": 1, "signals": 1}


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long to go on")
    parser.add_argument("--trials", type=int, help="end after so many trials")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--family", action="append", help=f"only these: {', '.join(FAMILIES)}; or their beginning"
    )
    parser.add_argument("--again", metavar="FAMILY:SEED", help="repeat one trial, as a page names it")
    parser.add_argument("--self-test", action="store_true", help="plant faults, and want them found")
    parser.add_argument("--out", type=Path, default=_report.RESULTS, help="folder for the page")
    parser.add_argument("--name", default="faults", help="name of the two files")
    options = parser.parse_args()
    if "PYTHONHASHSEED" not in os.environ:  # a trial is the same again only if sets are
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    warm()
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        healthy = Healthy(Path(folder).resolve())
        if options.again:
            name, _, seed = options.again.rpartition(":")
            sys.exit(_tell_all(_try(healthy, name, int(seed))))
        if options.self_test:
            _publish(options, [], 0.0, _self_test(healthy, options.seed))
            return
        started = time.monotonic()
        trials = _campaign(healthy, options, started)
    found = _publish(options, trials, (time.monotonic() - started) / 60, None)
    sys.exit(int(found["faults"] > 0))


def _campaign(healthy: Healthy, options: argparse.Namespace, started: float) -> list[Trial]:
    """Trials of all families in turn, until time is up."""
    names = [
        name for name in FAMILIES if not options.family or any(name.startswith(f) for f in options.family)
    ]
    if not names:
        sys.exit(f"no family begins with {options.family}; there are: {', '.join(FAMILIES)}")
    draw = random.Random(options.seed)
    order = [name for name in names for _ in range(SHARES.get(name, 2))]
    trials: list[Trial] = []
    while True:
        draw.shuffle(order)
        for name in order:
            over = time.monotonic() - started > 60 * options.minutes
            if len(trials) == options.trials or (options.trials is None and over):
                return trials
            trials.append(_try(healthy, name, draw.randrange(10**9)))
            if trials[-1].ending in FAULTS:
                print(
                    f"{trials[-1].ending}: {name}:{trials[-1].seed}: {trials[-1].did}: {trials[-1].seen}",
                    flush=True,
                )
            if len(trials) % 100 == 0:
                print(f"{len(trials)} trials, {(time.monotonic() - started) / 60:.1f} min", flush=True)


def _try(healthy: Healthy, name: str, seed: int) -> Trial:
    """One trial, whatever comes of it."""
    trial = Trial(name, seed)
    started = time.monotonic()
    try:
        FAMILIES[name](healthy, trial, random.Random(seed))
    except Fault as fault:
        trial.ending, trial.seen = fault.kind, fault.seen
    except Skip as reason:
        trial.ending, trial.seen = "skipped", str(reason)
    except Exception as error:  # or one broken trial would cost all that were made
        trial.ending, trial.seen = "broken", f"{type(error).__name__}: {error}"
    trial.seconds = time.monotonic() - started
    trial.again = f"{name}:{seed}"
    return trial


def _tell_all(trial: Trial) -> int:
    """Print everything about one trial; returns the exit code."""
    for result in trial.calls:
        print(f"$ bench {' '.join(result.arguments)}\n{result.text.rstrip()}")
        print(f"[{result.code}, {result.seconds:.1f} s]\n")
    print(f"{trial.did}\n{trial.ending}: {trial.seen or trial.way}")
    return int(trial.ending in FAULTS)


def _self_test(healthy: Healthy, seed: int, most: int = 60) -> dict[str, Any]:
    """Plant each fault in a fork of its own, and try until it is found."""
    assert healthy.wanted
    found = {}
    for words, (plant, name, endings) in PLANTED.items():
        reader, writer = os.pipe()
        if (child := os.fork()) == 0:
            plant()
            family, _, aim = (name, "", "") if name in FAMILIES else name.partition(": ")
            healthy.aim = aim
            answer: dict[str, Any] = {"family": name, "trials": most, "caught": "**not found**"}
            draw = random.Random(seed)
            for number in range(most):
                trial = _try(healthy, family, draw.randrange(10**9))
                if trial.ending in endings:
                    answer |= {"trials": number + 1, "caught": trial.ending}
                    break
            os.write(writer, json.dumps(answer).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as file:
            found[words] = json.load(file)
        os.waitpid(child, 0)
        print(f"{words}: {found[words]}", flush=True)
    return found


def _publish(
    options: argparse.Namespace, trials: list[Trial], minutes: float, planted: dict[str, Any] | None
) -> dict[str, Any]:
    """Write the page; a self-test keeps the last campaign's numbers, and a campaign the last self-test's."""
    path = options.out / f"{options.name}.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    if planted is not None and "families" in before:
        found = {**before, "planted": planted}
    else:
        found = numbers(trials, options.seed, minutes, planted or before.get("planted", {}))
    _report.publish(options.name, found, page(found), out=options.out)
    if (options.name, options.out) == ("faults", _report.RESULTS):
        DOCS.write_text(with_counts(DOCS.read_text(), found))
    return found


if __name__ == "__main__":
    main()
