"""A real SLURM for the tests that want one, and a command line that submits to it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import slurm_here
import toy_plugin
from slurm_here import Bench, Slurm


@pytest.fixture(scope="session")
def common() -> Iterator[Path]:
    """A folder that everybody may read: root's temporary folders are root's alone."""
    folder = Path(tempfile.mkdtemp(prefix="bench-slurm-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(common: Path) -> Iterator[Slurm]:
    """Two nodes with two processors and two (pretended) GPUs each."""
    if why := slurm_here.missing():
        pytest.skip(why)
    slurm = Slurm(common / "slurm")
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


@pytest.fixture(scope="session")
def installed(common: Path) -> str:
    """A path on which child processes find the plugins of the tests."""
    (common / "installed").mkdir()
    return toy_plugin.install(common / "installed")


@pytest.fixture
def bench(cluster: Slurm, common: Path, installed: str) -> Iterator[Callable[..., Bench]]:
    """Makes a command line; ``user`` is who types it."""
    made: list[Bench] = []

    def make(user: str | None = None) -> Bench:
        folder = Path(tempfile.mkdtemp(dir=common))
        if user is not None:
            shutil.chown(folder, user)
        folder.chmod(0o755)
        made.append(Bench(folder, cluster, installed, user))
        return made[-1]

    yield make
    for one in made:
        one.end()
