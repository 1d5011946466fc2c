"""Foreign images that are too large, no file, or damaged: refused by name, before memory is asked for."""

from __future__ import annotations

import inspect
import os
import random
import struct
import sys
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from harness_datasets.files import find_files
from PIL import Image

from harness import limits, score
from harness.errors import DataError, ScoreError, SpecError
from harness.scoring.generated import load_images
from harness.scoring.statistics import is_statistics, read_statistics

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and links of POSIX")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good images, and room for a bad one."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(np.full((8, 8), number, np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """Nothing here takes more than 256 MB."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 28


def png_of(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"0"))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(65_000, 1), (9000, 9000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_a_small_file_that_claims_to_be_huge(folder: Path, size: tuple[int, int]) -> None:
    (folder / "x.png").write_bytes(png_of(*size))
    with pytest.raises(ScoreError, match=r"x\.png"):
        load_images(folder)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def dangle(path: Path) -> None:
    path.symlink_to("nowhere")


def loop(path: Path) -> None:
    path.symlink_to(path)


def to_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [make_pipe, dangle, loop, to_device])
def test_what_is_no_file(folder: Path, make: Callable[[Path], None]) -> None:
    make(folder / "x.png")
    with pytest.raises(ScoreError, match=r"x\.png (can't be read|is no file)"):
        load_images(folder)


def test_links_in_a_circle_end(folder: Path) -> None:
    (folder / "again").symlink_to(folder)
    assert len(load_images(folder)) == 2


def archive(path: Path, folder: Path, compression: int = zipfile.ZIP_STORED) -> bytearray:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name in ("0.png", "1.png"):
            file.write(folder / name, name)
    return bytearray(path.read_bytes())


@pytest.mark.parametrize("damage", ["bad CRC", "encrypted", "unknown compression", "cut", "no directory"])
def test_an_archive_that_can_not_be_read(folder: Path, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.zip"
    content = archive(path, folder)
    entry = content.index(b"PK\x01\x02")
    if damage == "bad CRC":
        content[content.index(b"IDAT") + 6] ^= 1
    elif damage == "encrypted":
        content[6] |= 1
        content[entry + 8] |= 1
    elif damage == "unknown compression":
        content[8:10] = content[entry + 10 : entry + 12] = b"\x63\x00"
    elif damage == "cut":
        content = content[: len(content) // 2]
    else:
        content[entry : entry + 4] = b"PKxx"
    path.write_bytes(content)
    with pytest.raises(ScoreError, match=r"a\.zip"):
        load_images(path)


def test_a_folder_in_an_archive_may_have_any_name(folder: Path, tmp_path: Path) -> None:
    archive(tmp_path / "a.zip", folder)
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as file:
        file.mkdir("x.png")
    assert len(load_images(tmp_path / "a.zip")) == 2


def test_a_small_archive_of_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.png", bytes(1 << 20))
        file.filelist[0].file_size = 1 << 34
    with pytest.raises(ScoreError, match=r"a\.png holds 17,179,869,184 bytes"):
        load_images(path)


def test_a_file_of_nothing_that_is_huge_is_refused(folder: Path) -> None:
    with (folder / "x.png").open("wb") as file:
        file.truncate(1 << 34)
    with pytest.raises(ScoreError, match=r"x\.png holds 17,179,869,184 bytes"):
        load_images(folder)


def test_many_large_images_of_a_small_archive_are_refused(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "many.zip"
    Image.fromarray(np.zeros((1024, 1024), np.uint8)).save(tmp_path / "a.png")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(100):
            file.write(tmp_path / "a.png", f"{number}.png")
    monkeypatch.setattr(limits, "memory_for_images", lambda: 50 << 20)
    with pytest.raises(ScoreError, match="takes 104,857,600 bytes of memory"):
        load_images(path)


def test_a_stack_of_many_pages_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [Image.fromarray(np.zeros((64, 64), np.uint8))] * 50
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    monkeypatch.setattr(limits, "memory_for_images", lambda: 50 << 10)
    with pytest.raises(ScoreError, match="bytes of memory"):
        load_images(tmp_path / "a.tif")


@pytest.mark.parametrize(
    "shape",
    [
        "(10000000000000,1,32,32)",
        "(640000000000,)",
        "(1180591620717411303424,1)",
        "(-1,32,32)",
        "(" * 5000,
        "()",
    ],
)
def test_an_array_that_is_not_there(tmp_path: Path, shape: str) -> None:
    header = f"{{'descr':'|u1','fortran_order':False,'shape':{shape}}}".encode()
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(1024)
    (tmp_path / "a.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("arr_0.npy", content)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(ScoreError, match=rf"a\.np{name[-1]}"):
            load_images(tmp_path / name)


def test_statistics_that_are_not_there(tmp_path: Path) -> None:
    header = b"{'descr':'<f8','fortran_order':False,'shape':(9000000,9000000)}"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        for name in ("mu.npy", "sigma.npy"):
            file.writestr(name, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    assert not is_statistics(tmp_path / "a.npz")
    with pytest.raises(ScoreError, match="bytes are there"):
        read_statistics(tmp_path / "a.npz", 4)


@pytest.mark.parametrize("name", ["a.tif", "a.bmp", "a.png", "a.webp", "a.jpg", "a.npz", "a.npy", "a.zip"])
def test_changed_bytes_are_an_error_or_images(folder: Path, tmp_path: Path, name: str) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    draw, path = random.Random(seed), tmp_path / name
    pixels = np.random.default_rng(seed).integers(0, 256, (3, 16, 16), np.uint8)
    if name == "a.zip":
        archive(path, folder, zipfile.ZIP_DEFLATED)
    elif name == "a.npz":
        np.savez(path, pixels)
    elif name == "a.npy":
        np.save(path, pixels)
    else:
        Image.fromarray(pixels[0]).save(path)
    whole, given = path.read_bytes(), path
    if path.suffix in (".bmp", ".png", ".webp", ".jpg"):
        given = tmp_path / "of one"
        given.mkdir()
        path = given / name
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        content = bytearray(whole)
        for _ in range(draw.randint(1, 8)):
            content[draw.randrange(min(len(content), 400))] = draw.randrange(256)
        path.write_bytes(content)
        try:
            assert load_images(given).dtype == np.uint8
        except ScoreError:
            pass


@pytest.mark.skipif(not os.path.ismount("/proc"), reason="/proc of Linux")
def test_what_the_kernel_tells_of_itself_is_not_looked_at(folder: Path) -> None:
    """Links there lead round the whole machine, and to read some of its files waits for ever."""
    for name, place in (("a", "/proc"), ("b", "/proc/self/task")):
        (folder / name).symlink_to(place)
    assert len(load_images(folder)) == 2
    with pytest.raises(ScoreError, match="/proc holds no images"):
        load_images(Path("/proc"))
    found = find_files(folder)
    assert list(found.files) == ["0.png", "1.png"]
    assert found.left_out == dict.fromkeys(("a", "b"), "what the kernel tells of itself")
    assert not find_files(Path("/proc")).files


def test_more_files_than_any_set_has(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.check_count, "__kwdefaults__", {"most": 1})
    for find, error in ((load_images, ScoreError), (find_files, DataError)):
        with pytest.raises(error, match="2 files"):
            find(folder)


def test_links_that_lead_nowhere_are_left_out_of_data(folder: Path) -> None:
    loop(folder / "loop.png")
    dangle(folder / "dangling.png")
    make_pipe(folder / "pipe.png")
    found = find_files(folder)
    assert list(found.files) == ["0.png", "1.png"]
    assert set(found.left_out) == {"loop.png", "dangling.png", "pipe.png"}


def test_folders_deeper_than_the_interpreter_counts(folder: Path) -> None:
    deep = folder.joinpath(*["d"] * 300)
    deep.mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(deep / "deep.png")
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 200)
    try:
        assert len(load_images(folder)) == 3
        assert len(find_files(folder).files) == 3
    finally:
        sys.setrecursionlimit(before)


def test_the_real_images_are_asked_for_before_any_are_read(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no real images to score against"):
        score(tmp_path / "not there")
