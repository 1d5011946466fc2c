"""Sets that are larger than the memory that they may take: batches stream from the disk, the same to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench_example.dataset import Discs

from harness.api import Pair
from harness.data.image_set import ImageSet
from harness.data.layers import LABELS, PIXELS, SOURCE
from harness.data.prepare import prepare
from harness.data.stack import Stack
from harness.errors import DataError, Interrupted, SpecError
from harness.running.cell import Outcome
from harness.running.environment import memory_for_training
from harness.testing.waiting import noting_waits
from harness.training.feed import Feed, Resident, Streamed, make_feed
from harness.values import bytes_of

CPU = torch.device("cpu")
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "limited": {"settings": {"limit": 20}},
    "labelled": {"settings": {"labels": True}},
    "paired": {
        "model": "one-convolution",
        "source": "disc",
        "target": "ring",
        "settings": {"metrics": "mae"},
    },
}


@pytest.fixture
def discs(tmp_path: Path) -> ImageSet:
    """Pairs of 40 discs and rings with labels, 30 of them chosen."""
    pairs = Discs(None, Discs.Config()).paired(Pair("disc", "ring"))
    return prepare(pairs, "discs", [16], tmp_path)[16].limit(30)


def stacks_of(images: ImageSet) -> list[Stack]:
    return [images.stacks[file] for file in (PIXELS, SOURCE, LABELS)]


def shown(feed: Feed, order: np.ndarray, size: int) -> list[list[torch.Tensor]]:
    return [[part.clone() for part in batch] for batch in feed.batches(order, size)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_is_the_same_to_the_last_bit_wherever_its_images_lie(
    run_tiny: Callable[..., Outcome], tmp_path: Path, kind: str
) -> None:
    request = KINDS[kind]
    resident = run_tiny(results=tmp_path / "resident", **request)
    assert resident.record.device["streamed"] is False
    with pytest.raises(Interrupted):  # amid an epoch, while the next batch is being read
        asked = iter(range(10**9))
        stop = lambda: next(asked) >= 7  # noqa: E731
        run_tiny(results=tmp_path / "streamed", device_memory=0, stop=stop, **request)
    streamed = run_tiny(results=tmp_path / "streamed", device_memory=0, **request)
    assert streamed.record.device["streamed"] is True
    assert streamed.record.identity == resident.record.identity
    assert streamed.record.scores == resident.record.scores
    for file in ("best.safetensors", "log.jsonl", "samples.png"):
        there, here = (one.folder.path / file for one in (resident, streamed))
        assert here.read_bytes() == there.read_bytes(), file


def test_batches_come_in_order_from_both(discs: ImageSet) -> None:
    stacks = stacks_of(discs)
    order = np.random.default_rng(0).permutation(len(discs))[:28]
    batches = shown(Streamed(stacks, CPU), order, 8)
    assert [len(batch[0]) for batch in batches] == [8, 8, 8, 4]
    for number, stack in enumerate(stacks):
        seen = torch.cat([batch[number] for batch in batches]).numpy()
        assert np.array_equal(seen, stack.array[order])
    for one, other in zip(shown(Resident(stacks, CPU), order, 8), batches, strict=True):
        assert all(map(torch.equal, one, other))


def test_batches_are_on_the_device_that_was_asked_for(discs: ImageSet) -> None:
    elsewhere = torch.device("meta")
    (batch, *_) = Streamed(stacks_of(discs), elsewhere).batches(np.arange(len(discs)), 8)
    assert [part.device for part in batch] == [elsewhere] * 3


def test_a_set_streams_where_it_takes_more_than_it_may(discs: ImageSet) -> None:
    stacks = stacks_of(discs)
    size = 30 * 16 * 16 * 3
    assert isinstance(make_feed(stacks, CPU, size), Resident)
    assert isinstance(make_feed(stacks, CPU, size - 1), Streamed)
    assert 10**6 < memory_for_training(CPU)


def test_a_selection_that_streams_is_never_copied(discs: ImageSet) -> None:
    (stack, *_) = stacks_of(discs)
    shown(Streamed([stack], CPU), np.arange(len(discs)), 8)
    assert "array" not in vars(stack)


def test_nothing_in_the_main_thread_waits_for_the_device(discs: ImageSet) -> None:
    waits: list[str] = []
    feed = Streamed(stacks_of(discs), CPU)
    with noting_waits(waits):
        batches = feed.batches(np.arange(len(discs)), 8)
        next(batches)  # an epoch's buffers are made here, not in its steps
        waits.clear()
        for _ in batches:
            pass
    assert waits == []


@pytest.mark.parametrize("damage", ["shorter", "gone"])
def test_images_that_are_lost_amid_a_training_are_told(discs: ImageSet, damage: str) -> None:
    (stack, *_) = stacks_of(discs)
    file = Path(str(stack.stored.filename))  # type: ignore[attr-defined]
    if damage == "gone":
        file.unlink()
    else:
        with file.open("r+b") as content:
            content.truncate(5000)
    with pytest.raises(DataError, match=r"images\.npy can't be read any more"):
        shown(Streamed([stack], CPU), np.arange(len(discs)), 8)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("8GB", 8 * 10**9),
        ("8gb", 8 * 10**9),
        ("1.5 GiB", 3 << 29),
        ("500M", 500 * 10**6),
        ("64KiB", 1 << 16),
        ("2TB", 2 * 10**12),
    ],
)
def test_amounts_of_memory_are_read_as_people_write_them(text: str, size: int) -> None:
    assert bytes_of(text, "--device-memory") == size


@pytest.mark.parametrize("text", ["", "-1GB", "half", "8 parsecs", "nan", "1e9", "GB", "9" * 400])
def test_what_is_no_amount_of_memory_is_told(text: str) -> None:
    with pytest.raises(SpecError, match="is no amount of memory") as caught:
        bytes_of(text, "--device-memory")
    assert caught.value.hint == "--device-memory 8GB"
