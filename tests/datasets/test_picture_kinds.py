"""Pictures and arrays of rare kinds: planes, other floats, few bits, alpha, print colours, NaN."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness_datasets.folder import Folder, FolderConfig
from PIL import Image
from rawfiles import tiff, tiff_of

from harness.api import DataError, Slice

QUARTERS = np.array([[0, 0.25, 0.5, 1]])
DEEP = np.array([[[1000, 0, 65535], [65535, 0, 0]], [[0, 65535, 0], [257, 514, 771]]], np.uint16)


def read(root: Path, **options: Any) -> list[Slice]:
    return list(Folder(root, FolderConfig(**options)).slices())


def shown(root: Path, **options: Any) -> list[Any]:
    """The first row of the only image, 0 to 255."""
    (piece,) = read(root, **options)
    greys: list[Any] = np.rint(piece.pixels[0] * 255).astype(int).tolist()
    return greys


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_colours_in_planes(tmp_path: Path, order: str, packed: bool) -> None:
    planes = DEEP.transpose(2, 0, 1).astype(f"{order}u2")
    tiff_of(tmp_path / "a.tif", list(planes), (2, 2), 16, 2, order=order, packed=packed)
    (piece,) = read(tmp_path)
    np.testing.assert_allclose(piece.pixels, DEEP / 65535, atol=1e-6)


def test_8_bit_colours_in_planes(tmp_path: Path) -> None:
    tiff_of(tmp_path / "a.tif", list((DEEP >> 8).astype("u1").transpose(2, 0, 1)), (2, 2), 8, 2)
    assert shown(tmp_path) == [[3, 0, 255], [255, 0, 0]]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["<f2", "<f4", "<f8", ">f2", ">f4", ">f8"])
def test_floats_of_every_length(tmp_path: Path, kind: str, packed: bool) -> None:
    bits = np.dtype(kind).itemsize * 8
    values = QUARTERS.astype(kind)
    tiff_of(tmp_path / "a.tif", [values], (1, 4), bits, 1, sample_format=3, order=kind[0], packed=packed)
    assert shown(tmp_path) == [0, 64, 128, 255]
    tiff_of(tmp_path / "a.tif", [values], (1, 4), bits, 0, sample_format=3, order=kind[0], packed=packed)
    assert shown(tmp_path) == [255, 191, 128, 0]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["u2", "i2", "u4", "i4", "f4", "f8"])
def test_values_of_every_type_order_and_compression(
    tmp_path: Path, kind: str, order: str, packed: bool
) -> None:
    values = np.array([[0, 51, 200, 255]], f"{order}{kind}")
    form = {"u": 1, "i": 2, "f": 3}[kind[0]]
    bits = 8 * values.itemsize
    tiff_of(tmp_path / "a.tif", [values], (1, 4), bits, 1, sample_format=form, order=order, packed=packed)
    assert shown(tmp_path, low=0, high=255) == [0, 51, 200, 255]


def test_floats_of_64_bits_beyond_one_need_a_window(tmp_path: Path) -> None:
    tiff_of(tmp_path / "a.tif", [QUARTERS * 400 - 100], (1, 4), 64, 1, sample_format=3)
    with pytest.raises(DataError, match=r"a\.tif holds floats from -100 to 300") as caught:
        read(tmp_path)
    assert "--set dataset.low=-100" in caught.value.hint
    assert shown(tmp_path, low=-100, high=300) == [0, 64, 128, 255]


def test_a_compression_that_is_not_read_is_named(tmp_path: Path) -> None:
    tiff_of(tmp_path / "a.tif", [QUARTERS], (1, 4), 64, 1, sample_format=3, compression=5)
    with pytest.raises(DataError, match=r"a\.tif is a TIFF of 1 x 64 bits, .* compression 5") as caught:
        read(tmp_path)
    assert "without compression" in caught.value.hint


def save_array(path: Path, values: np.ndarray) -> None:
    np.save(path.with_suffix(".npy"), values)


def save_tiff(path: Path, values: np.ndarray) -> None:
    tiff(path, values.astype(np.float32), 1, sample_format=3)


def save_double(path: Path, values: np.ndarray) -> None:
    tiff_of(path, [values.astype("<f8")], values.shape, 64, 1, sample_format=3)


@pytest.mark.parametrize("save", [save_array, save_tiff, save_double])
def test_nan_is_where_nothing_was_measured(tmp_path: Path, save: Callable[[Path, np.ndarray], None]) -> None:
    values = np.array([[np.nan, 0, 0.5, 1]])
    save(tmp_path / "a.tif", values)
    assert shown(tmp_path) == [0, 0, 128, 255]
    save(tmp_path / "a.tif", values * 200 - 100)
    assert shown(tmp_path, low=-300, high=100) == [0, 128, 191, 255]
    for damaged in (np.array([[0, np.inf]]), np.full((2, 2), np.nan)):
        save(tmp_path / "a.tif", damaged)
        with pytest.raises(DataError, match="holds floats from"):
            read(tmp_path)


@pytest.mark.parametrize(
    ("bits", "content", "greys"),
    [
        (1, [0b01010000], [0, 255, 0, 255]),
        (2, [0b00011011], [0, 85, 170, 255]),
        (4, [0x05, 0xAF], [0, 85, 170, 255]),
    ],
)
def test_few_bits_and_which_of_their_ends_is_white(
    tmp_path: Path, bits: int, content: list[int], greys: list[int]
) -> None:
    for photometric in (0, 1):
        tiff_of(tmp_path / "a.tif", [bytes(content)], (1, 4), bits, photometric)
        assert shown(tmp_path) == (greys if photometric else [255 - grey for grey in greys])


def test_12_bits_packed(tmp_path: Path) -> None:
    tiff_of(tmp_path / "a.tif", [bytes([0x00, 0x08, 0x00, 0xFF, 0xF0, 0x00])], (1, 4), 12, 1)
    assert shown(tmp_path) == [0, 128, 255, 0]


@pytest.mark.parametrize(("kind", "bits"), [("<u1", 8), ("<u2", 16)])
def test_grey_with_alpha_lies_on_black(tmp_path: Path, kind: str, bits: int) -> None:
    top = 2**bits - 1
    pixels = np.array([[[top, top], [top, 0], [top, top // 2 + 1]]], kind)
    tiff_of(tmp_path / "a.tif", [pixels], (1, 3), bits, 1, samples=2, extra=2)
    assert shown(tmp_path) == [255, 0, 128]


def test_print_colours(tmp_path: Path) -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red.save(tmp_path / "a.jpg", quality=95)
    red.save(tmp_path / "b.tif")
    for piece in read(tmp_path):
        assert piece.pixels[0, 0] == pytest.approx([1, 0, 0], abs=0.02)


def test_a_transparent_grey_of_16_bits_is_black(tmp_path: Path) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 3, 1, 16, 0, 0, 0, 0)
    row = b"\0" + np.array([0, 1000, 2000], ">u2").tobytes()
    parts = [
        (b"IHDR", head),
        (b"tRNS", struct.pack(">H", 1000)),
        (b"IDAT", zlib.compress(row)),
        (b"IEND", b""),
    ]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    assert shown(tmp_path) == [0, 0, 255]


def test_transparent_places_of_palettes_and_grey_are_black(tmp_path: Path) -> None:
    Image.fromarray(np.array([[[200, 255], [200, 0], [200, 128]]], np.uint8)).save(tmp_path / "a.png")
    assert shown(tmp_path) == [200, 0, 100]
    Image.fromarray(np.array([[7, 200]], np.uint8)).save(tmp_path / "a.png", transparency=200)
    assert shown(tmp_path) == [7, 0]


@pytest.mark.parametrize(
    ("name", "content", "greys"),
    [
        ("a.pbm", b"P4 8 1\n\xaa", [0, 255] * 4),
        ("a.pfm", b"Pf\n3 1\n-1.0\n" + np.array([0, 0.5, 1], "<f4").tobytes(), [0, 128, 255]),
        ("a.pgm", b"P5 3 1 65535\n" + np.array([0, 32768, 65535], ">u2").tobytes(), [0, 128, 255]),
    ],
)
def test_portable_maps(tmp_path: Path, name: str, content: bytes, greys: list[int]) -> None:
    (tmp_path / name).write_bytes(content)
    assert shown(tmp_path) == greys


def test_a_tiff_whose_pages_go_round_in_a_circle_ends(tmp_path: Path) -> None:
    for kind, bits, form in (("<u1", 8, 1), ("<f8", 64, 3)):
        path = tmp_path / "a.tif"
        tiff_of(path, [np.ones((1, 4), kind)], (1, 4), bits, 1, sample_format=form)
        content = bytearray(path.read_bytes())
        content[-4:] = content[4:8]  # the last four bytes say where the next directory is
        path.write_bytes(content)
        assert len(read(tmp_path)) == 1


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.dcm", "a.nii", "a.nii.gz", "a.npy", "a.jpg"])
def test_an_empty_file_is_an_error_in_words(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=rf"{name} is empty") as caught:
        read(tmp_path)
    assert caught.value.hint == "get this file again"


def test_a_picture_of_one_pixel(tmp_path: Path) -> None:
    Image.new("L", (1, 1), 77).save(tmp_path / "a.png")
    assert shown(tmp_path) == [77]


def test_endings_in_capitals_and_what_systems_leave_behind(tmp_path: Path) -> None:
    for name in ("A.PNG", "B.JPEG", "C.TIF"):
        Image.new("L", (4, 2), 9).save(tmp_path / name)
    (tmp_path / "Thumbs.db").touch()
    (tmp_path / "desktop.ini").touch()
    (tmp_path / "._A.PNG").write_bytes(b"x")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX/A.PNG").write_bytes(b"x")
    data = Folder(tmp_path, FolderConfig())
    assert [piece.source for piece in data.slices()] == ["A.PNG", "B.JPEG", "C.TIF"]
    assert set(data.left_out()) == {"Thumbs.db", "desktop.ini", "._A.PNG", "__MACOSX"}
