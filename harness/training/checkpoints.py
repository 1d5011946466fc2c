"""Saved training states: whole or absent, and never believed without a check.

Two files are kept, the last good state and the one before it, so that damage to one costs a few steps
and not the run. Each carries a digest of its content, and nothing is believed that differs from it. Only
tensors and plain values are read back (``weights_only=True``): nothing in a checkpoint is executed.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from ..errors import CheckpointError
from ..files import atomic_write, move_aside, read_file
from ..shortage import pass_on_shortage
from .digests import digest_of

FORMAT = 2


def save_state(path: Path, identity: str, state: dict[str, Any]) -> None:
    """Save a training state with its digest; the file that stood at ``path`` becomes ``previous(path)``.

    Raises:
        StorageError: The disk is full, or the folder can't be written to.
    """
    # Whole in memory first: a disk that is full in the middle must be the disk's error, and not torch's.
    content = io.BytesIO()
    torch.save({"format": FORMAT, "identity": identity, "sha256": digest_of(state), **state}, content)
    with atomic_write(path, keep=previous(path), new_folder=False) as file:
        file.write(content.getbuffer())


def previous(path: Path) -> Path:
    """Where the file before the last one is kept."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def load_state(path: Path, identity: str) -> tuple[dict[str, Any] | None, list[str]]:
    """Load the newest state of this cell that can be trusted.

    Returns:
        The state, or None where no file exists; and what was wrong with newer files.

    Raises:
        CheckpointError: There are files, and none can be trusted.
    """
    complaints: list[str] = []
    for candidate in (path, previous(path)):
        if not os.path.lexists(candidate):
            if candidate == path and previous(path).exists():
                complaints.append(f"{path} is missing")
            continue
        try:
            return _read_state(candidate, identity), complaints
        except CheckpointError as error:
            complaints.append(error.found)
    if complaints:
        raise CheckpointError(
            "; ".join(complaints),
            needed="a checkpoint that this cell wrote",
            hint=f"{move_aside(path.parent)}, and the same command trains from the start",
        )
    return None, complaints


def _read_state(path: Path, identity: str) -> dict[str, Any]:
    try:
        # Through memory: a truncated file must not be mapped, and a later rename must not pull it away.
        state = torch.load(io.BytesIO(read_file(path)), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever the damage happens to trigger
        pass_on_shortage(error)
        raise CheckpointError(f"{path} can't be read: {type(error).__name__}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no checkpoint of format {FORMAT}")
    if state["identity"] != identity:
        raise CheckpointError(f"{path} belongs to another cell, {str(state['identity'])[:8]}")
    content = {name: value for name, value in state.items() if name not in ("format", "identity", "sha256")}
    if digest_of(content) != state["sha256"]:
        raise CheckpointError(f"{path} is damaged: it is not what was written")
    return content


def save_networks(path: Path, tensors: dict[str, Tensor], *, identity: str, epoch: int) -> str:
    """Save networks as safetensors, readable by anyone and executable by no one, with their digest.

    The file that stood at ``path`` becomes ``previous(path)``.

    Returns:
        The digest, by which whoever speaks of these networks knows them again.

    Raises:
        StorageError: The disk is full, or the folder can't be written to.
    """
    # Clones: safetensors refuses tensors that share memory.
    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in sorted(tensors.items())}
    digest = digest_of(whole)
    metadata = {"identity": identity, "epoch": epoch, "sha256": digest}
    # One entry: the order of several is random, and equal networks should be equal files.
    content = save_safetensors(whole, {"bench": json.dumps(metadata, sort_keys=True)})
    with atomic_write(path, keep=previous(path), new_folder=False) as file:
        file.write(content)
    return digest


def load_networks(path: Path, digest: str) -> dict[str, Tensor]:
    """Load what ``save_networks`` saved.

    Args:
        path: The file.
        digest: What ``save_networks`` returned for the networks that are wanted.

    Raises:
        CheckpointError: The file is missing, damaged, or holds other networks.
    """
    hint = f"{move_aside(path.parent)}, and the same command trains the cell again"
    try:
        tensors = load_safetensors(read_file(path))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path} is missing", needed="the networks that scored best", hint=hint
        ) from error
    except Exception as error:  # the Rust reader has its own exception type
        pass_on_shortage(error)
        raise CheckpointError(
            f"{path} can't be read: {error}", needed="the networks that scored best", hint=hint
        ) from error
    if digest_of(dict(sorted(tensors.items()))) != digest:
        raise CheckpointError(
            f"{path} is damaged, or holds other networks than those that scored best",
            needed=f"networks of digest {digest[:12]}",
            hint=hint,
        )
    return tensors


def restore_networks(path: Path, digest: str) -> None:
    """Make sure that ``path`` holds these networks, if need be from the file that it replaced.

    A kill between the networks of an evaluation and the checkpoint that speaks of them leaves newer networks
    than the checkpoint knows.

    Raises:
        CheckpointError: Neither file holds them.
    """
    try:
        load_networks(path, digest)
    except CheckpointError as problem:
        try:
            load_networks(previous(path), digest)
        except CheckpointError:
            raise problem from None
        with atomic_write(path, new_folder=False) as file:
            file.write(read_file(previous(path)))
