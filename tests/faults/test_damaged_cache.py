"""What is damaged in a cache is noticed: left aside and made again, with the same bits."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import plugins
from harness.api import DataError
from harness.data.image_set import META, TABLE, ImageSet
from harness.data.prepare import prepare
from harness.running.cell import Outcome
from harness.scoring.cache import FeatureCache

Run = Callable[..., Outcome]


@pytest.fixture
def seed() -> int:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    return seed


def flip_any_bit(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    at = draw.randrange(len(content) * 8)
    content[at // 8] ^= 1 << at % 8
    path.write_bytes(content)


def discs(cache: Path, tell: Callable[[str], None]) -> ImageSet:
    kind = plugins.current().load("datasets", "discs")
    return prepare(kind(None, kind.Config()), "discs", [16], cache, workers=1, tell=tell)[16]


def content_of(images: ImageSet) -> Any:
    stacks = [stack.tobytes() for stack in (images.images, images.source, images.labels) if stack is not None]
    return stacks, images.table.to_csv(), images.label_names, images.unions, images.fingerprint


def test_any_bit_of_a_prepared_set_is_noticed(tmp_path: Path, seed: int) -> None:
    told: list[str] = []
    whole = discs(tmp_path, told.append)
    assert whole.labels is not None
    assert whole.home is not None
    content = content_of(whole)
    draw = random.Random(seed)
    for name in sorted(path.name for path in whole.home.iterdir()):
        for _ in range(5):
            flip_any_bit(whole.home / name, draw)
            again = discs(tmp_path, told.append)
            assert content_of(again) == content, name
            assert len(told) == 1, name
            assert "left aside as" in told.pop()
    assert not told
    discs(tmp_path, told.append)
    assert not told, "what was made again is believed"


@pytest.mark.parametrize("damage", ["another set's", "a file", "a loop", "no table", "edited", "no digests"])
def test_a_folder_that_is_not_the_set_is_left_aside(tmp_path: Path, damage: str) -> None:
    told: list[str] = []
    whole = discs(tmp_path, told.append)
    home, content = whole.home, content_of(whole)
    assert home is not None
    meta = json.loads((home / META).read_text())
    if damage == "another set's":
        kind = plugins.current().load("datasets", "discs")
        config = kind.Config(patients=4)
        other = prepare(kind(None, config), "discs", [16], tmp_path / "other", workers=1)[16].home
        assert other is not None
        shutil.rmtree(home)
        shutil.copytree(other, home)
    elif damage in ("a file", "a loop"):
        shutil.rmtree(home)
        home.touch() if damage == "a file" else home.symlink_to(home)
    elif damage == "no table":
        (home / TABLE).unlink()
    elif damage == "edited":
        meta["skipped"] = [{"item": "a", "reason": "b"}]
        (home / META).write_text(json.dumps(meta))
    else:
        meta["digests"] = {}
        (home / META).write_text(json.dumps(meta))
    assert content_of(discs(tmp_path, told.append)) == content
    assert len(told) == 1


def test_any_bit_of_cached_features_is_noticed(tmp_path: Path, seed: int) -> None:
    cache, key = FeatureCache(tmp_path), {"space": "any", "images": "f00"}
    features = np.random.default_rng(seed).normal(size=(4, 6))
    cache.put(key, features)
    (path,) = tmp_path.iterdir()
    whole, draw = path.read_bytes(), random.Random(seed)
    for _ in range(500):
        path.write_bytes(whole)
        flip_any_bit(path, draw)
        found = cache.get(key)
        assert found is None or np.array_equal(found, features)


def test_an_empty_name_is_no_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a prepared image set"):
        ImageSet.open(tmp_path / "nothing")
