"""The Python API for scripts and notebooks: ``bench run``, ``bench score``, and records as a table.

``import harness`` makes these available as ``harness.run``, ``harness.score`` and ``harness.open_results``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .cell.records import Record, Store
from .cell.spec import RunRequest
from .data.roots import default_cache
from .errors import SpecError
from .running.cell import run_cell
from .running.environment import pick_device
from .running.foreign import score_foreign
from .running.foreign_request import DEFAULT_METRICS, ForeignRequest
from .running.place import Settings
from .running.scorers import ScoringPlace
from .scoring.weights import Weights
from .tables.survey import Survey, matching, survey

if TYPE_CHECKING:
    import pandas

PathLike = str | Path


def run(
    model: str,
    dataset: str,
    resolution: int = 64,
    *,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    presets: Sequence[str] = (),
    source: str | None = None,
    target: str | None = None,
    data_root: PathLike | None = None,
    results: PathLike = "results",
    cache: PathLike | None = None,
    weights: Sequence[PathLike] = (),
    offline: bool = False,
    device: str = "auto",
    device_memory: int | None = None,
    skip_bad: bool = False,
) -> Record:
    """Train a model on a data set, score what it makes, and return its record, which is kept.

    A finished cell is not computed again: its record is read. One that was interrupted goes on from its
    checkpoint.

    Args:
        model: Name of a registered model.
        dataset: Name of a registered data set.
        resolution: Side of the square images, in pixels.
        seed: Random seed for weights, batch order and augmentation.
        settings: Overrides by name, as with ``bench run --set``: ``{"epochs": 30, "metrics": ("swd",)}``.
        presets: Names of presets, applied in order before ``settings``.
        source: Modality to translate from, for a translator.
        target: Modality to translate into.
        data_root: Folder of raw files, for data sets that need one.
        results: Folder of run folders.
        cache: Folder of prepared images and features; None for this user's.
        weights: Files or folders of weights of feature networks.
        offline: Never download weights.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        device_memory: Bytes that images may take on the device; more stream from the disk. None for half of
            what is free; on a CPU, half of RAM.
        skip_bad: Leave damaged raw files out, and record them.

    Raises:
        BenchError: Anything that the caller can put right; the message says how.
    """
    request = RunRequest(
        model=model,
        dataset=dataset,
        resolution=resolution,
        seed=seed,
        settings=dict(settings or {}),
        presets=tuple(presets),
        data_root=None if data_root is None else Path(data_root),
        source=source,
        target=target,
    )
    folder = _cache(cache)
    place = Settings(
        Store(Path(results)),
        folder,
        device=device,
        device_memory=device_memory,
        skip_bad=skip_bad,
        weights=_weights(weights, folder, offline),
    )
    return run_cell(request, place).record


def score(
    generated: NDArray[np.uint8] | PathLike,
    real: NDArray[np.uint8] | PathLike | None = None,
    *,
    dataset: str | None = None,
    data_root: PathLike | None = None,
    settings: Mapping[str, Any] | None = None,
    metrics: Sequence[str] = DEFAULT_METRICS,
    held_out: bool = False,
    cache: PathLike | None = None,
    weights: Sequence[PathLike] = (),
    offline: bool = False,
    device: str = "auto",
    skip_bad: bool = False,
) -> dict[str, Any]:
    """Score images that were made by anything, by the protocol of a cell.

    Args:
        generated: uint8 (N, C, H, W), or a folder, zip or array file of such images.
        real: Real images in the same forms; or leave it out and name a ``dataset``.
        dataset: Name of a registered data set, at the resolution of the generated images.
        data_root: Folder of its raw files.
        settings: Its options by name.
        metrics: Scores by name; those of Inception features need its weights.
        held_out: Keep the data set's test patients apart, and score against them too.
        cache: Folder of prepared images and features; None for this user's.
        weights: Files or folders of weights of feature networks.
        offline: Never download weights.
        device: Where feature networks run.
        skip_bad: Leave damaged raw files out, and say so.

    Returns:
        ``scores``, ``context``, ``notes``, and what answers for them: numbers of images, versions, device.

    Raises:
        BenchError: Anything that the caller can put right; the message says how.
    """
    request = ForeignRequest(
        generated=_images(generated),
        reference=None if real is None else _images(real),
        dataset=dataset,
        data_root=None if data_root is None else Path(data_root),
        settings=dict(settings or {}),
        metrics=tuple(metrics),
        held_out=held_out,
        skip_bad=skip_bad,
    )
    return score_foreign(request, scoring_place(device, cache, weights, offline)).as_dict()


def open_results(path: PathLike = "results") -> Results:
    """The records of a results folder.

    Raises:
        SpecError: There is no such folder.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise SpecError(f"there is no folder {folder}", needed="the results of bench run or bench grid")
    return Results(survey(Store(folder)))


class Results:
    """Records, each cell once; those that can't be read are passed over with a warning.

    Attributes:
        problems: What was passed over, one sentence each.
    """

    def __init__(self, found: Survey) -> None:
        self._results = found.results
        self.problems = list(found.problems)
        for problem in self.problems:
            warnings.warn(problem, stacklevel=3)

    def __len__(self) -> int:
        return len(self._results)

    def __iter__(self) -> Iterator[Record]:
        return (result.record for result in self._results)

    def where(self, **settings: Any) -> Results:
        """Those with these settings, by the names of ``--set``.

        Raises:
            SpecError: No record has a setting of that name.
        """
        return Results(Survey(list(matching(self._results, settings))))

    def frame(self) -> pandas.DataFrame:
        """One row for each record: the columns of ``harness.tables.frame.frame_of``."""
        from .tables.frame import frame_of

        return frame_of(self._results)


def scoring_place(
    device: str, cache: PathLike | None, weights: Sequence[PathLike], offline: bool
) -> ScoringPlace:
    """Where scores are computed, from what a caller of ``score`` says."""
    folder = _cache(cache)
    return ScoringPlace(pick_device(device), folder, _weights(weights, folder, offline))


def _cache(given: PathLike | None) -> Path:
    return default_cache() if given is None else Path(given)


def _weights(given: Sequence[PathLike], cache: Path, offline: bool) -> Weights:
    return Weights(cache / "weights", given=tuple(Path(path) for path in given), online=not offline)


def _images(given: NDArray[np.uint8] | PathLike) -> NDArray[np.uint8] | Path:
    return Path(given) if isinstance(given, str) else given
