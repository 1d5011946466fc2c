"""R3GAN: a relativistic loss with two penalties, and networks without normalisation (Huang et al. 2024)."""

from .model import R3GAN

__all__ = ["R3GAN"]
