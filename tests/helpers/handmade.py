"""Records that no cell computed, and the table of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.cell.protocol import CompleteProtocol
from harness.cell.records import Record, Status, Store
from harness.cell.spec import DatasetPart, Part, RunSpec
from harness.grid.definition import Grid
from harness.tables.scores import score_sheet
from harness.tables.sheets import Sheet
from harness.tables.survey import survey


def plain_record(identity: str, status: Status = "complete", metric: str = "swd") -> Record:
    """The least that a record can be."""
    spec = RunSpec(
        model=Part(name="m", version=1, config={}),
        dataset=DatasetPart(name="d", version=1, config={}, fingerprint="f"),
        resolution=8,
        seed=0,
        protocol=CompleteProtocol(batch_size=1, metrics=(metric,)),
    )
    return Record(
        status=status,
        identity=identity,
        spec=spec,
        scores={"best": {}, "last": {}, "selected": {}},
        best_epoch=None,
        best_networks=None,
        epochs_done=1,
        steps=1,
        score_versions={"metrics": {metric: 1}, "features": {}},
        n_real=1,
        n_generated=1,
        dataset={},
        caveats=[],
        versions={},
        plugins={},
        device={},
        timing={"prepare": 0.0, "train": 0.0, "score": 0.0, "images_per_second": 1.0},
        git=None,
        finished="2026-01-01T00:00:00+00:00",
    )


class Records:
    """Makes records by changing one that a real cell wrote."""

    def __init__(self, template: Record, store: Store) -> None:
        self.template = template
        self.store = store

    def add(
        self,
        score: float | None,
        *,
        model: str = "linear-gan",
        dataset: str = "discs",
        seed: int = 0,
        epochs: int = 4,
        config: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Path:
        spec = self.template.spec
        spec = spec.model_copy(
            update={
                "seed": seed,
                "model": spec.model.model_copy(
                    update={"name": model, "config": {**spec.model.config, **(config or {})}}
                ),
                "dataset": spec.dataset.model_copy(update={"name": dataset}),
                "protocol": spec.protocol.model_copy(update={"epochs": epochs}),
            }
        )
        spec = type(spec).model_validate(spec.model_dump())
        scores = {} if score is None else {"brightness": score}
        record = self.template.model_copy(
            update={
                "spec": spec,
                "identity": spec.identity,
                "scores": {
                    "best": scores,
                    "last": {name: value + 1 for name, value in scores.items()},
                    "selected": {name: value - 1 for name, value in scores.items()},
                },
                "context": {},
                **changes,
            }
        )
        folder = self.store.folder(spec)
        folder.path.mkdir(parents=True)
        folder.write_spec(spec)
        folder.write_record(record)
        return folder.record


GRID = Grid(
    name="mine",
    title="Mine",
    models=("linear-gan", "faulty"),
    datasets=("discs",),
    resolutions=(16,),
    table={"scores": ["brightness"]},
)


def sheet_of(records: Records, grid: Grid = GRID, **options: Any) -> Sheet:
    return score_sheet(grid, survey(records.store), **options)
