"""Maps that lie channels last have gradients that lie so too, with the same bits as any others."""

from __future__ import annotations

import pytest
import torch
from harness_models.layout import split_maps
from harness_models.losses import squared_error
from torch import Tensor

LAST = torch.channels_last


def maps(layout: torch.memory_format) -> Tensor:
    drawn = torch.randn(6, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    return drawn.contiguous(memory_format=layout).requires_grad_()


@pytest.mark.parametrize("layout", [torch.contiguous_format, LAST])
def test_the_gradient_of_a_squared_error_lies_as_the_scores_do(layout: torch.memory_format) -> None:
    scores = maps(layout)
    squared_error(scores * 1, 0.25).backward()
    assert scores.grad is not None
    expected = (scores.detach() - 0.25) * 2 / scores.numel()
    torch.testing.assert_close(scores.grad, expected)
    seen: list[bool] = []
    inner = scores * 1
    inner.register_hook(lambda gradient: seen.append(gradient.is_contiguous(memory_format=layout)))
    squared_error(inner, 0.25).backward()
    assert seen == [True]


@pytest.mark.parametrize("layout", [torch.contiguous_format, LAST])
def test_parts_that_nobody_used_leave_the_gradient_in_its_order(layout: torch.memory_format) -> None:
    whole = maps(layout)
    inner = whole * 1
    seen: list[Tensor] = []
    inner.register_hook(seen.append)
    first, _, last = split_maps(inner, 2)
    assert torch.equal(first, whole[:2])
    assert torch.equal(last, whole[4:])
    (last * last).sum().backward()
    (gradient,) = seen
    assert gradient.is_contiguous(memory_format=layout)
    assert torch.equal(gradient[4:], 2 * whole[4:])
    assert not gradient[:4].any()
