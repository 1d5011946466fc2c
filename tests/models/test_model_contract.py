"""What the core may expect of every model, and what these models promise beyond it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from harness_models.duald import DualD
from harness_models.fastgan import FastGAN
from harness_models.hagan import HAGAN
from harness_models.r3gan import R3GAN
from harness_models.stylegan2_ada import StyleGAN2ADA
from harness_models.unet_l1 import UNetL1
from pydantic import ValidationError

from harness.api import Clock, ImageShape, Synthesizer
from harness.testing import assert_passes, check_model


def test_every_model_keeps_its_contract(tiny) -> None:
    assert_passes(check_model(tiny.model, shape=tiny.shape, settings=tiny.settings))


def test_every_weight_learns(tiny, train) -> None:
    model = tiny.build()
    before = {
        (name, key): value.clone()
        for name, network in model.networks().items()
        for key, value in network.named_parameters()
    }
    train(model, tiny.images(), steps=5)
    still = [
        f"{name}.{key}"
        for name, network in model.networks().items()
        for key, value in network.named_parameters()
        # A bias before BatchNorm has no effect, and so no gradient.
        if torch.equal(value, before[name, key]) and not key.endswith("bias")
    ]
    assert still == []


@torch.no_grad()
def test_samples_are_contiguous(tiny) -> None:
    model = tiny.build().eval()
    images = tiny.images(2)
    made = model.translate(images) if hasattr(model, "translate") else model.sample(torch.arange(2))
    assert made.is_contiguous()


def test_every_synthesizer_makes_label_maps(tiny, train) -> None:
    if not issubclass(tiny.model, Synthesizer):
        pytest.skip("it translates")
    shape = replace(tiny.shape, channels=tiny.shape.channels + 3, labels=3)
    labelled = replace(tiny, shape=shape)
    model = labelled.build()
    losses = train(model, labelled.images(), steps=2)
    assert all(loss.isfinite() for loss in losses.values())
    made = model.eval().sample(torch.arange(2))
    assert made.shape == (2, shape.channels, shape.height, shape.width)


def test_steps_in_bfloat16_leave_a_state_in_float32(tiny, train) -> None:
    model = tiny.build()
    with torch.autocast("cpu", torch.bfloat16):
        losses = train(model, tiny.images(), steps=5)
    for name, loss in losses.items():
        assert loss.isfinite(), name
    for name, value in model.state_dict().items():
        assert value.dtype in (torch.float32, torch.int64), name
        assert value.isfinite().all(), name


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


#: Augmentations that belong to the method.
OF_THEIR_OWN = {
    HAGAN: ("diffaugment",),
    FastGAN: ("flip", "diffaugment"),
    R3GAN: ("flip", "pipeline"),
    StyleGAN2ADA: ("pipeline",),
}


def test_plain_augmentation_is_for_the_baselines(tiny) -> None:
    assert tiny.model.Config().augment == OF_THEIR_OWN.get(tiny.model, ("flip", "shift"))
    assert "diffaugment" not in tiny.build().augmentations, "what the core is told to do"


@pytest.mark.parametrize(
    "settings", [{"lr": 0}, {"lr": -1}, {"learning_rate": 1e-3}, {"augment": "rotate"}, {"betas": "0.5"}]
)
def test_wrong_settings_are_refused(tiny, settings) -> None:
    with pytest.raises(ValidationError, match=next(iter(settings))):
        tiny.model.Config(**settings)


def test_a_light_network_names_itself(tiny) -> None:
    """A table marks its scores, and says why."""
    light = tiny.model.presets.get("light")
    if light is None:
        pytest.skip("it has no light preset")
    own = {name: value for name, value in light.items() if name in tiny.model.Config.model_fields}
    last = Clock(step=99, epoch=99, epochs=100)
    with torch.device("meta"):
        model = tiny.model(ImageShape(1, 64, 64), tiny.model.Config(**own))
        assert any("preset light" in caveat for caveat in model.caveats(last))
    assert not any("preset light" in caveat for caveat in tiny.build().caveats(last))
