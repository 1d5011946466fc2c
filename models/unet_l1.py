"""U-Net with the mean absolute error: what a translator reaches without any discriminator."""

from __future__ import annotations

from .translation import TranslationConfig, UNetTranslator


class UNetL1(UNetTranslator):
    """The residual U-Net and its error. 7,766,401 parameters for one channel."""

    version = 1
    Config = TranslationConfig
