"""`bench verify`: what is as it was computed holds, what was changed does not, and nothing is said without a look."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from typer.testing import CliRunner

from harness.cell.records import Record, RunFolder
from harness.cell.spec import RunSpec
from harness.cli import app
from harness.cli.answers import schema_file
from harness.plugins import Registry
from harness.tasks import synthesis

RunTiny = Callable[..., Any]
SCORED = {"settings": {"metrics": "brightness,swd"}}


def verified(*words: object, code: int) -> dict[str, Any]:
    """The answer about one record, by its schema, and the verdict of each part."""
    answer = CliRunner().invoke(app, ["verify", *map(str, words), "--json"], catch_exceptions=False)
    assert answer.exit_code == code, answer.output
    told = json.loads(answer.stdout)
    jsonschema.validate(told, json.loads(schema_file("verify").read_text()))
    (record,) = told["records"]
    return {"holds": record["holds"], **{one["what"]: one["verdict"] for one in record["findings"]}}


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    monkeypatch.chdir(tmp_path)


def changed(folder: RunFolder, **update: Any) -> None:
    """Have a record say something else, and seal it anew."""
    record = folder.read_record()
    assert record is not None
    folder.write_record(record.model_copy(update=update))


def another(spec: RunSpec, **update: Any) -> RunSpec:
    """A cell that differs in this."""
    return RunSpec.model_validate({**spec.model_dump(), **update})


def scores_of(record: Record, **best: float) -> dict[str, dict[str, float]]:
    return {**record.scores, "best": {**record.scores["best"], **best}}


def test_what_is_as_it_was_computed_holds(run_tiny: RunTiny) -> None:
    folder = run_tiny(**SCORED).folder
    before = {path.name: path.read_bytes() for path in folder.path.iterdir()}
    told = verified(folder.path.name, code=0)
    assert told == verified(folder.path, code=0) == verified(folder.record, code=0)
    assert told.pop("holds") is True
    assert {"record", "identity", "log", "networks", "images"} <= set(told)
    assert {"best brightness", "best swd", "last swd", "selected brightness"} <= set(told)
    assert set(told.values()) == {"equal"}
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == before


def test_a_score_that_somebody_changed_does_not_hold(run_tiny: RunTiny) -> None:
    outcome = run_tiny(**SCORED)
    better = scores_of(outcome.record, swd=0.98 * outcome.record.scores["best"]["swd"])
    changed(outcome.folder, scores=better)
    told = verified(outcome.folder.path, code=1)
    assert told["holds"] is False
    assert [what for what, verdict in told.items() if verdict == "differs"] == ["best swd"]


def test_a_record_that_is_not_what_was_written_does_not_hold(run_tiny: RunTiny) -> None:
    folder = run_tiny().folder
    folder.record.write_text(folder.record.read_text().replace('"epochs_done": 4', '"epochs_done": 5'))
    assert verified(folder.path, code=1) == {"holds": False, "record": "differs"}


def test_a_record_of_another_cell_does_not_hold(run_tiny: RunTiny) -> None:
    outcome = run_tiny()
    changed(outcome.folder, identity=another(outcome.record.spec, seed=5).identity)
    assert verified(outcome.folder.path, code=1)["identity"] == "differs"


def test_a_record_of_an_older_protocol_is_not_judged_by_this_one(run_tiny: RunTiny) -> None:
    outcome = run_tiny()
    changed(outcome.folder, identity=outcome.record.spec.identity_under(1))
    told = verified(outcome.folder.path, code=1)
    assert (told["holds"], told["identity"]) == (None, "unchecked")
    assert "best brightness" not in told


def test_images_of_another_version_of_the_data_set_are_not_judged(run_tiny: RunTiny) -> None:
    outcome = run_tiny()
    spec = another(outcome.record.spec, dataset={**outcome.record.spec.dataset.model_dump(), "version": 0})
    changed(outcome.folder, spec=spec, identity=spec.identity)
    told = verified(outcome.folder.path, code=1)
    assert (told["holds"], told["images"]) == (None, "unchecked")


def test_damaged_networks_and_logs_do_not_hold(run_tiny: RunTiny) -> None:
    folder = run_tiny().folder
    content = bytearray(folder.best.read_bytes())
    content[-1] ^= 1
    folder.best.write_bytes(content)
    folder.log.write_text("{}\n")
    told = verified(folder.path, code=1)
    assert (told["holds"], told["networks"], told["log"]) == (False, "differs", "differs")
    assert "best brightness" not in told


def test_without_networks_nothing_is_said_to_hold(run_tiny: RunTiny) -> None:
    folder = run_tiny().folder
    folder.best.unlink()
    told = verified(folder.path, code=1)
    assert told["holds"] is None
    assert (told["record"], told["images"], told["networks"]) == ("equal", "equal", "unchecked")
    words = CliRunner().invoke(app, ["verify", str(folder.path)]).output
    assert "can't be told" in words
    assert not any(line.startswith("it holds") for line in words.splitlines())


def test_an_archive_has_no_networks(run_tiny: RunTiny) -> None:
    name = run_tiny().folder.path.name
    CliRunner().invoke(app, ["export", name, "--out", "one.zip"], catch_exceptions=False)
    told = verified("one.zip", code=1)
    assert (told["holds"], told["log"], told["images"], told["scores"]) == (
        None,
        "equal",
        "equal",
        "unchecked",
    )


def test_a_cell_without_its_images_is_not_said_to_hold(run_tiny: RunTiny) -> None:
    outcome = run_tiny()
    files = {**outcome.record.spec.dataset.model_dump(), "fingerprint": "of other files"}
    spec = another(outcome.record.spec, dataset=files)
    changed(outcome.folder, spec=spec, identity=spec.identity)
    told = verified(outcome.folder.path, code=1)
    assert (told["holds"], told["images"]) == (None, "unchecked")


def test_images_that_are_prepared_otherwise_do_not_hold(run_tiny: RunTiny) -> None:
    outcome = run_tiny()
    changed(outcome.folder, dataset={**outcome.record.dataset, "image_set": "0" * 64})
    assert verified(outcome.folder.path, code=1)["images"] == "differs"


def test_a_metric_of_another_version_is_not_judged(run_tiny: RunTiny) -> None:
    outcome = run_tiny(**SCORED)
    versions = outcome.record.score_versions
    changed(outcome.folder, score_versions={**versions, "metrics": {**versions["metrics"], "swd": 0}})
    told = verified(outcome.folder.path, code=1)
    assert (told["holds"], told["best swd"], told["best brightness"]) == (None, "unchecked", "equal")


def test_samples_that_were_kept_take_the_place_of_networks(run_tiny: RunTiny) -> None:
    outcome = run_tiny(**SCORED)
    name, count = outcome.folder.path.name, outcome.record.n_generated
    words = ["sample", name, "--out", "kept", "--format", "npy", "--count", count]
    for seed, out in ((count, "kept"), (0, "others")):
        words[3] = out
        CliRunner().invoke(app, [*map(str, words), "--first-seed", str(seed)], catch_exceptions=False)
    outcome.folder.best.unlink()
    told = verified(name, "--samples", "kept/samples.npy", code=0)
    assert (told["holds"], told["best swd"]) == (True, "equal")
    # Others of the same networks are not what was scored.
    assert verified(name, "--samples", "others/samples.npy", code=1)["best swd"] == "differs"


@pytest.mark.parametrize(
    ("every", "steps", "verdict"),
    [(1009, (1, -1), "rounding"), (1, (-90, -90), "differs")],
    ids=["rounded", "other images"],
)
def test_rounding_is_told_from_a_difference(
    run_tiny: RunTiny, monkeypatch: pytest.MonkeyPatch, every: int, steps: tuple[int, int], verdict: str
) -> None:
    """Another processor changes few pixels by a level. Random draws change with them, and move swd further."""
    folder = run_tiny(**SCORED).folder
    sample = synthesis.sample_images

    def elsewhere(*words: Any, **more: Any) -> Any:
        images = sample(*words, **more).astype(np.int16)
        for first, step in enumerate(steps):
            images.reshape(-1)[first * every :: 2 * every] += step
        return images.clip(0, 255).astype(np.uint8)

    monkeypatch.setattr(synthesis, "sample_images", elsewhere)
    told = verified(folder.path, code=0 if verdict == "rounding" else 1)
    assert (told["best swd"], told["holds"]) == (verdict, verdict == "rounding")
