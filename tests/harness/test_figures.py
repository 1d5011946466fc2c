"""Figures: the images that were given are the images that are seen."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench_example.model import LinearGAN
from PIL import Image
from torch import Tensor

from harness.api import Batch, ImageShape
from harness.cell.records import Store
from harness.cell.spec import RunSpec
from harness.cli.figure import figure
from harness.data.roots import root_of
from harness.errors import DataError, SpecError
from harness.plugins import Registry
from harness.running.cell import Outcome
from harness.running.images import CellImages
from harness.tables.asked import Row
from harness.tables.survey import Result, survey
from harness.tasks import Task
from harness.views.figures import (
    curves_figure,
    explain,
    explanation_figure,
    logs_of,
    samples_figure,
    save_figure,
)
from harness.views.gallery import samples_of, shown_runs
from harness.views.radiomics import largest, radiomics_figure, shifts

RunTiny = Callable[..., Outcome]


class Explaining(LinearGAN):
    def explain(self, batch: Batch) -> Mapping[str, Tensor]:
        """Noise, twice: it shows whether the caller's random numbers are left alone."""
        images = batch.images
        noise = torch.rand(len(images), 1, 4, 4)
        return {"real": images, "attention": noise, "area ratio": noise.mean(dim=(1, 2, 3))}


def black_batch() -> Batch:
    """Two black images."""
    return Batch(torch.full((2, 3, 8, 8), -1.0))


def not_needed(spec: RunSpec) -> Task:
    raise AssertionError("samples are made without the raw images")


@pytest.fixture
def done(run_tiny: RunTiny, tmp_path: Path) -> list[Result]:
    run_tiny()
    run_tiny(seed=1)
    return survey(Store(tmp_path / "results")).results


def test_png_and_pdf_whole_and_the_same_every_time(tmp_path: Path) -> None:
    rows = {"real": np.zeros((3, 1, 8, 8), np.uint8), "model": np.full((2, 3, 8, 8), 255, np.uint8)}
    first = [path.read_bytes() for path in save_figure(samples_figure(rows, "t"), tmp_path / "a")]
    second = [path.read_bytes() for path in save_figure(samples_figure(rows, "t"), tmp_path / "a")]
    assert first == second
    assert [content[:4] for content in first] == [b"\x89PNG", b"%PDF"]
    assert Image.open(io.BytesIO(first[0])).size[0] > 100


def test_grey_levels_are_never_stretched(tmp_path: Path) -> None:
    flat = np.full((1, 1, 8, 8), 100, np.uint8)
    (png, _) = save_figure(samples_figure({"r": flat}, ""), tmp_path / "flat")
    pixels = np.asarray(Image.open(png).convert("L"))
    assert (pixels == 100).mean() > 0.2


def test_the_standing_run_of_each_model_is_shown(done: list[Result]) -> None:
    rows = [Row(name, name, {}) for name in ("faulty", "linear-gan")]
    runs = shown_runs(done, rows, "discs", 16)
    assert [(name, run.spec.seed) for name, run in runs.items()] == [("linear-gan", 0)]
    samples, problems = samples_of(runs, torch.device("cpu"), 5, not_needed)
    assert samples["linear-gan"].images.shape == (5, 3, 16, 16)
    assert problems == []


def test_runs_under_other_conditions_are_not_shown_together(
    done: list[Result], run_tiny: RunTiny, tmp_path: Path
) -> None:
    run_tiny(seed=2, settings={"epochs": 2})
    results = survey(Store(tmp_path / "results")).results
    (longer,) = {r.spec.terms for r in done}
    (short,) = (r for r in results if r.spec.protocol.epochs == 2)
    rows = [Row("linear-gan", "linear-gan", {})]
    assert shown_runs(results, rows, "discs", 16)["linear-gan"].spec.seed == 0
    asked = {short.spec.terms}
    assert asked != {longer}
    assert shown_runs(results, rows, "discs", 16, asked)["linear-gan"].spec.seed == 2


def test_a_run_whose_networks_are_gone_is_named_and_left_out(done: list[Result]) -> None:
    done[0].folder.best.unlink()
    samples, problems = samples_of({"gone": done[0]}, torch.device("cpu"), 5, not_needed)
    assert samples == {}
    assert "best.safetensors" in problems[0]


