"""A cell as text: what crosses from a grid to whoever computes it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from ..spec import RunRequest


def pack(request: RunRequest, results: Path, cache: Path) -> tuple[str, ...]:
    """Arguments with which ``python -m harness`` computes a cell, on any machine that sees these folders."""
    root = request.data_root and str(request.data_root.absolute())
    content = {
        "request": {**asdict(request), "data_root": root},
        "results": str(results.absolute()),
        "cache": str(cache.absolute()),
    }
    return ("cell", json.dumps(content, allow_nan=False))


def unpack(text: str) -> tuple[RunRequest, Path, Path]:
    """The request, the results folder and the cache of ``pack``."""
    content = json.loads(text)
    request = content["request"]
    root = request.pop("data_root")
    return (
        RunRequest(
            **{**request, "presets": tuple(request["presets"])}, data_root=Path(root) if root else None
        ),
        Path(content["results"]),
        Path(content["cache"]),
    )
