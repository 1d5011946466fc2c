"""One cell: what it leaves behind, and what the same command does the second time."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench_example.dataset import Discs
from bench_example.model import LinearGAN
from filelock import FileLock
from PIL import Image

import harness
from harness.cell.logs import read_log
from harness.cell.records import Record, RunFolder, Store
from harness.errors import BusyError, CheckpointError, Interrupted, SpecError, StorageError, WeightsError
from harness.grid.schedule import mark_of
from harness.plugins import Registry
from harness.running.cell import Outcome
from harness.running.environment import pick_device
from harness.running.model import load_model
from harness.tasks.sampling import sample_images
from harness.training.checkpoints import load_networks, previous
from harness.training.tracking import TensorBoard

Run = Callable[..., Outcome]


def stop_after(steps: int) -> Callable[[], bool]:
    """A stop request that comes after so many steps."""
    asked = iter(range(10**9))
    return lambda: next(asked) >= steps


def state_of(folder: RunFolder) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder.checkpoint, weights_only=True)["model"]
    return state


def test_record_holds_what_a_reader_needs(run_tiny: Run) -> None:
    outcome = run_tiny(settings={"metrics": "brightness,swd"})
    written = json.loads(outcome.folder.record.read_text())
    assert written["status"] == "complete"
    assert set(written["scores"]["best"]) == set(written["scores"]["last"]) == {"brightness", "swd"}
    assert written["best_epoch"] in (2, 4)
    assert written["n_real"] == written["n_generated"] == 40
    assert written["dataset"]["patients"] == 10
    assert written["spec"]["model"]["config"]["lr"] == 0.01
    assert written["versions"]["torch"] == torch.__version__
    assert written["device"]["kind"] == "cpu"
    times = {"prepare", "train", "score", "longest_evaluation", "images_per_second"}
    assert set(written["timing"]) == times
    assert written["score_versions"]["metrics"] == {"brightness": 1, "swd": 1}
    assert len(written.pop("sha256")) == 64
    assert Record.model_validate(written) == outcome.record


def test_record_names_who_brought_each_plugin_and_what_read_the_raw_files(run_tiny: Run) -> None:
    record = run_tiny(settings={"metrics": "brightness,fd_random"}).record
    ours, theirs = f"hagan-bench {version('hagan-bench')}", "bench-example 0.3.0"
    assert record.plugins == {
        "models": {"linear-gan": theirs},
        "datasets": {"discs": theirs},
        "metrics": {"brightness": theirs, "fd_random": ours},
        "features": {"inception-random": ours},
    }
    # The discs are computed, and only resized.
    assert record.dataset["libraries"] == {"numpy": version("numpy"), "pillow": version("pillow")}


def test_record_says_what_augmented_real_images_score_and_whose_anatomy_is_mirrored(
    run_tiny: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"metrics": "brightness,swd"}
    with monkeypatch.context() as undeclared:
        undeclared.setattr(Discs, "flips", ())
        mirrored = run_tiny(settings=settings).record
    assert {"brightness_augmented_real", "swd_augmented_real"} <= set(mirrored.context)
    assert mirrored.context["swd_augmented_real"] > 0
    assert any("mirrored left-right" in caveat for caveat in mirrored.caveats)
    declared = run_tiny(seed=1, settings=settings).record
    assert declared.caveats == []
    name = "swd_augmented_real"
    assert declared.context[name] == mirrored.context[name], "the same images, whatever was drawn before"
    further = run_tiny(settings={"metrics": "brightness,swd,ms_ssim"}).record
    assert "ms_ssim_gap_augmented_real" in further.context
    monkeypatch.setattr(LinearGAN, "augmentations", ())
    plain = run_tiny(seed=2, settings=settings).record
    assert not [name for name in plain.context if name.endswith("_augmented_real")]


def test_folder_holds_log_networks_and_a_picture(run_tiny: Run) -> None:
    folder = run_tiny().folder
    log = read_log(folder.log)
    assert [line["epoch"] for line in log if "scores" in line] == [2, 4]
    assert all(np.isfinite(list(line["losses"].values())).all() for line in log if "losses" in line)
    assert [line["step"] for line in log if "losses" in line] == [5, 10, 15, 20]
    # Six columns of 16 px samples, as many of real images, a gutter between.
    with Image.open(folder.samples) as picture:
        assert picture.size == (2 * (6 * 18 - 2) + 12, 6 * 18 - 2)
    record = folder.read_record()
    assert record is not None
    assert record.best_networks is not None
    assert set(load_networks(folder.best, record.best_networks)) == set(state_of(folder))


def test_raw_files_are_fingerprinted_once(run_tiny: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    answer = Discs.fingerprint
    monkeypatch.setattr(Discs, "fingerprint", lambda self: asked.append("") or answer(self))
    run_tiny()
    assert len(asked) == 1


def test_finished_cell_is_left_alone(run_tiny: Run) -> None:
    first = run_tiny()
    before = first.folder.record.stat().st_mtime_ns
    second = run_tiny()
    assert first.is_new
    assert not second.is_new
    assert second.record == first.record
    assert first.folder.record.stat().st_mtime_ns == before


def test_further_metric_scores_a_finished_cell_without_training(run_tiny: Run) -> None:
    first = run_tiny()
    checkpoint = first.folder.checkpoint.stat().st_mtime_ns
    more = run_tiny(settings={"metrics": "brightness,swd"})
    assert more.folder == first.folder
    assert more.record.scores["best"]["brightness"] == first.record.scores["best"]["brightness"]
    assert "swd" in more.record.scores["last"]
    assert more.record.plugins is not None
    assert set(more.record.plugins["metrics"]) == {"brightness", "swd"}
    assert more.record.plugins["models"] == {"linear-gan": "bench-example 0.3.0"}
    assert first.folder.checkpoint.stat().st_mtime_ns == checkpoint
    assert not run_tiny(settings={"metrics": "brightness,swd"}).is_new


def test_previews_choose_and_samples_count(
    run_tiny: Run, registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = run_tiny(results=tmp_path / "plain").record.scores
    white = lambda self, seeds: torch.ones_like(self.sample(seeds))  # noqa: E731
    monkeypatch.setattr(registry.load("models", "linear-gan"), "preview", white)
    outcome = run_tiny()
    seen = {line["scores"]["brightness"] for line in read_log(outcome.folder.log) if "scores" in line}
    assert len(seen) == 1, "the log says what the evaluations saw: white images"
    assert outcome.record.scores["last"] == plain["last"]
    assert outcome.record.scores["best"]["brightness"] not in seen


def test_distance_comes_with_its_halves_and_a_word_on_bias(run_tiny: Run) -> None:
    record = run_tiny(settings={"metrics": "brightness,fd_random", "limit": 12, "epochs": 1}).record
    assert record.context["fd_random_halves"] > 0
    assert 5 <= record.context["fd_random_halves_n"] <= 6
    assert "fd_random of 12 generated and 12 real images is biased upwards" in record.notes[0]
    assert "fid" not in json.dumps(record.scores)


# The 11th question is put amid the first evaluation, the 23rd amid the last one, the 25th amid the final scores.
@pytest.mark.parametrize("steps", [0, 1, 7, 10, 11, 12, 19, 22, 24])
def test_interrupted_and_resumed_run_ends_with_the_same_bits(
    run_tiny: Run, tmp_path: Path, steps: int
) -> None:
    whole = run_tiny(results=tmp_path / "whole").folder
    with pytest.raises(Interrupted):
        run_tiny(results=tmp_path / "cut", stop=stop_after(steps))
    cut = run_tiny(results=tmp_path / "cut").folder
    assert state_of(whole).keys() == state_of(cut).keys()
    assert all(torch.equal(state_of(whole)[name], tensor) for name, tensor in state_of(cut).items())
    assert cut.best.read_bytes() == whole.best.read_bytes()
    assert read_log(cut.log) == read_log(whole.log)
    assert cut.samples.read_bytes() == whole.samples.read_bytes()


def test_who_is_stopped_in_preparation_goes_on_with_it(run_tiny: Run, tmp_path: Path) -> None:
    for questions in (0, 1, 5):
        with pytest.raises(Interrupted) as caught:
            run_tiny(stop=stop_after(questions))
        assert caught.value.steps is None
    assert run_tiny().record.status == "complete"
    assert not list((tmp_path / "cache" / "images").glob(".*.part"))


def test_a_stop_without_a_step_leaves_the_checkpoint_as_it_is(run_tiny: Run, tmp_path: Path) -> None:
    """Whoever starts cells again while they get further must not be told that they do."""
    with pytest.raises(Interrupted):
        run_tiny(stop=stop_after(14))
    (folder,) = Store(tmp_path / "results").folders()
    first = mark_of(folder.path)
    with pytest.raises(Interrupted):
        run_tiny(stop=stop_after(0))
    assert mark_of(folder.path) == first is not None
    with pytest.raises(Interrupted):
        run_tiny(stop=stop_after(1))
    assert mark_of(folder.path) != first


def test_a_record_tells_where_its_cell_was_worked_on(run_tiny: Run, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run_tiny(stop=stop_after(14))
    (folder,) = Store(tmp_path / "results").folders()
    with (folder.path / "sessions.jsonl").open("a") as file:
        file.write('{"session": "x", "host": "n1", "job": "slurm:7_3", "began": "then"}\n{"sess')
        file.write("\n")
    record = run_tiny().record
    assert [one.get("ended") for one in record.sessions] == ["saved on request", "killed", None]
    assert [one["job"] for one in record.sessions] == [None, "slurm:7_3", None]


def test_damaged_checkpoint_costs_steps_and_not_the_run(
    run_tiny: Run, tmp_path: Path, registry: Registry
) -> None:
    whole = run_tiny(results=tmp_path / "whole").folder
    with pytest.raises(Interrupted):
        run_tiny(results=tmp_path / "cut", stop=stop_after(15))
    (folder,) = Store(tmp_path / "cut").folders()
    assert previous(folder.checkpoint).exists()
    folder.checkpoint.write_bytes(folder.checkpoint.read_bytes()[:-50])
    notes: list[str] = []

    class Listener:
        from harness import hookimpl

        @hookimpl
        def bench_run_started(self, run: Any) -> None:
            notes.extend(run.notes)

    registry.manager.register(Listener())
    cut = run_tiny(results=tmp_path / "cut").folder
    assert "left aside" in notes[0]
    assert "checkpoint.pt" in notes[0]
    assert all(torch.equal(state_of(whole)[name], tensor) for name, tensor in state_of(cut).items())


def test_checkpoints_that_are_all_damaged_are_an_error(run_tiny: Run, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run_tiny(stop=stop_after(14))
    (folder,) = Store(tmp_path / "results").folders()
    folder.checkpoint.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt"):
        run_tiny()


@pytest.mark.parametrize("what", ["nan-loss", "nan-sample"])
def test_divergence_is_a_result(run_tiny: Run, what: str) -> None:
    outcome = run_tiny(model="faulty", settings={"what": what})
    assert outcome.record.status == "diverged"
    assert "not finite" in (outcome.record.error or "")
    assert outcome.folder.log.exists()
    assert not run_tiny(model="faulty", settings={"what": what}).is_new


def test_samples_that_diverge_where_previews_did_not_are_a_result(
    run_tiny: Run, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = registry.load("models", "linear-gan")
    monkeypatch.setattr(kind, "preview", lambda self, seeds: torch.zeros(len(seeds), 3, 16, 16))
    monkeypatch.setattr(kind, "sample", lambda self, seeds: torch.full((len(seeds), 3, 16, 16), torch.nan))
    outcome = run_tiny()
    assert outcome.record.status == "diverged"
    assert outcome.record.epochs_done == 4
    assert not run_tiny().is_new


def test_what_a_kill_left_half_written_is_cleared(run_tiny: Run, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run_tiny(stop=stop_after(14))
    (folder,) = Store(tmp_path / "results").folders()
    (folder.path / ".checkpoint.pt.x1y2z3.part").write_bytes(b"half")
    run_tiny()
    assert not list(folder.path.glob(".*.part"))


def test_scores_are_of_samples_that_no_evaluation_saw(
    run_tiny: Run, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[int]] = {"evaluations": set(), "report": set()}
    kind = registry.load("models", "linear-gan")
    sample = kind.sample

    def noted(self: Any, seeds: torch.Tensor) -> torch.Tensor:
        now = "report" if seeds.min() >= 40 else "evaluations"  # 40 training images, so 40 seeds each
        seen[now] |= set(seeds.tolist())
        return sample(self, seeds)

    monkeypatch.setattr(kind, "sample", noted)
    record = run_tiny().record
    assert seen == {"evaluations": set(range(40)), "report": set(range(40, 80))}
    logged = [line["scores"]["brightness"] for line in read_log(run_tiny().folder.log) if "scores" in line]
    assert record.scores["selected"]["brightness"] == min(logged)
    assert record.scores["best"]["brightness"] not in logged


def test_held_out_cells_are_selected_by_validation_patients(
    run_tiny: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Discs.read

    def with_validation(self: Discs, item: str) -> Any:
        for piece in read(self, item):
            patient = int(item.removeprefix("patient"))
            yield dataclasses.replace(piece, split="val") if patient % 5 == 1 else piece

    monkeypatch.setattr(Discs, "read", with_validation)
    record = run_tiny(settings={"held_out": True, "dataset.patients": 15}).record
    # Of 15 patients with 4 images each, 3 choose, 3 are reported on, and 9 are trained on.
    assert (record.dataset["patients"], record.dataset["held_out_patients"]) == (9, 3)
    assert record.n_real == record.n_generated == 36
    assert record.scores["selected"] != record.scores["best"]


def test_failed_cell_says_why_and_is_tried_again_from_its_checkpoint(run_tiny: Run) -> None:
    failed = run_tiny(model="faulty", settings={"what": "raise", "step": 12})
    assert failed.record.status == "failed"
    assert "asked to fail" in (failed.record.error or "")
    assert failed.record.scores["selected"]
    assert not failed.record.scores["best"], "what was not finished has no final scores"
    assert run_tiny(model="faulty", settings={"what": "raise", "step": 12}).is_new


def test_second_process_on_a_cell_is_refused(run_tiny: Run) -> None:
    folder = run_tiny().folder
    folder.record.unlink()
    with FileLock(folder.lock), pytest.raises(BusyError, match="another process"):
        run_tiny()


def test_results_that_can_not_be_written_are_told(run_tiny: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        run_tiny(results=tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_results_without_permission_are_told(run_tiny: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o500)
    with pytest.raises(StorageError, match="cannot write"):
        run_tiny(results=tmp_path / "mine" / "results")


def test_held_out_patients_are_kept_apart(run_tiny: Run) -> None:
    record = run_tiny(settings={"held_out": True}).record
    assert record.dataset["patients"] == 8
    assert record.dataset["held_out_patients"] == 2
    assert record.n_real == 32


def test_limit_takes_a_subset(run_tiny: Run) -> None:
    record = run_tiny(settings={"limit": 10}).record
    assert record.n_real == 10
    assert record.dataset["patients"] == 10


def test_more_batch_than_images_trains_on_all_of_them(run_tiny: Run) -> None:
    assert run_tiny(settings={"batch_size": 1000}).record.steps == 4


def test_loaded_networks_make_the_images_that_were_scored(run_tiny: Run) -> None:
    folder = run_tiny().folder
    best = sample_images(load_model(folder, pick_device("cpu"), "best"), 3)
    again = sample_images(load_model(folder, pick_device("cpu"), "best"), 2, first_seed=1)
    assert np.array_equal(best[1:], again)
    assert best.dtype == np.uint8
    last = sample_images(load_model(folder, pick_device("cpu"), "last"), 3)
    assert last.shape == (3, 3, 16, 16)


def test_networks_of_another_version_of_the_model_are_refused(
    run_tiny: Run, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_tiny().folder
    monkeypatch.setattr(registry.load("models", "linear-gan"), "version", 2)
    with pytest.raises(SpecError, match="version 1"):
        load_model(folder, pick_device("cpu"), "best")


def test_unknown_device_is_told() -> None:
    with pytest.raises(SpecError, match="'abacus'"):
        pick_device("abacus")


def test_runs_are_found_by_path_name_or_start(run_tiny: Run, tmp_path: Path) -> None:
    folder = run_tiny().folder
    store = Store(tmp_path / "results")
    assert store.find(str(folder.path)) == store.find(folder.path.name) == store.find("linear") == folder
    with pytest.raises(SpecError, match="no run is called 'nope'") as caught:
        store.find("nope")
    assert folder.path.name in caught.value.needed
    run_tiny(seed=1)
    with pytest.raises(SpecError, match="several runs"):
        store.find("linear")


def test_store_gives_one_row_a_record(run_tiny: Run, tmp_path: Path) -> None:
    run_tiny()
    run_tiny(seed=1)
    frame = harness.open_results(tmp_path / "results").frame()
    assert list(frame["seed"]) == [0, 1]
    assert frame["brightness"].notna().all()
    assert set(frame["model"]) == {"linear-gan"}


def test_a_spec_that_can_not_be_read_is_named(run_tiny: Run) -> None:
    folder = run_tiny().folder
    folder.spec.write_text("{")
    assert folder.read_spec() == run_tiny().record.spec, "the record knows it too"
    folder.spec.write_text("{")
    folder.record.unlink()
    with pytest.raises(SpecError, match="is not a run folder"):
        folder.read_spec()


def test_tensorboard_shows_each_step_once(run_tiny: Run, registry: Registry) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with TensorBoard(registry.manager), pytest.raises(Interrupted):
        run_tiny(stop=stop_after(26))
    with TensorBoard(registry.manager):
        folder = run_tiny().folder
    events = reading.EventAccumulator(str(folder.path / "tensorboard")).Reload()
    logged = [line for line in read_log(folder.log) if "losses" in line]
    for name in logged[0]["losses"]:
        shown = {event.step: event.value for event in events.Scalars(f"loss/{name}")}
        assert shown == pytest.approx({line["step"]: line["losses"][name] for line in logged})
    assert [event.step for event in events.Scalars("score/brightness")] == [10, 20]


def test_tensorboard_that_is_missing_says_what_to_install(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(SpecError, match="hagan-bench\\[tensorboard\\]"):
        TensorBoard(registry.manager)


def test_weights_that_are_missing_are_told_before_raw_files_are_read(run_tiny: Run, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="weights-inception"):
        run_tiny(settings={"metrics": "fid"})
    assert not list(tmp_path.rglob("images.npy"))
