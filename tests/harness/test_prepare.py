"""From raw files to prepared sets: one reading, in order, atomic, shared, and honest about damage."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness_datasets.phantom import Phantom, PhantomConfig

from harness import spreading
from harness.api import DataError, Dataset, PluginConfig, Slice, Split, setting
from harness.data.image_set import META, ImageSet, read_meta
from harness.data.journal import NAME as JOURNAL
from harness.data.prepare import prepare
from harness.errors import Interrupted, StorageError
from harness.interrupting import heeding


class StripesConfig(PluginConfig):
    shift: float = setting(0.0, "added to every pixel", source="ours")


class Stripes(Dataset):
    """Five items of two slices; some can be told to be bad. Counts how often it is read."""

    version = 1
    Config = StripesConfig
    config: StripesConfig

    def __init__(self, *, bad: Sequence[str] = (), split_of: dict[str, Split] | None = None) -> None:
        super().__init__(Path("stripes"), StripesConfig())
        self.bad, self.split_of = bad, split_of or {}
        self.reads: list[str] = []

    def items(self) -> Sequence[str]:
        return [f"item{number}" for number in range(5)]

    def read(self, item: str) -> Iterator[Slice]:
        self.reads.append(item)
        number = int(item[-1])
        for index in range(2):
            if item in self.bad and index == 1:
                raise DataError(f"{item}.png is truncated", hint="get this file again")
            pixels = np.full((32, 32), (2 * number + index) / 10, dtype=np.float32)
            yield Slice(
                pixels, f"p{number // 2}", f"{item}.png", index, self.split_of.get(item, "train"), "L"
            )

    def fingerprint(self) -> str:
        return "5" * 64


def levels(images: ImageSet) -> list[int]:
    return images.images[:, 0, 0, 0].tolist()


def test_all_resolutions_come_from_one_reading_in_the_order_of_the_items(tmp_path: Path) -> None:
    stripes, steps = Stripes(), []
    sets = prepare(stripes, "stripes", [16, 32], tmp_path, progress=lambda *step: steps.append(step))
    assert stripes.reads == list(stripes.items())
    assert steps == [(done, 5) for done in range(1, 6)]
    for side, images in sets.items():
        assert images.images.shape == (10, 1, side, side)
        assert levels(images) == [round(level * 25.5) for level in range(10)]
        assert not images.images.flags.writeable
    assert sets[16].table["patient"].tolist() == ["p0"] * 4 + ["p1"] * 4 + ["p2"] * 2
    assert sets[16].fingerprint != sets[32].fingerprint


def test_what_is_prepared_is_not_read_again(tmp_path: Path) -> None:
    prepare(Stripes(), "stripes", [16], tmp_path)
    again = Stripes()
    prepare(again, "stripes", [16], tmp_path)
    assert again.reads == []
    prepare(again, "stripes", [16, 32], tmp_path)
    assert again.reads == list(again.items())


def test_a_set_keeps_the_versions_of_what_read_its_raw_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stripes, "libraries", ("nibabel", "no-such-distribution"), raising=False)
    libraries = {name: version(name) for name in ("numpy", "pillow", "nibabel")}
    (made,) = prepare(Stripes(), "stripes", [16], tmp_path).values()
    assert made.libraries == libraries
    monkeypatch.setattr("harness.data.prepare.versions_of", lambda names: dict.fromkeys(names, "99"))
    upgraded = Stripes()
    (kept,) = prepare(upgraded, "stripes", [16], tmp_path).values()
    assert not upgraded.reads
    assert kept.limit(3).libraries == libraries


def test_a_set_of_an_older_format_is_built_again(tmp_path: Path) -> None:
    (made,) = prepare(Stripes(), "stripes", [16], tmp_path).values()
    assert made.home is not None
    meta = json.loads((made.home / META).read_text())
    (made.home / META).write_text(json.dumps(meta | {"format": meta["format"] - 1}))
    again, told = Stripes(), list[str]()
    assert len(prepare(again, "stripes", [16], tmp_path, tell=told.append)[16]) == 10
    assert again.reads == list(again.items())
    assert len(told) == 1


def test_other_version_options_or_raw_content_is_another_set(tmp_path: Path) -> None:
    known = prepare(Stripes(), "stripes", [16], tmp_path)[16].fingerprint
    version, option, raw, square = Stripes(), Stripes(), Stripes(), Stripes()
    version.version = 2  # type: ignore[misc]
    option.config = StripesConfig(shift=0.1)
    raw.fingerprint = lambda: "6" * 64  # type: ignore[method-assign]
    square.square = "pad"
    others = [
        prepare(one, "stripes", [16], tmp_path)[16].fingerprint for one in (version, option, raw, square)
    ]
    assert len({known, *others}) == 5


def test_a_damaged_item_stops_the_build_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"item3\.png is truncated") as caught:
        prepare(Stripes(bad=["item3"]), "stripes", [16], tmp_path)
    assert "--skip-bad" in caught.value.hint
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_skipping_leaves_the_whole_item_out_and_says_so(tmp_path: Path) -> None:
    bad = Stripes(bad=["item3"])
    images = prepare(bad, "stripes", [16], tmp_path, skip_bad=True)[16]
    assert len(images) == 8
    assert images.skipped == [{"item": "item3", "reason": "item3.png is truncated"}]
    # The set with a gap must not be taken for a whole one later.
    with pytest.raises(DataError, match="truncated"):
        prepare(bad, "stripes", [16], tmp_path)
    assert len(prepare(bad, "stripes", [16], tmp_path, skip_bad=True)[16]) == 8


def files_of(images: ImageSet) -> dict[str, bytes]:
    assert images.home is not None
    return {path.name: path.read_bytes() for path in images.home.iterdir()}


def cut_after(items: int, dataset: Dataset, cache: Path, **options: Any) -> list[Path]:
    """Stop a build once so many items are written; returns what it left."""
    asked = iter(range(-1, 10**9))  # the first question is put before there is anything to do
    with heeding(lambda: next(asked) >= items), pytest.raises(Interrupted):
        prepare(dataset, "stripes", [16, 32], cache, **options)
    return sorted(cache.glob(".*.part"))


@pytest.mark.parametrize("cuts", [(0,), (1,), (4,), (2, 3)])
def test_a_build_that_was_cut_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuts: Sequence[int]
) -> None:
    widening(monkeypatch)
    whole = prepare(Stripes(), "stripes", [16, 32], tmp_path / "whole")
    for cut in cuts:
        assert len(cut_after(cut, Stripes(), tmp_path / "cut")) == 2
    again, steps = Stripes(), list[tuple[int, int]]()
    resumed = prepare(again, "stripes", [16, 32], tmp_path / "cut", progress=lambda *step: steps.append(step))
    assert again.reads == list(again.items())[max(cuts) :]
    assert steps == [(done, 5) for done in range(max(1, max(cuts)), 6)]
    for side in (16, 32):
        assert files_of(resumed[side]) == files_of(whole[side])
    assert not list((tmp_path / "cut").glob(".*.part"))


def widening(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the third item have colours, so that the two before it are written again in three channels."""
    read = Stripes.read

    def coloured(self: Stripes, item: str) -> Iterator[Slice]:
        for piece in read(self, item):
            is_grey = item != "item2"
            yield piece if is_grey else replace(piece, pixels=piece.pixels[:, :, None].repeat(3, 2))

    monkeypatch.setattr(Stripes, "read", coloured)
    monkeypatch.setattr(Stripes, "colour", "any", raising=False)


