"""What the core may expect of every model."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from harness_models.duald import DualD
from harness_models.hagan import HAGAN
from harness_models.unet_l1 import UNetL1
from pydantic import ValidationError
from torch import Tensor

from harness.api import Model, Translator
from harness.cell.protocol import Protocol


def state_of(model: Model) -> dict[str, Any]:
    return {
        "model": model.state_dict(),
        "optimizers": {name: each.state_dict() for name, each in model.optimizers().items()},
        "random": torch.get_rng_state(),
    }


def restore(model: Model, state: dict[str, Any]) -> None:
    model.load_state_dict(state["model"])
    for name, optimizer in model.optimizers().items():
        optimizer.load_state_dict(state["optimizers"][name])
    torch.set_rng_state(state["random"])


@torch.no_grad()
def sample(model: Model, seeds: list[int]) -> Tensor:
    """An image for each seed; a translator's is made from noise of that seed."""
    model.eval()
    if not isinstance(model, Translator):
        return model.sample(torch.tensor(seeds))
    shape = (model.shape.channels, model.shape.height, model.shape.width)
    streams = [torch.Generator().manual_seed(seed) for seed in seeds]
    return model.translate(torch.stack([torch.rand(shape, generator=stream) * 2 - 1 for stream in streams]))


def test_training_resumed_from_a_file_is_bit_identical(tiny, train) -> None:
    images = tiny.images()
    model = tiny.build()
    train(model, images, steps=2)
    file = io.BytesIO()
    torch.save(state_of(model), file)
    train(model, images, steps=4, first_step=2)

    other = tiny.build(seed=5)
    file.seek(0)
    restore(other, torch.load(file, weights_only=True))
    train(other, images, steps=4, first_step=2)

    states = state_of(model), state_of(other)
    assert states[0]["model"].keys() == states[1]["model"].keys()
    for name, value in states[0]["model"].items():
        assert torch.equal(value, states[1]["model"][name]), name
    assert torch.equal(sample(model, [7, 8]), sample(other, [7, 8]))


def test_an_image_depends_on_its_seed_alone(tiny, train) -> None:
    model = tiny.build()
    train(model, tiny.images(), steps=6)
    together = sample(model, [3, 1, 4, 15, 9])
    backwards = sample(model, [9, 15, 4, 1, 3]).flip(0)
    torch.manual_seed(123)
    alone = torch.cat([sample(model, [seed]) for seed in (3, 1, 4, 15, 9)])
    # A convolution may add in another order in another batch: a small part of a grey level.
    torch.testing.assert_close(together, backwards, atol=3e-4, rtol=0)
    torch.testing.assert_close(together, alone, atol=3e-4, rtol=0)
    assert (together[0] - together[1]).abs().max() > 1e-3, "two seeds, one image"


def test_samples_are_images_of_the_asked_shape_and_range(tiny, train) -> None:
    model = tiny.build()
    train(model, tiny.images(), steps=1)
    samples = sample(model, [0, 1, 2])
    assert samples.shape == tiny.images(3).shape
    assert samples.dtype == torch.float32
    assert samples.is_contiguous()
    assert samples.abs().max() <= 1


def test_sampling_changes_no_state(tiny, train) -> None:
    model = tiny.build()
    train(model, tiny.images(), steps=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    sample(model, [0, 1])
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_every_network_learns_and_losses_are_scalars_without_gradient(tiny, train) -> None:
    model = tiny.build()
    before = {
        (name, key): value.clone()
        for name, network in model.networks().items()
        for key, value in network.named_parameters()
    }
    losses = train(model, tiny.images(), steps=5)
    assert losses
    for name, loss in losses.items():
        assert loss.shape == (), name
        assert not loss.requires_grad, name
        assert loss.isfinite(), name
    still = [
        f"{name}.{key}"
        for name, network in model.networks().items()
        for key, value in network.named_parameters()
        # A bias before BatchNorm has no effect, and so no gradient.
        if torch.equal(value, before[name, key]) and not key.endswith("bias")
    ]
    assert still == []


def test_a_step_never_waits_for_the_device(tiny, train, monkeypatch) -> None:
    model = tiny.build()

    def waits(self: Tensor, *args: object) -> None:
        raise AssertionError("a value was read back from the device")

    for name in ("item", "tolist", "numpy", "__bool__", "__float__", "__int__", "__index__", "nonzero"):
        monkeypatch.setattr(Tensor, name, waits)
    train(model, tiny.images(), steps=6)


def test_steps_in_bfloat16_leave_a_state_in_float32(tiny, train) -> None:
    model = tiny.build()
    with torch.autocast("cpu", torch.bfloat16):
        losses = train(model, tiny.images(), steps=5)
    for name, loss in losses.items():
        assert loss.isfinite(), name
    for name, value in model.state_dict().items():
        assert value.dtype in (torch.float32, torch.int64), name
        assert value.isfinite().all(), name


def test_networks_run_on_their_example_inputs(tiny) -> None:
    model = tiny.build()
    inputs = model.example_inputs(2)
    networks = model.networks()
    assert inputs.keys() == networks.keys()
    for name, network in networks.items():
        network(*inputs[name])


def test_optimizers_are_the_same_objects_at_every_call(tiny) -> None:
    model = tiny.build()
    first, second = model.optimizers(), model.optimizers()
    assert all(first[name] is second[name] for name in first)


def test_every_setting_is_documented(tiny) -> None:
    for name, setting in tiny.model.Config.model_fields.items():
        assert setting.description, name
        source = setting.json_schema_extra["source"]
        assert source.startswith(("published", "reference", "inferred", "ours")), name


def test_presets_and_ablation_rows_are_valid_settings(tiny) -> None:
    larger = [changed for sides in tiny.model.presets_from.values() for changed in sides.values()]
    for overrides in (*tiny.model.presets.values(), *larger, *tiny.model.ablation.values()):
        own = {name: value for name, value in overrides.items() if name in tiny.model.Config.model_fields}
        tiny.model.Config(**own)
        Protocol(**{name: value for name, value in overrides.items() if name not in own})


def test_every_baseline_has_the_settings_of_its_original(tiny) -> None:
    if tiny.model not in (HAGAN, DualD, UNetL1):
        assert "reference" in tiny.model.presets


@pytest.mark.parametrize(
    ("given", "means"),
    [
        ("shift", ("shift",)),
        ("flip, shift", ("flip", "shift")),
        ("", ()),
        ("none", ()),
        (["flip"], ("flip",)),
    ],
)
def test_augmentations_can_be_chosen_on_the_command_line(tiny, given, means) -> None:
    assert tiny.build(augment=given).augmentations == means


def test_plain_augmentation_is_for_the_baselines(tiny) -> None:
    default = tiny.model.Config().augment
    assert default == (("diffaugment",) if tiny.model is HAGAN else ("flip", "shift"))
    assert "diffaugment" not in tiny.build().augmentations, "what the core is told to do"


@pytest.mark.parametrize(
    "settings", [{"lr": 0}, {"lr": -1}, {"learning_rate": 1e-3}, {"augment": "rotate"}, {"betas": "0.5"}]
)
def test_wrong_settings_are_refused(tiny, settings) -> None:
    with pytest.raises(ValidationError, match=next(iter(settings))):
        tiny.model.Config(**settings)
