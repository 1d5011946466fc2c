"""Features of one set, extracted by all processes that want them: each takes a share that nobody has."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..claims import RETRY_SECONDS, Claim
from ..errors import BusyError
from ..files import storage_error
from ..interrupting import look
from .cache import FeatureCache

SHARE = 2048
"""Images of a share: whole batches of every network, so that sharing changes no number."""

Features = NDArray[np.float64]


def shared(
    cache: FeatureCache, key: Mapping[str, Any], shape: tuple[int, int], extract: Callable[[slice], Features]
) -> Features:
    """The features of a set of images, of which the cache keeps what any process has extracted.

    Several processes, each with a device of its own, that want the same set at once come to one result in a
    part of the time; one that was killed is gone on with. A share that another process works on is waited
    for: should that one die, somebody else takes it.

    Args:
        cache: Where shares are kept; the same for all.
        key: Everything that the features depend on.
        shape: Number of images, and of features of each.
        extract: The features of some of them, float64 (n, d).

    Raises:
        StorageError: The cache can't be written to.
    """
    count, dimension = shape
    shares = [slice(start, min(start + SHARE, count)) for start in range(0, count, SHARE)]
    keys = {share.start: {**key, "images from": share.start, "to": share.stop} for share in shares}
    found: dict[int, Features] = {}
    while len(found) < len(shares):
        before = len(found)
        for share in shares:
            if share.start not in found:
                look()
                features = _taken(cache, keys[share.start], share, dimension, extract)
                if features is not None:
                    found[share.start] = features
        if len(found) == before:
            time.sleep(RETRY_SECONDS)
    return np.concatenate([found[share.start] for share in shares])


def _taken(
    cache: FeatureCache,
    key: Mapping[str, Any],
    share: slice,
    dimension: int,
    extract: Callable[[slice], Features],
) -> Features | None:
    """The features of a share, from the cache or made; None where another process works on it."""

    def kept() -> Features | None:
        features = cache.get(key)
        is_whole = features is not None and features.shape == (share.stop - share.start, dimension)
        return features if is_whole else None

    features = kept()
    if features is not None:
        return features
    try:
        cache.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(cache.folder, error) from error
    claim = Claim(cache.folder, f".{cache.path(key).stem}")
    try:
        claim.take()
    except BusyError:
        return None
    try:
        features = kept()  # it may have come meanwhile
        if features is None:
            features = extract(share)
            cache.put(key, features)
        return features
    finally:
        claim.release()
