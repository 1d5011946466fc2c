"""The script of a job: it starts a cell, passes signals on, and queues it again while it gets further."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from ....api.executor import PAUSED
from ....files import atomic_write
from ...cells import CELLS, NAMES

SCRIPT = "job.sh"
ENDS = "ends"
"""Folder with a file for each cell that ended by itself: the job's number and the exit code."""

_TEXT = r"""#!/bin/bash
# One cell of an array of jobs. What it prints is appended to the cell's log.
here={here}
submit=({submit})
index=$SLURM_ARRAY_TASK_ID
job=${{SLURM_ARRAY_JOB_ID}}_$index
IFS='|' read -r name identity run < <(sed -n "$((index + 1))p" "$here/{names}")
mkdir -p {logs} && exec >>{logs}/"$name.txt" 2>&1
echo "job $job, restart ${{SLURM_RESTART_COUNT:-0}}, on $(hostname)"
export HAGAN_BENCH_JOB=slurm:$job
mark() {{ stat -c '%i %y %s' "$run/checkpoint.pt" 2>/dev/null; }}
before=$(mark)
{setup}
{python} -m harness cell --cells "$here/{cells}" --index "$index" --expect "$identity" \
    --device={device} --threads="${{SLURM_CPUS_PER_TASK:-1}}" &
cell=$!
asked=
pass() {{ asked=$1; kill -s "$1" "$cell" 2>/dev/null; }}
trap 'pass USR1' USR1
trap 'pass TERM' TERM
while wait "$cell"; code=$?; [ "$code" -gt 128 ] && kill -0 "$cell" 2>/dev/null; do :; done
# A signal that came in the last moment has cut the waiting, and not the cell.
wait "$cell"; again=$?; [ "$again" = 127 ] || code=$again
if [ "$code" = {paused} ] && [ "$(mark)" != "$before" ]; then
    echo "the time here is up, and the training got further: once more from its checkpoint"
    trap '' TERM USR1  # SLURM ends a job that it queues again, and would end the command that asks for it
    scontrol requeue "$job" && exit "$code"
    "${{submit[@]}}" --array="$index" "$here/{script}" && exit "$code"
fi
# Of what ends by somebody's signal, SLURM itself knows better whether it comes back.
if [ "$asked" != TERM ]; then
    mkdir -p "$here/{ends}" && cd "$here/{ends}" || exit "$code"
    echo "$SLURM_ARRAY_JOB_ID $code" >".$index" && mv ".$index" "$index"
fi
exit "$code"
"""


def write_script(
    folder: Path, options: Sequence[str], logs: Path, *, device: str, setup: str
) -> tuple[str, ...]:
    """Write the script of an array beside its file of cells; returns the command that submits it.

    ``--array`` and the script's path are to be added.

    Args:
        folder: The folder of the file of cells.
        options: Options of sbatch.
        logs: Folder for what cells print.
        device: The device that cells are told to use.
        setup: Shell commands before each cell.

    Raises:
        StorageError: It can't be written.
    """
    submit = (
        "sbatch",
        "--parsable",
        "--requeue",
        # What SLURM itself says of a job; what the cell says goes to its log.
        f"--output={folder}/slurm-%a.txt",
        "--open-mode=append",
        f"--job-name={name_of(folder)}",
        *options,
    )
    text = _TEXT.format(
        here=shlex.quote(str(folder)),
        submit=shlex.join(submit),
        logs=shlex.quote(str(logs)),
        names=NAMES,
        cells=CELLS,
        script=SCRIPT,
        ends=ENDS,
        setup=setup,
        python=shlex.quote(sys.executable),
        device=shlex.quote(device),
        paused=PAUSED,
    )
    with atomic_write(folder / SCRIPT) as file:
        file.write(text.encode(errors="surrogateescape"))
    return submit


def name_of(folder: Path) -> str:
    """What jobs of the cells in a folder are called."""
    return f"bench-{folder.name}"
