"""What is said to SLURM, and what is understood of its answers, without a cluster."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.api import BUSY, PAUSED, STOPPED, Ended, Job, JobState, Resources
from harness.errors import BenchError, SpecError
from harness.grid.cells import CELLS, read_cell, read_cells, write_cells
from harness.grid.executors import asking
from harness.grid.executors.slurm import executor as slurm
from harness.grid.executors.slurm import queue
from harness.grid.executors.slurm.config import SlurmConfig, sbatch_options, seconds_of
from harness.grid.executors.slurm.executor import Slurm
from harness.grid.executors.slurm.queue import Entry, read_listing
from harness.grid.executors.slurm.script import name_of, write_script


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [
        ("30", 1800),
        ("30:10", 1810),
        ("24:00:00", 86400),
        ("2-12", 216000),
        ("1-00:30:05", 88205),
        ("infinite", None),
        (None, None),
    ],
)
def test_time_limits_are_read_as_slurm_reads_them(limit: str | None, seconds: int | None) -> None:
    assert seconds_of(limit) == seconds


def test_a_number_is_a_time_and_a_memory_too() -> None:
    config = SlurmConfig(time=60, memory=4000)  # type: ignore[arg-type]
    assert (config.time, config.memory) == ("60", "4000")


@pytest.mark.parametrize(
    ("settings", "longest", "signal"),
    [
        ({}, None, 60),
        ({}, 100.0, 150),
        ({"lead": 300}, 100.0, 300),
        ({"time": "10"}, 1000.0, 300),
        ({"time": "24:00:00"}, 1000.0, 1500),
    ],
)
def test_the_signal_comes_before_the_longest_evaluation_must_end(
    settings: dict[str, Any], longest: float | None, signal: int
) -> None:
    options = sbatch_options(SlurmConfig(**settings), longest=longest)
    assert f"--signal=B:USR1@{signal}" in options


def test_options_are_those_that_were_set_and_the_users_own_come_last() -> None:
    config = SlurmConfig(partition="gpu", gpu_type="a100", cores=8, options=("--exclusive",))
    options = sbatch_options(config, longest=None)
    assert options == [
        "--partition=gpu",
        "--gres=gpu:a100:1",
        "--cpus-per-task=8",
        "--signal=B:USR1@60",
        "--exclusive",
    ]
    assert not any("gres" in option for option in sbatch_options(SlurmConfig(gpus=0), longest=None))


def line(job: int, index: object, name: str, state: str, status: int = 0, node: str = "") -> str:
    widths = queue._COLUMNS.values()
    return "".join(
        f"{word!s:<{width}}"
        for word, width in zip((job, index, name, state, status, node), widths, strict=True)
    )


def test_a_listing_is_read_by_columns_and_the_newest_job_counts() -> None:
    entries = read_listing(
        "\n".join(
            [
                line(7, 0, "bench-a", "FAILED", PAUSED << 8, "n1"),
                line(9, 0, "bench-a", "PENDING"),
                line(7, 1, "bench-a", "OUT_OF_MEMORY", 9, "n2"),
                line(7, 2, "bench-a", "RUNNING", 0, "n2"),
                line(8, 0, "somebody-elses", "RUNNING"),
                line(8, "N/A", "bench-b", "RUNNING"),
                "",
            ]
        )
    )
    assert entries == {
        ("bench-a", 0): Entry(9, 0, "PENDING", None, ""),
        ("bench-a", 1): Entry(7, 1, "OUT_OF_MEMORY", -9, "n2"),
        ("bench-a", 2): Entry(7, 2, "RUNNING", None, "n2"),
    }


@pytest.mark.parametrize(
    ("state", "status", "code", "reason"),
    [
        ("COMPLETED", 0, 0, "exit"),
        ("FAILED", 2 << 8, 2, "exit"),
        ("FAILED", PAUSED << 8, PAUSED, "timeout"),
        ("FAILED", STOPPED << 8, STOPPED, "cancelled"),
        ("TIMEOUT", 15, -15, "timeout"),
        ("PREEMPTED", 15, -15, "preempted"),
        ("NODE_FAIL", 0, 0, "node lost"),
        ("OUT_OF_MEMORY", 9, -9, "out of memory"),
        ("CANCELLED", 15, -15, "cancelled"),
    ],
)
def test_ends_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, status: int, code: int, reason: str
) -> None:
    executor, _ = cluster(tmp_path, monkeypatch, [])
    (job,) = executor.submit([Job("a", ("cell", "{}"))])
    (name, _) = job.place  # type: ignore[attr-defined]
    monkeypatch.setattr(slurm, "GONE_SECONDS", 0.0)
    executor.queue.known = read_listing(line(1, 0, name, state, status, "n2"))
    ended = job.poll()
    assert ended is not None
    assert (ended.code, ended.reason) == (code, reason)
    assert job.poll() == ended


def test_a_file_of_cells_is_believed_whole_or_not_at_all(tmp_path: Path) -> None:
    jobs = [Job(f"c{number}", ("cell", "{}", f"--expect={number}")) for number in range(3)]
    folder = write_cells(tmp_path, jobs)
    assert [cell.arguments for cell in read_cells(folder / CELLS)] == [job.arguments for job in jobs]
    assert read_cell(folder / CELLS, 1, "1").name == "c1"
    for index, expect, words in ((3, "3", "has no cell 3"), (1, "2", "cell 2 was asked for")):
        with pytest.raises(SpecError, match=words):
            read_cell(folder / CELLS, index, expect)
    content = (folder / CELLS).read_bytes()
    for damaged in (content[:-1], content.replace(b"c1", b"c9"), b"", content + b"\n"):
        (folder / CELLS).write_bytes(damaged)
        with pytest.raises(SpecError, match="can't be believed"):
            read_cell(folder / CELLS, 0, None)


def cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listing: list[str], **settings: Any
) -> tuple[Slurm, list[list[str]]]:
    """An executor whose SLURM is a list of commands, with the answers that are made up here."""
    asked: list[list[str]] = []

    def call(command: list[str], *, patience: float = 60.0) -> str:
        asked.append(list(command))
        if command[0] == "sbatch":
            return f"{sum(one[0] == 'sbatch' for one in asked)}\n"
        return "\n".join(listing) if command[0] == "squeue" else ""

    monkeypatch.setattr(slurm, "call", call)
    monkeypatch.setattr(queue, "call", call)
    resources = Resources(devices=["cpu"], cores=1, jobs=None, per_device=1, logs=tmp_path / "logs")
    return Slurm(resources, SlurmConfig(**settings)), asked


def test_cells_of_equal_needs_are_one_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executor, asked = cluster(tmp_path, monkeypatch, [])
    long = SlurmConfig(time="24:00:00")
    jobs = [Job(f"c{n}", ("cell", str(n)), None if n < 3 else long) for n in range(5)]
    tasks = list(executor.submit(jobs))
    arrays = [next(word for word in one if word.startswith("--array")) for one in asked if one[0] == "sbatch"]
    assert arrays == ["--array=0-2", "--array=0-1"]
    assert [task.state for task in tasks] == [JobState("queued")] * 5


def test_ten_thousand_cells_are_twelve_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executor, asked = cluster(tmp_path, monkeypatch, [])
    names = {f"c{number}" for number in range(10_000)}
    assert executor.attach(names) == {}
    tasks = list(executor.submit([Job(name, ("cell", name)) for name in sorted(names)]))
    assert len(tasks) == 10_000
    with monkeypatch.context() as patch:
        patch.setattr(asking, "ASK_SECONDS", -1.0)  # as if submitting had taken longer than that
        assert {task.state for task in tasks} == {JobState("queued")}
    assert len(asked) <= 12
    before = len(asked)
    for _ in range(3):
        assert not any(task.poll() for task in tasks)
    assert len(asked) == before, "SLURM was asked again within ten seconds"


def test_what_is_queued_is_found_by_the_name_of_its_array(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [Job(f"c{number}", ("cell", str(number))) for number in range(3)]
    folder = write_cells(tmp_path / "jobs", jobs)
    name = name_of(folder)
    assert cluster(tmp_path, monkeypatch, ["no listing"])[0].attach({"c0"}) == {}, "nothing was submitted"
    write_script(folder, [], tmp_path / "logs", device="cpu", setup="")
    listing = [
        line(7, 0, name, "RUNNING", 0, "n1"),
        line(7, 1, name, "PENDING"),
        line(7, 2, name, "FAILED", 256),
        line(8, 0, "bench-0123", "RUNNING"),
    ]
    executor, asked = cluster(tmp_path, monkeypatch, listing)
    found = executor.attach({"c0", "c1", "c2", "c3"})
    assert {name: job.state for name, job in found.items()} == {
        "c0": JobState("running", "n1"),
        "c1": JobState("queued"),
    }
    again = list(executor.submit(jobs))
    assert sum(one[0] == "sbatch" for one in asked) == 1, "two of the three are there already"
    assert len(again) == 3


def test_a_cell_that_slurm_forgot_is_given_up_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor, _ = cluster(tmp_path, monkeypatch, [])
    (job,) = executor.submit([Job("a", ("cell", "{}"))])
    monkeypatch.setattr(asking, "ASK_SECONDS", -1.0)
    assert job.poll() is None
    monkeypatch.setattr(slurm, "GONE_SECONDS", 0.0)
    ended = job.poll()
    assert ended is not None
    assert (ended.code, ended.reason) == (None, "node lost")


def test_a_cluster_that_does_not_answer_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor, _ = cluster(tmp_path, monkeypatch, [])
    (job,) = executor.submit([Job("a", ("cell", "{}"))])

    def call(command: list[str], *, patience: float = 60.0) -> str:
        raise BenchError("squeue did not answer for 60 s")

    monkeypatch.setattr(queue, "call", call)
    monkeypatch.setattr(asking, "ASK_SECONDS", -1.0)
    monkeypatch.setattr(slurm, "GONE_SECONDS", 0.0)
    assert job.poll() is None
    assert "did not answer" in executor.queue.trouble


def test_a_missing_program_is_told_with_what_else_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BenchError, match="there is no squeue here"):
        queue.call(["squeue"])


FAKE = """#!/bin/bash
case "$*" in *--cells*) trap 'echo further >"$RUN/checkpoint.pt"; exit 85' USR1; trap 'exit 86' TERM
  echo started; [ -n "$CODE" ] && exit "$CODE"; for _ in $(seq 200); do sleep 0.05; done;; esac
