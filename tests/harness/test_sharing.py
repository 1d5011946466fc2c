"""Archives of records: there and back, hostile ones, and the board made of them."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from handmade import Records
from PIL import Image
from typer.testing import CliRunner

from harness.cell.records import Store
from harness.cli import app
from harness.errors import BenchError, DataError, SpecError
from harness.files import sealed
from harness.plugins import Registry
from harness.sharing.archive import SharedCell, read_archive, write_archive
from harness.sharing.board import board, protocol_of, tables_of

RunTiny = Callable[..., Any]


def bench(*words: object) -> str:
    answer = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer.output


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_run_travels_with_its_log_and_card_and_without_pixels(run_tiny: RunTiny) -> None:
    outcome = run_tiny()
    name = outcome.folder.path.name
    bench("export", name, "--out", "one.zip")
    with zipfile.ZipFile("one.zip") as archive:
        assert sorted(archive.namelist()) == [
            "README.md",
            "manifest.json",
            f"runs/{name}/log.jsonl",
            f"runs/{name}/record.json",
        ]
        card = archive.read("README.md").decode()
    assert "no basis for a diagnosis" in card
    assert "Memorisation: not looked for" in card
    assert "brightness" in card
    told = bench("import", "one.zip", "--results", "other")
    assert "new in other: 1 cell\n" in told
    (record,) = [record for _, record in Store(Path("other")).records()]
    assert record == outcome.record
    assert Path("other/runs", name, "log.jsonl").read_bytes() == outcome.folder.log.read_bytes()
    assert "here already" in bench("import", "one.zip", "--results", "other")
    before = Path("one.zip").read_bytes()
    bench("export", name, "--out", "one.zip")
    assert Path("one.zip").read_bytes() == before


def test_a_grid_travels_with_its_tables(run_tiny: RunTiny) -> None:
    run_tiny()
    run_tiny(seed=1)
    run_tiny(seed=7)
    Path("mine.toml").write_text(
        'models = ["linear-gan"]\ndatasets = "discs"\nresolutions = [16]\nseeds = [0, 1]\n'
        '[table]\nscores = ["brightness"]\n'
    )
    assert "2 cells" in bench("export", "mine.toml", "--out", "grid.zip")
    with zipfile.ZipFile("grid.zip") as archive:
        assert "linear-gan" in archive.read("tables/mine.md").decode()


def test_samples_travel_only_if_somebody_answers_for_them(
    run_tiny: RunTiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = run_tiny().folder.path.name
    monkeypatch.setattr("bench_example.dataset.Discs.needs_root", True)
    with pytest.raises(SpecError, match="may show its patients"):
        bench("export", name, "--out", "one.zip", "--with-samples")
    assert not Path("one.zip").exists()
    bench("export", name, "--out", "one.zip", "--with-samples", "--cleared", "me, today: discs")
    (cell,) = read_archive(Path("one.zip"))
    assert cell.samples is not None
    # 6 x 6 samples of 16 px with gaps of 2, and no real images beside them.
    assert Image.open(io.BytesIO(cell.samples)).size == (106, 106)
    with zipfile.ZipFile("one.zip") as archive:
        assert json.loads(archive.read("manifest.json"))["cleared"] == "me, today: discs"


def archive_of(records: Records, path: Path = Path("made.zip")) -> tuple[Path, str]:
    records.add(1.0)
    ((folder, record),) = Store(records.store.root).records()
    write_archive(path, [SharedCell(folder.path.name, record)], {}, {})
    return path, folder.path.name


def changed(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The archive with other files in it."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name", ["../outside.json", "/etc/outside", "runs/../../x/record.json", "runs/.hidden/record.json",
             "runs/a/b/record.json", "runs\\a\\record.json", "runs/a/best.safetensors", "runs/a/checkpoint.pt"]
)  # fmt: skip
def test_names_that_no_archive_has_are_refused(records: Records, name: str) -> None:
    path, _ = archive_of(records)
    with pytest.raises(DataError, match="which no archive has"):
        read_archive(changed(path, lambda files: files.update({name: b"x"})))


def test_damaged_edited_and_missing_records_are_refused(records: Records) -> None:
    path, name = archive_of(records)
    whole = path.read_bytes()
    record = f"runs/{name}/record.json"

    def better(files: dict[str, bytes]) -> None:
        files[record] = files[record].replace(b'"brightness": 1.0', b'"brightness": 0.5')

    def stranger(files: dict[str, bytes]) -> None:
        content = json.loads(files[record])
        content.pop("sha256")
        files[record] = json.dumps(sealed({**content, "spec": {}})).encode()

    for change, words in (
        (better, "not what was written"),
        (stranger, "can't be believed"),
        (lambda files: files.pop(record), "not those of its manifest"),
        (lambda files: files.pop("manifest.json"), "has no manifest"),
        (lambda files: files.update({"manifest.json": b"[" * 100_000}), "manifest can't be believed"),
    ):
        path.write_bytes(whole)
        with pytest.raises(DataError, match=words):
            read_archive(changed(path, change))
    for at in range(0, len(whole), 41):
        path.write_bytes(whole[:at])
        with pytest.raises(BenchError):
            read_archive(path)
        # One byte turned over: refused, or none of those that matter.
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            (cell,) = read_archive(path)
        except BenchError:
            continue
        assert cell.record == next(iter(Store(records.store.root).records()))[1]


def test_bombs_links_and_doubles_are_refused(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    path, name = archive_of(records)
    whole = path.read_bytes()
    bomb = {f"runs/{name}/log.jsonl": bytes(1 << 20)}
    monkeypatch.setitem(
        __import__("harness.sharing.archive", fromlist=["_PARTS"])._PARTS, "log.jsonl", 1 << 19
    )
    with pytest.raises(DataError, match="holds more than"):
        read_archive(changed(path, lambda files: files.update(bomb)))
    path.write_bytes(whole)
    link = zipfile.ZipInfo(f"runs/{name}/log.jsonl")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="is a link"):
        read_archive(path)
    path.write_bytes(whole)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(f"runs/{name}/record.json", "{}")
    with pytest.raises(DataError, match="two files of one name"):
        read_archive(path)


def test_the_board_never_mixes_what_cannot_be_compared(records: Records) -> None:
    records.add(2.0)
    records.add(4.0, seed=1)
    records.add(1.0, model="faulty")
    records.add(5.0, epochs=8)
    records.add(6.0, dataset="other")
    older = records.template.spec.model_copy(update={"seed": 5})
    records.add(7.0, seed=5, identity=older.identity_under(1))
    records.add(None, seed=9, status="diverged")
    cells = [SharedCell(folder.path.name, record) for folder, record in records.store.records()]
    tables, problems = tables_of(cells)
    shown = {
        (table.place.dataset, table.place.protocol, row.model): [one.mean for one in row.scores.values()]
        for table in tables
        for row in table.rows
        if "8 epochs" not in table.facts
    }
    assert shown == {
        ("discs", 2, "linear-gan"): [3.0],
        ("discs", 2, "faulty"): [1.0],
        ("discs", 1, "linear-gan"): [7.0],
        ("other", 2, "linear-gan"): [6.0],
    }
    assert len(tables) == 4
    assert ["diverged" in problem for problem in problems] == [True]
    strange = cells[0].record.model_copy(update={"identity": "0" * 64})
    assert protocol_of(strange) is None


def test_the_board_is_one_page_and_escapes_what_strangers_wrote(records: Records) -> None:
    records.add(2.0, caveats=["<script>alert(1)</script>"])
    cells = [SharedCell(folder.path.name, record) for folder, record in records.store.records()]
    page = board(cells, title="<b>mine")
    assert "&lt;b&gt;mine" in page
    assert "<script>alert" not in page
    assert "src=" not in page
    assert "href=" not in page
    Path("made.zip").unlink(missing_ok=True)
    write_archive(Path("made.zip"), cells, {}, {})
    assert bench("board", "made.zip", "made.zip", "--out", "site").strip().endswith("index.html")
    assert Path("site/index.html").read_text().count("<tr data-arm") == 1
