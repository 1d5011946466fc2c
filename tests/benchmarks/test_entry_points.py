"""The benchmarks start, and what measures training for half an hour does so in seconds where it is asked for little."""

from __future__ import annotations

import functools
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import _loops
import _report
import compiling
import evaluation_share
import pytest
import renew
import scoring_scale
import step_profile
import torch
import training

SCRIPTS = sorted(
    path.stem
    for path in (Path(__file__).parents[2] / "benchmarks").glob("*.py")
    if "\ndef main()" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_tells_what_it_does(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        script = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "harness").partition(".")[0] in ("harness", "harness_models", "harness_datasets"):
            raise
        pytest.skip(f"{name} needs {error.name}")
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as end:
        script.main()
    assert end.value.code == 0
    assert "usage:" in capsys.readouterr().out


def test_what_is_renewed_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert set(renew.SCRIPTS) <= set(SCRIPTS)
    for name in renew.SCRIPTS:
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit({int(name == 'grid')})")
    monkeypatch.setattr(renew, "HERE", tmp_path)
    with pytest.raises(SystemExit, match=r"failed: grid$"):
        run(monkeypatch, renew, "--only=training,grid,preparation")


class Here:
    """What ``Worker`` does in a process of its own."""

    ready: ClassVar[list[tuple[Any, Callable[[], Any]]]] = []

    def __init__(self, script: str, part: str, **settings: Any) -> None:
        training.PARTS[part](**json.loads(json.dumps(settings)))
        ready, self.measure = self.ready.pop()
        self.answers = [ready]

    def begin_turn(self) -> None:
        self.answers.append(self.measure())

    def answer(self, deadline: float) -> Any:
        return json.loads(json.dumps(self.answers.pop()))

    def stop(self) -> None:
        pass


@pytest.fixture
def in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the benchmark of training do all in this process, and take few rounds."""

    monkeypatch.setattr(training, "Worker", Here)
    monkeypatch.setattr(training, "answer_turns", lambda *answers: Here.ready.append(answers))
    monkeypatch.setattr(_loops, "FEWEST", 1)
    monkeypatch.setattr(_loops, "WARM_UP", 1)


def run(monkeypatch: pytest.MonkeyPatch, script: Any, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", [f"{script.__name__}.py", *words])
    script.main()


def test_training_is_measured_beside_the_plain_loop(
    in_one_process: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(training, "IMAGES", 32)
    run(monkeypatch, training, "--models=wgan", "--res=64", "--repeats=2", f"--out={tmp_path}")
    (found,) = json.loads((tmp_path / "training.json").read_text())["steps"]
    assert (found["model"], found["side"], found["ratio"]["n"]) == ("wgan", 64, 2)
    assert found["ratio"]["median"] > 0
    assert found["ours_mib"] > 0
    assert "| wgan | 64 | 32 |" in (tmp_path / "training.md").read_text()


def test_a_training_is_taken_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(evaluation_share, "IMAGES", 32)
    run(monkeypatch, evaluation_share, "--model=wgan", "--evaluations=2", f"--out={tmp_path}")
    found = json.loads((tmp_path / "evaluation_share.json").read_text())
    assert found["steps_per_epoch"] == 1
    assert all(seconds >= 0 for seconds in found["wall"].values())
    assert min(found["wall"][part] for part in ("steps", "sampling", "scoring", "checkpoints")) > 0
    assert 0 < evaluation_share.share(found["wall"]) < 1


@pytest.fixture
def compiling_here(in_one_process: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the benchmark of compiling do all in this process, on few images."""
    monkeypatch.setattr(
        _report, "in_process", lambda script, part, **settings: compiling.PARTS[part](**settings)
    )
    monkeypatch.setattr(compiling, "BATCH", 2)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_compiling_is_measured(compiling_here: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # A compiler of C++ takes a minute: graphs are traced, and run as they are.
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    run(monkeypatch, compiling, "--models=wgan", "--repeats=2", f"--out={tmp_path}")
    (line,) = json.loads((tmp_path / "compiling.json").read_text())["models"]
    assert line["ratio"]["n"] == 2
    assert line["compiling_seconds"] > 0
    assert line["again_seconds"] is not None


def test_a_machine_that_cannot_compile_says_so(
    compiling_here: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fails(*arguments: Any, **options: Any) -> Any:
        raise RuntimeError("no compiler of C++")

    monkeypatch.setattr(torch, "compile", fails)
    run(monkeypatch, compiling, "--models=wgan", f"--out={tmp_path}")
    assert (
        "| wgan | default | not compiled, RuntimeError: no compiler of C++ |"
        in (tmp_path / "compiling.md").read_text()
    )


@pytest.mark.filterwarnings("ignore")  # some builds of the profiler warn about devices that are not there
def test_a_step_is_taken_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(training, "IMAGES", 32)
    run(monkeypatch, step_profile, "--models=wgan", "--res=64", "--steps=1", f"--out={tmp_path}")
    (line,) = json.loads((tmp_path / "step_profile.json").read_text())["steps"]
    for which in ("ours", "plain"):
        assert min(line[which][kind] for kind in ("optimiser", "normalisation", "rest")) > 0
    assert line["ours"]["augmentation"] > 0
    assert line["plain"]["reading images"] > 0
    assert "| optimiser | " in (tmp_path / "step_profile.md").read_text()


def test_scores_lie_beside_those_of_other_libraries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scoring_scale, "library_versions", lambda: {"torch-fidelity": "0.4.0"})
    monkeypatch.setattr(scoring_scale, "METRICS", {"manifold": scoring_scale.METRICS["manifold"]})
    run(monkeypatch, scoring_scale, "--images=24,2400000", "--dimension=4", f"--out={tmp_path}")
    ours, unmeasured, other, _ = json.loads((tmp_path / "scoring_scale.json").read_text())["entries"]
    assert ours["scores"]["precision"] == pytest.approx(other["scores"]["precision"])
    assert unmeasured["expected"] == pytest.approx(ours["seconds"] * 1e10)
    page = (tmp_path / "scoring_scale.md").read_text()
    assert "| images | real | ours | torch-fidelity |" in page
    assert "s on paper" in page
    assert "Largest relative distance of `precision` from ours: torch-fidelity" in page


def test_a_library_that_fails_is_not_tried_with_more_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_report, "in_process", lambda *_, **__: {"error": "exit 1: MemoryError"})
    small, large = scoring_scale.over_counts("kid", "torch-fidelity", [10, 20], 4, 60.0)
    assert scoring_scale.cell(small) == "out of memory"
    assert scoring_scale.cell(large) == "not tried"
