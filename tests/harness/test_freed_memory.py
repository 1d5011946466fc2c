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
STEPS = f"""
import resource, torch
from harness.freed_memory import kept_memory

def pages_of_a_step():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones({SIDE // 4})
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * {PAGE}

untouched = resident()
with kept_memory():
    # Not at once: a block that was freed may be too small by a few bytes, until two of them meet.
    fewest = min(pages_of_a_step() for _ in range(20))
    kept = resident()
print(fewest, kept - untouched, resident() - untouched, pages_of_a_step())
"""


def test_memory_is_kept_inside_and_given_back_afterwards() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", STEPS], check=True, capture_output=True, text=True, timeout=120
    )
    pages_inside, kept, left, pages_outside = map(int, ran.stdout.split())
    assert pages_inside < 10
    assert kept > SIDE // 2
    assert left < SIDE // 2
    assert pages_outside > SIDE // PAGE // 600  # pages of 2 MiB at most
