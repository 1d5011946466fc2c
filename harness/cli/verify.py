"""``bench verify``: whether a record holds."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import SpecError
from .catalogue import print_columns
from .options import (
    RESULTS,
    AsJson,
    CacheOption,
    Device,
    Offline,
    Results,
    Roots,
    WeightsOption,
    cache_folder,
    registry,
    roots_of,
    tell,
    weights_of,
)

if TYPE_CHECKING:
    from ..sharing.findings import Finding, Verified
    from ..sharing.verify import Place

VERDICTS = {"equal": "equal", "rounding": "rounding", "differs": "DIFFERS", "unchecked": "not checked"}


def verify(
    record: Annotated[
        str,
        typer.Argument(
            metavar="RECORD",
            help="A run (its folder, or the start of its name), a record.json, or an archive (bench export).",
        ),
    ],
    samples: Annotated[
        Path | None,
        typer.Option(
            help="Samples that were scored and kept, in a form that bench score reads, instead of networks."
        ),
    ] = None,
    data_root: Roots = None,
    results: Results = RESULTS,
    cache: CacheOption = None,
    weights: WeightsOption = None,
    offline: Offline = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Compute a record's scores anew from what was kept, and say whether it holds; exit code 1 if not.

    Its own digest, its cell's identity, the log and the fingerprint of the images are checked too. What can't
    be checked here is named; where nothing was kept, nobody is told that it holds.
    """
    from ..cell.records import Store
    from ..running.place import Settings
    from ..sharing.verify import Place

    registry()
    folder = cache_folder(cache)
    settings = Settings(
        Store(results), folder, device, skip_bad=True, weights=weights_of(weights, folder, offline), tell=tell
    )
    told = list(_verified(record, samples, Place(settings, roots_of(data_root)), results))
    if as_json:
        _emit(told)
    else:
        for one in told:
            _show(one)
    if not all(one.holds for one in told):
        from .exits import UNFINISHED

        sys.exit(UNFINISHED)


def _verified(record: str, samples: Path | None, place: Place, results: Path) -> Iterator[Verified]:
    """What came of each record that is meant."""
    from ..cell.records import RunFolder, Store
    from ..scoring.generated import load_images
    from ..sharing.archive import read_archive
    from ..sharing.verify import verify_folder, verify_shared

    path = Path(record)
    if path.suffix == ".zip":
        if samples is not None:
            raise SpecError(
                "--samples with an archive", needed="one run", hint="bench import, and verify the run"
            )
        yield from (verify_shared(cell, place) for cell in read_archive(path))
        return
    folder = RunFolder(path.parent if path.name == "record.json" else path)
    if not folder.record.exists():
        folder = Store(results).find(record)
    yield verify_folder(folder, place, None if samples is None else load_images(samples))


def _show(verified: Verified) -> None:
    print(verified.name)
    print_columns([(f"  {VERDICTS[one.verdict]}", one.what, _words(one)) for one in verified.findings])
    kinds = {one.verdict for one in verified.findings}
    left = ", ".join(one.what for one in verified.findings if one.verdict == "unchecked")
    if verified.holds is None:
        print(f"it can't be told here whether it holds: not checked are {left}")
    elif not verified.holds:
        print(
            "it does not hold: "
            + ", ".join(one.what for one in verified.findings if one.verdict == "differs")
        )
    else:
        print(
            "it holds"
            + (", within rounding" if "rounding" in kinds else "")
            + (f"; not checked: {left}" if left else "")
        )


def _words(finding: Finding) -> str:
    numbers = [("recorded", finding.recorded), ("here", finding.recomputed), ("rounding", finding.tolerance)]
    if finding.verdict == "equal":
        numbers = [("", finding.recorded)]
    words = [f"{name} {value:.6g}".strip() for name, value in numbers if value is not None]
    return ", ".join([*words, *filter(None, [finding.words])])


def _emit(told: Iterable[Verified]) -> None:
    from .answers import Finding, VerifiedRecord, VerifiedRecords, emit

    emit(
        VerifiedRecords(
            records=[
                VerifiedRecord(
                    name=one.name,
                    holds=one.holds,
                    findings=[Finding(**vars(finding)) for finding in one.findings],
                )
                for one in told
            ]
        )
    )
