"""Weights of vision transformers as different people publish them, under the names that timm has."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

_POSITIONS = "pos_embed"
_UNUSED = ("mask_token",)
"""Of training alone."""
# DINOv2's own code has timm's names. Those of transformers, before version 5 and since then:
_RENAMED = (
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.mask_token$", "mask_token"),
    (r"^embeddings\.position_embeddings$", _POSITIONS),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^encoder\.layer\.(\d+)\.attention\.(?:output\.dense|o_proj)\.", r"blocks.\1.attn.proj."),
    (r"^encoder\.layer\.(\d+)\.attention\.(?:attention\.)?(query|key|value)\.", r"blocks.\1.attn.\2."),
    (r"^encoder\.layer\.(\d+)\.attention\.q_proj\.", r"blocks.\1.attn.query."),
    (r"^encoder\.layer\.(\d+)\.attention\.k_proj\.", r"blocks.\1.attn.key."),
    (r"^encoder\.layer\.(\d+)\.attention\.v_proj\.", r"blocks.\1.attn.value."),
    (r"^encoder\.layer\.(\d+)\.layer_scale(\d)\.lambda1$", r"blocks.\1.ls\2.gamma"),
    (r"^encoder\.layer\.(\d+)\.", r"blocks.\1."),
    (r"^layernorm\.", "norm."),
)


def as_in_timm(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights under timm's names, positions interpolated to the grid of the network.

    Args:
        state: As published: by transformers, by DINOv2's own code, or by timm.
        wanted: What the network has, for its shapes.

    Raises:
        ValueError: Positions that are on no square grid, or a layer without one of its projections.
    """
    renamed = _joined({_renamed(name): value for name, value in state.items()})
    result = {name: value for name, value in renamed.items() if name not in _UNUSED}
    if _POSITIONS in result and _POSITIONS in wanted:
        result[_POSITIONS] = resized_positions(result[_POSITIONS], wanted[_POSITIONS].shape[1])
    return result


def resized_positions(positions: Tensor, count: int) -> Tensor:
    """Positions (1, 1 + n * n, d) of a square grid and a class token, for ``count`` tokens.

    As transformers does it: bicubic, without antialiasing, by the sides of both grids. DINOv2's own code adds
    0.1 to the sides, which moves features a little.

    Raises:
        ValueError: One of the numbers is no square grid and a class token.
    """
    if positions.shape[1] == count:
        return positions
    before, after = (round((tokens - 1) ** 0.5) for tokens in (positions.shape[1], count))
    if before**2 + 1 != positions.shape[1] or after**2 + 1 != count:
        raise ValueError(f"positions of {positions.shape[1]} tokens, and {count} are wanted")
    token, grid = positions[:, :1], positions[:, 1:]
    grid = grid.reshape(1, before, before, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid.float(), size=(after, after), mode="bicubic", align_corners=False)
    return torch.cat([token, grid.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)


def _renamed(name: str) -> str:
    for pattern, replacement in _RENAMED:
        name, count = re.subn(pattern, replacement, name)
        if count:
            break
    return name


def _joined(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With the three projections of each attention in one, as timm has them."""
    result = {}
    for name, value in state.items():
        if ".attn.query." in name:
            others = [name.replace(".query.", f".{other}.") for other in ("key", "value")]
            if missing := [other for other in others if other not in state]:
                raise ValueError(f"no {missing[0]}")
            result[name.replace(".query.", ".qkv.")] = torch.cat([value, *(state[other] for other in others)])
        elif ".attn.key." not in name and ".attn.value." not in name:
            result[name] = value
    return result
