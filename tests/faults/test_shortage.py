"""A machine that is short of memory or of open files is told as such, and no file is taken for damaged."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.data.image_set import ImageSet
from harness.running.cell import Outcome
from harness.scoring.cache import FeatureCache
from harness.training import checkpoints

Run = Callable[..., Outcome]
SHORT = [
    MemoryError(),
    OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
]


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", SHORT, ids=["memory", "open files", "torch"])
def test_no_stored_file_is_called_damaged(
    run_tiny: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    outcome = run_tiny()
    images = next(tmp_path.rglob("images.npy")).parent
    cache = FeatureCache(tmp_path / "features")
    cache.put({"of": "these"}, np.zeros((2, 2)))
    wanted = OSError if isinstance(error, OSError) else MemoryError
    monkeypatch.setattr(np.lib.format, "open_memmap", raising(error))
    monkeypatch.setattr(np, "load", raising(error))
    monkeypatch.setattr(torch, "load", raising(error))
    monkeypatch.setattr(checkpoints, "load_safetensors", raising(error))
    with pytest.raises(wanted):
        ImageSet.open(images)
    with pytest.raises(wanted):
        cache.get({"of": "these"})
    with pytest.raises(wanted):
        checkpoints.load_state(outcome.folder.checkpoint, outcome.record.identity)
    with pytest.raises(wanted):
        checkpoints.load_networks(outcome.folder.best, "any digest")
