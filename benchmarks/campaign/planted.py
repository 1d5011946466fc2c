"""Faults of our own, planted in the product: whoever finds none of these can find nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

Plant = Callable[[], None]


def _believe_checkpoints() -> None:
    """Checkpoints and networks are read without a look at their digests."""
    import io

    import torch
    from safetensors.torch import load

    import harness.running.model as model
    import harness.running.work as work
    from harness.training import checkpoints

    def read_state(path: Path, identity: str) -> dict[str, Any]:
        try:
            state = torch.load(io.BytesIO(path.read_bytes()), map_location="cpu", weights_only=True)
        except Exception as error:
            raise checkpoints.CheckpointError(f"{path} can't be read") from error
        return {name: value for name, value in state.items() if name not in ("format", "identity", "sha256")}

    checkpoints._read_state = read_state
    for module in (checkpoints, work, model):
        if hasattr(module, "load_networks"):
            module.load_networks = lambda path, digest: load(path.read_bytes())  # type: ignore[attr-defined]


def _believe_records() -> None:
    """Records are read without a look at their digest."""
    import json

    from harness.cell.records import Record, RecordError, RunFolder

    def read_record(folder: RunFolder) -> Record | None:
        try:
            content = json.loads(folder.record.read_bytes())
            content.pop("sha256", None)
            return Record.model_validate(content)
        except FileNotFoundError:
            return None
        except Exception as error:
            raise RecordError(f"{folder.record} can't be believed") from error

    RunFolder.read_record = read_record  # type: ignore[method-assign]


def _raise_what_comes() -> None:
    """A damaged record raises what its parser raises."""
    import json

    from harness.cell.records import Record, RunFolder

    def read_record(folder: RunFolder) -> Record | None:
        if not folder.record.exists():
            return None
        content = json.loads(folder.record.read_bytes())
        content.pop("sha256", None)
        return Record(**content)

    RunFolder.read_record = read_record  # type: ignore[method-assign]


def _write_in_place() -> None:
    """Files are written where they belong, bit by bit, instead of beside it and then renamed."""
    import sys

    from harness import files

    @contextmanager
    def write(path: Path, *, keep: Path | None = None, new_folder: bool = True) -> Iterator[IO[bytes]]:
        if new_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        if keep is not None and path.exists():
            path.replace(keep)
        with path.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    for module in list(sys.modules.values()):
        if getattr(module, "atomic_write", None) is files.atomic_write and module is not files:
            module.atomic_write = write  # type: ignore[attr-defined]
    files.atomic_write = write


def _exit_oddly() -> None:
    """What a user can put right exits by a number of its own."""
    from harness.errors import BenchError

    BenchError.exit_code = 9


def _wait_for_ever() -> None:
    """Lists never come to an end."""
    import time

    from harness.cell.records import Store

    Store.folders = lambda store: time.sleep(10**6)  # type: ignore[assignment, method-assign, return-value]


def _lose_a_line() -> None:
    """The log is written from the last checkpoint on: what was logged before is lost."""
    from harness.training.log import Log

    Log.cut_back = lambda log, step: log.path.write_bytes(b"")  # type: ignore[assignment, method-assign, return-value]


#: Each with the family that must find it, and the endings as which it may show.
PLANTED: dict[str, tuple[Plant, str, set[str]]] = {
    "digests of checkpoints are not read": (
        _believe_checkpoints,
        "damage: half-done checkpoint.pt",
        {"silent"},
    ),
    "digests of networks are not read": (
        _believe_checkpoints,
        "damage: finished best.safetensors",
        {"silent"},
    ),
    "digests of records are not read": (_believe_records, "damage: finished record.json", {"silent"}),
    "a damaged record raises whatever comes": (
        _raise_what_comes,
        "damage: finished record.json",
        {"traceback"},
    ),
    "files are written in place": (
        _write_in_place,
        "kill: in the middle of a write",
        {"lost", "traceback", "silent"},
    ),
    "a resumed log forgets": (_lose_a_line, "kill: any moment", {"silent"}),
    "errors exit by another code": (_exit_oddly, "fuzz", {"exit"}),
    "a command never ends": (_wait_for_ever, "fuzz", {"hang"}),
}
