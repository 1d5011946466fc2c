"""FastGAN: made for a hundred images (Liu et al. 2021). A file for each network, and the model."""

from .model import FastGAN

__all__ = ["FastGAN"]
