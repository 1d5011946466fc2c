"""U-Net with the mean absolute error: what a translator reaches without any discriminator."""

from __future__ import annotations

from .translation import TranslationConfig, UNetTranslator


class UNetL1(UNetTranslator):
    """The residual U-Net and its error. 8,045,955 parameters at every resolution."""

    version = 1
    Config = TranslationConfig
