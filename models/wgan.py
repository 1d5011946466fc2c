"""WGAN: a critic held Lipschitz estimates the Wasserstein distance (Arjovsky et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from harness.api import ImageShape, setting

from .adversarial import Terms
from .latents import NoiseLaw, latent_dimension
from .layers import Discriminator, Generator
from .losses import WASSERSTEIN
from .settings import Betas, around
from .synthesis import AdversarialSynthesizer, LatentConfig, SynthesisConfig

SLOPE = 0.2


class WGANConfig(SynthesisConfig):
    """Options of WGAN."""

    architecture: Literal["mlp", "conv"] | None = setting(
        None,
        "kind of both networks; none means fully connected up to 64 px and convolutional above",
        source="inferred: the published counts at 64 px; ours: at 256 px, where an MLP has 303M parameters",
    )
    critic_steps: int = setting(
        5, "critic steps for each generator step", source="reference: PyTorch-GAN", ge=1
    )
    clip: float = setting(
        0.01,
        "bound on the critic's weights, kept after each of its steps",
        source="reference: PyTorch-GAN",
        tune=around(0.01),
        gt=0,
    )
    gradient_penalty: float = setting(
        0.0,
        "weight of the gradient penalty; above 0 it takes the place of clipping, and Adam that of RMSprop",
        source="reference: 0, so clipping; a penalty's weight is usually 10 (Gulrajani et al. 2017)",
        ge=0,
    )
    betas: Betas = setting(
        (0.5, 0.999), "Adam's betas, with the gradient penalty", source="reference: PyTorch-GAN wgan_gp"
    )


class WGAN(AdversarialSynthesizer):
    """Five steps of a clipped critic for each step of the generator.

    13,301,632 and 6,423,553 parameters at 64 px.
    """

    version = 2
    Config = WGANConfig
    resolutions = (32, 64, 128, 256)
    presets: ClassVar = {
        "reference": {
            "lr": 5e-5,
            "batch_size": 64,
            "latent_dim": 100,
            "latent_distribution": "normal",
            "augment": "none",
        }
    }
    loss = WASSERSTEIN

    config: WGANConfig

    def __init__(self, shape: ImageShape, config: WGANConfig) -> None:
        super().__init__(shape, config)
        self.critic_steps = config.critic_steps
        law = NoiseLaw(latent_dimension(config.latent_dim, shape), config.latent_distribution)
        generator: nn.Module
        critic: nn.Module
        if (config.architecture or ("mlp" if shape.height <= 64 else "conv")) == "mlp":
            generator, critic = MLPGenerator(shape, law.dimension), MLPCritic(shape)
        else:
            generator = Generator(shape, law.dimension, width=config.width, attention=False, spectral=False)
            critic = Discriminator(shape, width=config.width, slope=SLOPE, spectral=False)
        self.compose(generator, critic, law, config)
        if not config.gradient_penalty:
            self.optimizers()["discriminator"].register_step_post_hook(lambda *_: self.clip_critic())

    def optimizer(self, network: nn.Module, lr: float, config: LatentConfig) -> torch.optim.Optimizer:
        """RMSprop: with a clipped critic momentum is unstable. Adam with the gradient penalty."""
        if self.config.gradient_penalty:
            return super().optimizer(network, lr, config)
        return torch.optim.RMSprop(network.parameters(), lr=lr)

    def losses_between(self, real: Tensor, fake: Tensor) -> Terms:
        """The critic's estimate, and the gradient penalty where it is asked for."""
        terms = super().losses_between(real, fake)
        if self.config.gradient_penalty:
            penalty = gradient_penalty(self.discriminator, real, fake)
            terms["penalty"] = self.config.gradient_penalty * penalty
        return terms

    @torch.no_grad()
    def clip_critic(self) -> None:
        """Bring the critic's weights back into the box that keeps it Lipschitz."""
        for parameter in self.discriminator.parameters():
            parameter.clamp_(-self.config.clip, self.config.clip)


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Squared distance of the critic's slope from 1, at random points between real and fake images.

    Source: Gulrajani et al. 2017, Eq. 3.
    """
    weights = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = torch.lerp(fake.to(real.dtype), real, weights).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty: Tensor = (slope.flatten(1).norm(dim=1) - 1).square().mean()
    return penalty


class MLPGenerator(nn.Module):
    """Fully connected layers of 128, 256, 512 and 1024 units, then all pixels.

    Shape: (n, latent_dim) to (n, C, H, W) in [-1, 1].

    Source: reference: PyTorch-GAN wgan; its BatchNorm has an eps of 0.8 (the 0.8 stands where a momentum
    was meant), kept because it belongs to how that implementation trains.
    """

    def __init__(self, shape: ImageShape, latent_dim: int) -> None:
        super().__init__()
        self.image = (shape.channels, shape.height, shape.width)
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, 128),
            nn.LeakyReLU(SLOPE),
            *_normalised(128, 256),
            *_normalised(256, 512),
            *_normalised(512, 1024),
            nn.Linear(1024, shape.channels * shape.height * shape.width),
            nn.Tanh(),
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Images for latent vectors."""
        images: Tensor = self.layers(latents).unflatten(1, self.image)
        return images


class MLPCritic(nn.Module):
    """Fully connected layers of 512 and 256 units, then one unbounded score. (n, C, H, W) to (n, 1)."""

    def __init__(self, shape: ImageShape) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(shape.channels * shape.height * shape.width, 512),
            nn.LeakyReLU(SLOPE),
            nn.Linear(512, 256),
            nn.LeakyReLU(SLOPE),
            nn.Linear(256, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Scores of images."""
        scores: Tensor = self.layers(images.flatten(1))
        return scores


def _normalised(inputs: int, outputs: int) -> Sequence[nn.Module]:
    return nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs, eps=0.8), nn.LeakyReLU(SLOPE)
