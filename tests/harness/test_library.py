"""The Python API: the same cells and scores as the command line's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest

import harness
from harness.errors import SpecError

TINY = {"epochs": 4, "evaluate_every": 2, "batch_size": 8, "metrics": ("brightness",)}


def test_importing_it_imports_nothing_heavy() -> None:
    code = (
        "import harness, sys; harness.__version__; print({'torch', 'numpy', 'pydantic'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


def test_a_cell_is_run_once_and_read_from_then_on(tmp_path: Path) -> None:
    places = {"results": tmp_path / "results", "cache": tmp_path / "cache", "device": "cpu"}
    record = harness.run("linear-gan", "discs", 16, settings=TINY, **places)
    assert record.status == "complete"
    assert harness.run("linear-gan", "discs", 16, settings=TINY, **places) == record


def test_results_have_pairs_epochs_and_settings_as_columns(tmp_path: Path) -> None:
    places = {"results": tmp_path / "results", "cache": tmp_path / "cache", "device": "cpu"}
    harness.run("linear-gan", "discs", 16, settings=TINY, **places)
    paired = {**TINY, "metrics": ("mae",)}
    harness.run("one-convolution", "discs", 16, settings=paired, source="disc", target="ring", **places)
    damaged = tmp_path / "results" / "runs" / "damaged"
    damaged.mkdir()
    (damaged / "spec.json").write_text("{}")
    (damaged / "record.json").write_text('{"status": "complete"}')
    with pytest.warns(UserWarning, match=r"damaged.record\.json"):
        results = harness.open_results(tmp_path / "results")
    assert len(results) == len(list(results)) == 2
    frame = results.frame().set_index("model")
    assert pandas.isna(frame.loc["linear-gan", "pair"])
    assert frame.loc["one-convolution", "pair"] == "disc-ring"
    assert list(frame["epochs"]) == [4, 4]
    assert frame.loc["linear-gan", "set.lr"] == 0.01
    assert frame.loc["linear-gan", "set.dataset.patients"] == 10
    assert frame["brightness"].notna().sum() == 1
    assert [record.spec.model.name for record in results.where(kernel=5)] == ["one-convolution"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="there is no folder"):
        harness.open_results(tmp_path / "nowhere")


def test_arrays_and_folders_are_scored_alike(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    generated, real = (rng.integers(0, 256, (12, 1, 32, 32), dtype=np.uint8) for _ in range(2))
    np.save(tmp_path / "generated.npy", generated)
    options = {"metrics": ("swd",), "cache": tmp_path / "cache", "device": "cpu"}
    from_arrays = harness.score(generated, real, **options)
    from_file = harness.score(tmp_path / "generated.npy", real, **options)
    assert from_arrays == from_file
    assert from_arrays["scores"]["swd"] > 0
    assert from_arrays["n_real"] == 12
    json.dumps(from_arrays, allow_nan=False)
    with pytest.raises(SpecError, match="no real images"):
        harness.score(generated, **options)
