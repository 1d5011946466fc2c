"""LDM: an autoencoder first, then diffusion of what it makes of images (Rombach et al. 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional as F

from harness.api import Batch, Clock, ImageShape, SpecError, setting

from .averaging import decay_at
from .diffusion.discrete import NoisePrediction, Sampler, Steps
from .diffusion.model import DiffusionSynthesizer
from .diffusion.networks import Layout, level_channels, norm_groups, unet
from .diffusion.settings import STEPS, DiffusionConfig, LevelChannels
from .optimizers import adam
from .settings import RATES, AveragingConfig, Betas

LDM_CODE = "reference: CompVis/latent-diffusion"

#: Channels of the autoencoder from the image's side down; latents are as large as the last maps.
AUTOENCODERS = {
    32: (128, 256),
    64: (128, 256, 512),
    128: (128, 256, 512, 512),
    256: (128, 256, 512, 512),
}
#: Channels of the U-Net from the latents' side down.
LAYOUTS = {16: (192, 384, 384, 768), 32: (192, 384, 384, 768, 768)}

ATTENTION = (32, 16, 8, 4)


class LDMConfig(DiffusionConfig, AveragingConfig):
    """Options of latent diffusion."""

    lr: float = setting(5e-5, "learning rate of the denoiser", source=LDM_CODE, tune=RATES, gt=0)
    lr_autoencoder: float = setting(
        1e-4,
        "learning rate of the autoencoder",
        source=f"{LDM_CODE}, for batches of 24",
        tune=RATES,
        gt=0,
    )
    betas_autoencoder: Betas = setting((0.5, 0.9), "Adam's betas for the autoencoder", source=LDM_CODE)
    autoencoder_share: float = setting(
        0.5,
        "share of the training's epochs that trains the autoencoder, before the denoiser",
        source="ours: the originals train it apart",
        gt=0,
        lt=1,
    )
    autoencoder_channels: LevelChannels = setting(
        None,
        "channels of the autoencoder from the image's side down, multiples of 16, each half as large; "
        "none means 128, 256, 512, 512 from 128 px on, and latents of 16 x 16 below",
        source=f"{LDM_CODE}, kl-f8, for 256 px; ours: below",
        min_length=2,
    )
    autoencoder_blocks: int = setting(
        2,
        "residual blocks of each of its levels in the encoder; one more in the decoder",
        source=LDM_CODE,
        ge=1,
    )
    latent_channels: int = setting(4, "channels of the latents", source=f"{LDM_CODE}, kl-f8", ge=1)
    kl_weight: float = setting(
        1e-6,
        "weight of the divergence between latents and standard normal ones, beside the sum of errors",
        source=LDM_CODE,
        ge=0,
    )
    level_channels: LevelChannels = setting(
        None,
        "channels of the denoiser from the latents' side down, multiples of 32; none: 192, 384, 384, 768 "
        "and for latents of 32 x 32 once more 768",
        source=f"{LDM_CODE}, lsun_churches-ldm-kl-8",
        min_length=2,
    )
    blocks: int = setting(
        2,
        "residual blocks of each of its levels on the way down; one more on the way up",
        source=LDM_CODE,
        ge=1,
    )
    ema_decay: float = setting(
        0.9999, "decay of the averaged denoiser that samples", source=LDM_CODE, ge=0, lt=1
    )
    sampler: Sampler = setting(
        "ddim",
        "how to sample: ddpm (ancestral) draws noise at every step, ddim none on the way",
        source=LDM_CODE,
    )
    sampling_steps: Steps = setting(
        200, "steps from noise to latents", source="reference: Rombach et al. 2022", **STEPS
    )
    preview_sampler: Sampler = setting(
        "ddim",
        "how to sample for the evaluations during training, which choose the networks",
        source="ours: as ddpm",
    )
    preview_steps: Steps = setting(
        50, "steps from noise to latents in those evaluations", source="ours: as ddpm", **STEPS
    )


class LDM(DiffusionSynthesizer):
    """A KL autoencoder, and in the second stage a U-Net that predicts the noise in its latents.

    The latents are scaled to a deviation of 1, by that of the stage's first batch, which is kept with the
    networks. 83.7M and 295.0M parameters at 256 px.
    """

    version = 1
    Config = LDMConfig
    resolutions = tuple(AUTOENCODERS)
    presets: ClassVar = {
        "reference": {"lr": 5e-5, "batch_size": 96, "lr_warmup": 10_000, "augment": "none"},
        "light": {
            "autoencoder_channels": (16, 32, 64),
            "autoencoder_blocks": 1,
            "level_channels": (64, 128, 128),
            "blocks": 1,
            "lr": 2e-4,
            "sampling_steps": 50,
        },
        "smoke": {
            "autoencoder_channels": (32, 32),
            "autoencoder_blocks": 1,
            "autoencoder_share": 0.01,
            "level_channels": (32, 32),
            "blocks": 1,
            "sampling_steps": 10,
            "preview_steps": 10,
        },
    }

    config: LDMConfig
    scale: Tensor

    def __init__(self, shape: ImageShape, config: LDMConfig) -> None:
        super().__init__(shape, config)
        channels = level_channels(shape, config.autoencoder_channels, AUTOENCODERS)
        self.autoencoder = AutoencoderKL(
            in_channels=shape.channels,
            out_channels=shape.channels,
            down_block_types=("DownEncoderBlock2D",) * len(channels),
            up_block_types=("UpDecoderBlock2D",) * len(channels),
            block_out_channels=channels,
            layers_per_block=config.autoencoder_blocks,
            norm_num_groups=norm_groups(channels),
            latent_channels=config.latent_channels,
            sample_size=shape.height,
        )
        side = shape.height >> (len(channels) - 1)
        layout = Layout(
            self._level_channels(side),
            blocks=config.blocks,
            attention=ATTENTION,
            head=32,
            modulates=True,
            residual_resampling=True,
            dropout=config.dropout,
        )
        denoiser = unet(side, layout, inputs=config.latent_channels, outputs=config.latent_channels)
        process = NoisePrediction(
            betas="scaled_linear", first=0.0015, last=0.0155, clip=False, error=F.l1_loss
        )
        self.compose(denoiser, process)
        self.state_shape = (config.latent_channels, side, side)
        # 0 until the second stage measures it.
        self.register_buffer("scale", torch.zeros(()))

    def _level_channels(self, side: int) -> tuple[int, ...]:
        found = self.config.level_channels or LAYOUTS.get(side)
        if found is None or side % 2 ** (len(found) - 1):
            raise SpecError(
                f"there is no denoiser of {found and len(found)} levels for latents of {side} x {side}",
                needed="latents of 16 x 16 or 32 x 32, or level_channels that halve them",
                hint="--set level_channels=192,384",
            )
        return found

    def make_optimizers(self, config: LDMConfig) -> Mapping[str, torch.optim.Optimizer]:  # type: ignore[override]
        """Adam on both; that of the denoiser counts its own steps, which a checkpoint so keeps."""
        autoencoder = adam(self.autoencoder, config.lr_autoencoder, config.betas_autoencoder)
        denoiser = adam(self.denoiser, config.lr, config.betas)
        denoiser.param_groups[0]["taken"] = 0
        return {"autoencoder": autoencoder, "denoiser": denoiser}

    def example_inputs(self, count: int) -> Mapping[str, tuple[Tensor, ...]]:
        """Images, and noisy latents with their times."""
        images = torch.zeros(count, self.shape.channels, self.shape.height, self.shape.width)
        return {**super().example_inputs(count), "autoencoder": (images,)}

    def decay(self, clock: Clock, count: int) -> float:
        """As configured, from the second stage on."""
        return decay_at(self.config, clock.step)

    def caveats(self, clock: Clock) -> tuple[str, ...]:
        """A small network; a training that ended before its second stage."""
        if self._is_first_stage(clock):
            return (*super().caveats(clock), "the denoiser never learnt: all epochs went to the autoencoder")
        return super().caveats(clock)

    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        """One step of the autoencoder, or later one of the denoiser."""
        if self._is_first_stage(clock):
            return self._reconstruct(batch.images, clock)
        with torch.no_grad():
            latents = self.autoencoder.encode(batch.images).latent_dist.sample()
            self.scale.copy_(torch.where(self.scale > 0, self.scale, 1 / latents.std()))
            latents = latents * self.scale
        group = self.optimizers()["denoiser"].param_groups[0]
        losses = self.learn(latents, torch.randn_like(latents), replace(clock, step=group["taken"]))
        group["taken"] += 1
        return losses

    def to_images(self, states: Tensor) -> Tensor:
        """Decode latents."""
        scale = torch.where(self.scale > 0, self.scale, 1.0)
        images: Tensor = self.autoencoder.decode(states / scale).sample
        return images.clamp(-1, 1).contiguous()

    def _is_first_stage(self, clock: Clock) -> bool:
        return clock.epoch < self.config.autoencoder_share * clock.epochs

    def _reconstruct(self, images: Tensor, clock: Clock) -> dict[str, Tensor]:
        """The absolute error of decoded latents, and what latents may not hide: both by the pixel."""
        latents = self.autoencoder.encode(images).latent_dist
        error = (self.autoencoder.decode(latents.sample()).sample - images).abs().mean()
        divergence = latents.kl().mean() / images[0].numel()
        loss = error + self.config.kl_weight * divergence
        self._descent.step("autoencoder", loss, clock)
        return {name: value.detach() for name, value in (("autoencoder", loss), ("autoencoder/l1", error))}
