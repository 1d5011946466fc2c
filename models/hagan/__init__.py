"""HAGAN, a file an idea: mixing, augmentation, the two networks, the reverse skip, the losses, the model."""

from .config import HAGANConfig
from .model import HAGAN

__all__ = ["HAGAN", "HAGANConfig"]
