"""HAGAN's discriminator."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from harness_models.hagan import HAGAN
from harness_models.hagan.discriminator import HierarchicalDiscriminator
from torch import Tensor

from harness.api import Clock, ImageShape

SHAPE = ImageShape(1, 32, 32)
FIRST_STAGE, SECOND_STAGE = Clock(step=0, epoch=0, epochs=200), Clock(step=0, epoch=100, epochs=200)


def hagan(**settings: Any) -> HAGAN:
    torch.manual_seed(0)
    return HAGAN(SHAPE, HAGAN.Config(**{"width": 64, **settings}))


def images(count: int = 4) -> Tensor:
    return torch.rand(count, 1, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize(("branch", "grids"), [("lateral", [16, 8, 4]), ("separate", [32]), ("none", [])])
def test_pixel_branches_judge_their_grids(branch, grids) -> None:
    judgement = HierarchicalDiscriminator(SHAPE, 64, branch)(images(2))
    assert judgement.image.shape == (2,)
    assert [grid.shape for grid in judgement.pixels] == [(2, 1, side, side) for side in grids]
    assert [level.shape for level in judgement.maps] == [(2, 16, 16, 16), (2, 32, 8, 8), (2, 64, 4, 4)]


def test_a_judgement_splits_into_its_batches() -> None:
    discriminator = HierarchicalDiscriminator(SHAPE, 64, "lateral").eval()
    first, second = images(4).split(2)
    for part, batch in zip(discriminator(images(4)).split(2), (first, second), strict=True):
        alone = discriminator(batch)
        torch.testing.assert_close(part.image, alone.image)
        torch.testing.assert_close(part.pixels, alone.pixels)
        torch.testing.assert_close(part.maps, alone.maps)
