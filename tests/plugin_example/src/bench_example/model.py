"""The smallest model that trains: a linear generator against a linear critic."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from harness.api import Batch, Between, Clock, ImageShape, PluginConfig, Synthesizer, setting


class LinearGANConfig(PluginConfig):
    # Each hyper-parameter with its default, what it is, and where the default comes from.
    # What `bench tune` may try instead, where you say it.
    lr: float = setting(
        0.01, "learning rate of both networks", source="ours", tune=Between(1e-3, 0.3, log=True), gt=0
    )
    latent_dim: int = setting(8, "length of the noise", source="ours", ge=1)


class LinearGAN(Synthesizer[LinearGANConfig]):
    version = 1
    Config = LinearGANConfig
    presets = {"fast": {"lr": 0.05}}
    augmentations = ("flip", "shift")

    def __init__(self, shape: ImageShape, config: LinearGANConfig) -> None:
        super().__init__(shape, config)
        pixels = shape.channels * shape.height * shape.width
        self.generator = nn.Sequential(
            nn.Linear(config.latent_dim, pixels),
            nn.Tanh(),
            nn.Unflatten(1, (shape.channels, shape.height, shape.width)),
        )
        self.critic = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 1))
        self._optimizers = {
            "generator": torch.optim.Adam(self.generator.parameters(), config.lr, betas=(0.5, 0.9)),
            "critic": torch.optim.Adam(self.critic.parameters(), config.lr, betas=(0.5, 0.9)),
        }

    def networks(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.critic}

    def example_inputs(self, count: int) -> Mapping[str, tuple[Tensor, ...]]:
        shape = self.shape
        return {
            "generator": (torch.zeros(count, self.config.latent_dim),),
            "discriminator": (torch.zeros(count, shape.channels, shape.height, shape.width),),
        }

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        return self._optimizers

    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        fake = self.generator(
            torch.randn(len(batch.images), self.config.latent_dim, device=batch.images.device)
        )
        loss_d = (self.critic(batch.images) - 1).square().mean() + (
            self.critic(fake.detach()) + 1
        ).square().mean()
        self._descend("critic", loss_d)
        loss_g = (self.critic(fake) - 1).square().mean()
        self._descend("generator", loss_g)
        # Detached tensors, never numbers: `.item()` would make every step wait for the device.
        return {"critic": loss_d.detach(), "generator": loss_g.detach()}

    def sample(self, seeds: Tensor) -> Tensor:
        # Each image from its own generator: the same image in any batch.
        noise = [
            torch.randn(self.config.latent_dim, generator=torch.Generator().manual_seed(int(seed)))
            for seed in seeds
        ]
        images: Tensor = self.generator(torch.stack(noise).to(next(self.parameters()).device))
        return images

    def _descend(self, name: str, loss: Tensor) -> None:
        self._optimizers[name].zero_grad()
        loss.backward()
        self._optimizers[name].step()
