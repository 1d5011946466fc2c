"""Images as public implementations feed them: PNG files, decoded and changed one by one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from harness.api import Clock

from .steps import Losses, PlainStep

#: What the product's plain augmentations are called elsewhere.
CHANGES = {
    "flip": transforms.RandomHorizontalFlip(),
    "shift": transforms.RandomAffine(0, translate=(0.125, 0.125)),
}


class PNGFolder(Dataset[Tensor]):
    """All PNG files of a folder as float32 (C, H, W) in [-1, 1]."""

    def __init__(self, folder: Path, channels: int, changes: Sequence[str]) -> None:
        self.files = sorted(folder.glob("*.png"))
        self.mode = "RGB" if channels == 3 else "L"
        self.transform = transforms.Compose(
            [*(CHANGES[name] for name in changes), transforms.ToTensor(), transforms.Normalize(0.5, 0.5)]
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        with Image.open(self.files[index]) as image:
            return self.transform(image.convert(self.mode))


class PlainLoop:
    """Takes steps on batches of a folder.

    Args:
        step: The model's.
        images: What it is fed with.
        batch_size: Images a step.
        device: Where the model is.
        workers: Processes that decode; 0 decodes between the steps, as most public loops do by default.
    """

    def __init__(
        self, step: PlainStep, images: PNGFolder, batch_size: int, device: torch.device, workers: int = 0
    ) -> None:
        self.step = step
        self.device = device
        self.loader = DataLoader(images, batch_size, shuffle=True, drop_last=True, num_workers=workers)
        self.batches = self._endless()
        self.feeding = 0.0

    def take(self, clock: Clock) -> Losses:
        """One step. ``feeding`` adds up the seconds spent on getting images."""
        started = time.perf_counter()
        images = next(self.batches).to(self.device)
        self.feeding += time.perf_counter() - started
        return self.step.train_step(images, clock)

    def _endless(self) -> Iterator[Tensor]:
        while True:
            yield from self.loader
