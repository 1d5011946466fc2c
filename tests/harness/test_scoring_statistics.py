"""Statistics of features as a reference: the same distance, and nothing that they are not enough for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.api import ScoreError
from harness.scoring.metrics.frechet import frechet_distance
from harness.scoring.statistics import Statistics, is_statistics, read_statistics

SEED = 0


def test_features_made_of_statistics_have_them() -> None:
    print(f"seed {SEED}")
    real = np.random.default_rng(SEED).normal(size=(50, 6)) @ np.random.default_rng(1).normal(size=(6, 6))
    known = Statistics(real.mean(0), np.cov(real.T))
    made = known.features()
    np.testing.assert_allclose(made.mean(0), known.mean, atol=1e-12)
    np.testing.assert_allclose(np.cov(made.T), known.covariance, atol=1e-12)
    generated = np.random.default_rng(2).normal(size=(40, 6))
    assert frechet_distance(made, generated) == pytest.approx(frechet_distance(real, generated), rel=1e-10)


def test_features_may_be_fewer_than_their_dimensions() -> None:
    real, generated = np.random.default_rng(SEED).normal(size=(2, 5, 16))
    known = Statistics(real.mean(0), np.cov(real.T))
    # A singular covariance in float64 has its root known to about the root of the rounding.
    assert frechet_distance(known.features(), generated) == pytest.approx(
        frechet_distance(real, generated), rel=1e-5
    )


@pytest.mark.parametrize(
    ("arrays", "found"),
    [
        ({"mu": np.zeros(3), "sigma": np.eye(4)}, r"mu \(3,\)"),
        ({"mu": np.zeros(4), "sigma": np.full((4, 4), np.nan)}, "NaN"),
        ({"mu": np.zeros(4), "sigma": np.triu(np.ones((4, 4)))}, "not symmetric"),
        ({"mu": np.array(["a"] * 4), "sigma": np.eye(4)}, "holds <U1"),
    ],
)
def test_statistics_of_something_else_are_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], found: str
) -> None:
    np.savez(tmp_path / "stats.npz", **arrays)
    assert is_statistics(tmp_path / "stats.npz")
    with pytest.raises(ScoreError, match=found):
        read_statistics(tmp_path / "stats.npz", 4)


def test_other_files_are_no_statistics(tmp_path: Path) -> None:
    np.savez(tmp_path / "images.npz", np.zeros((2, 8, 8), np.uint8))
    (tmp_path / "broken.npz").write_bytes(b"PK")
    assert not any(is_statistics(tmp_path / name) for name in ("images.npz", "broken.npz", "absent.npz"))


def test_bench_score_against_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness import cli

    def command(*arguments: object) -> tuple[object, str]:
        monkeypatch.setattr("sys.argv", ["bench", "score", *map(str, arguments)])
        try:
            cli.main()
            code: object = 0
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        return code, said.out + said.err

    images = np.random.default_rng(SEED).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    np.savez(tmp_path / "samples_4x32x32x3.npz", images)
    np.savez(tmp_path / "stats.npz", mu=np.zeros(2048), sigma=np.eye(2048, dtype=np.float32))
    common = ("--generated", tmp_path / "samples_4x32x32x3.npz", "--reference", tmp_path / "stats.npz")
    code, said = command(*common, "--metrics", "fd_random", "--device", "cpu", "--out", tmp_path / "s.json")
    assert code in (0, None), said
    assert "4 generated against statistics" in said
    assert "no floor and no interval" in said
    written = json.loads((tmp_path / "s.json").read_text())
    assert written["n_real"] is None
    assert written["scores"]["fd_random"] > 0
    code, said = command(*common, "--metrics", "swd", "--device", "cpu")
    assert code == 2
    assert "not enough for swd" in said
    assert "--metrics fid" in said
    code, said = command("--generated", tmp_path / "stats.npz", "--reference", tmp_path / "stats.npz")
    assert code == 2
    assert "holds mu" in said
    code, said = command(*common, "--metrics", "fd_random", "--res", "64", "--device", "cpu")
    assert code == 2
    assert "needed: 64 x 64" in said
