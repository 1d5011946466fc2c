"""A model that goes wrong on request."""

import os
import signal
from typing import Any

import torch
from bench_example.model import LinearGAN, LinearGANConfig
from torch import Tensor

from harness.api import Batch, Clock, setting


class Config(LinearGANConfig):
    what: str = setting("nothing", "raise, nan-loss, nan-sample, exit, kill or interrupt", source="ours")
    step: int = setting(3, "when", source="ours")


class Faulty(LinearGAN):
    version = 1
    Config = Config

    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        losses = super().train_step(batch, clock)
        if clock.step == self.config.step:
            match self.config.what:
                case "raise":
                    raise RuntimeError("asked to fail")
                case "nan-loss":
                    losses["critic"] = losses["critic"] * torch.nan
                case "exit":
                    os._exit(7)
                case "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "interrupt":
                    os.kill(os.getpid(), signal.SIGINT)
        return losses

    def sample(self, seeds: Tensor) -> Tensor:
        images: Any = super().sample(seeds)
        return images * torch.nan if self.config.what == "nan-sample" else images
