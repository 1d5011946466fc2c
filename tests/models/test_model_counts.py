"""Parameters and operations of the networks, against the published table."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from harness_models.dcgan import DCGAN
from harness_models.ddpm import DDPM
from harness_models.fastgan import FastGAN
from harness_models.hagan import HAGAN
from harness_models.infogan import InfoGAN
from harness_models.r3gan import R3GAN
from harness_models.sagan import SAGAN
from harness_models.stylegan2_ada import StyleGAN2ADA
from harness_models.unetgan import UNetGAN
from harness_models.wgan import WGAN
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from harness.api import ImageShape, Synthesizer


def build(model: type[Synthesizer], side: int, **settings: Any) -> Synthesizer:
    with torch.device("meta"):
        return model(ImageShape(3, side, side), model.Config(**settings))


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


@pytest.mark.parametrize(
    ("model", "settings", "generator", "discriminator"),
    [
        (DCGAN, {}, 3_577_667, 2_764_737),
        (SAGAN, {}, 3_603_509, 2_764_737),
        (HAGAN, {}, 3_603_509, 2_764_737 + 451),
        (HAGAN, {"pixel_branch": "separate"}, 3_603_509, 2_764_737 + 5_665),
        (HAGAN, HAGAN.ablation["Base Model"], 3_577_667, 2_764_737),
        (InfoGAN, {}, 3_364_675, 2_864_845),
        (WGAN, {}, 13_301_632, 6_423_553),
        (UNetGAN, {}, 3_603_509, 6_182_338),
    ],
)
def test_parameters_at_64_px(model, settings, generator, discriminator) -> None:
    networks = build(model, 64, **settings).networks()
    assert parameters(networks["generator"]) == generator
    assert parameters(networks["discriminator"]) == discriminator


@pytest.mark.parametrize(
    ("model", "generator", "discriminator"),
    [
        (DCGAN, 3_809_223, 2_895_937),
        (SAGAN, 3_835_065, 2_895_937),
        (HAGAN, 3_835_065, 2_895_937 + 195),
        (WGAN, 3_809_223, 2_895_937),
        (UNetGAN, 3_835_065, 6_575_810),
    ],
)
def test_parameters_at_256_px(model, generator, discriminator) -> None:
    networks = build(model, 256).networks()
    assert parameters(networks["generator"]) == generator
    assert parameters(networks["discriminator"]) == discriminator


@pytest.mark.parametrize(
    ("model", "side", "settings", "generator", "discriminator"),
    [
        # As their publications or their code count them.
        (FastGAN, 256, {}, 29_127_846, 11_526_160),
        (R3GAN, 256, {}, 23_057_952, 23_009_568),
        (StyleGAN2ADA, 32, {"mapping_layers": 8}, 21_523_475, 21_507_073),
        (StyleGAN2ADA, 256, {}, 23_191_522, 24_001_089),
    ],
)
def test_parameters_of_the_gans_of_today(model, side, settings, generator, discriminator) -> None:
    networks = build(model, side, **settings).networks()
    assert parameters(networks["generator"]) == generator
    assert parameters(networks["discriminator"]) == discriminator


def test_parameters_of_the_denoiser() -> None:
    assert parameters(build(DDPM, 64).networks()["denoiser"]) == 35_746_307
    assert round(parameters(build(DDPM, 256).networks()["denoiser"]) / 1e6, 2) == 35.55


def giga_operations(model: Synthesizer, name: str) -> float:
    """Multiply-accumulates of a batch of 64, in units of 2^30; BatchNorm is not in it."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model.networks()[name](*(part.to("meta") for part in model.example_inputs(64)[name]))
    return counter.get_total_flops() / 2 / 2**30


@pytest.mark.parametrize(
    ("model", "name", "expected"),
    [
        (DCGAN, "generator", 6.236),
        (SAGAN, "generator", 11.924),
        (HAGAN, "generator", 11.924),
        (DCGAN, "discriminator", 6.188),
        (HAGAN, "discriminator", 6.195),
        (UNetGAN, "discriminator", 16.750),
        (WGAN, "discriminator", 0.383),
    ],
)
def test_operations_at_64_px(model, name, expected) -> None:
    assert giga_operations(build(model, 64), name) == pytest.approx(expected, abs=6e-4)
