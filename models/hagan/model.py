"""HAGAN (Hybrid Augmented GAN): the networks, the losses and the two stages put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.api import Batch, Clock, ImageShape

from ..adversarial import Fake, Terms
from ..diffaugment import Change, diff_augment
from ..latents import NoiseLaw, SeededDraws, latent_dimension
from ..synthesis import AdversarialSynthesizer
from .attnmix import attnmix
from .config import ABLATION, HAGANConfig
from .discriminator import HierarchicalDiscriminator, Judgement
from .generator import Generated, ReverseSkipGenerator
from .objective import FAKE, REAL, consistency_loss, image_loss, pixel_loss
from .reverse_skip import SOURCES


@dataclass(frozen=True)
class GuidedFake(Fake):
    """What HAGAN's generator made, and what that took.

    Attributes:
        attended: The map that the generator's last attention read.
        judged_real: What the discriminator said of the real images whose maps the generator received.
    """

    attended: Tensor | None
    judged_real: Judgement | None


class HAGAN(AdversarialSynthesizer):
    """The method that this benchmark is named after.

    3,603,509 and 2,765,188 parameters at 64 px.
    """

    version = 2
    Config = HAGANConfig
    resolutions = (32, 64, 128, 256)
    # Both stages, also in a few epochs.
    presets: ClassVar = {
        "smoke": {"warmup_epochs": 2},
        # Small networks, and an average of them that shows less of their noise.
        "quick": {"warmup_epochs": 24, "width": 128, "ema_decay": 0.995},
    }
    ablation: ClassVar = ABLATION

    config: HAGANConfig
    generator: ReverseSkipGenerator
    discriminator: HierarchicalDiscriminator

    def __init__(self, shape: ImageShape, config: HAGANConfig) -> None:
        super().__init__(shape, config)
        law = NoiseLaw(latent_dimension(config.latent_dim, shape), config.latent_distribution)
        self.compose(
            ReverseSkipGenerator(shape, law.dimension, width=config.width, attention=config.attention),
            HierarchicalDiscriminator(shape, config.width, config.pixel_branch),
            law,
            config,
        )
        source = SOURCES[config.reverse_skip_sampling]
        self.reverse_skip = source(shape, config.width) if config.reverse_skip else None

    def caveats(self, clock: Clock) -> tuple[str, ...]:
        """Samples that leak training data; a training that ended before its second stage."""
        found = []
        if self.config.reverse_skip and self.config.reverse_skip_sampling == "train":
            found.append("samples are made with maps of training images: they leak training data")
        if not self._is_hybrid(clock):
            found.append(
                f"trained without mixing and augmentation, which begin at epoch {self.config.warmup_epochs}"
            )
        return tuple(found)

    def generate(self, batch: Batch, *, needs_gradient: bool) -> GuidedFake:
        """Make images with the help of the discriminator's maps of the real ones."""
        real = batch.images
        latents = self.law.draw(len(real), device=real.device)
        if self.reverse_skip is None:
            images, attended = self.generator(latents)
            return GuidedFake(images, latents, attended, judged_real=None)
        judged_real = self.discriminator(real)
        skips = self.reverse_skip.for_training(real, judged_real.maps[::-1], self.config.reverse_skip_drop)
        images, attended = self.generator(latents, skips)
        return GuidedFake(images, latents, attended, judged_real)

    def changes_at(self, clock: Clock) -> Sequence[Change]:
        """T(x) in the second stage, x in the first."""
        return super().changes_at(clock) if self._is_hybrid(clock) else ()

    def discriminator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """Eq. 7, over T(x), T(G(z)) and the mixed images i."""
        assert isinstance(fake, GuidedFake)
        plain_fake = fake.images.detach()
        mixes = self.config.attnmix and self._is_hybrid(clock)
        saliency = None if fake.attended is None or not mixes else self.generator.saliency(fake.attended)
        changed_real = self.augmented(real, clock)
        changed_fake, moved_saliency = self._augmented_alike(plain_fake, saliency, clock)
        batches = [changed_real, changed_fake]
        mixed = None
        if mixes:
            is_plain = self.config.mixing == "plain"
            parts = (real, plain_fake) if is_plain else (changed_real, changed_fake)
            mixed = attnmix(*parts, saliency if is_plain else moved_saliency, self.config.alpha)
            batches += [mixed.images, *parts]
        judged = self._judge_each(batches, known={real: fake.judged_real} if fake.judged_real else {})

        labels: list[tuple[Tensor | float, Tensor | float]] = [(REAL, REAL), (FAKE, FAKE)]
        if mixed is not None:
            labels.append((mixed.ratio, mixed.mask))
        labelled = list(zip(judged, labels, strict=False))
        terms = {"image": _sum(image_loss(judgement, image) for judgement, (image, _) in labelled)}
        if self.config.pixel_branch != "none":
            pixel = _sum(pixel_loss(judgement, mask) for judgement, (_, mask) in labelled)
            terms["pixel"] = self.config.beta_pixel * pixel
        if mixed is not None:
            on_mixed, on_real, on_fake = judged[2:]
            consistency = consistency_loss(
                on_mixed, on_real, on_fake, mixed, features=self.config.feature_consistency
            )
            terms["consistency"] = self.config.beta_consistency * consistency
        return terms

    def generator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """Eq. 8, over T(G(z))."""
        judgement = self.discriminator(self.augmented(fake.images, clock))
        terms = {"image": image_loss(judgement, REAL)}
        if self.config.pixel_branch != "none":
            terms["pixel"] = self.config.beta_pixel_generator * pixel_loss(judgement, REAL)
        return terms

    def sample(self, seeds: Tensor) -> Tensor:
        """One image for each seed."""
        return self._synthesise(seeds).images.contiguous()

    def _synthesise(self, seeds: Tensor) -> Generated:
        draws = SeededDraws(seeds, self.device)
        latents = self.law.seeded(draws)
        skips = (
            None if self.reverse_skip is None else self.reverse_skip.for_sampling(draws, self.discriminator)
        )
        generated: Generated = self.sampler(latents, skips)
        return generated

    @torch.no_grad()
    def explain(self, batch: Batch) -> Mapping[str, Tensor]:
        """The published Figure 7: how AttnMix mixes these images with as many samples, and labels them."""
        images = batch.images
        fake, attended = self._synthesise(torch.arange(len(images)))
        if attended is None or not self.config.attnmix:
            return {}
        saliency = self.generator.saliency(attended)
        mixed = attnmix(images, fake, saliency, self.config.alpha)
        return {
            "fake": fake,
            "real": images,
            "mixed": mixed.images,
            "attention": saliency,
            "area ratio": mixed.mask.mean(dim=(1, 2, 3)),
            "corrected ratio": mixed.ratio,
        }

    def _is_hybrid(self, clock: Clock) -> bool:
        """Whether the second stage has begun."""
        return not self.config.staged_training or clock.epoch >= self.config.warmup_epochs

    def _augmented_alike(
        self, images: Tensor, saliency: Tensor | None, clock: Clock
    ) -> tuple[Tensor, Tensor | None]:
        """T(G(z)), and where its saliency went; this only where it is asked for."""
        if saliency is None or self.config.mixing == "plain":
            return self.augmented(images, clock), None
        maps = F.interpolate(saliency, images.shape[2:], mode="bilinear", align_corners=False)
        both = diff_augment(torch.cat([images, maps], dim=1), self.changes_at(clock), self.shape.labels + 1)
        return both[:, :-1], both[:, -1:]

    def _judge_each(self, batches: Sequence[Tensor], known: Mapping[Tensor, Judgement]) -> list[Judgement]:
        """Judge batches of one length in one pass, each distinct one once."""
        judgements = dict(known)  # tensors are equal as keys only if they are the same object
        new = [batch for batch in dict.fromkeys(batches) if batch not in judgements]
        judgements |= zip(new, self.discriminator(torch.cat(new)).split(len(new[0])), strict=True)
        return [judgements[batch] for batch in batches]


def _sum(losses: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(losses)).sum()
