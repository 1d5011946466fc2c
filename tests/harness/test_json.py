"""What `--json` prints is valid by the schemas that lie in the package, and nothing else is on standard output."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pydantic
import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.cli.answers import ANSWERS, schema_file, schema_text
from harness.plugins import Registry

RunTiny = Callable[..., Any]


def bench(*words: str, code: int = 0) -> str:
    answer = CliRunner().invoke(app, words, catch_exceptions=False)
    assert answer.exit_code == code, answer.output
    return answer.stdout


def answered(*words: str, code: int = 0) -> dict[str, Any]:
    """The answer of a command, after its schema was held against it."""
    answer = json.loads(bench(*words, "--json", code=code))
    schema = json.loads(schema_file(answer["command"]).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(answer, schema, jsonschema.Draft202012Validator)
    assert answer["command"] in " ".join(words)
    return answer


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.skipif(
    tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 11), reason="pydantic 2.10 words schemas otherwise"
)
@pytest.mark.parametrize("command", ANSWERS)
def test_schemas_are_those_of_the_code(command: str) -> None:
    assert schema_file(command).read_text() == schema_text(command), "python docs/schemas.py"
    assert json.loads(bench("show", "schema", command))["title"] == ANSWERS[command].__name__


def test_list_and_show() -> None:
    names = {(one["kind"], one["name"]) for one in answered("list")["plugins"]}
    assert {("models", "hagan"), ("datasets", "discs"), ("metrics", "brightness")} <= names
    assert {one["kind"] for one in answered("list", "models")["plugins"]} == {"models"}
    hagan = answered("show", "model", "hagan")
    (rate,) = [one for one in hagan["settings"] if one["name"] == "lr"]
    assert rate["default"] == 0.001
    assert hagan["presets"]["quick"]["width"] == 128
    assert answered("show", "dataset", "discs")["facts"]
    assert answered("show", "protocol")["presets"]["smoke"]["epochs"] == 4
    assert answered("show", "executor", "local")["description"]
    assert answered("show", "metric", "swd")["version"] == 1


def test_run_table_and_compare(run_tiny: RunTiny) -> None:
    outcome = run_tiny()
    run_tiny(settings={"lr": 0.5})
    shown = answered("show", "run", outcome.folder.path.name)
    assert shown["record"]["identity"] == outcome.record.identity
    Path("mine.toml").write_text('models = ["linear-gan"]\ndatasets = "discs"\nresolutions = [16]\n')
    table = answered("table", "mine.toml", "--metric", "brightness")
    (row,) = table["rows"]
    assert row["mean"] == pytest.approx(outcome.record.scores["best"]["brightness"])
    assert row["published"] is None
    sides = [f"linear-gan@lr={outcome.record.spec.settings['lr']}", "linear-gan@lr=0.5"]
    (pair,) = answered("compare", *sides, "--metric", "brightness")["rows"]
    assert pair["first"] == row["mean"]
    assert pair["difference"] == pytest.approx(pair["first"] - pair["second"])
    assert pair["p"] is None


def test_data_info() -> None:
    words = ["data", "info", "--dataset", "phantom", "--res", "16", "--set", "images=12", "--set", "size=32"]
    info = answered(*words)
    (images,) = info["sets"]
    assert images["count"] == {"images": 12, "patients": 2}
    assert Path(images["contact_sheet"]).exists()
    assert sum(split["images"] for split in images["splits"].values()) == 12


def test_score_and_check_and_doctor() -> None:
    rng = np.random.default_rng(0)
    for name in ("made", "real"):
        np.save(name, rng.integers(0, 256, (12, 1, 16, 16), dtype=np.uint8))
    scored = answered("score", "--generated", "made.npy", "--reference", "real.npy", "--metrics", "swd")
    assert scored["goals"] == {"swd": "lower"}
    assert scored["facts"]["n_real"] == 12
    checked = answered("check", "brightness", "--kind", "metrics")
    assert checked["keeps_contract"]
    assert checked["checks"]
    spaces = {one["name"]: one for one in answered("doctor", "--cache", "here")["spaces"]}
    assert spaces["inception"]["identity"] is None
    assert "weights" in spaces["inception"]["problem"]
    assert spaces["inception-random"]["problem"] is None


def test_config_shows_the_file_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = answered("config")
    assert not empty["file_exists"]
    assert empty["executors"] == {}
    Path(empty["file"]).write_text('[executor.slurm]\npartition = "gpu"\n')
    monkeypatch.setenv("HAGAN_BENCH_RESULTS", "elsewhere")
    monkeypatch.setenv("HAGAN_BENCH_RESULT", "mistyped")
    config = answered("config")
    assert config["executors"] == {"slurm": {"partition": "gpu"}}
    values = {one["name"]: one["value"] for one in config["environment"]}
    assert values["HAGAN_BENCH_RESULTS"] == "elsewhere"
    assert values["HAGAN_BENCH_WEIGHTS"] is None
    answer = CliRunner().invoke(app, ["config"])
    assert "executor.slurm.partition" in answer.stdout
    assert "HAGAN_BENCH_RESULT is set, and no command reads it" in answer.stderr


def test_no_colours_where_nobody_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    coloured = re.compile(r"\x1b\[[0-9;]*(3[0-7]|9[0-7]|38;)")
    assert not coloured.search(bench("run", "--help"))


def test_a_shell_completes_commands_and_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("results/runs/mine-s0", "elsewhere/runs/theirs-s0"):
        Path(name).mkdir(parents=True)
        Path(name, "spec.json").write_text("{}")
    monkeypatch.setenv("_BENCH_COMPLETE", "complete_bash")
    for typed, last, expected in (
        ("bench ta", "ta", "table"),
        ("bench run --model ha", "ha", "hagan"),
        ("bench show model dc", "dc", "dcgan"),
        ("bench run --model hagan --preset q", "q", "quick"),
        ("bench watch mi", "mi", "mine-s0"),
        ("bench show run mi", "mi", "mine-s0"),
        ("bench sample --results elsewhere th", "th", "theirs-s0"),
    ):
        monkeypatch.setenv("COMP_WORDS", typed)
        monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
        answer = CliRunner().invoke(app, [], prog_name="bench")
        assert expected in answer.stdout.split(), (last, answer.output)
