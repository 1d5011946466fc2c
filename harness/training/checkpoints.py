"""Saved training states: whole or absent, and never believed without a check.

Two files are kept, the last good state and the one before it, so that damage to one costs a few steps
and not the run. Only tensors and plain values are read back (``weights_only=True``): nothing in a
checkpoint is executed.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from ..errors import CheckpointError
from ..files import atomic_write

FORMAT = 1


def save_state(path: Path, identity: str, state: dict[str, Any]) -> None:
    """Save a training state; the file that stood at ``path`` becomes ``previous_state(path)``."""
    with atomic_write(path, keep=previous_state(path)) as file:
        torch.save({"format": FORMAT, "identity": identity, **state}, file)


def previous_state(path: Path) -> Path:
    """Where the state before the last one is kept."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def load_state(path: Path, identity: str) -> tuple[dict[str, Any] | None, list[str]]:
    """Load the newest state of this cell that can be trusted.

    Returns:
        The state, or None where no file exists; and what was wrong with newer files.

    Raises:
        CheckpointError: There are files, and none can be trusted.
    """
    complaints: list[str] = []
    for candidate in (path, previous_state(path)):
        if not candidate.exists():
            continue
        try:
            return _read_state(candidate, identity), complaints
        except CheckpointError as error:
            complaints.append(error.found)
    if complaints:
        raise CheckpointError(
            "; ".join(complaints),
            needed="a checkpoint that this cell wrote",
            hint=f"rm {path} {previous_state(path)} to train from the start",
        )
    return None, complaints


def _read_state(path: Path, identity: str) -> dict[str, Any]:
    try:
        # Through memory: a truncated file must not be mapped, and a later rename must not pull it away.
        state = torch.load(io.BytesIO(path.read_bytes()), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever the damage happens to trigger
        raise CheckpointError(f"{path} can't be read: {type(error).__name__}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no checkpoint of format {FORMAT}")
    if state["identity"] != identity:
        raise CheckpointError(f"{path} belongs to another cell, {str(state['identity'])[:8]}")
    return state


def save_networks(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Save networks as safetensors: readable by anyone, executable by no one."""
    # Clones: safetensors refuses tensors that share memory.
    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with atomic_write(path) as file:
        # One entry: the order of several is random, and equal networks should be equal files.
        file.write(save_safetensors(whole, {"bench": json.dumps(metadata, sort_keys=True)}))


def load_networks(path: Path) -> dict[str, Tensor]:
    """Load what ``save_networks`` saved.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    try:
        return load_safetensors(path.read_bytes())
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path} does not exist", needed="a run that was evaluated at least once"
        ) from error
    except Exception as error:  # the Rust reader has its own exception type
        raise CheckpointError(
            f"{path} can't be read: {error}", hint=f"rm -r {path.parent}, and train the cell again"
        ) from error
