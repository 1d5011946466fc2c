"""Small volumes that look like brains to a reader of such volumes."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np

SHAPE = (40, 40, 60)


def save(path: Path, voxels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)


def brain(seed: int, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """An ellipsoid of 100 to 200 in zeros, so that the upper and lower slices hold little."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    inside = (grid**2 / np.array([0.6, 0.8, 0.9])[:, None, None, None] ** 2).sum(axis=0) < 1
    return np.where(inside, np.random.default_rng(seed).integers(100, 200, shape), 0).astype(np.int16)
