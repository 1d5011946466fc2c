import json

import numpy as np
import pytest
from measured import CPU

from harness.api import Population, ScoreError
from harness.scoring.metrics.extrapolation import extrapolated
from harness.scoring.metrics.frechet import Frechet, frechet_distance
from harness.scoring.metrics.log_frechet import LogFrechet


def gaussians(n, seed, d=24, shift=0.0, spread=1.0):
    return shift + spread * np.random.default_rng(seed).standard_normal((n, d)) * np.exp(-np.arange(d) / d)


def mean_curves(shift, spread):
    """Means over twelve worlds of the limit and of the distance at 300 images."""
    found = []
    for world in range(12):
        sides = gaussians(300, 2 * world), gaussians(300, 2 * world + 1, shift=shift, spread=spread)
        curve = extrapolated("fd", frechet_distance, *map(Population, sides))
        assert curve.sizes[0] == 75
        assert curve.sizes[-1] == 300
        # All images are the only part of that size.
        assert curve.means[-1] == pytest.approx(frechet_distance(*sides))
        found.append((curve.limit, curve.means[-1]))
    return np.mean(found, axis=0)


def test_the_limit_of_known_gaussians_is_nearer_to_the_truth_than_the_distance_itself():
    """Means 0.1 apart in 24 directions, deviations w and 1.2 w: the distance is 24 / 100 + sum (0.2 w)^2."""
    truth = 24 * 0.1**2 + np.square(0.2 * np.exp(-np.arange(24) / 24)).sum()
    limit, plain = mean_curves(shift=0.1, spread=1.2)
    assert abs(limit - truth) < 0.25 * abs(plain - truth)


def test_two_samples_of_one_population_come_to_nothing():
    limit, plain = mean_curves(shift=0.0, spread=1.0)
    assert plain > 0.3
    assert abs(limit) < 0.1 * plain


def test_an_exact_line_is_found_exactly():
    sides = Population(np.zeros((320, 1)))
    curve = extrapolated("fd", lambda a, b: 3 + 7 / len(a), sides, sides)
    assert (curve.limit, curve.slope) == pytest.approx((3, 7))
    assert max(curve.deviations) < 1e-12


def test_too_few_images_are_an_error():
    with pytest.raises(ScoreError, match="31 images"):
        extrapolated("fd", frechet_distance, Population(gaussians(31, 0)), Population(gaussians(99, 0)))


def test_of_a_logarithm_the_curve_is_the_distances():
    real, made = Population(gaussians(400, 0)), Population(gaussians(400, 1, shift=0.5))
    metric = LogFrechet("radiomics", "frd")
    reference = metric.reference(real, None)
    curve = metric.curve(reference, made)
    assert curve.score == "exp(frd)"
    assert np.exp(metric.compute(reference, made, CPU)["frd"]) == pytest.approx(curve.means[-1])
    assert Frechet("inception-random", "fd").curve(Frechet("x", "fd").reference(real, None), made).limit > 0


def noise(path, n, seed):
    images = np.random.default_rng(seed).normal(128, 20 + 5 * seed, (n, 16, 16)).clip(0, 255)
    np.save(path, images.astype(np.uint8))
    return path


def test_the_command_prints_and_draws_it(monkeypatch, capsys, tmp_path):
    from harness import cli

    made, real = noise(tmp_path / "made.npy", 40, 1), noise(tmp_path / "real.npy", 48, 0)
    where = ["--generated", made, "--reference", real, "--curve", tmp_path / "drawn.png"]
    out = tmp_path / "scores.json"
    monkeypatch.setattr(
        "sys.argv", ["bench", "score", *map(str, where), "--metrics", "frd,swd", "--out", str(out)]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    kept = json.loads(out.read_text())["curves"]
    assert [curve["score"] for curve in kept] == ["exp(frd)"]
    assert f"{kept[0]['limit']:.6g}" in printed
    assert "no straight line over 1/N below 788 images" in printed
    assert (tmp_path / "drawn.png").stat().st_size > 1000
    assert (tmp_path / "drawn.pdf").exists()
    monkeypatch.setattr("sys.argv", ["bench", "score", *map(str, where), "--metrics", "swd"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "needed: a Fréchet distance" in capsys.readouterr().err
