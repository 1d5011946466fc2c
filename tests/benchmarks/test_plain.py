"""Speed changes no mathematics: the product's steps against the plain ones that its speed is measured with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from plain import PLAIN, PlainLoop
from plain.loop import PNGFolder

from harness.api import Batch, Clock, ImageShape, Synthesizer
from harness.data.pictures import save_png
from harness.data.pixels import to_model_range
from harness.plugins import Registry

pytestmark = pytest.mark.minutes

NARROW = {"width": 64}
SMALL: dict[str, dict[str, Any]] = {
    "dcgan": NARROW,
    "infogan": NARROW,
    "wgan": {},
    "sagan": NARROW,
    "unetgan": {**NARROW, "mix_warmup_epochs": 0},
    "ddpm": {"level_channels": (32, 32)},
    "hagan": {**NARROW, "staged_training": False},
}


def build(name: str, **settings: Any) -> Synthesizer:
    side = 16 if name == "ddpm" else 64
    kind = Registry().load("models", name)
    torch.manual_seed(0)
    return kind(ImageShape(1, side, side), kind.Config(**SMALL[name], **settings)).train()


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> Iterator[torch.dtype]:
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", PLAIN)
def test_losses_are_those_of_the_plain_loop(name: str, dtype: torch.dtype) -> None:
    """20 steps within 1e-4 in float32, 10 within 1e-8 in float64, of the largest value that a loss takes.

    Adam makes a full step even of a gradient that is nothing but rounding (the bias of a discriminator's
    last layer has none under the hinge loss). So in float32 the steps are small; float64 takes them as published.
    """
    single = dtype == torch.float32
    ours = build(name, **({"lr": 1e-5} if single else {}))
    plain = PLAIN[name](ours)
    found: dict[str, list[float]] = {}
    expected: dict[str, list[float]] = {}
    for step in range(20 if single else 10):
        images = torch.rand(2, 1, ours.shape.height, ours.shape.width) * 2 - 1
        clock = Clock(step, step // 5, 4)
        random = torch.get_rng_state()
        losses = ours.train_step(Batch(images), clock)
        torch.set_rng_state(random)
        for key, value in plain.train_step(images, clock).items():
            found.setdefault(key, []).append(losses[key].item())
            expected.setdefault(key, []).append(value)
    assert found.keys() == {key for key in losses if "/" not in key}
    for key, values in expected.items():
        size = max(map(abs, values))
        assert min(values) < max(values), key
        assert found[key] == pytest.approx(values, rel=0, abs=size * (1e-4 if single else 1e-8)), key


def test_the_plain_loop_reads_what_the_product_stores(tmp_path: Path) -> None:
    pixels = torch.randint(0, 256, (3, 1, 64, 64), dtype=torch.uint8)
    for number, image in enumerate(pixels):
        save_png(tmp_path / f"{number}.png", image.numpy())
    images = PNGFolder(tmp_path, 1, ())
    torch.testing.assert_close(torch.stack([images[i] for i in range(3)]), to_model_range(pixels))
    loop = PlainLoop(PLAIN["dcgan"](build("dcgan")), images, 2, torch.device("cpu"))
    assert loop.take(Clock(0, 0, 1)).keys() == {"discriminator", "generator"}
    assert loop.feeding > 0
