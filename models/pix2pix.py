"""pix2pix: a discriminator of patches that sees the source too (Isola et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from harness.api import ImageShape, setting

from .adversarial import Terms
from .initialisation import initialise_normal
from .judges import PatchDiscriminator
from .losses import absolute_error
from .settings import around
from .translation import Judge, TranslationConfig, UNetTranslator


class Pix2PixConfig(TranslationConfig):
    """Options of pix2pix."""

    l1_weight: float = setting(
        100.0,
        "weight of the mean absolute error",
        source="reference: Isola et al. 2017",
        tune=around(100.0),
        ge=0,
    )
    patch_weight: float = setting(
        1.0, "weight of the adversarial loss", source="reference: Isola et al. 2017", ge=0
    )
    normal_init: bool = setting(
        False,
        "draw first weights from N(0, 0.02) instead of torch's law",
        source="ours: off, so that all translators begin alike",
    )


class Pix2Pix(UNetTranslator):
    """The objective of pix2pix, with the generator that all translators here have.

    The generator of the paper is another U-Net, which is noisy by dropout at test time too. Here it is the
    others', without noise, so that a difference in scores is one of the objective. 8,045,955 and 2,769,601
    parameters.
    """

    version = 1
    Config = Pix2PixConfig
    # Its BatchNorm is one of single images, for it trains in batches of 1. Its jitter crops 256 of 286 px.
    presets: ClassVar = {
        **UNetTranslator.presets,
        "reference": {
            "batch_size": 1,
            "norm": "instance",
            "normal_init": True,
            "lr_decay_from": 0.5,
            "augment": "flip,shift",
            "shift_reach": 15 / 256,
        },
    }

    config: Pix2PixConfig

    def __init__(self, shape: ImageShape, config: Pix2PixConfig) -> None:
        super().__init__(shape, config)
        if config.normal_init:
            initialise_normal([self.generator, self.discriminator])

    def judges(self) -> Mapping[str, Judge]:
        """Patches of 70 px."""
        patches = PatchDiscriminator(2 * self.shape.channels, width=self.config.width, norm=self.config.norm)
        return {"patch": Judge(patches, self.config.patch_weight)}

    def errors(self, real: Tensor, images: Tensor, scores: Mapping[str, Tensor]) -> Terms:
        """The mean absolute error, by its weight."""
        return {"l1": self.config.l1_weight * absolute_error(images, real)}
