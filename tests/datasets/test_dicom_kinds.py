"""DICOM as old scanners, other vendors and other standards' editions write it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness_datasets.folder import Folder, FolderConfig
from rawfiles import COLOUR, GREY8, dicom, lut, sequence

from harness.api import DataError

INDEX = np.array([[0, 1, 2, 3]], np.uint8)
SIGNED = np.array([[-100, 0, 50, 100]], "<i2")
EXACT = {"WindowCenter": 0, "WindowWidth": 200, "VOILUTFunction": "LINEAR_EXACT"}
UNSIGNED = {"PixelRepresentation": 0}


def shown(root: Path, **options: Any) -> list[list[int]]:
    """The greys of the first row of each image."""
    pieces = Folder(root, FolderConfig(colour="grey", **options)).slices()
    return [np.rint(piece.pixels[0] * 255).astype(int).tolist() for piece in pieces]


def palette(bits: int, first: int = 0, segmented: bool = False) -> dict[str, Any]:
    entries = np.array([0, 85, 170, 255])
    data = entries.astype("u1").tobytes() if bits == 8 else (entries * 257).astype("<u2").tobytes()
    if segmented:  # one value, then a line to another: PS3.3, C.7.9.2
        data = np.array([0, 1, 0, 1, 255, 65535], "<u2").tobytes()
    name = "Segmented{}PaletteColorLookupTableData" if segmented else "{}PaletteColorLookupTableData"
    tables: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour in ("Red", "Green", "Blue"):
        tables[name.format(colour)] = data
        tables[f"{colour}PaletteColorLookupTableDescriptor"] = [256 if segmented else 4, first, bits]
    return tables


@pytest.mark.parametrize("bits", [8, 16])
def test_palettes_of_8_and_16_bits(tmp_path: Path, bits: int) -> None:
    dicom(tmp_path / "a.dcm", INDEX, **GREY8, **palette(bits))
    assert shown(tmp_path) == [[0, 85, 170, 255]]


def test_a_palette_for_16_bit_numbers(tmp_path: Path) -> None:
    dicom(tmp_path / "a.dcm", INDEX.astype("<u2"), **UNSIGNED, **palette(16))
    assert shown(tmp_path) == [[0, 85, 170, 255]]


def test_numbers_below_and_above_a_palette_take_its_ends(tmp_path: Path) -> None:
    dicom(tmp_path / "a.dcm", np.array([[0, 2, 3, 9]], np.uint8), **GREY8, **palette(16, first=2))
    assert shown(tmp_path) == [[0, 0, 85, 255]]


def test_a_palette_in_segments(tmp_path: Path) -> None:
    dicom(tmp_path / "a.dcm", np.array([[0, 51, 102, 255]], np.uint8), **GREY8, **palette(16, segmented=True))
    assert shown(tmp_path) == [[0, 51, 102, 255]]


def test_monochrome1_inverts_what_its_voi_lut_gives(tmp_path: Path) -> None:
    table = lut([0, 50, 100, 255])
    dicom(tmp_path / "a.dcm", INDEX, PhotometricInterpretation="MONOCHROME1", VOILUTSequence=table, **GREY8)
    assert shown(tmp_path) == [[255, 205, 155, 0]]


@pytest.mark.parametrize("name", ["VOILUTSequence", "ModalityLUTSequence"])
def test_a_table_may_have_two_entries_in_a_word(tmp_path: Path, name: str) -> None:
    table = sequence(LUTDescriptor=[4, 0, 8], LUTData=bytes([0, 51, 102, 255]), ModalityLUTType="US")
    window = {"WindowCenter": 127.5, "WindowWidth": 255, "VOILUTFunction": "LINEAR_EXACT"}
    dicom(tmp_path / "a.dcm", INDEX, **{name: table}, **GREY8, **window)
    assert shown(tmp_path) == [[0, 51, 102, 255]]


@pytest.mark.parametrize("syntax", ["ImplicitVRLittleEndian", "ExplicitVRLittleEndian"])
def test_a_voi_lut_may_begin_below_zero(tmp_path: Path, syntax: str) -> None:
    uid = pytest.importorskip("pydicom.uid")
    dicom(tmp_path / "a.dcm", SIGNED, SYNTAX=getattr(uid, syntax), VOILUTSequence=lut([*range(256)], -100))
    assert shown(tmp_path) == [[0, 100, 150, 200]]


def test_a_voi_lut_in_a_functional_group(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    shared = sequence(FrameVOILUTSequence=sequence(VOILUTSequence=lut([0, 50, 100, 255])))
    dicom(
        tmp_path / "a.dcm", INDEX[None].astype("<u2"), KIND=pydicom.uid.EnhancedCTImageStorage, NumberOfFrames=1,
        SharedFunctionalGroupsSequence=shared, PerFrameFunctionalGroupsSequence=[pydicom.Dataset()], **UNSIGNED,
    )  # fmt: skip
    assert shown(tmp_path) == [[0, 50, 100, 255]]


def deflated(file: Any, path: Path) -> None:
    uid = pytest.importorskip("pydicom.uid")
    file.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    file.save_as(path)


def in_run_lengths(file: Any, path: Path) -> None:
    uid = pytest.importorskip("pydicom.uid")
    file.compress(uid.RLELossless, generate_instance_uid=False)
    file.save_as(path)


def without_preamble(file: Any, path: Path) -> None:
    del file.file_meta
    file.save_as(path.with_name("scan"), implicit_vr=False, little_endian=True)
    path.unlink()


def old_without_preamble(file: Any, path: Path) -> None:
    del file.file_meta
    file.save_as(path.with_name("scan"), implicit_vr=True, little_endian=True)
    path.unlink()


@pytest.mark.parametrize("write", [deflated, in_run_lengths, without_preamble, old_without_preamble])
def test_every_way_of_writing_gives_the_same(tmp_path: Path, write: Callable[[Any, Path], None]) -> None:
    pydicom = pytest.importorskip("pydicom")
    path = tmp_path / "a.dcm"
    icon = sequence(Rows=2, Columns=2, PixelData=bytes(4), PhotometricInterpretation="MONOCHROME2", **GREY8)
    dicom(path, SIGNED, PixelPaddingValue=-100, IconImageSequence=icon, **EXACT)
    assert shown(tmp_path) == [[0, 128, 191, 255]]
    write(pydicom.dcmread(path), path)
    assert shown(tmp_path) == [[0, 128, 191, 255]]


def test_big_endian(tmp_path: Path) -> None:
    uid = pytest.importorskip("pydicom.uid")
    dicom(tmp_path / "a.dcm", SIGNED.astype(">i2"), SYNTAX=uid.ExplicitVRBigEndian, **EXACT)
    assert shown(tmp_path) == [[0, 128, 191, 255]]


@pytest.mark.parametrize(
    ("stored", "elements"),
    [
        ([0xF000, 0xA000 | 2048, 4095], {"HighBit": 11, **UNSIGNED}),  # an overlay in the bits above
        ([0x000F, 2048 << 4, 4095 << 4], {"HighBit": 15, **UNSIGNED}),  # numbers in the high bits
        ([0x0800, 0x0000, 0x07FF], {"HighBit": 11, "WindowCenter": 0}),  # 12 bits with a sign
    ],
)
def test_12_bits_of_16(tmp_path: Path, stored: list[int], elements: dict[str, Any]) -> None:
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    dicom(tmp_path / "a.dcm", np.array([stored], "<u2"), **{**window, "BitsStored": 12, **elements})
    assert shown(tmp_path) == [[0, 128, 255]]


def test_one_bit_a_pixel(tmp_path: Path) -> None:
    bit = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "Rows": 1, "Columns": 4, **UNSIGNED}
    dicom(tmp_path / "a.dcm", b"\x0a", **bit)  # of one byte, the lowest bit is first: PS3.5, 8.1.1
    assert shown(tmp_path) == [[0, 255, 0, 255]]


@pytest.mark.parametrize(("keyword", "kind"), [("FloatPixelData", "<f4"), ("DoubleFloatPixelData", "<f8")])
def test_floats(tmp_path: Path, keyword: str, kind: str) -> None:
    pydicom = pytest.importorskip("pydicom")
    dicom(tmp_path / "a.dcm", SIGNED)
    file = pydicom.dcmread(tmp_path / "a.dcm")
    del file.PixelData, file.PixelRepresentation, file.BitsStored, file.HighBit
    file.BitsAllocated = np.dtype(kind).itemsize * 8
    setattr(file, keyword, np.array([[0, 0.5, 1, 2]], kind).tobytes())
    file.save_as(tmp_path / "a.dcm")
    assert shown(tmp_path, percentile=100) == [[0, 64, 128, 255]]


@pytest.mark.parametrize(("kind", "samples"), [("RGB", 1), ("YBR_FULL", 1), ("MONOCHROME2", 3)])
def test_colours_and_samples_must_agree(tmp_path: Path, kind: str, samples: int) -> None:
    elements = COLOUR | {"SamplesPerPixel": samples, "PhotometricInterpretation": kind}
    dicom(tmp_path / "a.dcm", np.zeros((8, 8, 3)[: 2 + (samples == 3)], np.uint8), **elements)
    with pytest.raises(DataError, match=r"a\.dcm "):
        shown(tmp_path)


def test_colours_of_16_bits(tmp_path: Path) -> None:
    rgb = np.array([[[65535, 0, 0], [0, 65535, 0], [0, 0, 65535]]], "<u2")
    deep = COLOUR | {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15}
    dicom(tmp_path / "a.dcm", rgb, PhotometricInterpretation="RGB", **deep)
    assert shown(tmp_path) == [[76, 150, 29]]


def test_slices_of_one_patient_with_other_intercepts_have_one_scale(tmp_path: Path) -> None:
    for number, intercept in enumerate((-1024, 0, -1000)):
        stored = (np.array([[-1000, 40, 1000]]) - intercept).astype("<i2")
        dicom(tmp_path / f"{number}.dcm", stored, RescaleSlope=1, RescaleIntercept=intercept)
    assert shown(tmp_path, percentile=100) == [[0, 133, 255]] * 3


@pytest.mark.parametrize(
    "elements", [{"RescaleSlope": 2}, {"RescaleSlope": 2, "RescaleIntercept": 0}, {"RescaleIntercept": 100}]
)
def test_half_a_rescale_is_one(tmp_path: Path, elements: dict[str, Any]) -> None:
    stored = SIGNED // 2 if "RescaleSlope" in elements else SIGNED - np.int16(100)
    dicom(tmp_path / "a.dcm", stored, **elements, **EXACT)
    assert shown(tmp_path) == [[0, 128, 191, 255]]


@pytest.mark.parametrize(
    ("window", "greys"),
    [
        ({"WindowWidth": 200, "WindowCenter": 0, "VOILUTFunction": "SIGMOID"}, [30, 128, 186, 225]),
        ({"WindowWidth": 1, "WindowCenter": 1}, [0, 0, 255, 255]),
        ({"WindowWidth": [200, 900], "WindowCenter": [0, 500]}, [0, 128, 192, 255]),
        ({"WindowWidth": "", "WindowCenter": ""}, [0, 128, 191, 255]),
    ],
)
def test_windows_of_every_function(tmp_path: Path, window: dict[str, Any], greys: list[int]) -> None:
    dicom(tmp_path / "a.dcm", SIGNED, **window)
    assert shown(tmp_path, percentile=100) == [greys]


def test_frames_share_the_rescale_of_their_file(tmp_path: Path) -> None:
    frames = np.stack([SIGNED // 2, SIGNED // 2 + np.int16(10)])
    dicom(tmp_path / "a.dcm", frames, NumberOfFrames=2, RescaleSlope=2, RescaleIntercept=0, **EXACT)
    assert shown(tmp_path) == [[0, 128, 191, 255], [26, 153, 217, 255]]


@pytest.mark.parametrize(
    ("elements", "named"),
    [
        ({"PresentationLUTSequence": True}, r"PresentationLUTSequence \(2050,0010\)"),
        (
            {"PhotometricInterpretation": "YBR_PARTIAL_422", **COLOUR},
            r"PhotometricInterpretation \(0028,0004\)",
        ),
    ],
)
def test_what_is_not_read_is_named_with_what_to_do(
    tmp_path: Path, elements: dict[str, Any], named: str
) -> None:
    if "PresentationLUTSequence" in elements:
        elements = {"PresentationLUTSequence": lut([0, 1, 2, 3]), **GREY8}
    pixels = INDEX if "SamplesPerPixel" not in elements else np.zeros((2, 2, 3), np.uint8)
    dicom(tmp_path / "a.dcm", pixels, **elements)
    with pytest.raises(DataError, match=rf"a\.dcm has .*{named}") as caught:
        shown(tmp_path)
    assert "--set dataset.exclude=GLOB" in caught.value.hint
