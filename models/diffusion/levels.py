"""What ``edm`` and ``palette`` have in common: settings of noise levels, and an average with a half-life."""

from __future__ import annotations

from typing import Literal

from harness.api import Clock, setting

from ..averaging import decay_of_half_life
from ..settings import RATES
from .backbone import BackboneConfig
from .model import DiffusionModel
from .preconditioned import Preconditioned
from .settings import STEPS

Sampler = Literal["euler", "heun"]

KARRAS = "reference: NVlabs/edm"


class LevelsConfig(BackboneConfig):
    """Options of diffusion by levels of noise."""

    lr: float = setting(2e-4, "learning rate", source=f"{KARRAS}, for 64 px", tune=RATES, gt=0)
    ema_half_life: float = setting(
        500_000,
        "how long the averaged network that samples takes to forget half",
        unit="images",
        source=KARRAS,
        gt=0,
    )
    ema_rampup: float = setting(
        0.05,
        "longest half-life, as a share of the images seen so far",
        source=KARRAS,
        gt=0,
    )
    sigma_data: float = setting(0.5, "standard deviation of the pixels, as assumed", source=KARRAS, gt=0)
    noise_mean: float = setting(-1.2, "mean of log sigma, the noise in training", source=KARRAS)
    noise_deviation: float = setting(1.2, "standard deviation of log sigma", source=KARRAS, gt=0)
    sigma_min: float = setting(0.002, "lowest level of noise when sampling", source=KARRAS, gt=0)
    sigma_max: float = setting(80.0, "highest level of noise when sampling", source=KARRAS, gt=0)
    rho: float = setting(7.0, "how much closer together low levels are", source=KARRAS, gt=0)
    sampler: Sampler = setting(
        "heun",
        "how to sample: euler takes one evaluation a step, heun two; none draws noise on the way",
        source=KARRAS,
    )
    sampling_steps: int = setting(18, "steps from noise to image", source=f"{KARRAS}, for 32 px", **STEPS)
    preview_sampler: Sampler = setting(
        "heun", "how to sample for the evaluations during training, which choose the networks", source=KARRAS
    )
    preview_steps: int = setting(
        18, "steps from noise to image in those evaluations", source=f"{KARRAS}, for 32 px", **STEPS
    )


def process_of(config: LevelsConfig) -> Preconditioned:
    """The process that a config asks for."""
    return Preconditioned(
        sigma_data=config.sigma_data,
        mean=config.noise_mean,
        deviation=config.noise_deviation,
        sigma_min=config.sigma_min,
        sigma_max=config.sigma_max,
        rho=config.rho,
    )


class ForgetsByHalves(DiffusionModel):
    """An average that forgets half of the past in so many images."""

    config: LevelsConfig

    def decay(self, clock: Clock, count: int) -> float:
        """By the half-life."""
        return decay_of_half_life(self.config.ema_half_life, self.config.ema_rampup, count, clock.step)
