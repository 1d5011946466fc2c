"""A cell as text: what crosses from a grid to whoever computes it."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from ..cell.spec import RunRequest
from ..errors import SpecError


class Packed(NamedTuple):
    """What a cell is computed from; the paths are absolute.

    Attributes:
        weights: Files or folders of weights that the user named.
        skip_bad: Leave damaged raw files out, and record them.
        device_memory: Bytes that its images may take on its device; None where nobody said.
    """

    request: RunRequest
    results: Path
    cache: Path
    weights: tuple[Path, ...]
    skip_bad: bool
    device_memory: int | None


def pack(
    request: RunRequest,
    results: Path,
    cache: Path,
    *,
    weights: Sequence[Path] = (),
    skip_bad: bool = False,
    device_memory: int | None = None,
    expect: str | None = None,
) -> tuple[str, ...]:
    """Arguments with which ``python -m harness`` computes a cell, on any machine that sees these folders.

    Args:
        request: What somebody asked for.
        results: Results folder.
        cache: Cache folder.
        weights: Files or folders of weights that the user named.
        skip_bad: Leave damaged raw files out.
        device_memory: Bytes that its images may take on its device.
        expect: The cell's identity: where the request means another cell, by other versions of a plugin or
            other raw files, it is refused; None computes whatever it means there.
    """
    root = request.data_root and str(request.data_root.absolute())
    content = {
        "request": {**asdict(request), "data_root": root},
        "results": str(results.absolute()),
        "cache": str(cache.absolute()),
        "weights": [str(path.absolute()) for path in weights],
        "skip_bad": skip_bad,
        "device_memory": device_memory,
    }
    expected = () if expect is None else (f"--expect={expect}",)
    return ("cell", json.dumps(content, allow_nan=False), *expected)


def unpack(text: str) -> Packed:
    """What ``pack`` was given.

    Raises:
        SpecError: It is not from ``pack``.
    """
    try:
        content = json.loads(text)
        request = content["request"]
        root = request.pop("data_root")
        return Packed(
            RunRequest(
                **{**request, "presets": tuple(request["presets"])}, data_root=Path(root) if root else None
            ),
            Path(content["results"]),
            Path(content["cache"]),
            tuple(Path(path) for path in content["weights"]),
            content["skip_bad"],
            content.get("device_memory"),  # a job in a queue may be from before there was one
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise SpecError(
            f"{reprlib.repr(text)} is no cell of a grid", needed="the text that `bench grid` makes of one"
        ) from error
