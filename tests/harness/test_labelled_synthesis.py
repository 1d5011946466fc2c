"""Labelled synthesis: images and label maps from one model, from the request to figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench_example.dataset import Discs
from bench_example.model import LinearGAN
from PIL import Image

from harness.api import Batch, ImageShape, Slice
from harness.cell.protocol import PROTOCOL_VERSION
from harness.cell.records import Store
from harness.cell.spec import RunRequest
from harness.cli.sample import sample
from harness.data.pictures import TINTS, overlaid
from harness.errors import DataError, Interrupted, PluginError, ScoreError, SpecError
from harness.files import sha256_of_json
from harness.grid.definition import Grid
from harness.grid.requests import requests_of
from harness.plugins import Registry
from harness.running.cell import Outcome
from harness.running.environment import pick_device
from harness.running.images import CellImages
from harness.running.model import load_model
from harness.running.resolve import complete, resolve
from harness.tables.scores import score_sheet
from harness.tables.survey import survey
from harness.tasks import LabelledSynthesis, task_of
from harness.testing import assert_passes, check_model
from harness.views.report import make_report

Run = Callable[..., Outcome]


@pytest.fixture
def labelled(run_tiny: Run) -> Run:
    """Run a tiny cell of the example's GAN that makes labels too."""

    def run(**request: Any) -> Outcome:
        settings = {"labels": True, **request.pop("settings", {})}
        return run_tiny(**request, settings=settings)

    return run


def request(**changes: Any) -> RunRequest:
    settings = {"metrics": "brightness", "labels": True, **changes.pop("settings", {})}
    fields = {"model": "linear-gan", "dataset": "discs", "resolution": 16, **changes}
    return RunRequest(settings=settings, **fields)


def test_a_model_sees_images_with_their_label_maps_as_further_channels(
    labelled: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Batch] = []
    step = LinearGAN.train_step
    monkeypatch.setattr(LinearGAN, "train_step", lambda *a: (seen.append(a[1]), step(*a))[1])
    monkeypatch.setattr(LinearGAN, "augmentations", ("flip", "shift"))
    outcome = labelled()
    assert outcome.record.spec.dataset.labels == ("inside",)
    assert outcome.record.spec.protocol.held_out
    assert outcome.record.dataset["labels"] == {"inside": 32}
    for batch in seen:
        images, maps = batch.images[:, :3], batch.images[:, 3:]
        assert maps.shape[1] == 2
        assert set(maps.unique().tolist()) == {-1.0, 1.0}
        assert torch.equal(maps[:, 0], -maps[:, 1]), "one label a pixel"
        # A disc is white where it is; whatever moved the image moved its label too.
        inside, outside = (images[:, 0][maps[:, channel] > 0] for channel in (1, 0))
        assert inside.mean() > 0.7
        assert outside.mean() < -0.7


def test_scores_of_images_see_the_images_alone(labelled: Run, tmp_path: Path) -> None:
    outcome = labelled()
    model = load_model(outcome.folder, pick_device("cpu"), "last")
    assert model.shape == ImageShape(5, 16, 16, 2)
    with torch.no_grad():
        made = model.eval().sample(torch.arange(32, 64))
    made = made.add(1).mul(127.5).round().clamp(0, 255)
    images = made[:, :3]
    task = CellImages({}, tmp_path / "cache")(outcome.record.spec)
    expected = abs(float(images.mean()) - float(task.train.images.mean()))
    assert outcome.record.scores["last"]["brightness"] == pytest.approx(expected, abs=1e-3)
    drawn = task_of(LinearGAN, labels=True).draw(model, 32, 32, lambda: task)
    assert np.array_equal(drawn.images, images.numpy().astype(np.uint8))
    assert np.array_equal(drawn.labels[:, 0], (made[:, 4] > made[:, 3]).numpy())


@pytest.mark.parametrize("steps", [0, 3, 11])
def test_interrupted_and_resumed_ends_with_the_same_bits(labelled: Run, tmp_path: Path, steps: int) -> None:
    asked = iter(range(10**9))
    whole = labelled(results=tmp_path / "whole").folder
    with pytest.raises(Interrupted):
        labelled(results=tmp_path / "cut", stop=lambda: next(asked) >= steps)
    cut = labelled(results=tmp_path / "cut").folder
    assert cut.best.read_bytes() == whole.best.read_bytes()
    assert cut.samples.read_bytes() == whole.samples.read_bytes()


def test_labels_make_another_cell_and_leave_the_identity_of_all_others_as_it_was() -> None:
    plain, with_labels = (resolve(request(settings={"labels": one})).spec for one in (False, True))
    assert plain.identity != with_labels.identity
    assert plain.conditions != with_labels.conditions
    # Records from before cells could have labels know nothing of them.
    content = plain.model_dump(mode="json")
    content["protocol"]["metrics"] = "brightness"
    del content["protocol"]["labels"], content["dataset"]["labels"]
    assert plain.identity == sha256_of_json({**content, "protocol_version": PROTOCOL_VERSION})


