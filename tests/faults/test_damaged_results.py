"""What is damaged in a results folder is noticed: left aside and made again, or refused; never believed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import hookimpl
from harness.api import Run as BenchRun
from harness.cell.logs import read_log
from harness.cell.records import RunFolder, Store
from harness.errors import CheckpointError, Interrupted, StorageError
from harness.plugins import Registry
from harness.running.cell import Outcome
from harness.running.model import load_model
from harness.tables.survey import survey
from harness.training.checkpoints import previous
from harness.views.figures import logs_of

Run = Callable[..., Outcome]
CPU = torch.device("cpu")


def flip_a_bit(path: Path, at: float) -> None:
    """Change one bit at a place between 0, the first byte, and 1, the last."""
    content = bytearray(path.read_bytes())
    content[int(at * (len(content) - 1))] ^= 0x10
    path.write_bytes(content)


def stop_after(steps: int) -> Callable[[], bool]:
    asked = iter(range(10**9))
    return lambda: next(asked) >= steps


def interrupted(run_tiny: Run, **request: Any) -> RunFolder:
    """A cell that stopped after three of its four epochs, behind an evaluation."""
    with pytest.raises(Interrupted):
        run_tiny(stop=stop_after(16), **request)
    (folder,) = Store(request["results"]).folders()
    return folder


@pytest.mark.parametrize("at", [0.2, 0.35, 0.5, 0.65, 0.8])
def test_a_bit_in_a_checkpoint_costs_steps_and_no_digit(run_tiny: Run, tmp_path: Path, at: float) -> None:
    whole = run_tiny(results=tmp_path / "whole")
    folder = interrupted(run_tiny, results=tmp_path / "cut")
    flip_a_bit(folder.checkpoint, at)
    outcome = run_tiny(results=tmp_path / "cut")
    assert outcome.record.scores == whole.record.scores
    assert folder.best.read_bytes() == whole.folder.best.read_bytes()
    assert folder.log.read_bytes() == whole.folder.log.read_bytes()


@pytest.mark.parametrize("damage", ["bit", "last epoch's", "another seed's", "missing"])
def test_best_networks_that_are_not_the_best_are_refused(run_tiny: Run, tmp_path: Path, damage: str) -> None:
    outcome = run_tiny()
    folder = outcome.folder
    if damage == "bit":
        flip_a_bit(folder.best, 0.9)
    elif damage == "another seed's":
        shutil.copy(run_tiny(seed=1).folder.best, folder.best)
    elif damage == "missing":
        folder.best.unlink()
    else:
        state = torch.load(folder.checkpoint, weights_only=True)["model"]
        from harness.training.checkpoints import save_networks

        state = {name: value + 1 for name, value in state.items()}
        save_networks(folder.best, state, identity=outcome.record.identity, epoch=4)
    before = folder.record.read_bytes()
    with pytest.raises(CheckpointError) as caught:
        load_model(folder, CPU, "best")
    assert caught.value.hint.startswith("mv ")
    with pytest.raises(CheckpointError):
        run_tiny(settings={"metrics": "brightness,swd"})
    assert folder.record.read_bytes() == before, "no new score of other networks"


def test_networks_of_a_cell_on_its_way_are_restored_or_refused(run_tiny: Run, tmp_path: Path) -> None:
    whole = run_tiny(results=tmp_path / "whole")
    folder = interrupted(run_tiny, results=tmp_path / "cut")
    flip_a_bit(folder.best, 0.9)
    if previous(folder.best).exists():
        previous(folder.best).unlink()
    with pytest.raises(CheckpointError, match=r"best\.safetensors") as caught:
        run_tiny(results=tmp_path / "cut")
    # What is typed next works, and loses nothing that was right.
    assert caught.value.hint.startswith(f"mv {folder.path} {folder.path}.aside")
    shutil.move(folder.path, f"{folder.path}.aside")
    assert run_tiny(results=tmp_path / "cut").record.scores == whole.record.scores


def test_an_older_state_is_no_last_state(run_tiny: Run) -> None:
    folder = run_tiny().folder
    load_model(folder, CPU, "last")
    flip_a_bit(folder.checkpoint, 0.5)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt"):
        load_model(folder, CPU, "last")
    folder.checkpoint.unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt is missing") as caught:
        load_model(folder, CPU, "last")
    # What is typed next brings it back.
    assert caught.value.hint.startswith(f"mv {folder.record} {folder.record}.aside, and the command")
    shutil.move(folder.record, f"{folder.record}.aside")
    run_tiny()
    load_model(folder, CPU, "last")


@pytest.mark.parametrize("kind", ["a folder", "a loop", "a link to nowhere"])
def test_what_stands_in_the_place_of_a_checkpoint_is_left_aside(
    run_tiny: Run, tmp_path: Path, kind: str
) -> None:
    whole = run_tiny(results=tmp_path / "whole")
    folder = interrupted(run_tiny, results=tmp_path / "cut")
    folder.checkpoint.unlink()
    put_in_the_way(folder.checkpoint, kind)
    assert run_tiny(results=tmp_path / "cut").record.scores == whole.record.scores
    assert os.path.lexists(f"{folder.checkpoint}.aside-1")
    folder.spec.unlink()
    put_in_the_way(folder.spec, kind)
    if kind != "a link to nowhere":
        with pytest.raises(StorageError) as caught:
            run_tiny(results=tmp_path / "cut")
        assert caught.value.hint.startswith(f"mv {folder.spec} {folder.spec}.aside, or")
        folder.spec.rename(f"{folder.spec}.aside")
    assert not run_tiny(results=tmp_path / "cut").is_new


def put_in_the_way(path: Path, kind: str) -> None:
    if kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to(path if kind == "a loop" else "nowhere")


@pytest.mark.parametrize(
    "damage",
    [
        "another cell's",
        "edited score",
        "cut",
        "no JSON",
        "a folder",
        "a loop",
        "a link to nowhere",
        "older format",
    ],
)
def test_a_record_that_can_not_be_believed_is_left_aside_and_made_again(run_tiny: Run, damage: str) -> None:
    first = run_tiny()
    path = first.folder.record
    content = json.loads(path.read_text())
    if damage == "another cell's":
        shutil.copy(run_tiny(seed=1).folder.record, path)
    elif damage == "edited score":
        content["scores"]["best"]["brightness"] = 0.0
        path.write_text(json.dumps(content))
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "no JSON":
        path.write_bytes(b"\xff\xfe\x00")
    elif damage == "older format":
        path.write_text(json.dumps({**content, "format": 1}))
    else:
        path.unlink()
        path.mkdir() if damage == "a folder" else path.symlink_to(path if damage == "a loop" else "nowhere")
    found = survey(Store(first.folder.path.parents[1]))
    assert any("counts as not done" in problem for problem in found.problems)
    assert first.record.identity not in {result.record.identity for result in found.results}
    with pytest.warns(UserWarning, match=r"left aside as record\.json\.aside-1, and made again"):
        again = run_tiny()
    assert again.is_new
    assert again.record.scores == first.record.scores
    assert not run_tiny().is_new


def test_a_record_without_its_spec_is_seen_and_mended(run_tiny: Run, tmp_path: Path) -> None:
    outcome = run_tiny()
    outcome.folder.spec.unlink()
    (result,) = survey(Store(tmp_path / "results")).results
    assert result.record == outcome.record
    assert not run_tiny().is_new
    assert outcome.folder.read_spec() == outcome.record.spec
    assert outcome.folder.spec.exists()


def test_a_spec_that_was_edited_is_not_believed(run_tiny: Run) -> None:
    outcome = run_tiny()
    text = outcome.folder.spec.read_text()
    outcome.folder.spec.write_text(text.replace('"seed": 0', '"seed": 1'))
    assert outcome.folder.read_spec() == outcome.record.spec
    assert not run_tiny().is_new
    assert outcome.folder.spec.read_text() == text


@pytest.mark.parametrize("line", [b"\xff\xfe\n", b"5\n", b'{"step": "x"}\n', b"[" * 5000 + b"\n", b"null\n"])
def test_a_bad_line_costs_itself_and_no_more(run_tiny: Run, tmp_path: Path, line: bytes) -> None:
    whole = run_tiny(results=tmp_path / "whole")
    folder = interrupted(run_tiny, results=tmp_path / "cut")
    folder.log.write_bytes(line + folder.log.read_bytes() + line)
    assert run_tiny(results=tmp_path / "cut").record.scores == whole.record.scores
    assert folder.log.read_bytes() == whole.folder.log.read_bytes()


@pytest.mark.parametrize("damage", ["a digit", "a line", "missing"])
def test_a_log_that_is_not_what_was_written_is_not_drawn(
    run_tiny: Run, tmp_path: Path, registry: Registry, damage: str
) -> None:
    """Half-done, its cell says so and goes on; finished, its curves are left out."""
    change_log(interrupted(run_tiny, results=tmp_path / "cut").log, damage)
    told: list[str] = []

    class Listener:
        @hookimpl
        def bench_run_started(self, run: BenchRun) -> None:
            told.extend(run.notes)

    registry.add(Listener(), "listener 1")
    run_tiny(results=tmp_path / "cut")
    assert any("log.jsonl is damaged" in note for note in told)
    whole = run_tiny(results=tmp_path / "whole")
    (result,) = survey(Store(tmp_path / "whole")).results
    assert logs_of([result]) == ({result: read_log(whole.folder.log)}, [])
    change_log(whole.folder.log, damage)
    logs, (problem,) = logs_of([result])
    assert not logs
    assert "log.jsonl is missing or damaged" in problem


def change_log(path: Path, damage: str) -> None:
    lines = path.read_text().splitlines(keepends=True)
    if damage == "a digit":
        at = next(i for i, c in enumerate(lines[0]) if c in "123456789" and i > lines[0].index("losses"))
        lines[0] = f"{lines[0][:at]}0{lines[0][at + 1 :]}"
    elif damage == "a line":
        del lines[0]
    path.unlink() if damage == "missing" else path.write_text("".join(lines))


def test_a_disk_that_is_full_is_no_failure_of_the_model(
    run_tiny: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.training.log.Log._append", full)
    with pytest.raises(StorageError, match="No space left"):
        run_tiny()
    monkeypatch.undo()
    assert not list(tmp_path.glob("results/runs/*/record.json"))


@pytest.mark.parametrize(
    "name", ["record.json", "spec.json", "log.jsonl", "checkpoint.pt", "best.safetensors"]
)
def test_a_pipe_in_the_place_of_a_file_stops_nothing(run_tiny: Run, tmp_path: Path, name: str) -> None:
    first, other = run_tiny(), run_tiny(seed=1)
    path = first.folder.path / name
    path.unlink()
    os.mkfifo(path)
    found = survey(Store(tmp_path / "results"))
    assert other.record.identity in {result.record.identity for result in found.results}
    if name == "record.json":
        with pytest.warns(UserWarning, match=r"it is no file but a pipe; it is left aside"):
            assert run_tiny().record.scores == first.record.scores
    elif name in ("checkpoint.pt", "best.safetensors"):
        with pytest.raises(CheckpointError, match=name):
            load_model(first.folder, CPU, "last" if name == "checkpoint.pt" else "best")
    elif name == "spec.json":
        with pytest.raises(StorageError, match=r"spec\.json: it is no file but a pipe"):
            run_tiny()
    else:
        assert run_tiny().record == first.record


def test_a_pipe_in_the_place_of_the_sessions_does_not_hold_a_cell_up(run_tiny: Run) -> None:
    first = run_tiny()
    first.folder.record.unlink()
    sessions = first.folder.path / "sessions.jsonl"
    sessions.unlink()
    os.mkfifo(sessions)
    again = run_tiny().record
    assert again.scores == first.record.scores
    assert again.sessions == []
