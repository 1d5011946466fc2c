"""What a result was made with: versions, plugins, device, and the commit of the source."""

from __future__ import annotations

import os
import platform
import reprlib
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import SpecError
from ..installed import versions_of
from ..limits import MEMORY_SHARE, memory_for_images
from ..plugins import Kind, current

_PACKAGES = tuple(
    "hagan-bench torch torchvision numpy scipy pillow clean-fid torch-fidelity diffusers".split()
)


def pick_device(name: str) -> torch.device:
    """The device called ``name``; ``auto`` is CUDA where there is one, else the CPU.

    Raises:
        SpecError: There is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).tolist()  # there are devices without values: meta
    except Exception as error:  # each kind of device refuses in its own way
        raise SpecError(
            f"device {reprlib.repr(name)} can't be used: {next(iter(str(error).splitlines()), error)}",
            needed="auto, cpu, cuda or cuda:N",
            hint="bench doctor shows the devices",
        ) from error
    return device


def memory_for_training(device: torch.device) -> int:
    """Bytes that the images of a training may take on a device: half of what is free there, or of all RAM."""
    if device.type != "cuda":
        return memory_for_images()
    free, _ = torch.cuda.mem_get_info(device)
    return int(MEMORY_SHARE * free)


def versions() -> dict[str, str]:
    """Python and every installed package that a number may depend on."""
    # Unlike the distribution's, torch's own version tells which CUDA it was built for.
    return {"python": platform.python_version(), **versions_of(_PACKAGES), "torch": torch.__version__}


def brought_by(names: Mapping[Kind, Iterable[str]]) -> dict[str, dict[str, str]]:
    """By kind and name, the distribution with its version that brought each of these plugins."""
    return {
        kind: {name: current().entry(kind, name).distribution for name in sorted(chosen)}
        for kind, chosen in names.items()
    }


def describe(device: torch.device) -> dict[str, Any]:
    """A device in words, with the processor that fed it."""
    facts: dict[str, Any] = {"kind": device.type, "cpu": _processor(), "threads": torch.get_num_threads()}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts |= {"gpu": properties.name, "gpu_memory_gib": round(properties.total_memory / 2**30, 1)}
    return facts


def source_commit() -> str | None:
    """Commit of the checkout that this package runs from (``+`` where it has changes); None elsewhere."""
    here = Path(__file__)

    def git(*arguments: str) -> str | None:
        command = ["git", "-C", str(here.parent), *arguments]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        return answer.stdout.strip()

    # A package installed into an environment inside somebody's repository is not part of that repository.
    if git("ls-files", "--error-unmatch", here.name) is None or (commit := git("rev-parse", "HEAD")) is None:
        return None
    return f"{commit}+" if git("status", "--porcelain", "--untracked-files=no", ".") else commit


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return f"{line.split(':', 1)[1].strip()}, {os.cpu_count()} cores"
    except OSError:
        pass
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
