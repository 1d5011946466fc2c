"""The built-in data sets, metrics, feature spaces and executors keep the contract that is asked of anybody's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.plugins import Registry
from harness.testing import assert_passes, check_dataset, check_executor, check_features, check_metric

REGISTRY = Registry()


def folder(root: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(6):
        Image.fromarray(random.integers(0, 256, (20, 24), np.uint8)).save(root / f"p{number}.png")


def covid_ct(root: Path) -> None:
    (root / "CT_NonCOVID").mkdir()
    random = np.random.default_rng(0)
    for number in range(6):
        image = Image.fromarray(random.integers(0, 256, (20, 24), np.uint8))
        image.save(root / "CT_NonCOVID" / f"{number // 2}%{number}.png")


def acdc(root: Path) -> None:
    import nibabel

    random = np.random.default_rng(0)
    for number in range(1, 4):
        home = root / f"patient{number:03d}"
        home.mkdir()
        (home / "Info.cfg").write_text("ED: 1\nES: 2\n")
        for frame in (1, 2):
            values = random.integers(1, 200, (8, 8, 2)).astype(np.int16)
            nibabel.save(nibabel.Nifti1Image(values, None), home / f"{home.name}_frame{frame:02d}.nii")


@pytest.mark.parametrize(
    ("name", "write", "settings"),
    [
        ("phantom", None, {"images": 24, "size": 32}),
        ("folder", folder, {}),
        ("covid-ct", covid_ct, {}),
        ("acdc", acdc, {}),
    ],
)
def test_data_sets(name: str, write: Any, settings: dict[str, Any], tmp_path: Path) -> None:
    if write is not None:
        write(tmp_path)
    root = None if write is None else tmp_path
    assert_passes(check_dataset(REGISTRY.load("datasets", name), root=root, settings=settings))


@pytest.mark.parametrize("name", [entry.name for entry in REGISTRY.entries("metrics")])
def test_metrics(name: str) -> None:
    entry = REGISTRY.entry("metrics", name)
    # The recipe of networks that take minutes to learn, in a few steps.
    short = {"seeds": 1, "steps": 3, "width": 4} if name.startswith("utility") else {}
    assert_passes(check_metric(REGISTRY.load("metrics", name), name=name, **entry.options, **short))


def test_feature_spaces() -> None:
    entry = REGISTRY.entry("features", "inception-random")
    assert_passes(check_features(REGISTRY.load("features", "inception-random"), **entry.options))


def test_executors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_passes(check_executor(REGISTRY.load("executors", "local")))
