"""Translators by diffusion: they learn, each from its source, and draw the same again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from harness_models.bbdm import BBDM
from harness_models.diffusion.model import DiffusionTranslator
from harness_models.palette import Palette
from torch import Tensor

from harness.api import Batch, Clock, ImageShape

SIDE = 8
STEPS = 60
QUICK: dict[str, Any] = {"level_channels": (32, 32), "blocks": 1, "lr": 4e-3}
MODELS = {
    "palette": (Palette, {**QUICK, "ema_half_life": 100, "sampling_steps": 8}),
    "bbdm": (BBDM, {**QUICK, "ema_decay": 0.95, "sampling_steps": 10}),
}


def build(name: str) -> DiffusionTranslator:
    torch.manual_seed(0)
    model, settings = MODELS[name]
    return model(ImageShape(1, SIDE, SIDE), model.Config(**settings))


def pairs(count: int, stream: torch.Generator) -> Batch:
    """A bright half, left or right, which becomes an upper or a lower one."""
    which = torch.randint(2, (count, 1, 1, 1), generator=stream)
    half = torch.where(torch.arange(SIDE) < SIDE // 2, 0.8, -0.8)
    across = torch.where(which == 0, half, -half).expand(count, 1, SIDE, SIDE)
    return Batch(images=across.transpose(2, 3), source=across)


def error_after(model: DiffusionTranslator, steps: int) -> float:
    """Mean absolute error of translations after a training; one grey level has 0.8 at best."""
    stream = torch.Generator().manual_seed(7)
    model.train()
    for step in range(steps):
        model.train_step(pairs(12, stream), Clock(step, 0, 1))
    target, source = pairs(8, stream)
    with torch.no_grad():
        return (model.eval().translate(source) - target).abs().mean().item()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.minutes
def test_a_translator_learns(name: str) -> None:
    assert error_after(build(name), STEPS) < 0.8 / 3


def blind(model: DiffusionTranslator) -> None:
    """It sees no source, neither beside its states nor where a bridge begins."""
    right = model.start_from
    model.start_from = lambda source, draws: right(torch.zeros_like(source), draws)
    model.denoiser.register_forward_pre_hook(without_source)
    model.average.register_forward_pre_hook(without_source)


def without_source(_: object, seen: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    states, source = seen[0].chunk(2, dim=1)
    return (torch.cat([states, torch.zeros_like(source)], dim=1), *seen[1:])


def answer_the_opposite(model: DiffusionTranslator) -> None:
    right = model.process.back
    model.process.back = lambda predict, *rest: right(lambda *asked: -predict(*asked), *rest)


@pytest.mark.parametrize("fault", [blind, answer_the_opposite])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.minutes
def test_a_broken_translator_does_not_pass(name: str, fault: Callable[[DiffusionTranslator], None]) -> None:
    model = build(name)
    fault(model)
    assert error_after(model, STEPS) > 0.8 / 3


@torch.no_grad()
def test_a_preview_takes_its_own_sampler() -> None:
    model = build("palette").eval()
    source = pairs(2, torch.Generator().manual_seed(1)).source
    config = model.config
    model.config = config.model_copy(update={"sampling_steps": config.preview_steps})
    as_preview = model.translate(source)
    model.config = config
    assert torch.equal(model.preview(source), as_preview)
    assert not torch.equal(model.translate(source), as_preview)
