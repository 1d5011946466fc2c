"""Features of one set are extracted once, by whoever wants them, and a share that is there is not made again."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.api import DataError
from harness.claims import Claim
from harness.scoring import shares
from harness.scoring.cache import FeatureCache
from harness.scoring.shares import shared

KEY = {"images": "these", "space": "any"}
VALUES = np.random.default_rng(0).normal(size=(10, 3))


class Extract:
    """Gives values, and remembers of which images."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.made: list[int] = []
        self.fails_at = fails_at

    def __call__(self, part: slice) -> NDArray[np.float64]:
        if part.start == self.fails_at:
            raise DataError("no more")
        self.made.append(part.start)
        return VALUES[part]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "SHARE", 4)
    monkeypatch.setattr(shares, "RETRY_SECONDS", 0.01)


@pytest.mark.parametrize("count", [1, 4, 5, 10])
def test_shares_make_the_whole_and_are_kept(tmp_path: Path, count: int) -> None:
    first, second = Extract(), Extract()
    for extract in (first, second):
        found = shared(FeatureCache(tmp_path), {**KEY, "of": count}, (count, 3), extract)
        assert np.array_equal(found, VALUES[:count])
    assert first.made == list(range(0, count, 4))
    assert second.made == []


def test_what_was_cut_is_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        shared(FeatureCache(tmp_path), KEY, (10, 3), Extract(fails_at=8))
    rest = Extract()
    assert np.array_equal(shared(FeatureCache(tmp_path), KEY, (10, 3), rest), VALUES)
    assert rest.made == [8]


def test_two_that_want_a_set_at_once_do_each_share_once(tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=30)
    begun = threading.local()
    made: list[int] = []
    found: list[NDArray[np.float64]] = []

    def extract(part: slice) -> NDArray[np.float64]:
        if not hasattr(begun, "once"):  # nobody ends a first share before the other one has begun another
            begun.once = True
            both.wait()
        made.append(part.start)
        return VALUES[part]

    threads = [
        threading.Thread(target=lambda: found.append(shared(FeatureCache(tmp_path), KEY, (10, 3), extract)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(made) == [0, 4, 8]
    assert len(found) == 2
    assert all(np.array_equal(values, VALUES) for values in found)


def test_a_share_is_taken_over_when_its_holder_is_gone(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    taken, extract = threading.Event(), Extract()

    def hold() -> None:  # for as long as the others take, and leaves nothing behind
        claim = Claim(tmp_path, f".{cache.path({**KEY, 'images from': 4, 'to': 8}).stem}")
        claim.take()
        taken.set()
        while len(extract.made) < 2:
            time.sleep(0.01)
        claim.release()

    holder = threading.Thread(target=hold)
    holder.start()
    assert taken.wait(timeout=30)
    assert np.array_equal(shared(cache, KEY, (10, 3), extract), VALUES)
    holder.join(timeout=30)
    assert extract.made == [0, 8, 4]


def test_features_of_another_size_are_not_believed(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.put({**KEY, "images from": 0, "to": 4}, VALUES[:4, :2])
    extract = Extract()
    assert shared(cache, KEY, (4, 3), extract).shape == (4, 3)
    assert extract.made == [0]
