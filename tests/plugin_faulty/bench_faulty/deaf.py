"""A model that trains well and samples badly, in three ways that a careless author overlooks."""

import torch
from bench_example.model import LinearGAN
from torch import Tensor


class Deaf(LinearGAN):
    version = 1

    def sample(self, seeds: Tensor) -> Tensor:
        # One channel instead of three, values from 0 to 9, and no look at the seeds.
        return torch.rand(len(seeds), 1, self.shape.height, self.shape.width) * 9
