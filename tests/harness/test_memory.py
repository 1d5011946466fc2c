"""Memory that a step lets go of is there for the next one, and afterwards goes back to the system."""

from __future__ import annotations

import platform
import resource
import sys

import pytest
import torch

from harness.training.memory import kept_memory

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="only glibc is told what to keep"
)

PAGE = resource.getpagesize()
SIDE = 96 << 20  # more than glibc ever keeps of its own accord


def pages_of_a_step() -> int:
    """How many pages the system had to hand out for a tensor that is made and let go of."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(SIDE // 4)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * PAGE


def test_memory_is_kept_inside_and_given_back_afterwards() -> None:
    with kept_memory(torch.device("cpu")):
        pass  # whatever lies free from before goes back
    untouched = resident()
    with kept_memory(torch.device("cpu")):
        # Not at once: a block that was freed may be too small by a few bytes, until two of them meet.
        assert min(pages_of_a_step() for _ in range(20)) < 10
        assert resident() > untouched + SIDE // 2
    assert resident() < untouched + SIDE // 2
    assert pages_of_a_step() > SIDE // PAGE // 600  # pages of 2 MiB at most


def test_a_device_of_its_own_keeps_its_own_memory() -> None:
    with kept_memory(torch.device("meta")):
        pages_of_a_step()
        assert pages_of_a_step() > SIDE // PAGE // 600
