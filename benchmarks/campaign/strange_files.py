"""The files of strangers that ``hostile`` hands to the command line, made anew for each trial."""

from __future__ import annotations

import io
import os
import pickle
import random
import shutil
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

FORMATS = {
    "PNG": "png",
    "TIFF": "tif",
    "JPEG": "jpg",
    "BMP": "bmp",
    "WEBP": "webp",
    "PPM": "ppm",
    "GIF": "gif",
}
NAMES = [
    "new\nline", "tab\there", "=1+1", "<script>alert(1)<", "%s{}", "'; rm -r *", "$(id)", "-out", " ",
    "a" * 240, "💥", "\udce4\udcff", "..png", "con", "caf\u00e9", "\x1b[31m",
]  # fmt: skip


def good_images(folder: Path, draw: random.Random) -> Path:
    folder.mkdir(exist_ok=True)
    values = np.random.default_rng(draw.randrange(2**31))
    for number in range(6):
        Image.fromarray(values.integers(0, 255, (32, 32), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


def _encoded(kind: str, draw: random.Random) -> bytes:
    file = io.BytesIO()
    values = np.random.default_rng(draw.randrange(2**31)).integers(0, 255, (32, 32), dtype=np.uint8)
    Image.fromarray(values).save(file, kind)
    return file.getvalue()


def _changed_image(folder: Path, draw: random.Random) -> None:
    kind = draw.choice(sorted(FORMATS))
    content = bytearray(_encoded(kind, draw))
    for _ in range(draw.choice([1, 2, 5, 20])):
        content[draw.randrange(min(len(content), 200))] = draw.randrange(256)
    if draw.random() < 0.3:
        del content[draw.randrange(len(content)) :]
    (folder / f"x.{FORMATS[kind]}").write_bytes(content)


def _png(width: int, height: int, data: bytes = b"", extra: bytes = b"") -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", data or zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def _text_bomb() -> bytes:
    content = b"k\0\0" + zlib.compress(bytes(100_000_000))
    crc = struct.pack(">I", zlib.crc32(b"zTXt" + content))
    return _png(32, 32, extra=struct.pack(">I", len(content)) + b"zTXt" + content + crc)


def _thin(folder: Path, draw: random.Random) -> None:
    Image.fromarray(np.zeros((1, 65_000), np.uint8)).save(folder / "x.png")


IMAGES: dict[str, Callable[[Path, random.Random], object]] = {
    "changed bytes": _changed_image,
    "changed bytes, again": _changed_image,
    "changed bytes, once more": _changed_image,
    "60,000 pixels a side": lambda folder, draw: (folder / "x.png").write_bytes(_png(60_000, 60_000)),
    "two thousand million pixels a side": lambda f, draw: (f / "x.png").write_bytes(
        _png(2**31 - 1, 2**31 - 1)
    ),
    "no pixels": lambda folder, draw: (folder / "x.png").write_bytes(_png(0, 0)),
    "100 MB of text": lambda folder, draw: (folder / "x.png").write_bytes(_text_bomb()),
    "65,000 pixels in a row": _thin,
    "nothing": lambda folder, draw: (folder / "x.png").write_bytes(b""),
    "random bytes": lambda f, draw: (f / f"x.{draw.choice([*FORMATS.values()])}").write_bytes(
        draw.randbytes(300)
    ),
}


class _Program:
    """What a pickle may do when somebody opens it."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("executed",)


def _npy(header: str, body: bytes = b"") -> bytes:
    text = header.encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def _claims(shape: str, kind: str = "|u1", body: bytes = bytes(4096)) -> bytes:
    return _npy(f"{{'descr':'{kind}','fortran_order':False,'shape':{shape}}}", body)


def _changed_array(draw: random.Random) -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros((6, 1, 32, 32), np.uint8))
    content = bytearray(file.getvalue())
    for _ in range(draw.choice([1, 3, 8])):
        content[draw.randrange(128)] = draw.randrange(256)
    return bytes(content)


ARRAYS: dict[str, Callable[[random.Random], bytes]] = {
    "changed bytes": _changed_array,
    "changed bytes, again": _changed_array,
    "ten million million images": lambda draw: _claims("(10000000000000,1,32,32)"),
    "more than a machine counts": lambda draw: _claims("(1180591620717411303424,1)"),
    "a negative side": lambda draw: _claims("(-1,32,32)"),
    "400,000 pixels in a row": lambda draw: _claims("(1,400000)", body=bytes(400_000)),
    "objects": lambda draw: _claims("(1,)", "|O", pickle.dumps(_Program())),
    "a program": lambda draw: pickle.dumps(_Program()),
    "a deep header": lambda draw: _npy("(" * 5000),
    "no axes": lambda draw: _claims("()"),
    "five axes": lambda draw: _claims("(1,1,1,32,32)"),
    "images of one pixel": lambda draw: _claims("(8,1,1)"),
    "text": lambda draw: _claims("(8,32,32)", "<U4"),
    "complex numbers": lambda draw: _claims("(8,4,4)", "<c16"),
    "dates": lambda draw: _claims("(8,8,8)", "<M8[s]"),
    "NaN": lambda draw: _claims("(4,16,16)", "<f4", b"\x00\x00\xc0\x7f" * 1024),
    "no images": lambda draw: _claims("(0,1,32,32)"),
}


def _zip(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # a name that comes twice is one of the things to be tried
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def _images_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.png"))}


def _patched(content: bytes, draw: random.Random, central: int, local: int, value: int) -> bytes:
    """The same archive with one field of every header changed."""
    changed = bytearray(content)
    for at in range(len(changed) - 4):
        if changed[at : at + 4] == b"PK\1\2":
            changed[at + central] = value
        elif changed[at : at + 4] == b"PK\3\4":
            changed[at + local] = value
    return bytes(changed)


def _changed_zip(folder: Path, draw: random.Random) -> bytes:
    content = bytearray(_zip(_images_in(folder)))
    for _ in range(draw.choice([1, 3, 10])):
        content[draw.randrange(len(content))] = draw.randrange(256)
    return bytes(content)


def _tar(folder: Path, draw: random.Random) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.add(folder, "../../up")
    return file.getvalue()


def _reaching_out(folder: Path, draw: random.Random) -> bytes:
    image = next(iter(_images_in(folder).values()))
    return _zip(
        {
            **_images_in(folder),
            "../../escaped.png": image,
            "/tmp/../escaped.png": image,
            "a/../../b.png": image,
        }
    )


ARCHIVES: dict[str, Callable[[Path, random.Random], bytes]] = {
    "changed bytes": _changed_zip,
    "changed bytes, again": _changed_zip,
    "cut": lambda folder, draw: (content := _zip(_images_in(folder)))[: draw.randrange(len(content))],
    "encrypted": lambda folder, draw: _patched(_zip(_images_in(folder)), draw, 8, 6, 1),
    "an unknown compression": lambda folder, draw: _patched(_zip(_images_in(folder)), draw, 10, 8, 99),
    "names that reach out": _reaching_out,
    "300 MB of nothing": lambda folder, draw: _zip({"a.png": bytes(300_000_000)}),
    "300 MB in a picture": lambda folder, draw: _zip({**_images_in(folder), "big.png": _png(17_000, 17_000)}),
    "no files": lambda folder, draw: _zip({}),
    "folders called like pictures": lambda folder, draw: _zip({"x.png/": b"", **_images_in(folder)}),
    "a tar": _tar,
    "strange names": lambda f, d: _zip(
        {n.encode(errors="replace").decode() + ".png": _encoded("PNG", d) for n in NAMES}
    ),
}


def nifti(draw: random.Random) -> bytes:
    shape = draw.choice(
        [(8, 8, 4), (4, 4, 4), (32767, 32767, 32767), (-5, 10, 10), (0, 0, 0), (1, 1, 20_000)]
    )
    header = bytearray(348)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, len(shape), *shape, *([1] * (7 - len(shape))))
    struct.pack_into("<hh", header, 70, draw.choice([2, 4, 16, 64, 128, 1792]), 16)
    struct.pack_into("<8f", header, 76, *([draw.choice([1.0, 1.0, 0.0, float("nan")])] * 8))
    struct.pack_into("<f", header, 108, draw.choice([352.0, 352.0, float("nan"), 1e30, -1.0]))
    header[344:348] = b"n+1\0"
    return bytes(header) + bytes(4) + draw.randbytes(512)


def dicom(draw: random.Random) -> bytes:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values that are not allowed are what this is for
        image = FileDataset("x.dcm", {}, file_meta=meta, preamble=bytes(128))
        image.Rows = image.Columns = draw.choice([16, 16, 16, 0, 65_535])
        image.BitsAllocated = draw.choice([8, 8, 16, 32])
        image.BitsStored, image.HighBit = image.BitsAllocated, image.BitsAllocated - 1
        image.PixelRepresentation, image.SamplesPerPixel = draw.choice([0, 0, 1]), draw.choice([1, 1, 3])
        image.PhotometricInterpretation = draw.choice(
            ["MONOCHROME2", "MONOCHROME1", "RGB", "YBR_FULL", "ODD"]
        )
        image.PatientID = draw.choice(["p", "<script>", "=1+1", "x" * 64])
        if draw.random() < 0.3:
            image.RescaleSlope, image.RescaleIntercept = draw.choice(["1e308", "0", "-1"]), "0"
        if draw.random() < 0.3:
            image.NumberOfFrames = draw.choice(["1000000000", "2"])
        image.PixelData = draw.randbytes(256)
        image.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _table(content: str | bytes) -> Callable[[Path, random.Random], None]:
    def put(folder: Path, draw: random.Random) -> None:
        (folder / "patients.csv").write_bytes(content if isinstance(content, bytes) else content.encode())

    return put


def _named(folder: Path, draw: random.Random) -> None:
    for number, name in enumerate(draw.sample(NAMES, 3)):
        os.rename(folder / f"{number}.png", folder / f"{name}.png")


ROWS = "".join(f"{number}.png,p{number}\n" for number in range(6))
TREES: dict[str, Callable[[Path, random.Random], object]] = {
    "a pipe": lambda folder, draw: os.mkfifo(folder / "x.png"),
    "a link to nowhere": lambda folder, draw: (folder / "x.png").symlink_to("/nowhere"),
    "a link to itself": lambda folder, draw: (folder / "x.png").symlink_to("x.png"),
    "a link to a device": lambda folder, draw: (folder / "x.png").symlink_to("/dev/zero"),
    "a link to the folder": lambda folder, draw: (folder / "sub").symlink_to(folder),
    "a folder called like a picture": lambda folder, draw: (folder / "x.png").mkdir(),
    "strange names": _named,
    "strange names, again": _named,
    "a name that is no text": lambda f, d: os.rename(f / "0.png", os.fsencode(f) + b"/\xff\xe4.png"),
    "300 folders deep": lambda folder, draw: (folder / "/".join("d" * 300)).mkdir(parents=True),
    "empty": lambda folder, draw: (shutil.rmtree(folder), folder.mkdir()),
    "a table with formulas": _table('file,patient\n0.png,"=HYPERLINK(""http://x"")<script>"\n'),
    "a table that is no UTF-8": _table(b"file,patient\n0.png,\xff\n"),
    "a table with a NUL": _table(b"file,patient\n0.png,a\0b\n"),
    "a table with a field of 200 KB": _table('file,patient\n"' + "a" * 200_000 + '",x\n'),
    "a table with more columns": _table("file,patient\n" + ROWS.replace("\n", ",a,b\n")),
    "a table of semicolons": _table(("file,patient\n" + ROWS).replace(",", ";")),
    "a table with lines in fields": _table(
        "file,patient\n" + ROWS.replace("p", '"p\n').replace("\n0", "\n0")
    ),
    "a table that is a folder": lambda folder, draw: (folder / "patients.csv").mkdir(),
    "a table that is a pipe": lambda folder, draw: os.mkfifo(folder / "patients.csv"),
}
