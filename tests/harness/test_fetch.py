"""Downloads from a server on this machine: continued, checked, and unpacked nowhere else."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import http.server
import io
import stat
import tempfile
import threading
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from harness_datasets.covid_ct import CovidCT, CovidCTConfig
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from harness.api import DataError, Dataset, PluginConfig, RemoteFile, Slice
from harness.cli import app
from harness.data.fetch import fetch, unpack
from harness.download import DownloadError
from harness.errors import StorageError

CONTENT = bytes(range(256)) * 40_000  # about 10 MB: several chunks


class Server(http.server.ThreadingHTTPServer):
    """Serves ``files``; can break off, refuse ranges, hang up, and remembers what was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.break_after: int | None = None
        self.has_ranges = True
        self.is_mute = False

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.server.asked.append(wanted)
        if self.server.is_mute:
            return
        content = self.server.files.get(self.path.strip("/"))
        if content is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-") or 0) if self.server.has_ranges else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = len(content) if self.server.break_after is None else start + self.server.break_after
        self.wfile.write(content[start:end])

    def log_message(self, *arguments: object) -> None:
        """Be quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


class Letters(Dataset):
    """Its content is one file."""

    version = 1
    Config = PluginConfig
    obtain = "write to the owners"

    def items(self) -> Sequence[str]:
        return ["a"]

    def read(self, item: str) -> Iterator[Slice]:
        raise NotImplementedError

    def fingerprint(self) -> str:
        assert self.root is not None
        return hashlib.sha256((self.root / "raw" / "a.bin").read_bytes()).hexdigest()


def letters(server: Server, *, sha256: str = "", fingerprint: str = "") -> type[Letters]:
    server.files["a.bin"] = CONTENT
    file = RemoteFile(server.url("a.bin"), "raw/a.bin", sha256)
    return type("Letters", (Letters,), {"remote": (file,), "remote_fingerprint": fingerprint})


def test_files_arrive_where_they_belong_and_once(server: Server, tmp_path: Path) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    kind = letters(server, sha256=digest, fingerprint=digest)
    steps: list[tuple[str, int, int]] = []
    fetch(kind, "letters", tmp_path, progress=lambda *step: steps.append(step))
    assert (tmp_path / "raw" / "a.bin").read_bytes() == CONTENT
    assert steps[-1] == ("a.bin", len(CONTENT), len(CONTENT))
    fetch(kind, "letters", tmp_path)
    assert len(server.asked) == 1
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["a.bin"]


def test_a_broken_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    kind = letters(server, sha256=hashlib.sha256(CONTENT).hexdigest())
    server.break_after = 3_000_000
    with pytest.raises(DownloadError, match=r"ended after 3000000 of 10240000 bytes") as caught:
        fetch(kind, "letters", tmp_path)
    assert "goes on where it stopped" in caught.value.hint
    assert not (tmp_path / "raw" / "a.bin").exists()
    server.break_after = None
    fetch(kind, "letters", tmp_path)
    assert server.asked == ["", "bytes=3000000-"]
    assert (tmp_path / "raw" / "a.bin").read_bytes() == CONTENT


def test_a_server_that_hangs_up_is_no_full_disk(server: Server, tmp_path: Path) -> None:
    server.is_mute = True
    with pytest.raises(DownloadError, match="can't be downloaded: Remote end closed connection"):
        fetch(letters(server), "letters", tmp_path)


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    kind = letters(server, sha256=hashlib.sha256(CONTENT).hexdigest())
    server.has_ranges, server.break_after = False, 100
    with pytest.raises(DownloadError, match="ended after 100"):
        fetch(kind, "letters", tmp_path)
    server.break_after = None
    fetch(kind, "letters", tmp_path)
    assert (tmp_path / "raw" / "a.bin").read_bytes() == CONTENT


def test_a_leftover_that_is_too_long_is_thrown_away(server: Server, tmp_path: Path) -> None:
    kind = letters(server)
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / ".a.bin.part").write_bytes(CONTENT + b"more")
    fetch(kind, "letters", tmp_path)
    assert (tmp_path / "raw" / "a.bin").read_bytes() == CONTENT


def test_another_content_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="not what it should be"):
        fetch(letters(server, sha256="0" * 64), "letters", tmp_path)
    assert not list((tmp_path / "raw").iterdir())
    with pytest.raises(DataError, match="are not the known ones") as caught:
        fetch(letters(server, fingerprint="f" * 64), "letters", tmp_path)
    assert caught.value.needed == "f" * 64


def test_what_is_not_there_or_not_offered_says_so(server: Server, tmp_path: Path) -> None:
    kind = letters(server)
    server.files.clear()
    with pytest.raises(DownloadError, match="404"):
        fetch(kind, "letters", tmp_path)
    with pytest.raises(DataError, match="without asking its owners") as caught:
        fetch(Letters, "letters", tmp_path)
    assert caught.value.hint == "write to the owners"


def test_a_folder_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        fetch(letters(server), "letters", tmp_path)


def archive_of(members: dict[str, bytes], path: Path, *, link: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        if link:
            info = zipfile.ZipInfo(link)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, "/etc/passwd")
    return path


def test_an_archive_is_unpacked_beside_itself(tmp_path: Path) -> None:
    unpack(archive_of({"CT/1%0.jpg": b"one", "CT/2.jpg": b"two"}, tmp_path / "CT.zip"))
    assert (tmp_path / "CT" / "1%0.jpg").read_bytes() == b"one"
    with pytest.raises(DataError, match="is not as the archive has it"):
        unpack(archive_of({"CT/3.jpg": b"three"}, tmp_path / "CT.zip"))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["1%0.jpg", "2.jpg", "CT", "CT.zip"]


@pytest.mark.parametrize("name", ["../evil", "/evil", "CT/../../evil", "CT\\..\\..\\evil", "C:\\evil"])
def test_no_path_leaves_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "root"
    folder.mkdir()
    archive = archive_of({"CT/good.jpg": b"good", name: b"evil"}, folder / "CT.zip")
    with pytest.raises(DataError, match="leads out of its folder"):
        unpack(archive)
    assert [path.name for path in tmp_path.rglob("*")] == ["root", "CT.zip"]


def test_links_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="leads out of its folder"):
        unpack(archive_of({"CT/good.jpg": b"good"}, tmp_path / "CT.zip", link="CT/link"))
    assert [path.name for path in tmp_path.iterdir()] == ["CT.zip"]


def test_a_damaged_archive_leaves_nothing(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("CT/a.jpg", b"a" * 1000)
    content = bytearray(file.getvalue())
    content[100] ^= 1
    for bad in (bytes(content), bytes(content[:500])):
        (tmp_path / "CT.zip").write_bytes(bad)
        with pytest.raises(DataError, match=r"CT\.zip is damaged"):
            unpack(tmp_path / "CT.zip")
        assert [path.name for path in tmp_path.iterdir()] == ["CT.zip"]


@given(edits=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=12))
@settings(max_examples=60, deadline=datetime.timedelta(seconds=20))
def test_damaged_archives_are_unpacked_or_refused_whole(edits: list[tuple[int, int]]) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as content:
        for name in ("CT/a.png", "CT/b.png"):
            content.writestr(name, bytes(range(256)))
    damaged = bytearray(file.getvalue())
    for place, value in edits:
        damaged[place % len(damaged)] = value
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "folder"
        folder.mkdir()
        (folder / "CT.zip").write_bytes(damaged)
        try:
            unpack(folder / "CT.zip")
        except (DataError, OSError):  # of the latter the caller makes a StorageError
            assert [path.name for path in folder.iterdir()] == ["CT.zip"]
        assert [path.name for path in Path(place).iterdir()] == ["folder"]


def test_an_archive_that_names_a_file_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "CT.zip", "w") as archive:
        archive.writestr("CT/a.jpg", b"one")
        archive.writestr("CT/b.jpg", b"two")
    content = (tmp_path / "CT.zip").read_bytes().replace(b"CT/b.jpg", b"CT/a.jpg")
    (tmp_path / "CT.zip").write_bytes(content)
    with pytest.raises(DataError, match="a name twice"):
        unpack(tmp_path / "CT.zip")


def test_bench_data_fetch_ends_with_a_data_root_that_can_be_used(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = io.BytesIO()
    Image.new("L", (8, 8), 99).save(picture, "PNG")
    archive_of(
        {f"CT_NonCOVID/{name}": picture.getvalue() for name in ("1%0.png", "2.png")}, tmp_path / "CT.zip"
    )
    server.files = {file.path: b"" for file in CovidCT.remote}
    server.files[CovidCT.remote[0].path] = (tmp_path / "CT.zip").read_bytes()
    server.files["Data-split/NonCOVID/testCT_NonCOVID.txt"] = b"2.png\n"
    server.files["NonCOVID-CT-MetaInfo.csv"] = b",image name,patient id\n0,1%0.png,anna\n1,2.png,ben\n"
    local = tuple(dataclasses.replace(file, url=server.url(file.path)) for file in CovidCT.remote)
    monkeypatch.setattr(CovidCT, "remote", local)
    monkeypatch.setattr(CovidCT, "remote_fingerprint", "")
    root = tmp_path / "raw"
    told = CliRunner().invoke(app, ["data", "fetch", "covid-ct", "--out", str(root)], catch_exceptions=False)
    assert f"--data-root {root}" in told.stdout
    assert "arXiv 2003.13865" in told.stdout
    assert [(piece.patient, piece.split) for piece in CovidCT(root, CovidCTConfig()).slices()][1] == (
        "ben",
        "test",
    )
