"""The report: self-contained, escaped, and without real images unless asked."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from handmade import Records
from PIL import Image

from harness.cell.records import Store
from harness.plugins import Registry
from harness.running.cell import Outcome
from harness.running.images import CellImages
from harness.tables.survey import survey
from harness.views.report import make_report, nearest_pairs
from harness.views.summary import verdicts

RunTiny = Callable[..., Outcome]


@pytest.fixture
def results(run_tiny: RunTiny, tmp_path: Path) -> Path:
    run_tiny()
    run_tiny(seed=1)
    return tmp_path / "results"


def report(results: Path, real: CellImages | None = None) -> str:
    return make_report(survey(Store(results)), results, torch.device("cpu"), real=real)


class Tags(HTMLParser):
    """Collects every address that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


def parsed(text: str) -> Tags:
    tags = Tags()
    tags.feed(text)
    return tags


def test_nothing_is_fetched_from_elsewhere(results: Path, registry: Registry) -> None:
    tags = parsed(report(results))
    inline = ("#", "data:image/png;base64,", "data:image/svg+xml;base64,")
    assert all(address.startswith(inline) for address in tags.addresses)
    assert "link" not in tags.tags
    assert "iframe" not in tags.tags


def test_it_tells_cells_scores_and_versions(results: Path, registry: Registry) -> None:
    text = report(results)
    for result in survey(Store(results)).results:
        assert result.folder.path.name in text
        assert f"{result.record.scores['best']['brightness']:.4g}" in text
        assert result.record.versions["torch"] in text
    assert "bench-example 0.3.0" in text
    assert f"numpy {version('numpy')}, pillow {version('pillow')}" in text
    assert "It holds no real images" in text
    assert 'id="neighbours"' not in text


def test_pictures_are_whole(results: Path, registry: Registry) -> None:
    sizes = [
        Image.open(io.BytesIO(base64.b64decode(found))).size
        for found in re.findall(r"data:image/png;base64,([^\"]+)", report(results))
    ]
    # For each of two cells 6 x 6 samples of 16 px with gaps of 2.
    assert sizes == [(106, 106)] * 2


def test_curves_are_readable_on_light_and_dark_pages(results: Path, registry: Registry) -> None:
    (found,) = re.findall(r"data:image/svg\+xml;base64,([^\"]+)", report(results))
    curves = base64.b64decode(found).decode()
    root = ElementTree.fromstring(curves)  # whole, and no page of its own
    assert root.tag.endswith("svg")
    assert "prefers-color-scheme:dark" in curves
    assert "currentColor" in curves
    assert "#ffffff" not in curves  # nothing is painted white behind them
    assert "#000000" not in curves


def test_real_images_are_shown_on_request_alone(results: Path, registry: Registry, tmp_path: Path) -> None:
    text = report(results, CellImages({}, tmp_path / "cache"))
    assert "it may hold patient data" in text
    assert text.count("Nearest neighbours of") == 2


def test_missing_raw_files_cost_the_neighbours_and_not_the_report(
    results: Path, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench_example.dataset.Discs.fingerprint", lambda self: "f" * 64)
    text = report(results, CellImages({}, tmp_path / "cache"))
    assert "the raw files of discs are not those of" in text
    assert "Nearest neighbours of" not in text


def test_text_of_strangers_is_escaped(results: Path, registry: Registry) -> None:
    (record,) = (next(Store(results).records()),)
    folder, content = record
    folder.write_record(
        content.model_copy(update={"caveats": ["<script>alert(1)</script>"], "git": "<b>x</b>"})
    )
    text = report(results)
    assert "<script>alert" not in text
    assert "<b>x" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_it_begins_with_what_was_compared_and_what_can_be_said(results: Path, registry: Registry) -> None:
    text = report(results)
    assert (
        text.index("Compared: linear-gan (2 seeds)") < text.index('id="samples"') < text.index('id="tables"')
    )
    assert "There is nothing to compare it with." in text


def test_a_best_model_is_named_only_where_chance_is_ruled_out(records: Records, registry: Registry) -> None:
    for seed in range(6):
        records.add(1.0 + 0.01 * seed, seed=seed)
        records.add(2.0 + 0.02 * seed, seed=seed, model="faulty")
    (verdict,) = verdicts(survey(records.store).results)
    assert verdict.is_claimed
    assert verdict.claim.startswith("linear-gan is best")
    assert [name for name, _, _ in verdict.standing] == ["linear-gan", "faulty"]


def test_what_cannot_be_said_is_said_so(records: Records, registry: Registry) -> None:
    for seed in range(6):
        records.add(1.0 + 0.5 * (seed % 2), seed=seed)
        records.add(1.2 + 0.3 * (seed % 3), seed=seed, model="faulty")
    (verdict,) = verdicts(survey(records.store).results)
    assert not verdict.is_claimed
    assert "can't be said: chance" in verdict.claim


def test_few_seeds_are_no_ranking(records: Records, registry: Registry) -> None:
    records.add(1.0)
    records.add(2.0, model="faulty")
    (verdict,) = verdicts(survey(records.store).results)
    assert not verdict.is_claimed
    assert "fewer than 6 seeds" in verdict.claim


def test_missing_networks_are_one_line(results: Path, registry: Registry) -> None:
    for path in results.glob("runs/*/best*"):
        path.unlink()
    text = report(results)
    assert text.count("whose networks are not here") == 1
    assert "samples of 2 cells" in text
    assert "No samples." in text


def test_a_damaged_record_is_named(results: Path, registry: Registry) -> None:
    path = next(results.glob("runs/*/record.json"))
    path.write_bytes(path.read_bytes()[:50])
    text = report(results)
    assert path.name in text
    assert "counts as not done" in text


def test_an_empty_folder_gives_an_empty_report(tmp_path: Path, registry: Registry) -> None:
    assert "0 finished cells" in report(tmp_path / "results")


def test_a_copied_training_image_comes_first() -> None:
    rng = np.random.default_rng(0)
    train = rng.integers(0, 256, (12, 1, 8, 8), dtype=np.uint8)
    samples = np.repeat(rng.integers(0, 256, (20, 1, 8, 8), dtype=np.uint8), 3, axis=1)
    samples[13] = train[7]
    sheet = nearest_pairs(samples, train)
    assert (sheet[0, :8, :8] == train[7, 0]).all()
    assert (sheet[0, 10:18, :8] == train[7, 0]).all()
