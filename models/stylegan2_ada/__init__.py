"""StyleGAN2 with adaptive discriminator augmentation (Karras et al. 2020, twice). A file an idea."""

from .model import StyleGAN2ADA

__all__ = ["StyleGAN2ADA"]
