"""Radiomic features and FRD as pyradiomics and frd-score compute them; tests do without both."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.pictures import save_png
from harness.scoring.spaces.radiomics.space import NAMES

PACKAGES = ("frd-score", "pyradiomics-bhklab", "SimpleITK", "PyWavelets", "numpy")


def packages() -> dict[str, str]:
    """The versions that answer for the numbers."""
    return {name: version(name) for name in PACKAGES}


def features(images: NDArray[np.uint8], *, normalise: bool = True) -> NDArray[np.float64]:
    """What frd-score extracts of (N, C, H, W) images with its settings, in the order of our names.

    Args:
        images: One file is written and read for each.
        normalise: False for images of one value, which pyradiomics can't normalise.
    """
    from frd_score import frd

    _quiet()
    extractor = frd.get_feature_extractor(frd_version="v1")
    extractor.settings["normalize"] = normalise
    with _files(images) as folder:
        found = [
            frd.process_image_mask_pair((path, None), feature_extractor=extractor)[1]
            for path in sorted(folder.iterdir())
        ]
    # frd-score takes "original" out of the names of the image as it is, and leaves it in diagnostics.
    kept = [name if name.startswith("diagnostics") else name.removeprefix("original_") for name in NAMES]
    return np.array([[image[name] for name in kept] for image in found])


def distance(real: NDArray[np.uint8], generated: NDArray[np.uint8]) -> float:
    """FRD by frd-score, from files to the number."""
    from frd_score import frd

    _quiet()
    with _files(real) as one, _files(generated) as other, contextlib.redirect_stdout(io.StringIO()):
        return float(frd.compute_frd([str(one), str(other)], num_workers=1))


def _quiet() -> None:
    from frd_score import frd

    # Standard deviations of 0 and images without LoG are expected, once for every image.
    warnings.simplefilter("ignore")
    frd._ensure_radiomics()
    frd.setVerbosity(60)
    logging.getLogger("radiomics").setLevel(logging.CRITICAL)


@contextlib.contextmanager
def _files(images: NDArray[np.uint8]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        for number, image in enumerate(images):
            save_png(Path(folder) / f"{number:04d}.png", image)
        yield Path(folder)
