"""Kinds of settings that many models share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from harness.api import Between, OneOf, PluginConfig, setting


def split_at_commas(value: object) -> object:
    """Read the text of several values in one setting."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def named_or_none(value: object) -> object:
    """The same, where ``none`` says that there is no value."""
    return () if value == "none" else split_at_commas(value)


#: What the core does to real images alone, so that a perfect model makes images that were changed so.
Plain = Literal["flip", "shift"]

#: Several values in one setting; on the command line ``--set augment=flip,shift``, or ``none``.
PlainAugmentations = Annotated[tuple[Plain, ...], BeforeValidator(named_or_none)]
Augmentations = Annotated[tuple[Plain | Literal["diffaugment"], ...], BeforeValidator(named_or_none)]
SeenAugmentations = Annotated[
    tuple[Plain | Literal["diffaugment", "pipeline"], ...], BeforeValidator(named_or_none)
]
Betas = Annotated[tuple[float, float], BeforeValidator(split_at_commas)]


#: What ``bench tune`` tries: learning rates from below the smallest of any model's default to thrice the
#: published one, and Adam's betas as one or the other model has them.
RATES = Between(2e-5, 3e-3, log=True)
BETAS = OneOf(((0.0, 0.9), (0.0, 0.99), (0.0, 0.999), (0.5, 0.9), (0.5, 0.999), (0.9, 0.999)))


def around(weight: float) -> Between:
    """A tenth to ten times a weight."""
    return Between(weight / 10, weight * 10, log=True)


class DescentConfig(PluginConfig):
    """How the steps of any optimiser are tamed."""

    gradient_clip: float | None = setting(
        None,
        "largest norm of a network's gradient; a longer one is scaled down to it; none keeps all",
        source="published: none is named",
        gt=0,
    )
    lr_warmup: int = setting(
        0,
        "time over which the learning rates rise from 0",
        unit="steps",
        source="published: none is named",
        ge=0,
    )
    lr_decay_from: float = setting(
        1.0,
        "share of the training's epochs after which the learning rates fall, linearly to 0 at its end",
        source="published: none is named, so they never fall",
        ge=0,
        le=1,
    )


class AveragingConfig(PluginConfig):
    """How a network's average follows it."""

    ema_decay: float | None = setting(
        None,
        "decay of an averaged network that samples; none samples with the network itself",
        source="published: none is named",
        ge=0,
        lt=1,
    )
    ema_start: int = setting(
        0, "time before which that average is a copy", unit="steps", source="ours: from the start", ge=0
    )
    ema_warmup: bool = setting(
        True,
        "begin with a smaller decay, (1 + step) / (10 + step)",
        source="ours: so that the first weights don't outlive a short training",
    )