def test_real_images_are_those_of_the_run(
    done: list[Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = CellImages({}, tmp_path / "cache")(done[0].spec)
    assert len(task.train) == done[0].record.n_real
    assert task.real_beside(7, 0).images.shape == (7, 1, 16, 16)
    monkeypatch.setattr("bench_example.dataset.Discs.fingerprint", lambda self: "f" * 64)
    with pytest.raises(DataError, match="not those of"):
        CellImages({}, tmp_path / "cache")(done[0].spec)


def test_an_explanation_is_repeatable_and_leaves_the_generator_alone() -> None:
    model = Explaining(ImageShape(3, 8, 8), Explaining.Config())
    batch = black_batch()
    before = torch.get_rng_state()
    first, second = explain(model, batch), explain(model, batch)
    assert torch.equal(first["attention"], second["attention"])
    assert torch.equal(before, torch.get_rng_state())
    assert first["real"].shape == (2, 3, 8, 8)
    assert float(first["real"].max()) == -1.0
    assert not torch.equal(first["attention"], explain(model, batch, seed=1)["attention"])


def test_an_explanation_is_drawn_with_its_numbers(tmp_path: Path) -> None:
    model = Explaining(ImageShape(3, 8, 8), Explaining.Config())
    drawn = explanation_figure(explain(model, black_batch()), "t")
    texts = [text.get_text() for axis in drawn.axes for text in axis.texts]
    assert len(texts) == 2
    assert texts[0].startswith("area ratio\n0.")
    heads = [axis.get_title().splitlines() for axis in drawn.axes[:2]]
    assert [head[0] for head in heads] == ["real", "attention"]
    assert heads[1][1].startswith("0 to 0.")
    save_figure(drawn, tmp_path / "explained")


def test_models_explain_nothing_by_default() -> None:
    model = LinearGAN(ImageShape(3, 8, 8), LinearGAN.Config())
    assert explain(model, black_batch()) == {}


def test_curves_hold_every_score_and_loss(done: list[Result]) -> None:
    drawn = curves_figure(logs_of(done)[0], "discs")
    assert drawn is not None
    panels = {axis.get_title(): axis for axis in drawn.axes if axis.get_title()}
    assert set(panels) == {"brightness", "losses of linear-gan"}
    assert [list(line.get_xdata()) for line in panels["brightness"].lines] == [[2, 4], [2, 4]]
    assert len({line.get_color() for line in panels["brightness"].lines}) == 1
    assert curves_figure({}, "nothing") is None


def test_curves_tell_apart_runs_with_other_settings(
    done: list[Result], run_tiny: RunTiny, tmp_path: Path
) -> None:
    run_tiny(settings={"epochs": 2, "lr": 0.5})
    drawn = curves_figure(logs_of(survey(Store(tmp_path / "results")).results)[0], "discs")
    assert drawn is not None
    (panel,) = (axis for axis in drawn.axes if axis.get_title() == "brightness")
    names = [text.get_text() for text in panel.get_legend().get_texts()]
    assert len(names) == 2
    assert "linear-gan epochs=2 lr=0.5" in names


def test_bench_figure_writes_files_or_says_why_not(
    done: list[Result], tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("harness.cli.figure.registry", lambda: registry)
    results, cache = tmp_path / "results", tmp_path / "cache"
    figure("curves", results=results, cache=cache, device="cpu")
    grid = tmp_path / "mine.toml"
    grid.write_text('models = "linear-gan"\ndatasets = "discs"\nresolutions = 16\n')
    figure(str(grid), count=3, seed=0, results=results, cache=cache, device="cpu")
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.name for path in written] == [
        "curves-discs-16.png", "curves-discs-16.pdf", "mine-discs-16.png", "mine-discs-16.pdf",
    ]  # fmt: skip
    assert all(path.stat().st_size > 1000 for path in written)
    with pytest.raises(SpecError, match="nothing to draw"):
        figure("7", count=2, seed=0, results=results, cache=cache, device="cpu")


def test_roots() -> None:
    assert root_of("a", {}) is None
    assert root_of("a", {"": Path("/nowhere"), "a": Path("/x")}) == Path("/x")
    assert root_of("b", {"": Path("/nowhere"), "a": Path("/x")}) == Path("/nowhere")


def test_the_features_that_a_model_moves_most_come_first(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = tuple(f"original_glcm_F{n}" for n in range(30))
    real = rng.normal(size=(50, 30))
    real[:, 7] = 3.0  # the same in all real images: it has no unit
    near, far = real.copy(), real.copy()
    far[:, 4] += 10 * real[:, 4].std()
    near[:, 9] -= 2 * real[:, 9].std()
    far[:, 7] = 99
    moved = {"near": shifts(real, near), "far": shifts(real, far)}
    assert largest(moved, 2).tolist() == [4, 9]
    assert len(largest(moved, 30)) == 29
    assert moved["far"][4] == pytest.approx(10)
    assert moved["near"][9] == pytest.approx(-2)
    drawn = radiomics_figure(names, real, {"near": near, "far": far}, "t")
    (panel,) = drawn.axes
    assert panel.get_yticklabels()[0].get_text() == "original, glcm: F4"
    assert save_figure(drawn, tmp_path / "radiomics")[0].stat().st_size > 1000


def test_bench_figure_radiomics_draws_runs(done: list[Result], tmp_path: Path) -> None:
    results, cache = tmp_path / "results", tmp_path / "cache"
    figure("radiomics", results=results, cache=cache, device="cpu")
    assert (results / "figures" / "radiomics-discs-16.png").exists()
    with pytest.raises(SpecError, match="no complete run of any model"):
        figure("radiomics", models="dcgan", results=results, cache=cache, device="cpu")
