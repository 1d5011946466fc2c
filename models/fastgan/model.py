"""FastGAN's losses, and the networks put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import relu

from harness.api import Batch, Clock, ImageShape, WeightsError, WeightsFile, setting

from ..adversarial import Fake, Terms
from ..initialisation import initialise_normal
from ..latents import Distribution, NoiseLaw, SeededDraws
from ..light import light_caveats
from ..losses import HINGE, absolute_error
from ..settings import BETAS, RATES, Augmentations, Betas, around
from ..synthesis import AdversarialSynthesizer, Changes, SynthesisConfig
from .discriminator import Discriminator, Judgement, quarter, shrunk
from .generator import Generator
from .perceptual import LAYERS, VGG, PerceptualDistance

CODE = "reference: odegeasslbc/FastGAN-pytorch"


class FastGANConfig(SynthesisConfig):
    """Options of FastGAN."""

    augment: Augmentations = setting(
        ("flip", "diffaugment"),
        "flip and shift change real images alone, diffaugment both real and generated ones; or none",
        source=CODE,
    )
    diffaugment: Changes = setting(
        ("color", "translation"), "what diffaugment changes", source=CODE, min_length=1
    )
    latent_dim: int = setting(256, "length of the generator's noise", source=CODE, ge=1)
    latent_distribution: Distribution = setting(
        "normal", "law of the noise: uniform in [-1, 1], or standard normal", source=CODE
    )
    width: int = setting(
        1024,
        "channels of the generator's maps at 4 px, twice the discriminator's at 8 px; all others follow",
        source=CODE,
        ge=64,
        multiple_of=64,
    )
    betas: Betas = setting((0.5, 0.999), "Adam's betas", source=CODE, tune=BETAS)
    lr: float = setting(2e-4, "learning rate of both networks", source=CODE, tune=RATES, gt=0)
    ema_decay: float | None = setting(
        0.999,
        "decay of an averaged network that samples; none samples with the network itself",
        source=CODE,
        ge=0,
        lt=1,
    )
    distance: Literal["absolute", "perceptual"] = setting(
        "absolute",
        "how reconstructions are compared: by mean absolute error, or by LPIPS, which needs weights",
        source=f"ours, for want of weights; perceptual in {CODE.removeprefix('reference: ')}",
    )
    reconstruction: float = setting(
        8.0,
        "weight of the mean distances of the three reconstructions in the discriminator's loss",
        source=f"{CODE}, where distances are summed over 8 images",
        tune=around(8.0),
        ge=0,
    )


@dataclass(frozen=True)
class FakeScales(Fake):
    """What the generator made, at two scales.

    Attributes:
        small: The images at half their side, from maps of their own.
    """

    small: Tensor


class FastGAN(AdversarialSynthesizer):
    """A light generator, and a discriminator that learns to draw real images again.

    34.6M and 11.2M parameters at 64 px; 29.1M and 11.5M at 256 px, as published.
    """

    version = 1
    Config = FastGANConfig
    resolutions = (32, 64, 128, 256)
    presets: ClassVar = {
        "reference": {"lr": 2e-4, "batch_size": 8, "ema_warmup": False},
        "light": {"width": 256},
        "smoke": {"width": 64},
    }

    config: FastGANConfig
    generator: Generator
    discriminator: Discriminator

    def __init__(self, shape: ImageShape, config: FastGANConfig) -> None:
        super().__init__(shape, config)
        law = NoiseLaw(config.latent_dim, config.latent_distribution)
        generator = Generator(shape, law.dimension, width=config.width)
        discriminator = Discriminator(shape, width=config.width)
        initialise_normal([generator, discriminator])
        self.compose(generator, discriminator, law, config)
        self._lpips: tuple[PerceptualDistance] | None = None

    def example_inputs(self, count: int) -> Mapping[str, tuple[Tensor, ...]]:
        """Noise for the generator, images at two scales for the discriminator."""
        inputs = super().example_inputs(count)
        (images,) = inputs["discriminator"]
        return {**inputs, "discriminator": (images, shrunk(images))}

    def caveats(self, clock: Clock) -> tuple[str, ...]:
        """What is not the published method: a small network, and how reconstructions are compared."""
        caveats = light_caveats(self)
        if not self.config.reconstruction:
            return caveats
        if self.config.distance == "absolute":
            absolute = "by their absolute error, not by the published perceptual one"
            return (*caveats, f"reconstructions are compared {absolute}")
        weights = ", ".join(f"{name} ({digest})" for name, digest in self._perceptual().digests.items())
        return (*caveats, f"reconstructions are compared by LPIPS of {weights}")

    @classmethod
    def needed_weights(cls, config: FastGANConfig) -> Sequence[WeightsFile]:
        """Those of LPIPS, where it compares reconstructions."""
        return (VGG, LAYERS) if config.reconstruction and config.distance == "perceptual" else ()

    def use_weights(self, files: Mapping[str, Path]) -> None:
        """Compare reconstructions by LPIPS of these files."""
        # In a tuple: it is neither trained, counted nor saved.
        self._lpips = (PerceptualDistance(files).to(self.device),)

    def _perceptual(self) -> PerceptualDistance:
        if self._lpips is None:
            raise WeightsError(
                "reconstructions can't be compared without the weights of LPIPS",
                needed=" and ".join(file.name for file in self.needed_weights(self.config)),
                hint="--weights FOLDER, or --set distance=absolute",
            )
        return self._lpips[0]

    def generate(self, batch: Batch, *, needs_gradient: bool) -> FakeScales:
        """Make as many images as there are real ones, at two scales."""
        latents = self.law.draw(len(batch.images), device=batch.images.device)
        with torch.set_grad_enabled(needs_gradient):
            images, small = self.generator(latents)
        return FakeScales(images, latents, small)

    def discriminator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """Real against generated images, and the real ones drawn again."""
        assert isinstance(fake, FakeScales)
        real = self.augmented(real, clock)
        on_real = self.discriminator(real, shrunk(real))
        on_fake = self._judge_fakes(fake.images.detach(), fake.small.detach(), clock)
        terms = {"real": soft_hinge(on_real.scores), "fake": soft_hinge(-on_fake.scores)}
        if self.config.reconstruction:
            # The original draws which quadrant is looked at; here they take turns.
            error = self.reconstruction_error(real, on_real, quadrant=clock.step % 4)
            terms["reconstruction"] = self.config.reconstruction * error
        return terms

    def generator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """Images that pass for real at both scales."""
        assert isinstance(fake, FakeScales)
        return {"adversarial": HINGE.generator(self._judge_fakes(fake.images, fake.small, clock).scores)}

    def reconstruction_error(self, real: Tensor, judged: Judgement, quadrant: int) -> Tensor:
        """Mean distances of the real images drawn again: whole, a quadrant, and from the smaller ones.

        Source: Liu et al. 2021, Eq. 4.
        """
        drawn = self.discriminator.reconstruct(judged, quadrant)
        small = shrunk(real)
        return (
            self._distance(drawn.whole, small)
            + self._distance(drawn.part, quarter(real, quadrant))
            + self._distance(drawn.small, small)
        )

    def _distance(self, images: Tensor, target: Tensor) -> Tensor:
        if self.config.distance == "absolute":
            return absolute_error(images, target)
        pictures = self.shape.channels - self.shape.labels
        distance: Tensor = self._perceptual()(images[:, :pictures], target[:, :pictures])
        if self.shape.labels:  # which no network for photographs has seen
            distance = distance + absolute_error(images[:, pictures:], target[:, pictures:])
        return distance

    def sample(self, seeds: Tensor) -> Tensor:
        """One image for each seed; the noise of the maps comes from the seed's own stream too."""
        draws = SeededDraws(seeds, self.device)
        images: Tensor = self.sampler(self.law.seeded(draws), draws.normal).image
        return images.contiguous()

    def _judge_fakes(self, images: Tensor, small: Tensor, clock: Clock) -> Judgement:
        judged: Judgement = self.discriminator(self.augmented(images, clock), self.augmented(small, clock))
        return judged


def soft_hinge(scores: Tensor) -> Tensor:
    """Hinge loss of scores that should be high, with margins drawn from [0.8, 1] (the reference's)."""
    return relu(0.8 + 0.2 * torch.rand_like(scores) - scores).mean()
