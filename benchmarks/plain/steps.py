"""One training step of each model, written plainly. Random numbers are drawn in the product's order."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from harness_models.adversarial import AdversarialModel
from harness_models.diffaugment import diff_augment
from harness_models.hagan.attnmix import attnmix
from harness_models.hagan.objective import FAKE, REAL, consistency_loss, image_loss, pixel_loss
from harness_models.mixing import box_masks, mix
from harness_models.wgan import MLPGenerator
from torch import Tensor, nn
from torch.nn import functional as F

from harness.api import Clock, Synthesizer

from . import networks
from .networks import advance

if TYPE_CHECKING:  # diffusers may be missing; the other models do without
    from harness_models.ddpm import DDPM

Losses = dict[str, float]


class PlainStep:
    """A model's training step. Subclasses say ``train_step`` as the product does, on numbers.

    Args:
        ours: The product's model: networks, settings and weights are copied from it.
    """

    def __init__(self, ours: Synthesizer) -> None:
        self.config: Any = getattr(ours, "config", None)

    def train_step(self, images: Tensor, clock: Clock) -> Losses:
        """Take one step on float32 (n, C, H, W) in [-1, 1]."""
        raise NotImplementedError


class PlainGAN(PlainStep):
    """The discriminator first, on real and on generated images apart, then the generator."""

    def __init__(self, ours: AdversarialModel) -> None:
        super().__init__(ours)
        self.law, self.loss, self.critic_steps = ours.law, getattr(ours, "loss", None), ours.critic_steps
        self.generator, self.discriminator = self.build(ours)
        self.optimizers = {
            name: tensor_by_tensor(optimizer, network)
            for (name, optimizer), network in zip(
                ours.optimizers().items(), (self.generator, self.discriminator), strict=True
            )
        }

    def build(self, ours: AdversarialModel) -> tuple[nn.Module, nn.Module]:
        """Both networks."""
        return networks.Generator(ours.generator), networks.Discriminator(ours.discriminator)

    def train_step(self, images: Tensor, clock: Clock) -> Losses:
        latents = self.law.draw(len(images), device=images.device)
        fake = self.generator(latents).detach()
        loss = self.discriminator_loss(images, fake, latents, clock)
        self.descend("discriminator", loss)
        advance(self.discriminator)
        losses = {"discriminator": loss.item()}
        if (clock.step + 1) % self.critic_steps == 0:
            loss = self.generator_loss(self.generator(latents), latents, clock)
            self.descend("generator", loss)
            advance(self.discriminator)
            losses["generator"] = loss.item()
        advance(self.generator)
        return losses

    def descend(self, name: str, loss: Tensor) -> None:
        self.optimizers[name].zero_grad()
        loss.backward()
        self.optimizers[name].step()

    def discriminator_loss(self, real: Tensor, fake: Tensor, latents: Tensor, clock: Clock) -> Tensor:
        return self.loss.real(self.discriminator(real)) + self.loss.fake(self.discriminator(fake))

    def generator_loss(self, fake: Tensor, latents: Tensor, clock: Clock) -> Tensor:
        return self.loss.generator(self.discriminator(fake))


class PlainInfoGAN(PlainGAN):
    """With codes that the discriminator reads back."""

    def discriminator_loss(self, real: Tensor, fake: Tensor, latents: Tensor, clock: Clock) -> Tensor:
        on_real, on_fake = self.discriminator(real), self.discriminator(fake)
        return judged(on_real[:, 0], 1.0) + judged(on_fake[:, 0], 0.0) + self.information(on_fake, latents)

    def generator_loss(self, fake: Tensor, latents: Tensor, clock: Clock) -> Tensor:
        outputs = self.discriminator(fake)
        return judged(outputs[:, 0], 1.0) + self.information(outputs, latents)

    def information(self, outputs: Tensor, latents: Tensor) -> Tensor:
        one_hot, codes = self.law.split(latents)
        logits, values = outputs[:, 1 : -codes.shape[1]], outputs[:, -codes.shape[1] :]
        categorical = F.cross_entropy(logits, one_hot.argmax(dim=1))
        continuous = F.mse_loss(values, codes)
        return self.config.info_categorical * categorical + self.config.info_continuous * continuous


class PlainWGAN(PlainGAN):
    """With a critic whose weights are clipped one by one."""

    def build(self, ours: AdversarialModel) -> tuple[nn.Module, nn.Module]:
        if isinstance(ours.generator, MLPGenerator):
            return copy.deepcopy(ours.generator), copy.deepcopy(ours.discriminator)
        return super().build(ours)

    def descend(self, name: str, loss: Tensor) -> None:
        super().descend(name, loss)
        if name == "discriminator":
            for parameter in self.discriminator.parameters():
                parameter.data.clamp_(-self.config.clip, self.config.clip)


class PlainUNetGAN(PlainGAN):
    """With scores of pixels, and mixed images in a share of the steps."""

    def build(self, ours: AdversarialModel) -> tuple[nn.Module, nn.Module]:
        return networks.Generator(ours.generator), networks.UNet(ours.discriminator)

    def discriminator_loss(self, real: Tensor, fake: Tensor, latents: Tensor, clock: Clock) -> Tensor:
        warmup = self.config.mix_warmup_epochs
        share = self.config.mix_share * (min(1.0, clock.epoch / warmup) if warmup else 1.0)
        if int((clock.step + 1) * share) == int(clock.step * share):
            on_real, on_fake = self.discriminator(real), self.discriminator(fake)
            on_images = judged(on_real.image, 1.0) + judged(on_fake.image, 0.0)
            return (on_images + judged(on_real.pixels, 1.0) + judged(on_fake.pixels, 0.0)) / 2
        mask = box_masks(len(real), real.shape[-1], real.device)
        on_mixed = self.discriminator(mix(mask, real, fake))
        target = mix(mask, self.discriminator(real).pixels, self.discriminator(fake).pixels)
        consistency = self.config.consistency * F.mse_loss(on_mixed.pixels, target)
        pixels = F.binary_cross_entropy_with_logits(on_mixed.pixels, mask)
        return judged(on_mixed.image, 0.0) + pixels + consistency

    def generator_loss(self, fake: Tensor, latents: Tensor, clock: Clock) -> Tensor:
        scores = self.discriminator(fake)
        return (judged(scores.image, 1.0) + judged(scores.pixels, 1.0)) / 2


class PlainHAGAN(PlainGAN):
    """HAGAN in its default settings, in its second stage."""

    def build(self, ours: AdversarialModel) -> tuple[nn.Module, nn.Module]:
        self.reverse_skip = copy.deepcopy(ours.reverse_skip)
        return networks.Generator(ours.generator), networks.Hierarchical(ours.discriminator)

    def train_step(self, images: Tensor, clock: Clock) -> Losses:
        config = self.config
        latents = self.law.draw(len(images), device=images.device)
        with torch.no_grad():
            maps = self.discriminator(images).maps[::-1]
        skips = self.reverse_skip.for_training(images, maps, config.reverse_skip_drop)
        fake = self.generator(latents, skips).detach()

        real_changed, fake_changed = self.changed(images), self.changed(fake)
        mixed = attnmix(images, fake, self.generator.saliency(), config.alpha)
        on_real, on_fake = self.discriminator(real_changed), self.discriminator(fake_changed)
        on_mixed = self.discriminator(mixed.images)
        loss = total(
            image_loss(judgement, image) + config.beta_pixel * pixel_loss(judgement, pixels)
            for judgement, image, pixels in (
                (on_real, REAL, REAL), (on_fake, FAKE, FAKE), (on_mixed, mixed.ratio, mixed.mask)
            )
        ) + config.beta_consistency * consistency_loss(
            on_mixed, self.discriminator(images), self.discriminator(fake), mixed, features=True
        )  # fmt: skip
        self.descend("discriminator", loss)
        advance(self.discriminator)
        losses = {"discriminator": loss.item()}

        judgement = self.discriminator(self.changed(self.generator(latents, skips)))
        loss = image_loss(judgement, REAL) + config.beta_pixel_generator * pixel_loss(judgement, REAL)
        self.descend("generator", loss)
        advance(self.discriminator)
        advance(self.generator)
        return {**losses, "generator": loss.item()}

    def changed(self, images: Tensor) -> Tensor:
        return diff_augment(images, self.config.diffaugment)


class PlainDDPM(PlainStep):
    """Diffusion as diffusers' training example has it, with an average taken tensor by tensor."""

    def __init__(self, ours: DDPM) -> None:
        super().__init__(ours)
        self.denoiser, self.average = copy.deepcopy(ours.denoiser), copy.deepcopy(ours.average)
        self.noise_schedule = ours.process.schedule
        self.diffusion_steps = ours.process.schedule.config.num_train_timesteps
        self.optimizer = tensor_by_tensor(ours.optimizers()["denoiser"], self.denoiser)

    def train_step(self, images: Tensor, clock: Clock) -> Losses:
        noise = torch.randn_like(images)
        times = torch.randint(self.diffusion_steps, (len(images),), device=images.device)
        noisy = self.noise_schedule.add_noise(images, noise, times)
        loss = F.mse_loss(self.denoiser(noisy, times).sample, noise)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        decay = min(self.config.ema_decay, (1 + clock.step) / (10 + clock.step))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.denoiser.parameters(), strict=True)
            for average, parameter in pairs:
                average.sub_((1 - decay) * (average - parameter))
        return {"denoiser": loss.item()}


#: The plain step of each model.
PLAIN: dict[str, type[PlainStep]] = {
    "dcgan": PlainGAN,
    "infogan": PlainInfoGAN,
    "wgan": PlainWGAN,
    "sagan": PlainGAN,
    "unetgan": PlainUNetGAN,
    "ddpm": PlainDDPM,
    "hagan": PlainHAGAN,
}


def judged(scores: Tensor, label: float) -> Tensor:
    """Binary cross-entropy against one label."""
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, label))


def total(losses: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(losses)).sum()


def tensor_by_tensor(optimizer: torch.optim.Optimizer, network: nn.Module) -> torch.optim.Optimizer:
    """The same kind of optimiser with the same settings, a kernel for each operation and tensor."""
    settings = {key: value for key, value in optimizer.param_groups[0].items() if key != "params"}
    slow = {key: False for key in ("foreach", "fused") if key in settings}
    return type(optimizer)(network.parameters(), **{**settings, **slow})
