"""`bench tune`: trials are cells, the same command finds them again, and what they choose is what validation says."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench_example.dataset import Discs
from handmade import plain_record
from typer.testing import CliRunner

from harness.api import Between, OneOf, PluginConfig, Slice, setting, tunable
from harness.cell.records import Record, Store
from harness.cli import app
from harness.errors import SpecError
from harness.grid.definition import load_grid
from harness.grid.requests import requests_of
from harness.plugins import Registry
from harness.running.resolve import resolve
from harness.testing.settings import faults_of_config
from harness.tuning.search import Trial, best_of, search

pytest.importorskip("optuna")
TINY = ["--res", "16", "--epochs", "2", "--set", "evaluate_every=1", "--set", "batch_size=8"]
SPACE = {
    "lr": Between(1e-3, 1.0, log=True),
    "betas": OneOf(((0.0, 0.9), (0.5, 0.9))),
    "layers": Between(1, 4),
}


def tuned(*words: str, code: int = 0) -> str:
    command = ["tune", "linear-gan", "--dataset", "discs", *TINY, "--metrics", "brightness", *words]
    answer = CliRunner().invoke(app, command, catch_exceptions=False)
    assert answer.exit_code == code, answer.output
    return answer.output


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    monkeypatch.chdir(tmp_path)


def records() -> dict[str, Record]:
    return {record.spec.folder_name: record for _, record in Store(Path("results")).records()}


def test_the_same_command_finds_its_trials_and_more_trials_go_on() -> None:
    told = tuned("--trials", "2")
    first = records()
    assert len(first) == 3  # the default and two trials; the model has no reference preset
    assert all(record.spec.protocol.held_out for record in first.values())
    again = tuned("--trials", "2")
    assert records() == first
    assert re.findall(r"^trial .*", again, re.M) == re.findall(r"^trial .*", told, re.M)
    assert len(set(re.findall(r"lr=(\S+)", told))) == 2
    tuned("--trials", "3")
    assert first.items() < records().items()
    assert len(records()) == 4


def test_what_it_found_is_a_grid_of_the_best_trial() -> None:
    told = tuned("--trials", "2")
    trials = {
        float(rate): float(value)
        for value, rate in re.findall(r"^trial \d of 2: (\S+)  lr=(\S+)$", told, re.M)
    }
    rows = {
        line.split()[0]: float(line.split()[1])
        for line in told.splitlines()
        if line.startswith(("def", "tuned"))
    }
    assert rows["tuned"] == min(trials.values())
    assert ("no trial is better" in told) == (rows["default"] <= rows["tuned"])
    (path,) = Path("results/tuned").glob("*.toml")
    settings = tomllib.loads(path.read_text())["settings"]
    assert trials[settings["lr"]] == min(trials.values())
    # Training with it is that trial, and is done already.
    (asked,) = requests_of(load_grid(str(path)))
    spec = resolve(asked.request).spec
    assert spec.folder_name in records()
    selected = records()[spec.folder_name].scores["selected"]["brightness"]
    assert selected == pytest.approx(min(trials.values()), rel=1e-5)


def test_validation_patients_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Discs.read

    def with_validation(self: Discs, item: str) -> Iterator[Slice]:
        for one in read(self, item):
            yield replace(one, split="val" if item == "patient001" else one.split)

    monkeypatch.setattr(Discs, "read", with_validation)
    assert "brightness of validation patients chooses" in tuned("--trials", "1")


def test_without_validation_patients_training_patients_choose_and_test_patients_never() -> None:
    assert "brightness of training patients chooses" in tuned("--trials", "1")
    # Translations of training slices say nothing: there the test patients would have to choose.
    pair = ["--source", "disc", "--target", "ring", "--res", "32"]
    refused = CliRunner().invoke(app, ["tune", "pix2pix", "--dataset", "discs", *pair])
    assert isinstance(refused.exception, SpecError)
    assert "test patients would choose" in str(refused.exception)
    assert len(records()) == 2


def test_what_is_set_is_not_tried() -> None:
    answer = CliRunner().invoke(
        app, ["tune", "hagan", "--dataset", "phantom", "--set", "lr=1e-3", "--dry-run"]
    )
    names = [line.split()[0] for line in answer.output.splitlines()]
    assert {"lr_discriminator", "betas", "beta_pixel"} <= set(names)
    assert "lr" not in names
    refused = CliRunner().invoke(
        app, ["tune", "linear-gan", "--dataset", "discs", *TINY, "--set", "lr=0.1", "--dry-run"]
    )
    assert isinstance(refused.exception, SpecError)


def scored(value: float | None) -> Record:
    status = "diverged" if value is None else "complete"
    record = plain_record("x", status)
    return record.model_copy(
        update={"scores": {**record.scores, "selected": {} if value is None else {"swd": value}}}
    )


def tried(outcome: Callable[[Mapping[str, Any]], Record], trials: int, seed: int = 0) -> list[Trial]:
    return list(search(SPACE, outcome, "swd", "lower", trials=trials, seed=seed))


def test_a_search_follows_from_its_seed_and_stays_in_its_space() -> None:
    def outcome(settings: Mapping[str, Any]) -> Record:
        return scored(abs(settings["lr"] - 0.1) + settings["layers"])

    trials = tried(outcome, 25)
    assert [one.settings for one in trials] == [one.settings for one in tried(outcome, 25)]
    assert [one.settings for one in trials] != [one.settings for one in tried(outcome, 25, seed=1)]
    for one in trials:
        assert 1e-3 <= one.settings["lr"] <= 1.0
        assert one.settings["betas"] in ([0.0, 0.9], [0.5, 0.9])
        assert one.settings["layers"] in (1, 2, 3, 4)
        assert one.settings["lr"] == float(f"{one.settings['lr']:.3g}")
    # It learns: what comes after the random start is better than that in the mean.
    values = [one.value or 0.0 for one in trials]
    assert sum(values[15:]) / 10 < sum(values[:10]) / 10


def test_a_search_keeps_away_from_where_trainings_diverge() -> None:
    def outcome(settings: Mapping[str, Any]) -> Record:
        return scored(None if settings["lr"] > 0.03 else 1.0 + settings["layers"] / 10)

    trials = tried(outcome, 40)
    diverged = [one.value is None for one in trials]
    assert sum(diverged[:10]) >= 2  # half of the space, on a logarithmic scale
    assert sum(diverged[20:]) < 2 * sum(diverged[:10])
    best = best_of(trials, "lower")
    assert best is not None
    assert best.value == 1.1
    assert best is next(one for one in trials if one.value == 1.1)
    assert (best_of(trials, "higher") or best).value == max(
        one.value for one in trials if one.value is not None
    )
    assert best_of([one for one in trials if one.value is None], "lower") is None


def test_a_range_that_its_own_setting_refuses_is_a_fault() -> None:
    class Wrong(PluginConfig):
        share: float = setting(0.5, "a share", source="ours", tune=Between(0.0, 2.0), ge=0, le=1)

    class Model:
        Config = Wrong

    assert tunable(Wrong) == {"share": Between(0.0, 2.0)}
    assert list(faults_of_config(Model)) == ["setting 'share' takes no 2.0, which it declares for bench tune"]
