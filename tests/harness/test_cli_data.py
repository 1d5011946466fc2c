"""``bench data`` as a user meets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from harness_datasets import folder
from harness_datasets.survey import survey
from PIL import Image
from typer.testing import CliRunner

from harness.cli import app
from harness.cli.progress import Pace
from harness.data.image_set import PIXELS
from harness.errors import BenchError, DataError, SpecError

TINY = [
    "--dataset",
    "phantom",
    "--set",
    "images=12",
    "--set",
    "dataset.slices_per_patient=2",
    "--set",
    "size=32",
]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bench(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["data", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_preparing_tells_its_own_speed_and_the_time_left(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("harness.cli.progress.time.monotonic", lambda: now)
    pace = Pace(40)  # an earlier process did these
    assert pace.words(40, 100) == ""
    now = 110.0
    assert pace.words(60, 100) == ", 2 a second, 0:00:20 left"


def test_preparing_tells_how_far_it_is_where_there_is_no_terminal(workplace: Path) -> None:
    result = CliRunner().invoke(app, ["data", "prepare", *TINY, "--res", "16"], catch_exceptions=False)
    assert "reading: 6 of 6 files" in result.stderr


def pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        Image.new("L", (20 + number, 16), 20 * number).save(folder / f"{number}.png")
    return folder


def test_prepare_makes_every_resolution_and_says_where(workplace: Path) -> None:
    lines = bench("prepare", *TINY, "--res", "16,32").splitlines()
    assert [line.split(" in ")[0] for line in lines] == [
        "16 px: 12 images of 6 patients",
        "32 px: 12 images of 6 patients",
    ]
    assert all(np.load(Path(line.split(" in ")[1]) / PIXELS).shape[0] == 12 for line in lines)


def test_info_counts_splits_sizes_modes_and_what_was_skipped(workplace: Path) -> None:
    root = pictures(workplace / "mine", 5)
    (root / "3.png").write_bytes(b"\x89PNG broken")
    table = "\n".join(
        f"{number}.png,p{number // 2},{'train' if number < 4 else 'test'}" for number in range(5)
    )
    (root / "patients.csv").write_text(f"file,patient,split\n{table}\n")
    told = bench("info", "--dataset", "folder", "--data-root", str(root), "--res", "16", "--skip-bad")
    assert "folder at 16 px: 4 images of 3 patients" in told
    assert "train: 3 images of 2 patients" in told
    assert "test: 1 image of 1 patient\n" in told
    assert "raw sizes: 20 to 24 pixels wide, 16 to 16 high" in told
    assert "raw modes: L 4" in told
    assert "skipped: 1" in told
    assert "3.png" in told
    # Eight images of 16 px in a row, 2 px apart.
    with Image.open(workplace / "folder-16.png") as sheet:
        assert sheet.size == (8 * 18 - 2, 16)


def test_every_resolution_has_a_contact_sheet_of_its_own(workplace: Path) -> None:
    bench("info", *TINY, "--res", "16,32", "--sheet", "look.png")
    bench("info", *TINY, "--res", "32", "--sheet", "one.png")
    assert sorted(path.name for path in workplace.glob("*.png")) == ["look-16.png", "look-32.png", "one.png"]


def test_verify_finds_a_cache_that_is_not_what_the_raw_files_give(workplace: Path) -> None:
    line = bench("prepare", *TINY, "--res", "16")
    assert "12 images as the raw files have them" in bench("verify", *TINY, "--res", "16")
    home = Path(line.strip().split(" in ")[1])
    pixels = np.load(home / PIXELS)
    pixels[3] ^= 1
    np.save(home / PIXELS, pixels)
    with pytest.raises(DataError, match=r"changed since it was prepared; it is left aside"):
        bench("verify", *TINY, "--res", "16")
    assert "12 images as the raw files have them" in bench("verify", *TINY, "--res", "16")


def test_verify_compares_with_the_raw_files_and_not_only_with_itself(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench("prepare", *TINY, "--res", "16")
    # As if another version of a library resized differently.
    from harness.data import resize

    monkeypatch.setattr(
        resize, "resized", lambda pixels, sides: [np.zeros((side, side), np.uint8) for side in sides]
    )
    with pytest.raises(BenchError, match="is not what the raw files give today"):
        bench("verify", *TINY, "--res", "16")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--dataset", "phantom", "--res", "64,big"], "names no sides"),
        (["--dataset", "phantom", "--res", "0"], "pixels a side"),
        (["--dataset", "fantom"], "fantom"),
        (["--dataset", "phantom", "--set", "image=3"], "image"),
        (["--dataset", "acdc"], "needs a folder"),
    ],
)
def test_wrong_input_is_refused(workplace: Path, arguments: list[str], found: str) -> None:
    with pytest.raises(SpecError, match=found):
        bench("prepare", *arguments)


def test_preparing_needs_no_torch(workplace: Path) -> None:
    code = (
        "import sys\nfrom harness import cli\ntry: cli.main()\n"
        "except SystemExit as ended: print(ended.code, 'torch' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, "data", "prepare", *TINY, "--res", "16"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert answer.stdout.splitlines()[-1] == "0 False", answer.stderr


def test_raw_files_are_looked_through_once(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    monkeypatch.setattr(folder, "survey", lambda *args, **named: looked.append(1) or survey(*args, **named))
    (workplace / "raw").mkdir()
    for number in range(3):
        Image.new("L", (8, 8), number).save(workplace / "raw" / f"{number}.png")
    assert "3 images" in bench("prepare", "--dataset", "folder", "--data-root", "raw", "--res", "8")
    assert looked == [1]
