"""Raw files become prepared image sets: once, in parallel, all resolutions from one reading."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd

from ..api import ChoiceError, DataError, Dataset
from ..claims import Claim
from ..errors import Interrupted
from ..files import (
    atomic_write,
    leave_aside,
    sealed,
    sha256_of_file,
    sha256_of_json,
    storage_error,
    sync_folder,
    write_json,
)
from ..installed import versions_of
from ..interrupting import look
from ..processes import usable_cores
from ..spreading import expect, spread, spread_over
from . import resize
from .image_set import COLUMNS, FORMAT, META, TABLE, ImageSet
from .journal import NAME as JOURNAL
from .journal import Journal, recovered
from .layer_file import LayerFile
from .layers import layers_of
from .reading import Item, load

ReadingProgress = Callable[[int, int], None]


def prepare(
    dataset: Dataset,
    name: str,
    resolutions: Sequence[int],
    cache: Path,
    *,
    raw: str | None = None,
    workers: int | None = None,
    skip_bad: bool = False,
    progress: ReadingProgress | None = None,
    tell: Callable[[str], None] = warnings.warn,
) -> dict[int, ImageSet]:
    """Open the data set at each resolution, building what the cache does not hold yet.

    Two processes that want the same set build it once: the second waits. A build that was interrupted
    leaves nothing that would be opened later, and the next one goes on where it was; a set that changed
    since is left aside and built again. Where somebody asks to stop, it ends between two items
    (``harness.interrupting``).

    Args:
        dataset: Where the slices come from.
        name: Its registered name.
        resolutions: Sides of the square images, in pixels.
        cache: Folder of all prepared sets.
        raw: The data set's fingerprint, if it is known already: raw files may be many gigabytes.
        workers: Processes that read; None for one per usable core.
        skip_bad: Leave out damaged items and record them, instead of stopping at the first.
        progress: Called with (items done, items in all): once for all that an earlier build did.
        tell: Told what was left aside.

    Raises:
        DataError: The raw files are missing, damaged or of another data set, or leave no slice.
        StorageError: The cache can't be written.
    """
    workers = workers or usable_cores()
    with spread_over(workers, (load.__module__, type(dataset).__module__, *dataset.libraries)):
        if raw is None:
            if not all(any(cache.glob(f"{name}-{side}-*")) for side in resolutions):
                expect()
            raw = dataset.fingerprint()
        keys = {side: _key(dataset, name, raw, side) for side in resolutions}
        homes = {side: cache / f"{name}-{side}-{key[:16]}" for side, key in keys.items()}
        sets, _ = _opened(homes, keys)
        if len(sets) < len(homes):
            # One lock for all resolutions: whoever waits for 64 finds it when a build of 64 and 256 is done.
            claim = Claim(cache, f".{name}-{_key(dataset, name, raw, None)[:16]}")
            try:
                cache.mkdir(parents=True, exist_ok=True)
                claim.wait(look)
                try:
                    sets, problems = _opened(homes, keys)
                    missing = {side: home for side, home in homes.items() if side not in sets}
                    for side, problem in problems.items():
                        aside = leave_aside(homes[side])
                        tell(f"{problem}; it is left aside as {aside.name}, and made again")
                    if missing:
                        build = _Build(name, dataset, raw, keys, missing)
                        build.run(skip_bad, progress)
                        sets |= {side: ImageSet.open(home) for side, home in missing.items()}
                finally:
                    claim.release()
            except OSError as error:
                raise storage_error(cache, error) from error
    for prepared in sets.values():
        if prepared.skipped and not skip_bad:
            raise _fatal(DataError(prepared.skipped[0]["reason"]))
    return {side: sets[side] for side in resolutions}


def _key(dataset: Dataset, name: str, raw: str, side: int | None) -> str:
    """Identity of a prepared set: whatever changes its pixels or rows is in here, and nothing else."""
    return sha256_of_json(
        {
            "pair": dataset.pair,
            "labels": dataset.label_names,
            "regions": dataset.regions,
            "colour": dataset.colour,
            "format": FORMAT,
            "resize": resize.VERSION,
            "dataset": name,
            "version": dataset.version,
            "config": dataset.config.model_dump(mode="json"),
            "square": dataset.square,
            "raw": raw,
            "resolution": side,
        }
    )


def _opened(homes: dict[int, Path], keys: dict[int, str]) -> tuple[dict[int, ImageSet], dict[int, str]]:
    """Those sets that are as they were written, and what is wrong with others that are there."""
    sets, problems = {}, {}
    for side, home in homes.items():
        if not os.path.lexists(home):
            continue
        try:
            opened = ImageSet.open(home)
        except DataError as error:
            problems[side] = error.found
            continue
        if opened.fingerprint == keys[side]:
            sets[side] = opened
        else:
            problems[side] = f"{home} holds another prepared set"
    return sets, problems


class _Build:
    """One reading of the raw files into hidden folders that get their names when they are complete."""

    def __init__(
        self, name: str, dataset: Dataset, raw: str, keys: dict[int, str], homes: dict[int, Path]
    ) -> None:
        self.name, self.dataset, self.raw, self.keys, self.homes = name, dataset, raw, keys, homes
        self.layers = layers_of(dataset)
        # Names of this process alone: one that lost its claim while it was frozen finds its folders gone.
        own = uuid4().hex
        self.parts = {side: home.with_name(f".{home.name}.{own}.part") for side, home in homes.items()}

    def run(self, skip_bad: bool, progress: ReadingProgress | None) -> None:
        items = self.dataset.items()
        if not items:
            raise DataError(f"{self.name} has no items in {self.dataset.root}", hint=self.dataset.obtain)
        # The claim is held, so whatever lies there was left by a build that was cut.
        self.left = {side: list(home.parent.glob(f".{home.name}.*part")) for side, home in self.homes.items()}
        for part in self.parts.values():
            part.mkdir(parents=True)
        try:
            rows, skipped = self._write_layers(items, skip_bad, progress)
            self._check(rows, skipped)
            for side in self.homes:
                self._finish(side, rows, skipped)
        except (Interrupted, KeyboardInterrupt):
            raise  # and leave what is done to whoever goes on
        except BaseException:
            for part in self.parts.values():
                shutil.rmtree(part, ignore_errors=True)
            raise

    def _write_layers(
        self, items: Sequence[str], skip_bad: bool, progress: ReadingProgress | None
    ) -> tuple[list[tuple[Any, ...]], list[dict[str, str]]]:
        rows: list[tuple[Any, ...]] = []
        skipped: list[dict[str, str]] = []
        with ExitStack() as files:
            layers = {
                (side, name): files.enter_context(closing(LayerFile(part / name, channels, side)))
                for side, part in self.parts.items()
                for name, channels in self.layers.items()
            }
            journals = {
                side: files.enter_context(closing(Journal(part, self._about(side))))
                for side, part in self.parts.items()
            }

            def write(result: Item) -> None:
                look()
                if result.fault is not None:
                    skipped.append({"item": result.name, "reason": result.fault.found})
                for side, stacks in result.layers.items():
                    for name, stack in stacks.items():
                        layers[side, name].append(stack)
                        layers[side, name].flush()
                for side, journal in journals.items():
                    journal.append(result, side)
                rows.extend(result.rows)

            done = 0
            for result in recovered(self.left, self._about, items):
                if result.fault is not None and not skip_bad:
                    break  # it is read once more, and may be whole by now
                write(result)
                done += 1
            self._remove_left()
            if done and progress is not None:
                progress(done, len(items))
            read = partial(load, self.dataset, tuple(self.homes))
            results = files.enter_context(closing(spread(read, items[done:])))
            for result in results:
                if result.fault is not None and (not skip_bad or isinstance(result.fault, ChoiceError)):
                    raise _fatal(result.fault)
                write(result)
                done += 1
                if progress is not None:
                    progress(done, len(items))
            for (_, name), layer in layers.items():
                layer.finish()
                self.layers[name] = layer.channels
        return rows, skipped

    def _about(self, side: int) -> dict[str, Any]:
        """What must be the same for a build that goes on where another was cut."""
        return {"fingerprint": self.keys[side], "libraries": self._libraries()}

    def _libraries(self) -> dict[str, str]:
        return versions_of(("numpy", "pillow", *self.dataset.libraries))

    def _remove_left(self) -> None:
        for folders in self.left.values():
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)

    def _check(self, rows: list[tuple[Any, ...]], skipped: list[dict[str, str]]) -> None:
        if not rows:
            reason = f"; the first reason: {skipped[0]['reason']}" if skipped else ""
            raise DataError(
                f"{self.name} in {self.dataset.root} leaves no slice ({len(skipped)} items skipped{reason})",
                needed="at least one slice",
                hint=f"other options of the data set: bench show dataset {self.name}",
            )
        splits: dict[str, str] = {}
        for patient, source, _, split, *_ in rows:
            if splits.setdefault(patient, split) != split:
                raise DataError(
                    f"patient {patient} is in two splits, {splits[patient]} and {split} ({source})",
                    needed="every patient in one split",
                )

    def _finish(self, side: int, rows: list[tuple[Any, ...]], skipped: list[dict[str, str]]) -> None:
        part, home = self.parts[side], self.homes[side]
        with atomic_write(part / TABLE) as file:
            pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(file, index=False)
        meta = {
            "format": FORMAT,
            "name": self.name,
            "resolution": side,
            "fingerprint": self.keys[side],
            "raw": self.raw,
            "version": self.dataset.version,
            "config": self.dataset.config.model_dump(mode="json"),
            "square": self.dataset.square,
            "pair": self.dataset.pair,
            "channels": self.layers,
            "labels": self.dataset.label_names,
            "regions": self.dataset.regions,
            "skipped": skipped,
            # No part of the fingerprint: an upgrade of Pillow should not read all raw files again.
            "libraries": self._libraries(),
            "digests": {file: sha256_of_file(part / file) for file in (*self.layers, TABLE)},
        }
        write_json(part / META, sealed(meta))
        part.rename(home)
        sync_folder(home.parent)
        (home / JOURNAL).unlink(missing_ok=True)


def _fatal(fault: DataError) -> DataError:
    """The same error; of an item that may be left out, it says how."""
    if isinstance(fault, ChoiceError):
        return fault
    remedy = "leave it out with --skip-bad"
    return DataError(
        fault.found, needed=fault.needed, hint=f"{fault.hint}; or {remedy}" if fault.hint else remedy
    )