"""


def job(tmp_path: Path, *, requeues: bool = True, **environment: str) -> tuple[subprocess.Popen[bytes], Path]:
    """The script of a job with a cell and a scontrol that are a few lines of shell."""
    run, tools = tmp_path / "run", tmp_path / "tools"
    for folder in (run, tools):
        folder.mkdir()
    folder = write_cells(tmp_path / "jobs", [Job("c0", ("cell", "{}"), folder=run)])
    submit = write_script(folder, [], tmp_path / "logs", device="cpu", setup="echo set up")
    assert submit[0] == "sbatch"
    text = (folder / "job.sh").read_text().replace(slurm_python(), str(tools / "python"))
    (folder / "job.sh").write_text(text)
    for name, content in {
        "python": FAKE,
        "scontrol": f'#!/bin/bash\necho "scontrol $*" >>{tmp_path}/told\nexit {int(not requeues)}\n',
        "sbatch": f'#!/bin/bash\necho "sbatch $*" >>{tmp_path}/told\n',
    }.items():
        (tools / name).write_text(content)
        (tools / name).chmod(0o755)
    process = subprocess.Popen(
        ["bash", str(folder / "job.sh")],
        env={
            "PATH": f"{tools}:/usr/bin:/bin",
            "RUN": str(run),
            "CODE": "",
            "SLURM_ARRAY_JOB_ID": "7",
            "SLURM_ARRAY_TASK_ID": "0",
            **environment,
        },
    )
    return process, folder


def slurm_python() -> str:
    return shlex.quote(sys.executable)


def wait_for_start(tmp_path: Path) -> None:
    until = time.monotonic() + 30
    log = tmp_path / "logs" / "c0.txt"
    while not log.exists() or "started" not in log.read_text():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("requeues", [True, False])
def test_a_cell_whose_time_is_up_is_queued_again(tmp_path: Path, requeues: bool) -> None:
    process, folder = job(tmp_path, requeues=requeues)
    wait_for_start(tmp_path)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=30) == PAUSED
    told = (tmp_path / "told").read_text().splitlines()
    assert told[0] == "scontrol requeue 7_0"
    assert ("--array=0" in told[-1] and f"--job-name={name_of(folder)}" in told[-1]) is not requeues
    assert not (folder / "ends").exists(), "it has not ended"


def test_a_cell_that_got_no_further_is_not_queued_again(tmp_path: Path) -> None:
    process, folder = job(tmp_path, CODE=str(PAUSED))
    assert process.wait(timeout=30) == PAUSED
    assert not (tmp_path / "told").exists()
    assert (folder / "ends" / "0").read_text() == f"7 {PAUSED}\n"


def test_who_is_cancelled_saves_and_leaves_the_last_word_to_slurm(tmp_path: Path) -> None:
    process, folder = job(tmp_path)
    wait_for_start(tmp_path)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == STOPPED
    assert not (folder / "ends").exists()
    assert not (tmp_path / "told").exists()


def test_a_good_end_is_known_before_slurm_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor, asked = cluster(tmp_path, monkeypatch, [])
    monkeypatch.setattr(slurm, "LOOK_SECONDS", 0.0)
    (task,) = executor.submit([Job("a", ("cell", "{}"))])
    ends = task.folder / "ends"  # type: ignore[attr-defined]
    ends.mkdir()
    (ends / "0").write_text("0 0\n")
    assert task.poll() is None, "that was an earlier job"
    before = len(asked)
    (ends / "0").write_text("1 0\n")
    assert task.poll() == Ended(0, "exit 0")
    assert len(asked) == before


def test_a_bad_end_is_believed_when_slurm_says_so_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script on a node that SLURM lost lives on, while the cell is queued again."""
    listing: list[str] = []
    executor, _ = cluster(tmp_path, monkeypatch, listing)
    monkeypatch.setattr(slurm, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(asking, "ASK_SECONDS", -1.0)
    (task,) = executor.submit([Job("a", ("cell", "{}"))])
    name, _ = task.place  # type: ignore[attr-defined]
    ends = task.folder / "ends"  # type: ignore[attr-defined]
    ends.mkdir()
    (ends / "0").write_text(f"1 {BUSY}\n")
    listing.append(line(1, 0, name, "PENDING"))
    assert task.poll() is None
    listing[0] = line(1, 0, name, "FAILED", BUSY << 8)
    assert task.poll() == Ended(BUSY, f"exit {BUSY}")


def test_an_end_that_nobody_wrote_down_may_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the end of a script that queued its cell again and SLURM's next word lies a moment."""
    listing: list[str] = []
    executor, _ = cluster(tmp_path, monkeypatch, listing)
    monkeypatch.setattr(asking, "ASK_SECONDS", -1.0)
    (task,) = executor.submit([Job("a", ("cell", "{}"))])
    name, _ = task.place  # type: ignore[attr-defined]
    listing.append(line(1, 0, name, "FAILED", PAUSED << 8))
    assert task.poll() is None
    listing[0] = line(1, 0, name, "PENDING")
    assert task.poll() is None
    assert task.state == JobState("queued")
