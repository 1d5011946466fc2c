"""DDPM: noise is taken out of noise until an image is left (Ho et al. 2020)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
from pydantic import AfterValidator, BeforeValidator, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from harness.api import Batch, Clock, ImageShape, SpecError, Synthesizer, setting

from .averaging import decay_at, follow
from .latents import SeededDraws
from .optimizers import Descent, adam
from .settings import AveragingConfig, Betas, DescentConfig, PlainAugmentations, split_at_commas

#: Steps of the forward process, from an image to noise.
DIFFUSION_STEPS = 1000

#: Side of the maps that self-attention reads, whatever the image's side.
ATTENTION_SIDE = 16

#: Channels from the image's side down, each level half as large as the one before.
LAYOUTS = {
    32: (128, 256, 256, 256),
    64: (128, 256, 256, 256),
    128: (64, 128, 256, 256, 256),
    256: (64, 64, 128, 256, 256, 256),
}


Sampler = Literal["ddim", "ddpm"]
Variance = Literal["fixed_small", "fixed_large"]


def _divides(steps: int) -> int:
    """DDIM steps by whole times: between others it would undo less noise than there is."""
    if DIFFUSION_STEPS % steps:
        raise ValueError(f"a divisor of {DIFFUSION_STEPS}, such as 10, 20, 50 or 100")
    return steps


Steps = Annotated[int, AfterValidator(_divides)]
STEPS: dict[str, Any] = {"ge": 1, "le": DIFFUSION_STEPS}


class DDPMConfig(DescentConfig, AveragingConfig):
    """Options of DDPM."""

    augment: PlainAugmentations = setting(
        ("flip", "shift"),
        "plain augmentations of images; or none",
        source="published: flipping and panning for all methods but HAGAN",
    )

    lr: float = setting(
        2e-4,
        "learning rate",
        source="reference: Ho et al. 2020; the published 1e-3 is for generators and discriminators",
        gt=0,
    )
    betas: Betas = setting((0.9, 0.999), "Adam's betas", source="reference: Ho et al. 2020")
    ema_decay: float = setting(
        0.9999, "decay of the averaged network that samples", source="reference: Ho et al. 2020", ge=0, lt=1
    )
    dropout: float = setting(0.0, "dropout in the residual blocks", source="reference: diffusers", ge=0, lt=1)
    level_channels: Annotated[tuple[int, ...] | None, BeforeValidator(split_at_commas)] = setting(
        None,
        "channels from the image's side down, multiples of 32; none means the layout of about 36M parameters",
        source="reference: google/ddpm-cifar10-32 up to 64 px; ours: above",
        min_length=2,
    )
    sampler: Sampler = setting(
        "ddpm",
        "how to sample: ddpm (ancestral) draws noise at every step, ddim none on the way",
        source="reference: Ho et al. 2020",
    )
    variance: Variance = setting(
        "fixed_small",
        "variance of that noise: of the posterior (small), or beta_t (large)",
        source="reference: diffusers; Ho et al. 2020 have both",
    )
    sampling_steps: Steps = setting(
        DIFFUSION_STEPS, "steps from noise to image", source="reference: Ho et al. 2020", **STEPS
    )
    preview_sampler: Sampler = setting(
        "ddim",
        "how to sample for the evaluations during training, which choose the networks",
        source="ours: 1000 ancestral steps at each evaluation would take longer than the training",
    )
    preview_steps: Steps = setting(
        50, "steps from noise to image in those evaluations", source="reference: Song et al. 2021", **STEPS
    )

    @model_validator(mode="after")
    def _leaves_no_noise(self) -> DDPMConfig:
        """Only at time 0 is no noise added; fewer steps end earlier, where the large variance is visible."""
        kinds = ((self.sampler, self.sampling_steps), (self.preview_sampler, self.preview_steps))
        if self.variance == "fixed_large" and any(
            sampler == "ddpm" and steps < DIFFUSION_STEPS for sampler, steps in kinds
        ):
            raise ValueError(
                f"variance fixed_large with fewer than {DIFFUSION_STEPS} steps of sampler ddpm leaves noise "
                "in the images: take fixed_small, or sampler ddim"
            )
        return self


class DDPM(Synthesizer[DDPMConfig]):
    """A U-Net that predicts the noise in a noisy image.

    35,746,307 parameters at 64 px (the layout of google/ddpm-cifar10-32) and 35.55M at 256 px.
    """

    version = 2
    Config = DDPMConfig
    resolutions = tuple(LAYOUTS)
    presets: ClassVar = {
        "reference": {
            "lr": 2e-4,
            "batch_size": 128,
            "lr_warmup": 5000,
            "gradient_clip": 1.0,
            "ema_decay": 0.9999,
            "ema_start": 1,
            "ema_warmup": False,
            "dropout": 0.1,
            "variance": "fixed_large",
            "augment": "flip",
        },
        # The full network takes half a minute for a step of 32 images on two cores.
        "smoke": {
            "level_channels": (32, 64, 64, 64),
            "sampler": "ddim",
            "sampling_steps": 10,
            "preview_steps": 10,
        },
    }

    # Ho et al. have two sizes, 32 and 256 px, each with settings of its own.
    presets_from: ClassVar = {
        "reference": {
            256: {
                "lr": 2e-5,
                "batch_size": 64,
                "dropout": 0.0,
                "variance": "fixed_small",
                "level_channels": (128, 128, 256, 256, 512, 512),
            }
        }
    }

    def __init__(self, shape: ImageShape, config: DDPMConfig) -> None:
        super().__init__(shape, config)
        self.denoiser = denoiser(shape, config)
        self.average = copy.deepcopy(self.denoiser).requires_grad_(False)
        self.noise_schedule = DDPMScheduler(num_train_timesteps=DIFFUSION_STEPS)
        self._descent = Descent({"denoiser": adam(self.denoiser, config.lr, config.betas)}, config)

    def networks(self) -> Mapping[str, nn.Module]:
        """The denoiser; its average has the same shape."""
        return {"denoiser": self.denoiser}

    def example_inputs(self, count: int) -> Mapping[str, tuple[Tensor, ...]]:
        """Noisy images and their time steps."""
        (images,) = super().example_inputs(count)["denoiser"]
        return {"denoiser": (images, torch.zeros(count, dtype=torch.int64))}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """Adam on the denoiser."""
        return self._descent.optimizers

    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        """Predict the noise that was added to each image at a random time step (Ho et al. 2020, Eq. 14)."""
        images = batch.images
        noise = torch.randn_like(images)
        times = torch.randint(DIFFUSION_STEPS, (len(images),), device=images.device)
        noisy = self.noise_schedule.add_noise(images, noise, times)
        loss = F.mse_loss(self.denoiser(noisy, times).sample, noise)
        self._descent.step("denoiser", loss, clock)
        follow(self.average, self.denoiser, decay_at(self.config, clock.step))
        return {"denoiser": loss.detach()}

    def sample(self, seeds: Tensor) -> Tensor:
        """One image for each seed, by the averaged network; all noise comes from the seed's own stream."""
        return self._denoise(seeds, self.config.sampler, self.config.sampling_steps)

    def preview(self, seeds: Tensor) -> Tensor:
        """The same by the sampler for evaluations during training."""
        return self._denoise(seeds, self.config.preview_sampler, self.config.preview_steps)

    def _denoise(self, seeds: Tensor, sampler: Sampler, steps: int) -> Tensor:
        device = next(self.parameters()).device
        draws = SeededDraws(seeds, device)
        images = draws.normal((self.shape.channels, self.shape.height, self.shape.width))
        scheduler = self._scheduler(sampler)
        scheduler.set_timesteps(steps)
        for time in scheduler.timesteps:
            noise = self.average(images, time.to(device)).sample
            images = scheduler.step(noise, time, images, generator=draws.streams).prev_sample
        return images.clamp(-1, 1)

    def _scheduler(self, sampler: Sampler) -> DDIMScheduler | DDPMScheduler:
        # Trailing: the first step is at pure noise, however few there are.
        common = {"num_train_timesteps": DIFFUSION_STEPS, "timestep_spacing": "trailing"}
        if sampler == "ddim":
            return DDIMScheduler(**common)
        return DDPMScheduler(**common, variance_type=self.config.variance)


def denoiser(shape: ImageShape, config: DDPMConfig) -> UNet2DModel:
    """The U-Net of diffusers' ddpm-cifar10, with attention on the maps of 16 x 16.

    Raises:
        SpecError: There is no layout for images of this size.
    """
    side = shape.height
    channels = config.level_channels or LAYOUTS.get(side)
    if channels is None or shape.width != side or side % 2 ** (len(channels) - 1):
        raise SpecError(
            f"this U-Net can't make images of {shape.height} x {shape.width} px",
            needed="square images of " + ", ".join(map(str, LAYOUTS)) + " px, or level_channels of your own",
            hint="--res 64",
        )
    attends = [side >> level == ATTENTION_SIDE for level in range(len(channels))]
    return UNet2DModel(
        sample_size=side,
        in_channels=shape.channels,
        out_channels=shape.channels,
        block_out_channels=channels,
        down_block_types=tuple("AttnDownBlock2D" if here else "DownBlock2D" for here in attends),
        up_block_types=tuple("AttnUpBlock2D" if here else "UpBlock2D" for here in reversed(attends)),
        layers_per_block=2,
        attention_head_dim=None,  # one head, as wide as the maps
        dropout=config.dropout,
        norm_eps=1e-6,
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
    )