@pytest.mark.parametrize("damage", ["pixels", "line", "libraries", "one side"])
def test_what_a_cut_build_left_is_believed_as_far_as_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    (left, _) = cut_after(4, Stripes(), tmp_path / "cut")
    kept = 2
    if damage == "pixels":
        layer = bytearray((left / "images.npy").read_bytes())
        layer[-3 * 16 * 16] ^= 1  # in the second slice of the third item
        (left / "images.npy").write_bytes(layer)
    elif damage == "line":
        lines = (left / JOURNAL).read_text().splitlines(keepends=True)
        (left / JOURNAL).write_text("".join([*lines[:3], lines[3][:-20]]))
    elif damage == "libraries":
        monkeypatch.setattr("harness.data.prepare.versions_of", lambda names: dict.fromkeys(names, "99"))
        kept = 0
    else:
        shutil.rmtree(left)
        kept = 0
    again = Stripes()
    resumed = prepare(again, "stripes", [16, 32], tmp_path / "cut")
    assert again.reads == list(again.items())[kept:]
    assert levels(resumed[16]) == [round(level * 25.5) for level in range(10)]


def test_items_that_a_cut_build_left_out_are_read_again_unless_that_is_asked_for_again(
    tmp_path: Path,
) -> None:
    bad = Stripes(bad=["item1"])
    cut_after(3, bad, tmp_path, skip_bad=True)
    with pytest.raises(DataError, match=r"item1\.png is truncated"):
        prepare(Stripes(bad=["item1"]), "stripes", [16, 32], tmp_path)
    cut_after(3, bad, tmp_path, skip_bad=True)
    again = Stripes(bad=["item1"])
    images = prepare(again, "stripes", [16, 32], tmp_path, skip_bad=True)[16]
    assert again.reads == ["item3", "item4"]
    assert images.skipped == [{"item": "item1", "reason": "item1.png is truncated"}]


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"leaves no slice .*item0\.png is truncated"):
        prepare(Stripes(bad=Stripes().items()), "stripes", [16], tmp_path, skip_bad=True)


