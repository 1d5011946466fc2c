"""The command line, as a user meets it: through a process, its streams and its exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from harness import plugins
from harness.cell.protocol import Protocol
from harness.cli import main
from harness.plugins import Registry

PLUGINS = [str(Path(__file__).parents[1] / folder) for folder in ("plugin_example/src", "plugin_faulty")]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run in, where the plugins of the tests are found as if they were installed."""
    for name in ("bench_example", "bench_faulty"):
        announce(tmp_path, name, "1.0", name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), *PLUGINS]))
    return tmp_path


def announce(workplace: Path, name: str, version: str, module: str) -> None:
    """Make a distribution known whose entry point is ``module``."""
    info = workplace / "site" / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[harness]\n{name} = {module}\n")


class Answer(NamedTuple):
    out: str
    err: str


Bench = Callable[..., Answer]


@pytest.fixture
def bench(workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bench:
    """Run the command line in this process and expect an exit code."""

    def run(*arguments: str, code: int = 0) -> Answer:
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        capsys.readouterr()
        # As in a process of its own: with the plugins that are found now.
        with plugins.using(Registry()), pytest.raises(SystemExit) as exit_:
            main()
        answer = Answer(*capsys.readouterr())
        assert (exit_.value.code or 0) == code, answer
        return answer

    return run


TINY = [
    "run",
    "--model",
    "linear-gan",
    "--dataset",
    "discs",
    "--res",
    "16",
    "--metrics",
    "brightness",
    "--epochs",
    "4",
]


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["run", "--help"]])
def test_help_and_list_need_neither_torch_nor_pandas(workplace: Path, arguments: list[str]) -> None:
    code = f"""
import sys
sys.argv = ["bench", *{arguments!r}]
from harness.cli import main
from harness.plugins import Registry
try:
    main()
except SystemExit:
    pass
heavy = {{"torch", "pandas", "numpy", "matplotlib"}} & set(sys.modules)
sys.exit(f"imported {{heavy}}" if heavy else 0)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert "hagan" in answer.stdout or "Usage" in answer.stdout


def test_list_names_plugins_with_their_distribution(bench: Bench) -> None:
    answer = bench("list", "models")
    assert "hagan" in answer.out
    (line,) = [line for line in answer.out.splitlines() if "linear-gan" in line]
    assert "one linear layer against another" in line
    assert "bench_example 1.0" in line


def test_show_tells_every_setting_with_unit_and_source(bench: Bench) -> None:
    shown = bench("show", "model", "hagan").out
    assert "lr" in shown
    assert "0.001" in shown
    assert "published:" in shown
    assert "ours" in shown
    assert "397" in bench("show", "dataset", "covid-ct").out
    assert "version 1" in bench("show", "metric", "swd").out
    bench("show", "planet", "mars", code=2)


def test_run_ends_with_scores_and_says_the_second_time_that_it_is_done(bench: Bench, workplace: Path) -> None:
    first = bench(*TINY)
    assert "complete" in first.out
    assert "brightness" in first.out
    assert "40 generated against 40 real" in first.out
    assert "epoch 4" in first.err
    (record,) = workplace.glob("results/runs/*/record.json")
    assert json.loads(record.read_text())["status"] == "complete"
    assert "done already" in bench(*TINY).out
    shown = bench("show", "run", "linear").out
    assert shown == first.out[: len(shown)]  # the same, without what to do next
    assert "lower" in shown
    assert str(record.relative_to(workplace)) in shown


def test_run_says_how_far_the_score_came_and_what_to_type_next(bench: Bench, workplace: Path) -> None:
    out = bench(*TINY, "--set", "evaluate_every=1", "--set", "lr=0.1", "--results", "here").out
    (log,) = workplace.glob("here/runs/*/log.jsonl")
    scores = [line["scores"] for line in map(json.loads, log.read_text().splitlines()) if "scores" in line]
    (record,) = workplace.glob("here/runs/*/record.json")
    best_epoch = json.loads(record.read_text())["best_epoch"]
    first, best = scores[0]["brightness"], scores[best_epoch - 1]["brightness"]
    assert best < first
    (line,) = [line for line in out.splitlines() if line.startswith("learnt ")]
    assert f"brightness was {first:.4g} after epoch 1 and {best:.4g} after epoch {best_epoch}" in line
    # What is nearly nothing is not boasted of.
    assert (f"{first / best:.1f} times less" in line) == (first / best >= 1.1)
    assert "bench run --model linear-gan --dataset folder --data-root DIR --res 16" in out


def test_dry_run_prints_the_cell_and_makes_nothing(bench: Bench, workplace: Path) -> None:
    answer = bench(*TINY, "--dry-run")
    assert '"latent_dim": 8' in answer.out
    assert "identity" in answer.out
    assert not (workplace / "results").exists()


def test_sample_makes_the_same_image_from_the_same_seed(bench: Bench, workplace: Path) -> None:
    bench(*TINY)
    bench("sample", "linear", "--count", "3", "--out", "one")
    bench("sample", "linear", "--count", "1", "--first-seed", "2", "--out", "two")
    assert sorted(path.name for path in (workplace / "one").iterdir()) == [
        "000000.png",
        "000001.png",
        "000002.png",
        "samples.json",
    ]
    assert (workplace / "one" / "000002.png").read_bytes() == (workplace / "two" / "000002.png").read_bytes()
    bench("sample", "linear", "--count", "3", "--out", "three", "--format", "npy")
    assert (workplace / "three" / "samples.npy").exists()


def test_samples_of_two_runs_never_share_a_folder(bench: Bench, workplace: Path) -> None:
    bench(*TINY)
    bench(*TINY, "--seed", "1")
    one, other = sorted(path.name for path in (workplace / "results/runs").iterdir())
    bench("sample", one, "--count", "2", "--out", "out")
    bench("sample", one, "--count", "1", "--first-seed", "2", "--out", "out")
    assert len(list((workplace / "out").glob("*.png"))) == 3
    assert f"samples of {one}, best" in bench("sample", other, "--out", "out", code=2).err
    (workplace / "mine").mkdir()
    (workplace / "mine/notes.txt").touch()
    assert "something else" in bench("sample", one, "--out", "mine", code=2).err


def test_every_setting_of_the_protocol_is_shown(bench: Bench) -> None:
    shown = bench("show", "protocol").out
    assert all(name in shown for name in (*Protocol.model_fields, "preset smoke"))


def test_the_version_is_told(bench: Bench) -> None:
    assert bench("--version").out.startswith("hagan-bench ")


def test_a_refused_run_is_no_run(bench: Bench, workplace: Path) -> None:
    bench(*TINY, "--metrics", "kid_random", "--set", "samples=1", code=2)
    assert not list((workplace / "results").rglob("spec.json"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["table", "2", "--results", "nowhere"], ["no folder nowhere", "bench run"]),
        (["show", "model"], ["which model?", "bench list"]),
        ([*TINY, "--set", "samples=-1"], ["samples=-1", "bench show protocol"]),
        ([*TINY, "--set", "dataset.discz=1"], ["dataset.discz", "bench show dataset discs"]),
        (
            ["run", "--model", "linear-gam", "--dataset", "discs"],
            ["linear-gam", "linear-gan", "bench list models"],
        ),
        (["run", "--model", "dcgan", "--dataset", "discs", "--res", "100"], ["100 px", "64"]),
        ([*TINY, "--set", "lr"], ["'lr'", "NAME=VALUE"]),
        ([*TINY, "--set", "lr=1", "--set", "lr=2"], ["twice"]),
        ([*TINY, "--set", "rl=1"], ["'rl'", "lr"]),
        ([*TINY, "--device", "abacus"], ["abacus", "cuda"]),
        ([*TINY, "--preset", "smoky"], ["smoky", "smoke"]),
        (["run", "--model", "linear-gan", "--dataset", "covid-ct"], ["--data-root"]),
        (["sample", "nothing", "--out", "x"], ["no run is called 'nothing'"]),
        (["list", "planets"], ["planets", "models"]),
    ],
)
def test_wrong_input_is_told_with_what_to_type(bench: Bench, arguments: list[str], words: list[str]) -> None:
    error = bench(*arguments, code=2).err
    assert all(word in error for word in words), error
    assert error.startswith("error: ")


def test_failed_cell_exits_with_1_and_names_the_error(bench: Bench) -> None:
    arguments = [*TINY, "--model", "faulty", "--set", "what=raise"]
    answer = bench(*arguments, code=1)
    assert "RuntimeError: asked to fail" in answer.err


def test_missing_weights_stop_the_run_before_training(bench: Bench, workplace: Path) -> None:
    answer = bench(*TINY, "--metrics", "fid", "--offline", code=2)
    assert "weights-inception-2015-12-05-6726825d.pth" in answer.err
    assert "--weights" in answer.err
    assert "swd,ms_ssim" in answer.err
    assert "training" not in answer.err
    assert not list(workplace.glob("results/runs/*/checkpoint.pt"))


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 86), (signal.SIGUSR1, 85)]
)
def test_signal_saves_and_the_same_command_goes_on(
    workplace: Path, number: signal.Signals, code: int
) -> None:
    arguments = [*TINY, "--epochs", "100000", "--set", "evaluate_every=100000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *arguments], stderr=subprocess.PIPE, text=True
    )
    try:
        log = "results/runs/*/log.jsonl"
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size for path in workplace.glob(log)) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code, error
    assert "the same command goes on" in error
    assert list(workplace.glob("results/runs/*/checkpoint.pt"))


def test_doctor_tells_what_is_missing_and_what_it_unlocks(bench: Bench) -> None:
    told = bench("doctor").out
    (inception,) = [line for line in told.splitlines() if line.strip().startswith("inception ")]
    assert "fid" in inception
    assert "not here" in inception
    (random,) = [line for line in told.splitlines() if "inception-random" in line]
    assert "ready" in random


def test_doctor_names_a_plugin_that_can_not_be_loaded(bench: Bench, workplace: Path) -> None:
    (workplace / "site" / "sick.py").write_text(
        "from harness import hookimpl\n\n"
        "@hookimpl\ndef bench_metrics(register):\n    register('sick', 'no_such_module:Sick', summary='x')\n\n"
        "@hookimpl\ndef bench_features(register):\n    register('ill', 'no_such_module:Ill', summary='x')\n"
    )
    announce(workplace, "sick", "1.0", "sick")
    told = bench("doctor").out
    assert "metric sick is broken" in told
    (ill,) = [line for line in told.splitlines() if line.strip().startswith("ill ")]
    assert "broken" in ill
    assert "inception-random" in told


def test_broken_plugin_is_told_and_the_others_work(bench: Bench, workplace: Path) -> None:
    announce(workplace, "broken", "2.0", "no_such_module")
    answer = bench("list", "models")
    assert "plugin broken 2.0" in answer.err
    assert "hagan" in answer.out
