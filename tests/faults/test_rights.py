"""What may not be read or written is an error that names it. As root, nothing is forbidden: a child gives that up."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness import plugins
from harness.api import WeightsFile
from harness.cell.records import Store
from harness.data.image_set import META
from harness.data.prepare import prepare
from harness.errors import BenchError, ScoreError, StorageError, WeightsError
from harness.running.cell import Outcome
from harness.scoring.cache import FeatureCache
from harness.scoring.generated import load_images
from harness.scoring.weights import Weights
from harness.training.loop import Interrupted

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights of POSIX")
NOBODY = 65534
Run = Callable[..., Outcome]


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that other users can look into, which those of pytest are not."""
    folder = Path(tempfile.mkdtemp(prefix="rights-"))
    folder.chmod(0o755)
    yield folder
    for path in folder.rglob("*"):
        path.chmod(0o755)
    shutil.rmtree(folder)


def as_nobody(work: Callable[[], object]) -> Any:
    """What a call returns, or the error that it raises, for a user without rights."""
    if os.geteuid() != 0:
        try:
            return work()
        except BenchError as error:
            return error
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        answer: object = None
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            answer = work()
        except BaseException as error:
            answer = error
        finally:
            os.write(writing, pickle.dumps(answer))
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        answer = pickle.load(file)
    os.waitpid(child, 0)
    return answer


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_images_that_may_not_be_read_are_named(shared: Path, kind: str) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(shared / "0.png")
    load_images(shared)  # whatever is imported for it is there now
    hidden = shared / ("1.png" if kind == "file" else "more")
    hidden.mkdir() if kind == "folder" else hidden.touch()
    hidden.chmod(0)
    error = as_nobody(lambda: load_images(shared))
    assert isinstance(error, ScoreError)
    assert f"{hidden.name} can't be read" in str(error)


def discs(cache: Path) -> Path:
    kind = plugins.current().load("datasets", "discs")
    home = prepare(kind(None, kind.Config()), "discs", [16], cache, workers=1, tell=lambda _: None)[16].home
    assert home is not None
    return home


def test_a_cache_that_may_only_be_read_serves_what_it_holds(shared: Path) -> None:
    home = discs(shared)
    assert as_nobody(lambda: discs(shared)) == home
    with (home / META).open("ab") as file:
        file.write(b"damage")
    shared.chmod(0o555)
    error = as_nobody(lambda: discs(shared))
    assert isinstance(error, StorageError)
    assert str(shared) in error.found
    assert os.listdir(shared).count(home.name) == 1, "nothing is left aside where nothing can be made again"


@pytest.mark.parametrize("place", ["given", "cached", "nowhere"])
def test_weights_that_can_not_be_had_are_named(shared: Path, place: str) -> None:
    file = WeightsFile("net.pt", "00", "https://localhost:1/net.pt" if place == "nowhere" else "")
    shared.chmod(0o555)
    if place != "nowhere":
        (shared / "net.pt").touch()
        (shared / "net.pt").chmod(0)
    given = (shared / "net.pt",) if place == "given" else ()
    error = as_nobody(lambda: Weights(shared if place != "given" else shared / "no", given).find(file))
    assert isinstance(error, WeightsError)
    assert "net.pt" in error.found


def test_features_that_can_not_be_kept_are_an_error_and_no_crash(shared: Path) -> None:
    shared.chmod(0o555)
    features = np.zeros((2, 3))
    error = as_nobody(lambda: FeatureCache(shared).put({"a": 1}, features))
    assert isinstance(error, StorageError)
    assert as_nobody(lambda: FeatureCache(shared).get({"a": 1})) is None


@pytest.mark.parametrize("kind", ["another user's lock", "read-only results"])
def test_a_cell_that_may_not_be_worked_on_is_named(run_tiny: Run, shared: Path, kind: str) -> None:
    with pytest.raises(Interrupted):
        run_tiny(results=shared, stop=lambda: bool(list(Store(shared).folders())))
    (folder,) = Store(shared).folders()
    folder.lock.touch()
    folder.lock.chmod(0o600 if kind == "another user's lock" else 0o644)
    folder.path.chmod(0o755)
    error = as_nobody(lambda: run_tiny(results=shared))
    assert isinstance(error, StorageError)
    assert folder.path.name in error.found
    assert run_tiny(results=shared).record.status == "complete"