def test_a_patient_in_two_splits_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="patient p1 is in two splits, train and test"):
        prepare(Stripes(split_of={"item3": "test"}), "stripes", [16], tmp_path)


def test_pixels_that_are_no_numbers_are_an_error(tmp_path: Path) -> None:
    stripes = Stripes()
    pixels = np.full((4, 4), np.nan, dtype=np.float32)
    stripes.read = lambda item: iter([Slice(pixels, "p", "a.npy", 0, "train")])  # type: ignore[method-assign]
    with pytest.raises(DataError, match=r"a\.npy, slice 0"):
        prepare(stripes, "stripes", [16], tmp_path)


def test_a_damaged_cache_is_built_again(tmp_path: Path) -> None:
    home = prepare(Stripes(), "stripes", [16], tmp_path)[16].home
    assert home is not None
    (home / "images.npy").write_bytes(b"\x93NUMPY")
    leftover = home.with_name(f".{home.name}.part")
    shutil.copytree(home, leftover)
    told: list[str] = []
    assert len(prepare(Stripes(), "stripes", [16], tmp_path, tell=told.append)[16]) == 10
    assert told == [
        f"{home} is not a prepared image set: images.npy changed since it was prepared; "
        f"it is left aside as {home.name}.aside-1, and made again"
    ]
    assert not leftover.exists()


def test_a_cache_that_cannot_be_written_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        prepare(Stripes(), "stripes", [16], tmp_path / "file")


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        prepare(Stripes(), "stripes", [16], tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_processes_give_the_same_bytes_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phantom = Phantom(None, PhantomConfig(images=12, slices_per_patient=2, size=32))
    alone = prepare(phantom, "phantom", [16], tmp_path / "alone", workers=1)[16]
    monkeypatch.setattr(spreading, "_start_up", lambda: 0.0)
    several = prepare(phantom, "phantom", [16], tmp_path / "several", workers=2)[16]
    assert np.array_equal(alone.images, several.images)
    assert alone.table.equals(several.table)


def test_reading_needs_no_torch() -> None:
    # It would double the time in which processes start, in each of them.
    code = """
import sys
import harness.data.reading
from harness_datasets import acdc, brats, covid_ct, folder, medmnist, msd_brain, phantom
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


PROGRAM = """
import sys, time
from pathlib import Path
from harness import spreading
from harness.data.prepare import prepare
from harness_datasets.phantom import Phantom, PhantomConfig

class Slow(Phantom):
    def read(self, item):
        (Path(sys.argv[1]) / "reads").open("a").write(item + "\\n")
        time.sleep(float(sys.argv[2]))
        yield from super().read(item)

if __name__ == "__main__":
    spreading._start_up = lambda: float(sys.argv[3])
    phantom = Slow(None, PhantomConfig(images=10, slices_per_patient=1, size=32))
    sets = prepare(phantom, "slow", [16], Path(sys.argv[1]) / "cache", workers=2)
    print(len(sets[16]))
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def start(program: Path, pause: float, start_up: float) -> subprocess.Popen[str]:
    command = [sys.executable, str(program), str(program.parent), str(pause), str(start_up)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def test_two_processes_build_once_and_both_succeed(program: Path, tmp_path: Path) -> None:
    both = [start(program, 0.1, 1e9) for _ in range(2)]
    assert [process.communicate(timeout=120)[0].strip() for process in both] == ["10", "10"]
    assert len((tmp_path / "reads").read_text().split()) == 10


@pytest.mark.parametrize("start_up", [0.0, 1e9], ids=["in processes", "alone"])
def test_a_killed_build_leaves_nothing_that_is_believed(
    program: Path, tmp_path: Path, start_up: float
) -> None:
    first = start(program, 0.4, start_up)
    reads = tmp_path / "reads"
    deadline = time.monotonic() + 60
    while not (reads.exists() and len(reads.read_text().split()) >= 4):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    # The pipe closes only when the reading processes are gone too: no orphan may linger.
    first.communicate(timeout=20)
    assert list((tmp_path / "cache").glob(".slow-16-*.part"))
    assert not list((tmp_path / "cache").glob("slow-16-*"))
    before = len(reads.read_text().split())
    assert start(program, 0.0, 1e9).communicate(timeout=120)[0].strip() == "10"
    assert len(reads.read_text().split()) < before + 10, "what was done was not read again"
    (home,) = (tmp_path / "cache").glob("slow-16-*")
    ImageSet.open(home)
    assert read_meta(home)["skipped"] == []
    assert not list((tmp_path / "cache").glob(".slow-16-*.part"))