@pytest.mark.parametrize(
    ("change", "found", "advice"),
    [
        ({"model": "one-convolution", "source": "disc", "target": "ring"}, "translates", "--labels"),
        ({"dataset": "folder"}, "has no labels", "--labels"),
        ({"source": "disc", "target": "ring"}, "cannot translate", "--source"),
    ],
)
def test_who_can_not_make_labels_is_told_why(change: dict[str, Any], found: str, advice: str) -> None:
    with pytest.raises(SpecError, match=found) as caught:
        complete(request(**change))
    assert advice in caught.value.hint


class ThreeChannels(LinearGAN):
    """Makes three channels whatever it is asked for."""

    def __init__(self, shape: ImageShape, config: Any) -> None:
        super().__init__(ImageShape(3, shape.height, shape.width), config)
        self.shape = shape


def test_a_plugin_of_fixed_channels_is_told_why_before_it_trains(
    labelled: Run, monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> None:
    load = registry.load
    monkeypatch.setattr(
        registry, "load", lambda kind, name: ThreeChannels if name == "linear-gan" else load(kind, name)
    )
    with pytest.raises(
        PluginError, match=r"can't make labels: it gave an image of shape \(1, 3, 16, 16\)"
    ) as told:
        labelled()
    assert "bench check linear-gan --labels 1" in told.value.hint


def test_the_check_of_a_plugin_tries_labels() -> None:
    assert_passes(check_model(LinearGAN, labels=2, side=8))
    assert any("shape" in finding.broken for finding in check_model(ThreeChannels, labels=2, side=8).findings)


def test_metrics_of_labels_are_refused_where_there_are_none(run_tiny: Run) -> None:
    with pytest.raises(ScoreError, match="utility trains on images with their labels") as told:
        run_tiny(settings={"metrics": "brightness,utility", "held_out": True})
    assert "--labels" in told.value.hint


def test_who_reports_does_not_choose(run_tiny: Run) -> None:
    with pytest.raises(SpecError, match="utility looks at held-out patients") as told:
        run_tiny(settings={"labels": True, "metrics": "utility,brightness"})
    assert "--metrics swd,utility" in told.value.hint


def with_unknown(monkeypatch: pytest.MonkeyPatch, which: Callable[[int], bool]) -> None:
    read = Discs.read

    def partly(self: Discs, item: str) -> Any:
        for piece in read(self, item):
            yield Slice(**{**vars(piece), "labels": None}) if which(int(item[-3:])) else piece

    monkeypatch.setattr(Discs, "read", partly)


def test_images_of_unknown_labels_are_left_out_and_counted(
    labelled: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_unknown(monkeypatch, lambda number: number == 1)
    record = labelled().record
    assert record.n_real == 28
    assert record.dataset["unknown_labels"] == 4
    assert record.notes[-1].startswith("4 images are left out: what they show is not known")


def test_a_set_without_a_known_label_is_refused(labelled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with_unknown(monkeypatch, lambda number: True)
    with pytest.raises(DataError, match="no image of discs has a label map"):
        labelled()


def test_grids_and_tables_keep_labelled_cells_apart(labelled: Run, run_tiny: Run, tmp_path: Path) -> None:
    labelled()
    run_tiny(settings={"held_out": True})
    tiny = {"epochs": 4, "evaluate_every": 2, "batch_size": 8, "metrics": ["brightness"]}
    grid = Grid(
        name="mine",
        models=["linear-gan"],
        datasets=["discs"],
        resolutions=[16],
        settings={**tiny, "labels": True},
    )
    (asked,) = requests_of(grid)
    assert complete(asked.request).protocol.labels
    found = survey(Store(tmp_path / "results"))
    sheet = score_sheet(grid, found, scores=["brightness"])
    (labelled_record,) = (one.record for one in found.results if one.spec.protocol.labels)
    assert sheet.rows[0][1].value == labelled_record.scores["best"]["brightness"]
    assert "with labels" in sheet.caption
    assert any("1 cell(s) under other conditions left out" in note for note in sheet.notes)


def test_samples_are_saved_with_their_labels_apart(labelled: Run, tmp_path: Path) -> None:
    run = labelled().folder.path
    sample(str(run), tmp_path / "made", count=3, results=tmp_path / "results", device="cpu")
    assert len(list((tmp_path / "made").glob("*.png"))) == 3
    with Image.open(tmp_path / "made-labels" / "000002.png") as picture:
        assert set(np.unique(np.asarray(picture))) <= {0, 1}


def test_the_report_shows_labels_in_colours(labelled: Run, tmp_path: Path) -> None:
    labelled()
    found = survey(Store(tmp_path / "results"))
    assert "samples in rows of six" in make_report(found, tmp_path / "results", torch.device("cpu"))


def test_labels_lie_over_images_in_their_colours() -> None:
    images = np.full((1, 1, 1, 3), 100, np.uint8)
    labels = np.array([[[[0, 1, 255]]]], np.uint8)
    red = [round(0.55 * 100 + 0.45 * value) for value in TINTS[0]]
    assert overlaid(images, labels)[0].transpose(1, 2, 0).tolist() == [[[100] * 3, red, [100] * 3]]


def test_the_task_has_the_name_of_what_it_is_for() -> None:
    assert task_of(LinearGAN, labels=True) is LabelledSynthesis
    assert task_of(LinearGAN) is not LabelledSynthesis
