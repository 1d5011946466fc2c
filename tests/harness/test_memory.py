"""Memory that a step lets go of is there for the next one, and afterwards goes back to the system."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="only glibc is told what to keep"
)

PAGE = resource.getpagesize()
SIDE = 96 << 20  # more than glibc ever keeps of its own accord

# In a process of its own: what other tests left free between two blocks in use would serve a step as well.
MEASURED = f"""
import resource, torch
from harness.training.memory import kept_memory

def pages_of_a_step():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones({SIDE // 4})
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * {PAGE}
"""
ON_THE_PROCESSOR = """
untouched = resident()
with kept_memory(torch.device("cpu")):
    # Not at once: a block that was freed may be too small by a few bytes, until two of them meet.
    fewest = min(pages_of_a_step() for _ in range(20))
    kept = resident()
print(fewest, kept - untouched, resident() - untouched, pages_of_a_step())
"""
ELSEWHERE = """
with kept_memory(torch.device("meta")):
    print(min(pages_of_a_step() for _ in range(20)))
"""


def measured(script: str) -> list[int]:
    """The numbers that a script prints about its process: pages handed out, bytes of memory."""
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED + script], check=True, capture_output=True, text=True, timeout=120
    )
    return [int(number) for number in ran.stdout.split()]


def test_memory_is_kept_inside_and_given_back_afterwards() -> None:
    inside, kept, left, outside = measured(ON_THE_PROCESSOR)
    assert inside < 10
    assert kept > SIDE // 2
    assert left < SIDE // 2
    assert outside > SIDE // PAGE // 600  # pages of 2 MiB at most


def test_a_device_of_its_own_keeps_its_own_memory() -> None:
    [inside] = measured(ELSEWHERE)
    assert inside > SIDE // PAGE // 600
