"""Features of real images, kept on disk and believed only when they prove what they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import atomic_write, open_file, sha256_of_json
from ..shortage import pass_on_shortage

_FORMAT = 1


class FeatureCache:
    """A folder of feature arrays, found by everything that they depend on.

    Args:
        folder: Where to keep them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: Mapping[str, Any]) -> NDArray[np.float64] | None:
        """The features stored under ``key``; None if there are none, or if they are damaged in any way."""
        try:
            with open_file(self.path(key)) as handle, np.load(handle, allow_pickle=False) as file:
                features: NDArray[np.float64] = file["features"]
                intact = str(file["key"]) == _text(key) and str(file["sha256"]) == _digest(features)
        except Exception as error:  # damaged files make zipfile, zlib and numpy raise almost anything
            pass_on_shortage(error)
            return None
        return features if intact else None

    def put(self, key: Mapping[str, Any], features: NDArray[np.float64]) -> None:
        """Store ``features`` under ``key``.

        Raises:
            StorageError: The folder can't be written to.
        """
        with atomic_write(self.path(key)) as file:
            np.savez(file, features=features, key=_text(key), sha256=_digest(features))

    def path(self, key: Mapping[str, Any]) -> Path:
        """Where features are stored under ``key``."""
        return self.folder / f"{sha256_of_json({'format': _FORMAT, **key})[:32]}.npz"


def _text(key: Mapping[str, Any]) -> str:
    return json.dumps(key, sort_keys=True)


def _digest(features: NDArray[np.float64]) -> str:
    return hashlib.sha256(np.ascontiguousarray(features).data).hexdigest()
