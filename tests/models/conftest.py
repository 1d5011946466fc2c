"""Small versions of all models, and how to train them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from harness_models.bbdm import BBDM
from harness_models.dcgan import DCGAN
from harness_models.ddpm import DDPM
from harness_models.duald import DualD
from harness_models.edm import EDM
from harness_models.fastgan import FastGAN
from harness_models.flow import Flow
from harness_models.hagan import HAGAN
from harness_models.infogan import InfoGAN
from harness_models.ldm import LDM
from harness_models.palette import Palette
from harness_models.pix2pix import Pix2Pix
from harness_models.r3gan import R3GAN
from harness_models.sagan import SAGAN
from harness_models.stylegan2_ada import StyleGAN2ADA
from harness_models.unet_l1 import UNetL1
from harness_models.unetgan import UNetGAN
from harness_models.wgan import WGAN
from torch import Tensor

from harness.api import Batch, Clock, ImageShape, Model


@dataclass(frozen=True)
class Tiny:
    """A model that takes a step in a few hundredths of a second."""

    model: type[Model]
    settings: dict[str, Any] = field(default_factory=dict)
    shape: ImageShape = ImageShape(1, 32, 32)

    def build(self, seed: int = 0, **settings: Any) -> Model:
        torch.manual_seed(seed)
        return self.model(self.shape, self.model.Config(**{**self.settings, **settings}))

    def images(self, count: int = 4) -> Tensor:
        stream = torch.Generator().manual_seed(1)
        size = (count, self.shape.channels, self.shape.height, self.shape.width)
        return torch.rand(size, generator=stream) * 2 - 1


def reference(model: type[Model], **settings: Any) -> dict[str, Any]:
    """The model's own part of its reference preset, with a small network."""
    preset = {**model.presets["reference"], **settings}
    return {name: value for name, value in preset.items() if name in model.Config.model_fields}


NARROW = {"width": 64}
NARROWEST = {"width": 16}
SHALLOW = {"level_channels": (32, 32), "blocks": 1, "sampling_steps": 3, "preview_steps": 3}
TINY = {
    "dcgan": Tiny(DCGAN, NARROW),
    "dcgan, reference": Tiny(DCGAN, reference(DCGAN, **NARROW)),
    "sagan": Tiny(SAGAN, NARROW),
    "sagan, reference": Tiny(SAGAN, reference(SAGAN, **NARROW, augment="diffaugment", gradient_clip=1.0)),
    "infogan": Tiny(InfoGAN, NARROW),
    "wgan": Tiny(WGAN),
    "wgan, penalty": Tiny(WGAN, {**NARROW, "architecture": "conv", "gradient_penalty": 10.0}),
    "unetgan": Tiny(UNetGAN, {**NARROW, "mix_warmup_epochs": 0}),
    "unetgan, reference": Tiny(
        UNetGAN, reference(UNetGAN, **NARROW, mix_warmup_epochs=0, ema_start=2, augment="diffaugment")
    ),
    "fastgan": Tiny(FastGAN, NARROW, ImageShape(2, 32, 32)),
    "r3gan": Tiny(R3GAN, {"width": 16, "burn_in": 4}, ImageShape(3, 32, 32)),
    "stylegan2-ada": Tiny(StyleGAN2ADA, {"width": 16, "style_dim": 16, "ada_images": 100}),
    "hagan": Tiny(HAGAN, {**NARROW, "staged_training": False}),
    "hagan, no skip at sampling": Tiny(HAGAN, {**NARROW, "reverse_skip_sampling": "off", "warmup_epochs": 1}),
    "hagan, training images": Tiny(HAGAN, {**NARROW, "reverse_skip_sampling": "train"}),
    "ddpm": Tiny(DDPM, {"level_channels": (32, 32), "sampling_steps": 4}, ImageShape(1, 16, 16)),
    "ddpm, implicit": Tiny(
        DDPM, {"level_channels": (32, 32), "sampling_steps": 4, "sampler": "ddim"}, ImageShape(1, 16, 16)
    ),
    "edm": Tiny(EDM, SHALLOW, ImageShape(2, 16, 16)),
    "edm, reference": Tiny(EDM, reference(EDM, **SHALLOW, lr_warmup=2), ImageShape(1, 16, 16)),
    "flow": Tiny(Flow, SHALLOW, ImageShape(3, 16, 16)),
    "flow, reference": Tiny(Flow, reference(Flow, **SHALLOW, lr_warmup=2), ImageShape(1, 16, 16)),
    "ldm": Tiny(
        LDM, {**LDM.presets["smoke"], "sampling_steps": 5, "preview_steps": 4}, ImageShape(2, 16, 16)
    ),
    "palette": Tiny(Palette, SHALLOW, ImageShape(2, 16, 16)),
    "bbdm": Tiny(BBDM, SHALLOW, ImageShape(1, 16, 16)),
    "duald": Tiny(DualD, NARROWEST, ImageShape(2, 32, 32)),
    "duald, residual": Tiny(DualD, {**NARROWEST, "residual": True}),
    "unet-l1": Tiny(UNetL1, NARROWEST),
    "pix2pix, reference": Tiny(Pix2Pix, reference(Pix2Pix, **NARROWEST)),
}


@pytest.fixture(params=TINY.values(), ids=TINY.keys())
def tiny(request: pytest.FixtureRequest) -> Tiny:
    """Every model, in its main variants."""
    found: Tiny = request.param
    return found


@pytest.fixture
def tinies() -> dict[str, Tiny]:
    """The same by name."""
    return TINY


Train = Callable[..., dict[str, Tensor]]


@pytest.fixture
def train() -> Train:
    """Train on the same images over and over, a translator from their negatives; return the last losses."""

    def train(model: Model, images: Tensor, steps: int, first_step: int = 0) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}
        model.train()
        for step in range(first_step, first_step + steps):
            # Two steps an epoch, so that everything that waits for an epoch comes soon.
            losses = model.train_step(
                Batch(images, source=-images), Clock(step=step, epoch=step // 2, epochs=100)
            )
        return losses

    return train
