"""What stands where something is to be written: the user's own is neither replaced nor deleted."""

from __future__ import annotations

import os
import shlex
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.api import DataError
from harness.cell.records import Store
from harness.cli.sample import _claim
from harness.data.fetch import unpack
from harness.errors import SpecError, StorageError
from harness.files import atomic_write, leave_aside, move_aside, write_json
from harness.running.cell import Outcome

Run = Callable[..., Outcome]


def archive_of(folder: Path, **files: str) -> Path:
    path = folder / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"scans/{name}", text)
    return path


def test_a_hint_can_be_pasted_whatever_a_path_holds(tmp_path: Path) -> None:
    path = tmp_path / "my results; rm -r $HOME" / "runs"
    assert shlex.split(move_aside(path)) == ["mv", str(path), f"{path}.aside"]


def test_unpacking_leaves_the_users_own_folder_alone(tmp_path: Path) -> None:
    own = tmp_path / "scans" / "mine.txt"
    own.parent.mkdir()
    own.write_text("years of work")
    with pytest.raises(DataError, match=r"a\.txt is missing") as caught:
        unpack(archive_of(tmp_path, **{"a.txt": "1"}))
    assert caught.value.hint.startswith("mv ")
    assert own.read_text() == "years of work"
    assert not (own.parent / "a.txt").exists()


def test_unpacking_twice_keeps_what_was_put_beside(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, **{"a.txt": "1"})
    unpack(archive)
    notes = tmp_path / "scans" / "notes.txt"
    notes.write_text("mine")
    unpack(archive)
    assert notes.read_text() == "mine"
    (tmp_path / "scans" / "a.txt").write_text("2")
    with pytest.raises(DataError, match="another file"):
        unpack(archive)
    assert (tmp_path / "scans" / "a.txt").read_text() == "2"


def test_an_archive_that_is_larger_than_the_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 8, 2))  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="holds 3 bytes"):
        unpack(archive_of(tmp_path, **{"a.txt": "123"}))
    assert not (tmp_path / "scans").exists()


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_only_a_file_is_replaced_by_a_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "report.html"
    os.mkfifo(path) if kind == "pipe" else path.mkdir()
    before = path.stat()
    with pytest.raises(StorageError, match=f"no file but a {kind}"), atomic_write(path) as file:
        file.write(b"x")
    assert path.stat() == before
    assert os.listdir(tmp_path) == ["report.html"]


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no file but a device"), atomic_write(Path(os.devnull)):
        pass


def test_what_is_left_aside_takes_nobodys_place(tmp_path: Path) -> None:
    path, taken = tmp_path / "a", tmp_path / "a.aside-1"
    taken.symlink_to("nowhere")
    path.write_text("damaged")
    assert leave_aside(path) == tmp_path / "a.aside-2"
    assert taken.is_symlink()


def test_what_a_kill_left_of_the_mark_does_not_keep_a_folder(tmp_path: Path) -> None:
    origin = {"run": "a", "which": "best"}
    (tmp_path / ".origin.json.x1y2.part").write_text("{")
    _claim(tmp_path, origin)
    _claim(tmp_path, origin)
    with pytest.raises(SpecError, match="samples of a, best"):
        _claim(tmp_path, {"run": "b", "which": "best"})


def test_a_folder_with_somebody_elses_file_is_not_claimed(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(SpecError, match="something else"):
        _claim(tmp_path, {"run": "a", "which": "best"})


@pytest.mark.parametrize("when", [14, 20, 28])
def test_a_run_folder_that_was_removed_stays_away_and_the_command_works_again(
    run_tiny: Run, tmp_path: Path, when: int
) -> None:
    results = tmp_path / "results"
    asked = iter(range(10**9))

    def remove() -> bool:
        if next(asked) == when:
            for folder in Store(results).folders():
                shutil.rmtree(folder.path)
        return False

    with pytest.raises(StorageError):
        run_tiny(results=results, stop=remove)
    assert not Store(results).folders()
    assert run_tiny(results=results).record.status == "complete"


def test_a_path_that_is_no_text_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"path": os.fsdecode(b"caf\xe9")})
    assert path.read_bytes().decode("utf-8").splitlines()[1] == r'  "path": "caf\udce9"'
