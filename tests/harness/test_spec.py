"""Requests become specs: every default filled in, every name and value checked, one identity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.cell.spec import RunRequest, RunSpec
from harness.errors import DataError, PluginError, SpecError
from harness.plugins import Registry
from harness.running.resolve import resolve


def spec(**request: Any) -> RunSpec:
    defaults: dict[str, Any] = {"model": "linear-gan", "dataset": "discs", "resolution": 16}
    settings = {"metrics": "brightness", **request.pop("settings", {})}
    return resolve(RunRequest(**{**defaults, **request, "settings": settings})).spec


def test_text_from_the_command_line_means_what_it_says() -> None:
    made = spec(settings={"lr": "5e-4", "epochs": "7", "held_out": "true", "dataset.patients": "3"})
    assert made.model.config == {"lr": 5e-4, "latent_dim": 8}
    assert made.protocol.epochs == 7
    assert made.protocol.held_out is True
    assert made.dataset.config == {"patients": 3}


def test_batch_size_is_the_published_one_for_the_resolution() -> None:
    assert spec(resolution=64).protocol.batch_size == 32
    assert spec(resolution=256).protocol.batch_size == 2
    assert spec(resolution=256, settings={"batch_size": 5}).protocol.batch_size == 5


def test_settings_win_over_presets_and_later_presets_over_earlier() -> None:
    made = spec(presets=("smoke", "fast"), settings={"epochs": 9})
    assert made.model.config["lr"] == 0.05
    assert made.protocol.epochs == 9
    assert made.protocol.limit == 64


def test_preset_of_a_model_adds_to_the_one_of_the_core() -> None:
    made = spec(model="hagan", resolution=64, presets=("smoke",))
    assert made.model.config["warmup_epochs"] == 2
    assert made.protocol.limit == 64


@pytest.mark.parametrize(("resolution", "lr", "batch_size"), [(64, 2e-4, 128), (256, 2e-5, 64)])
def test_a_preset_may_have_other_settings_for_large_images_and_some_of_the_protocol(
    resolution: int, lr: float, batch_size: int
) -> None:
    made = spec(model="ddpm", resolution=resolution, presets=("reference",))
    assert made.model.config["lr"] == lr
    assert made.model.config["lr_warmup"] == 5000
    assert made.protocol.batch_size == batch_size
    told = spec(model="ddpm", resolution=resolution, presets=("reference",), settings={"batch_size": 8})
    assert told.protocol.batch_size == 8, "what a user says wins"


def test_settings_that_do_not_go_together_are_told_in_their_own_words() -> None:
    with pytest.raises(SpecError) as caught:
        spec(model="ddpm", resolution=32, settings={"variance": "fixed_large", "sampling_steps": 10})
    assert "leaves noise" in caught.value.found
    assert "{" not in caught.value.found


def test_identity_ignores_the_order_of_settings_and_further_metrics() -> None:
    one = spec(settings={"lr": 0.1, "epochs": 3})
    other = spec(settings={"epochs": 3, "lr": 0.1, "metrics": "brightness,swd"})
    assert one.identity == other.identity
    assert one.folder_name == other.folder_name


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"resolution": 32},
        {"settings": {"lr": 0.02}},
        {"settings": {"epochs": 3}},
        {"settings": {"metrics": "swd,brightness"}},
        {"settings": {"dataset.patients": 11}},
        {"settings": {"limit": 5}},
    ],
)
def test_identity_changes_with_all_that_changes_the_result(change: dict[str, Any]) -> None:
    assert spec(**change).identity != spec().identity


def test_identity_changes_with_the_version_of_a_plugin(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = spec().identity
    monkeypatch.setattr(registry.load("models", "linear-gan"), "version", 2)
    assert spec().identity != before


def test_spec_survives_json() -> None:
    made = spec()
    read = RunSpec.model_validate_json(made.model_dump_json())
    assert read == made
    assert read.identity == made.identity


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"model": "linear-gam"}, "linear-gan"),
        ({"dataset": "disks"}, "discs"),
        ({"presets": ("smok",)}, "smoke"),
        ({"settings": {"epoch": 3}}, "epochs"),
        ({"settings": {"latent": 3}}, "latent_dim"),
        ({"settings": {"dataset.patient": 3}}, "dataset.patients"),
        ({"settings": {"metrics": "brigthness"}}, "brightness"),
    ],
)
def test_misspelt_names_are_told_with_a_suggestion(request_: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec(**request_)
    assert words in caught.value.needed
    assert caught.value.hint


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lr": "-1"}, "lr=-1"),
        ({"lr": "fast"}, "lr='fast'"),
        ({"lr": "Infinity"}, "lr=inf"),
        ({"lr": "NaN"}, "lr=nan"),
        ({"epochs": "0"}, "epochs=0"),
        ({"precision": "fp8"}, "precision='fp8'"),
        ({"dataset.patients": "0"}, "patients=0"),
    ],
)
def test_values_out_of_range_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec(settings=settings)
    assert words in caught.value.found


def test_resolution_that_a_model_can_not_make() -> None:
    with pytest.raises(SpecError, match="dcgan can't make 100 px") as caught:
        spec(model="dcgan", resolution=100)
    assert "64" in caught.value.needed


def test_no_metric_at_all() -> None:
    with pytest.raises(SpecError, match="metrics"):
        spec(settings={"metrics": " , "})


def test_dataset_that_needs_a_folder_says_so() -> None:
    with pytest.raises(SpecError, match="covid-ct needs a folder") as caught:
        spec(dataset="covid-ct")
    assert caught.value.needed == "--data-root DIR"


def test_missing_data_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        spec(dataset="covid-ct", data_root=tmp_path / "nowhere")


def test_model_whose_settings_hide_the_protocol_is_refused(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = registry.load("models", "linear-gan")
    monkeypatch.setitem(model.Config.model_fields, "epochs", model.Config.model_fields["lr"])
    with pytest.raises(PluginError, match="epochs"):
        spec()


def test_something_that_is_no_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench_example.model.LinearGAN", dict)
    with pytest.raises(PluginError, match="linear-gan"):
        spec()
