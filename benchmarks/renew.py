"""Every benchmark of speed, one after another, on one machine that nobody else uses.

    python benchmarks/renew.py --data-root DATA [--only training,scoring]

DATA holds the folders ``covid-ct`` and ``brats2018``, without which the phantom is measured, and the reading
of raw files not at all. Regenerates their pages in ``benchmarks/results`` in about four hours on two cores,
says how long each took, and ends with 1 if one failed. Another one's failure stops none.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import _report

HERE = Path(__file__).parent
#: Scripts in the order in which they are worth most, each with the data set that it reads.
SCRIPTS: dict[str, str | None] = {
    "training": None,
    "step_profile": None,
    "evaluation_share": "covid-ct",
    "evaluation": "covid-ct",
    "protocol_cost": "covid-ct",
    "grid": None,
    "many_cells": None,
    "scoring": None,
    "preparation": "brats2018",
    "streaming": None,
    "scoring_scale": None,
    "model_costs": None,
    "compiling": None,
}
#: Which of them have nothing to measure without raw files.
NEED_FILES = ("preparation",)


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--data-root", type=Path, help="folder with a folder for each data set")
    parser.add_argument("--only", default=",".join(SCRIPTS), help="comma separated")
    options = parser.parse_args()
    chosen = options.only.split(",")
    if unknown := [name for name in chosen if name not in SCRIPTS]:
        parser.error(f"no {', '.join(unknown)}: there are {', '.join(SCRIPTS)}")
    failed = [name for name in chosen if not renewed(name, options.data_root)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def renewed(name: str, data: Path | None) -> bool:
    """Run one script; whether it did what it should."""
    files = None if data is None or SCRIPTS[name] is None else data / str(SCRIPTS[name])
    if files is None and name in NEED_FILES:
        print(f"{name}: left out, it reads raw files: --data-root", flush=True)
        return True
    words = [] if files is None else ["--data-root", str(files)]
    started = time.monotonic()
    code = subprocess.run([sys.executable, str(HERE / f"{name}.py"), *words], check=False).returncode
    print(
        f"{name}: {'done' if code == 0 else f'exit {code}'}, {time.monotonic() - started:.0f} s", flush=True
    )
    return code == 0


if __name__ == "__main__":
    main()
