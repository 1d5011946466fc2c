"""Kinds of settings that many models share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from harness.api import PluginConfig, setting


def split_at_commas(value: object) -> object:
    """Read the text of several values in one setting."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


#: Several values in one setting; on the command line ``--set augment=flip,shift``, or nothing for none.
Augmentations = Annotated[tuple[Literal["flip", "shift"], ...], BeforeValidator(split_at_commas)]
Betas = Annotated[tuple[float, float], BeforeValidator(split_at_commas)]


class BaselineConfig(PluginConfig):
    """What every baseline of synthesis from noise lets the user choose."""

    augment: Augmentations = setting(
        ("flip", "shift"),
        "plain augmentations of real images; where left and right differ (heart, brain) use shift alone",
        source="published: flipping and panning for all methods but HAGAN",
    )
