"""What a file says of its pixels is what they mean: palettes, colour spaces, LUTs, orientation, depth, sign."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness_datasets.folder import Folder, FolderConfig
from PIL import Image
from rawfiles import COLOUR, GREY8, dicom, lut, png16, sequence, tiff

from harness.api import DataError, Slice

#: Stored as YCbCr: PS3.3, C.7.6.3.1.2.
YBR = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
RAMP = np.linspace(0, 1, 64 * 48).reshape(48, 64)


def read(root: Path, **options: Any) -> list[Slice]:
    return list(Folder(root, FolderConfig(**options)).slices())


def greys(root: Path, **options: Any) -> np.ndarray:
    """Pixels of the only image in grey, 0 to 255."""
    (piece,) = read(root, colour="grey", **options)
    return np.rint(piece.pixels * 255).astype(int)


def bands() -> np.ndarray:
    """Red, green, blue and grey bands of 16 rows, whose luma is 76, 150, 29, 128."""
    rgb = np.full((64, 64, 3), 128, np.uint8)
    rgb[:16], rgb[16:32], rgb[32:48] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    return rgb


def test_ybr_without_compression_becomes_grey_by_its_luma(tmp_path: Path) -> None:
    ybr = np.clip(np.rint(bands() @ YBR.T + [0, 128, 128]), 0, 255).astype(np.uint8)
    dicom(tmp_path / "us.dcm", ybr, PhotometricInterpretation="YBR_FULL", **COLOUR)
    assert greys(tmp_path)[::16, 0] == pytest.approx([76, 150, 29, 128], abs=1)


def test_rgb_in_planes_is_the_same_as_in_pixels(tmp_path: Path) -> None:
    planes = np.ascontiguousarray(bands().transpose(2, 0, 1))
    elements = COLOUR | {
        "PlanarConfiguration": 1,
        "PhotometricInterpretation": "RGB",
        "Rows": 64,
        "Columns": 64,
    }
    dicom(tmp_path / "us.dcm", planes.tobytes(), **elements)
    assert greys(tmp_path)[::16, 0] == pytest.approx([76, 150, 29, 128], abs=1)


def test_ybr_in_run_lengths_is_the_same(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    ybr = np.clip(np.rint(bands() @ YBR.T + [0, 128, 128]), 0, 255).astype(np.uint8)
    dicom(tmp_path / "us.dcm", ybr, PhotometricInterpretation="YBR_FULL", **COLOUR)
    file = pydicom.dcmread(tmp_path / "us.dcm")
    file.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    file.save_as(tmp_path / "us.dcm")
    assert greys(tmp_path)[::16, 0] == pytest.approx([76, 150, 29, 128], abs=1)


def test_ybr_of_half_the_colours_is_the_same(tmp_path: Path) -> None:
    ybr = np.clip(np.rint(bands() @ YBR.T + [0, 128, 128]), 0, 255).astype(np.uint8)
    # Two luminances, then the colour of both: PS3.3, C.7.6.3.1.2, YBR_FULL_422.
    pairs = np.stack([ybr[:, ::2, 0], ybr[:, 1::2, 0], ybr[:, ::2, 1], ybr[:, ::2, 2]], axis=-1)
    dicom(tmp_path / "us.dcm", pairs.tobytes(), PhotometricInterpretation="YBR_FULL_422", **COLOUR)
    assert greys(tmp_path)[::16, 0] == pytest.approx([76, 150, 29, 128], abs=1)


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    index = np.zeros((64, 64), np.uint8)
    index[16:48, 16:48] = 230
    words = (65535 - np.arange(256) * 257).astype("<u2").tobytes()
    tables = {
        f"{colour}PaletteColorLookupTable{part}": value
        for colour in ("Red", "Green", "Blue")
        for part, value in (("Descriptor", [256, 0, 16]), ("Data", words))
    }
    dicom(tmp_path / "us.dcm", index, PhotometricInterpretation="PALETTE COLOR", **GREY8, **tables)
    shown = greys(tmp_path)
    assert (shown[0, 0], shown[32, 32]) == (255, 25)


HU = np.full((64, 64), -1000)
HU[8:56, 8:56], HU[20:30, 20:30] = 40, 1000
STORED = (HU + 1024).astype("<u2")
TWELVE = {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0}


def enhanced(path: Path, frames: int = 2, per_frame: list[Any] | None = None) -> None:
    pydicom = pytest.importorskip("pydicom")
    shared = sequence(
        PixelValueTransformationSequence=sequence(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU"),
        FrameVOILUTSequence=sequence(WindowCenter=40, WindowWidth=400),
    )
    dicom(
        path,
        np.stack([STORED] * frames),
        KIND=pydicom.uid.EnhancedCTImageStorage,
        NumberOfFrames=frames,
        SharedFunctionalGroupsSequence=shared,
        PerFrameFunctionalGroupsSequence=per_frame or [pydicom.Dataset() for _ in range(frames)],
        **TWELVE,
    )


@pytest.mark.parametrize(
    ("options", "shown"), [({"low": -1000.0, "high": 400.0}, [0, 189, 255]), ({}, [0, 128, 255])]
)
def test_functional_groups_are_as_good_as_elements_of_their_own(
    tmp_path: Path, options: dict[str, float], shown: list[int]
) -> None:
    dicom(
        tmp_path / "classic.dcm", STORED, RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=400,
        PatientID="P2", **TWELVE,
    )  # fmt: skip
    enhanced(tmp_path / "enhanced.dcm")
    pieces = read(tmp_path, **options)
    assert [(piece.source, piece.index) for piece in pieces] == [
        ("classic.dcm", 0), ("enhanced.dcm", 0), ("enhanced.dcm", 1),
    ]  # fmt: skip
    for piece in pieces:
        assert np.unique(np.rint(piece.pixels * 255)).tolist() == shown


def test_each_frame_is_rescaled_by_its_own_functional_group(tmp_path: Path) -> None:
    own = [
        sequence(PixelValueTransformationSequence=sequence(RescaleSlope=slope, RescaleIntercept=-1024))[0]
        for slope in (1, 2)
    ]
    enhanced(tmp_path / "enhanced.dcm", per_frame=own)
    first, second = read(tmp_path, low=0, high=2080)
    # 1064 is stored for tissue: 40, and with twice the slope 1104.
    assert float(first.pixels[10, 10]) == pytest.approx(40 / 2080, abs=1e-5)
    assert float(second.pixels[10, 10]) == pytest.approx(1104 / 2080, abs=1e-5)


def test_monochrome1_is_bright_where_values_are_low(tmp_path: Path) -> None:
    stored = np.full((64, 64), 1000, "<u2")
    stored[16:32], stored[32:48], stored[48:] = 2000, 3000, 60000
    dicom(
        tmp_path / "dx.dcm", stored, PhotometricInterpretation="MONOCHROME1", PixelRepresentation=0,
        WindowCenter=2000.5, WindowWidth=2001,
    )  # fmt: skip
    assert greys(tmp_path)[::16, 0].tolist() == [255, 128, 0, 0]


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_an_inverse_presentation_shape_inverts_once(tmp_path: Path, kind: str) -> None:
    stored = np.array([[0, 100, 255]], np.uint8)
    dicom(tmp_path / "a.dcm", stored, PhotometricInterpretation=kind, PresentationLUTShape="INVERSE", **GREY8)
    assert greys(tmp_path)[0].tolist() == [255, 155, 0]


def test_a_voi_lut_that_falls_inverts(tmp_path: Path) -> None:
    stored = np.array([[0, 1, 2, 3]], np.uint8)
    dicom(
        tmp_path / "a.dcm",
        stored,
        VOILUTSequence=lut([255, 200, 50, 0]),
        WindowCenter=1,
        WindowWidth=2,
        **GREY8,
    )
    assert greys(tmp_path)[0].tolist() == [255, 200, 50, 0]
    assert greys(tmp_path, low=0, high=3)[0].tolist() == [0, 85, 170, 255]  # named values go before


def test_a_modality_lut_comes_before_the_window(tmp_path: Path) -> None:
    stored = np.array([[0, 1, 2, 3]], np.uint8)
    table = lut([1000, 700, 300, 0], bits=16)
    table[0].ModalityLUTType = "US"
    dicom(tmp_path / "a.dcm", stored, ModalityLUTSequence=table, **GREY8)
    assert greys(tmp_path, low=0, high=1000)[0] == pytest.approx([255, 178, 76, 0], abs=1)


def test_padding_is_black_and_counts_for_no_percentile(tmp_path: Path) -> None:
    stored = np.full((64, 64), 100, "<i2")
    stored[:32], stored[32:40] = -2000, 300
    dicom(tmp_path / "a.dcm", stored, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=-2000)
    shown = greys(tmp_path)
    assert (shown[0, 0], shown[33, 0], shown[60, 0]) == (0, 0, 255)


def test_padding_may_be_a_range(tmp_path: Path) -> None:
    stored = np.array([[-3000, -2500, 0, 100]], "<i2")
    dicom(tmp_path / "a.dcm", stored, PixelPaddingValue=-3000, PixelPaddingRangeLimit=-2000)
    assert greys(tmp_path, percentile=100)[0].tolist() == [0, 0, 0, 255]


def test_an_unknown_colour_space_is_refused_by_the_tags_name(tmp_path: Path) -> None:
    dicom(tmp_path / "a.dcm", bands(), PhotometricInterpretation="HSV", **COLOUR)
    with pytest.raises(DataError, match=r"a\.dcm.*PhotometricInterpretation"):
        read(tmp_path)


def test_eight_bits_without_a_window_are_shown_as_they_are(tmp_path: Path) -> None:
    dicom(tmp_path / "a.dcm", np.array([[10, 20, 128]], np.uint8), **GREY8)
    assert greys(tmp_path)[0].tolist() == [10, 20, 128]


def test_colours_of_16_bits_keep_them(tmp_path: Path) -> None:
    ramp = (RAMP * 4095).astype(np.uint16)
    png16(tmp_path / "chest.png", np.stack([ramp] * 3, -1))
    (piece,) = read(tmp_path)
    np.testing.assert_allclose(piece.pixels, ramp / 4095, atol=1e-4)
    np.testing.assert_allclose(read(tmp_path, high=8190)[0].pixels, ramp / 8190, atol=1e-4)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_colours_of_16_bits_in_tiff(tmp_path: Path, order: str, packed: bool) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (9, 7, 3)).astype(np.uint16)
    values[0, 0] = 65535
    tiff(tmp_path / "a.tif", values, 2, order=order, packed=packed)
    np.testing.assert_allclose(read(tmp_path)[0].pixels, values / 65535, atol=1e-5)
    (piece,) = read(tmp_path, colour="grey")
    np.testing.assert_allclose(piece.pixels, values @ [0.299, 0.587, 0.114] / 65535, atol=1e-5)
    assert piece.conversion == "colour to grey"


def test_what_is_transparent_lies_on_black_at_16_bits(tmp_path: Path) -> None:
    grey = np.full((4, 4, 2), 65535, np.uint16)
    grey[:2, :, 1], grey[2:, :2, 1] = 0, 32768
    png16(tmp_path / "la.png", grey)
    assert greys(tmp_path)[[0, 2, 2], [0, 0, 3]].tolist() == [0, 128, 255]
    (tmp_path / "la.png").unlink()
    png16(tmp_path / "rgba.png", grey[..., [0, 0, 0, 1]])
    assert greys(tmp_path)[[0, 2, 2], [0, 0, 3]].tolist() == [0, 128, 255]


def test_what_is_transparent_lies_on_black_at_8_bits(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (200, 200, 200, 0)).save(tmp_path / "a.png")
    assert greys(tmp_path).max() == 0


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["phone.jpg", "phone.png", "phone.tif"])
def test_a_picture_is_turned_as_exif_says(tmp_path: Path, name: str, orientation: int) -> None:
    upright = np.zeros((48, 96), np.uint8)
    upright[:, :24], upright[:12] = 255, 160
    # How a camera that was held otherwise stores the same: TIFF 6.0, tag 274.
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.T,
        6: upright.T[::-1], 7: upright.T[::-1, ::-1], 8: upright.T[:, ::-1],
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    image.save(tmp_path / name, exif=exif, **({"quality": 95} if name.endswith("jpg") else {}))
    shown = greys(tmp_path)
    assert shown.shape == (48, 96)
    assert np.abs(shown - upright).mean() < 2


def test_16_bits_are_turned_too(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.uint16).reshape(2, 3) * 100
    tiff(tmp_path / "a.tif", values, 1, orientation=6)
    assert greys(tmp_path).tolist() == np.rint(np.rot90(values, -1) * (255 / 500)).astype(int).tolist()


@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("dtype", "sample_format"),
    [(np.uint8, 1), (np.uint16, 1), (np.int16, 2), (np.int32, 2), (np.float32, 3)],
)
def test_white_may_be_zero_at_every_depth(
    tmp_path: Path, dtype: type, sample_format: int, order: str, photometric: int
) -> None:
    values = np.array([[0, 51, 255]]).astype(dtype)
    tiff(tmp_path / "a.tif", values, photometric, sample_format=sample_format, order=order)
    expected = [0, 51, 255] if photometric == 1 else [255, 204, 0]
    assert greys(tmp_path, low=0, high=255)[0].tolist() == expected


def test_signed_16_bits_are_read_with_a_window_or_say_what_to_set(tmp_path: Path) -> None:
    values = np.full((8, 8), -1000, np.int16)
    values[2:6, 2:6] = 40
    tiff(tmp_path / "ct.tif", values, 1, sample_format=2)
    assert np.unique(greys(tmp_path, low=-1000, high=400)).tolist() == [0, 189]
    with pytest.raises(
        DataError, match=r"ct\.tif holds signed 16-bit values \(int16\) from -1000 to 40"
    ) as caught:
        read(tmp_path)
    assert "--set dataset.low=" in caught.value.hint
    assert "get this file again" not in str(caught.value)


def test_floats_in_tiff_are_as_those_in_arrays(tmp_path: Path) -> None:
    tiff(tmp_path / "a.tif", RAMP.astype(np.float32), 1, sample_format=3)
    np.testing.assert_allclose(read(tmp_path)[0].pixels, RAMP, atol=1e-6)
    tiff(tmp_path / "a.tif", (RAMP * 3).astype(np.float32), 1, sample_format=3)
    with pytest.raises(DataError, match="floats from 0 to 3"):
        read(tmp_path)


def test_a_palette_of_colours_becomes_grey_by_its_luma(tmp_path: Path) -> None:
    Image.fromarray(bands()).convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "a.gif")
    assert greys(tmp_path)[::16, 0] == pytest.approx([76, 150, 29, 128], abs=2)


def test_all_pictures_of_a_film_are_read(tmp_path: Path) -> None:
    film = [Image.new("L", (8, 8), grey) for grey in (0, 100, 200)]
    film[0].save(tmp_path / "a.gif", save_all=True, append_images=film[1:])
    assert [round(float(piece.pixels[0, 0]) * 255) for piece in read(tmp_path)] == [0, 100, 200]


def test_what_a_pgm_calls_white_is_white(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5 3 1 4095\n" + np.array([0, 2048, 4095], ">u2").tobytes())
    assert greys(tmp_path)[0].tolist() == [0, 128, 255]


def test_colours_are_kept_unless_grey_is_asked_for(tmp_path: Path) -> None:
    dicom(tmp_path / "a.dcm", bands(), PhotometricInterpretation="RGB", **COLOUR)
    Image.fromarray(bands()).save(tmp_path / "b.png")
    np.save(tmp_path / "c.npy", bands())
    for piece in read(tmp_path):
        np.testing.assert_array_equal(np.rint(piece.pixels * 255), bands())
        assert piece.conversion == ""
    for piece in read(tmp_path, colour="grey"):
        assert np.rint(piece.pixels * 255)[::16, 0].tolist() == [76, 150, 29, 128]
        assert piece.conversion == "colour to grey"


@pytest.mark.parametrize(("colour", "dimensions"), [("auto", 2), ("grey", 2), ("rgb", 3)])
def test_grey_in_three_channels_is_grey_up_to_rounding(tmp_path: Path, colour: str, dimensions: int) -> None:
    grey = np.random.default_rng(0).integers(0, 250, (16, 16, 1)) + np.arange(3)
    Image.fromarray(grey.astype(np.uint8)).save(tmp_path / "a.png")
    (piece,) = read(tmp_path, colour=colour)
    assert piece.pixels.ndim == dimensions
    assert piece.conversion == ""
