"""Images from another modality: what all translators share. They differ in their objective alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from harness.api import Batch, Clock, ImageShape, Translator, setting

from .adversarial import AdversarialModel, Fake, Terms
from .judges import Judges
from .losses import CROSS_ENTROPY, absolute_error
from .optimizers import adam
from .settings import BETAS, RATES, Betas, DescentConfig, PlainAugmentations
from .unet import Norm, ResidualUNet


class TranslationConfig(DescentConfig):
    """What every translator lets the user choose."""

    augment: PlainAugmentations = setting(
        ("flip", "shift"),
        "plain augmentations, the same for source and target; or none",
        source="reference: Isola et al. 2017 mirror and jitter",
    )
    width: int = setting(
        64,
        "channels of the first maps of every network; deeper ones have 2, 4 and 8 times as many",
        source="ours: 64, 128, 256 and 512; 16 is quick on a CPU",
        ge=16,
        multiple_of=16,
    )
    norm: Norm = setting(
        "group",
        "normalisation within one image: of 16 channels together, or of each alone",
        source="ours: an image must not depend on its batch, and batches of 2 have poor statistics",
    )
    residual: bool = setting(
        False,
        "a long-term residual: the generator adds to the source instead of starting from nothing",
        source="ours: off; Nie et al. 2018 explore one",
    )
    lr: float = setting(
        2e-4, "learning rate of all networks", source="reference: Isola et al. 2017", tune=RATES, gt=0
    )
    betas: Betas = setting((0.5, 0.999), "Adam's betas", source="reference: Isola et al. 2017", tune=BETAS)


class Judge(NamedTuple):
    """A discriminator of pairs of source and image, and what its opinion weighs in the generator's loss."""

    network: nn.Module
    weight: float


class UNetTranslator(AdversarialModel, Translator):
    """A residual U-Net with an objective: by itself the mean absolute error, and no judge.

    The generator is made before its judges, so all translators of a seed begin with the same one.
    """

    # A few epochs of it in a minute on a CPU.
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"smoke": {"width": 16}, "quick": {"width": 16}}
    resolutions = (32, 64, 128, 256)

    config: TranslationConfig

    def __init__(self, shape: ImageShape, config: TranslationConfig) -> None:
        super().__init__(shape, config)
        generator = ResidualUNet(shape, width=config.width, norm=config.norm, residual=config.residual)
        judges = self.judges()
        self.weights = {name: judge.weight for name, judge in judges.items()}
        discriminator = Judges({name: judge.network for name, judge in judges.items()})
        learners: dict[str, nn.Module] = {"generator": generator}
        if judges:
            learners["discriminator"] = discriminator
        optimizers = {name: adam(network, config.lr, config.betas) for name, network in learners.items()}
        self.set_networks(generator, discriminator, optimizers)

    def judges(self) -> Mapping[str, Judge]:
        """Make the discriminators, by name. They read ``2 * self.shape.channels`` channels."""
        return {}

    def example_inputs(self, count: int) -> Mapping[str, tuple[Tensor, ...]]:
        """Source images for the generator, pairs for the discriminators."""
        images = torch.zeros(count, self.shape.channels, self.shape.height, self.shape.width)
        inputs = {"generator": (images,), "discriminator": (side_by_side(images, images),)}
        return {name: inputs[name] for name in self.networks()}

    def generate(self, batch: Batch, *, needs_gradient: bool) -> Fake:
        """Translate the source."""
        assert batch.source is not None
        with torch.set_grad_enabled(needs_gradient):
            return Fake(self.generator(batch.source), batch.source)

    def discriminator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """Pairs with the real image against pairs with the translated one, for each discriminator."""
        pairs = [side_by_side(fake.inputs, images) for images in (real, fake.images.detach())]
        terms = {}
        for name, scores in self.discriminator(torch.cat(pairs)).items():
            on_real, on_fake = scores.chunk(2)
            terms[f"{name}_real"] = CROSS_ENTROPY.real(on_real)
            terms[f"{name}_fake"] = CROSS_ENTROPY.fake(on_fake)
        return terms

    def generator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """Images close to the real ones, whose pairs pass for real."""
        scores: dict[str, Tensor] = self.discriminator(side_by_side(fake.inputs, fake.images))
        return self.errors(real, fake.images, scores) | {
            name: self.weights[name] * CROSS_ENTROPY.generator(score) for name, score in scores.items()
        }

    def errors(self, real: Tensor, images: Tensor, scores: Mapping[str, Tensor]) -> Terms:
        """How far translated images are from the real ones, weighted.

        Args:
            real: The target, (n, C, H, W).
            images: The translated images, same shape.
            scores: What the discriminators say of them, by name.
        """
        return {"l1": absolute_error(images, real)}

    def translate(self, source: Tensor) -> Tensor:
        """One image for each source."""
        images: Tensor = self.generator(source)
        return images.contiguous()


def side_by_side(source: Tensor, images: Tensor) -> Tensor:
    """What a discriminator reads: two (n, C, H, W) as (n, 2 C, H, W)."""
    return torch.cat([source, images], dim=1)
