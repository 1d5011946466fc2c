"""Dual adversarial learning with attention to regions that are hard to make.

What is published and known here is an abstract: two discriminators, one of whole images and one of local
regions, and an attention that is built on the local one. How it is done is inferred or ours:
``docs/protocol.md`` tells which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from harness.api import Batch, setting

from .adversarial import Terms
from .judges import GlobalDiscriminator, LocalDiscriminator
from .losses import absolute_error, gradient_difference
from .settings import around
from .translation import Judge, TranslationConfig, UNetTranslator, side_by_side


class DualDConfig(TranslationConfig):
    """Options of dual adversarial learning. A weight of 0 leaves its part out."""

    attention: float = setting(
        1.0,
        "a in the error's weight 1 + a (1 - M)^g, where M is the local discriminator's confidence",
        source="ours; published: an attention based on the local discriminator",
        ge=0,
    )
    attention_exponent: float = setting(
        2.0,
        "g in that weight: how sharply it separates hard regions from easy ones",
        source="inferred: related work of the first author",
        gt=0,
    )
    gradient_weight: float = setting(
        0.05,
        "weight of the gradient-difference loss",
        source="ours; inferred: Nie et al. 2018 train with such a loss",
        tune=around(0.05),
        ge=0,
    )
    gradient_power: float = setting(
        1.0, "power of the differences in that loss", source="ours: Mathieu et al. 2016 allow any", ge=1, le=2
    )
    global_weight: float = setting(
        0.05,
        "weight of the global discriminator's opinion in the generator's loss",
        source="inferred: related work of the first author; published: a global discriminator",
        tune=around(0.05),
        ge=0,
    )
    local_weight: float = setting(
        0.05,
        "weight of the local discriminator's opinion in the generator's loss",
        source="inferred: related work of the first author; published: a dense local discriminator",
        tune=around(0.05),
        ge=0,
    )


#: Each row adds one part to the row before; the first is unet-l1, the last the default.
ABLATION: Mapping[str, Mapping[str, Any]] = {
    "L1": {"gradient_weight": 0.0, "global_weight": 0.0, "local_weight": 0.0, "attention": 0.0},
    "+ gradient difference": {"global_weight": 0.0, "local_weight": 0.0, "attention": 0.0},
    "+ global D": {"local_weight": 0.0, "attention": 0.0},
    "+ local D": {"attention": 0.0},
    "+ difficult-region attention": {},
}


class DualD(UNetTranslator):
    """The U-Net against two discriminators, with most weight where the local one is not fooled.

    Its loss is mean((1 + a (1 - M)^g) |y - G(x)|), plus gradient difference and adversarial losses.
    8,045,955 and 4,221,378 parameters at 64 px, 12,613,058 of the discriminators at 256 px.
    """

    version = 1
    Config = DualDConfig
    ablation: ClassVar = ABLATION

    config: DualDConfig

    def judges(self) -> Mapping[str, Judge]:
        """Those whose opinion has weight; the attention needs the local one."""
        config, inputs = self.config, 2 * self.shape.channels
        judges = {}
        if config.global_weight:
            whole = GlobalDiscriminator(inputs, side=self.shape.height, width=config.width, norm=config.norm)
            judges["global"] = Judge(whole, config.global_weight)
        if config.local_weight or config.attention:
            local = LocalDiscriminator(inputs, width=config.width, norm=config.norm)
            judges["local"] = Judge(local, config.local_weight)
        return judges

    def errors(self, real: Tensor, images: Tensor, scores: Mapping[str, Tensor]) -> Terms:
        """The absolute error, weighted by difficulty, and the gradient difference."""
        config = self.config
        weight = 1 + config.attention * self.difficulty(scores["local"]) if config.attention else None
        terms = {"l1": absolute_error(images, real, weight)}
        if config.gradient_weight:
            difference = gradient_difference(images, real, config.gradient_power)
            terms["gradient"] = config.gradient_weight * difference
        return terms

    def difficulty(self, scores: Tensor) -> Tensor:
        """(1 - M)^g for the local discriminator's scores (n, 1, H, W): in (0, 1), without gradient."""
        return torch.sigmoid(-scores.detach()).pow(self.config.attention_exponent)

    @torch.no_grad()
    def explain(self, batch: Batch) -> Mapping[str, Tensor]:
        """Where the local discriminator finds the translation hard: the attention that training would pay."""
        assert batch.source is not None
        pairs = side_by_side(batch.source, self.translate(batch.source))
        scores = self.discriminator(pairs)
        return {"attention (1-M)^g": self.difficulty(scores["local"])} if "local" in scores else {}
