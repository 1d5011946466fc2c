"""Digests of training states: what is read back must be what was written, to the last bit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def digest_of(state: Any) -> str:
    """The sha256 of a nested state: tensors by kind, shape and bytes; mappings and sequences in their order.

    Args:
        state: Tensors, numbers, text and None, in mappings, lists and tuples.
    """
    digest = hashlib.sha256()
    _add(digest, state)
    return digest.hexdigest()


def _add(digest: Any, value: Any) -> None:
    if isinstance(value, Tensor):
        whole = value.detach().cpu().contiguous()
        digest.update(f"{whole.dtype}{tuple(whole.shape)}".encode())
        digest.update(whole.flatten().view(torch.uint8).numpy().data)
    elif isinstance(value, Mapping):
        digest.update(f"{{{len(value)}".encode())
        for key, content in value.items():
            digest.update(repr(key).encode())
            _add(digest, content)
    elif isinstance(value, list | tuple):
        digest.update(f"[{len(value)}".encode())
        for content in value:
            _add(digest, content)
    else:
        digest.update(repr(value).encode())
