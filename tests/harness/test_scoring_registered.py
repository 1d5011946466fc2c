import json

import numpy as np
import pytest

from harness.api import FeatureSpace, Metric, SpecError
from harness.plugins import Registry
from harness.scoring.selection import make_metrics
from harness.scoring.weights import Weights


@pytest.fixture(scope="module")
def builtin():
    return Registry()


@pytest.fixture
def weights(tmp_path):
    return Weights(tmp_path, online=False)


def test_every_metric_and_space_can_be_made_without_touching_a_file(builtin, weights):
    names = [entry.name for entry in builtin.entries("metrics")]
    metrics, spaces = make_metrics(names, weights)
    assert all(isinstance(metric, Metric) and metric.goals for metric in metrics.values())
    assert all(isinstance(space, FeatureSpace) for space in spaces.values())
    assert {"inception", "inception-tf", "inception-random", "radimagenet"} <= set(spaces)


def test_all_metrics_together_claim_no_score_twice(builtin, weights):
    names = [entry.name for entry in builtin.entries("metrics")]
    owners = {}
    for name, metric in make_metrics(names, weights)[0].items():
        for score in metric.goals:
            assert owners.setdefault(score, name) == name


def test_only_the_verified_inception_space_gives_fid(builtin, weights):
    names = [entry.name for entry in builtin.entries("metrics")]
    for metric in make_metrics(names, weights)[0].values():
        bare = {"fid", "kid", "precision", "recall", "density", "coverage", "copy_excess"}
        if metric.needs != "inception":
            assert not bare & set(metric.goals)
        if any(score.startswith("fid") for score in metric.goals):
            assert metric.needs in ("inception", "inception-tf")


def test_an_unknown_metric_is_named(builtin, weights):
    with pytest.raises(SpecError, match="unknown metric 'fidd'"):
        make_metrics(["fidd"], weights)


def test_docs_name_every_metric_space_and_score(builtin, weights, request):
    text = (request.config.rootpath / "docs" / "metrics.md").read_text(encoding="utf-8")
    names = [entry.name for entry in builtin.entries("metrics")]
    metrics, spaces = make_metrics(names, weights)
    for name in [*metrics, *spaces, *(score for metric in metrics.values() for score in metric.goals)]:
        stem = (
            name.removesuffix("_random")
            .removesuffix("_radimagenet")
            .removesuffix("_dinov2")
            .removesuffix("_rad_dino")
            .removesuffix("_radiodino")
            .removesuffix("_radiomics")
            .removesuffix("_tf")
        )
        assert f"`{stem}`" in text or f"`{name}`" in text, f"docs/metrics.md says nothing of {name}"


def command(monkeypatch, capsys, *arguments):
    from harness import cli

    monkeypatch.setattr("sys.argv", ["bench", *map(str, arguments)])
    try:
        cli.main()
        code = 0
    except SystemExit as exit:
        code = exit.code
    return code, capsys.readouterr()


def noise(path, n, seed, side=32):
    np.save(path, np.random.default_rng(seed).integers(0, 256, (n, side, side), dtype=np.uint8))
    return path


def test_bench_score_prints_and_writes_the_same_numbers(monkeypatch, capsys, tmp_path):
    fake, real = noise(tmp_path / "fake.npy", 7, 0), noise(tmp_path / "real.npy", 9, 1)
    code, said = command(
        monkeypatch, capsys, "score", "--generated", fake, "--reference", real,
        "--metrics", "swd,ms_ssim,fd_random", "--device", "cpu", "--out", tmp_path / "scores.json",
    )  # fmt: skip
    assert code in (0, None)
    result = json.loads((tmp_path / "scores.json").read_text())
    assert {"swd", "ms_ssim", "fd_random"} <= set(result["scores"])
    assert {"fd_random_halves", "fd_random_se"} <= set(result["context"])
    assert (result["n_generated"], result["n_real"]) == (7, 9)
    for name, value in result["scores"].items():
        assert f"{value:.6g}" in said.out, name
    assert "7 generated against 9 real" in said.out
    assert "biased upwards" in said.out


def test_bench_score_refuses_what_it_cannot_score(monkeypatch, capsys, tmp_path):
    fake, small = noise(tmp_path / "fake.npy", 7, 0), noise(tmp_path / "small.npy", 7, 0, side=16)
    for arguments, words in (
        (("--reference", small), "32 x 32"),
        (("--reference", tmp_path / "typo"), "not there"),
        ((), "no real images"),
        (("--reference", fake, "--dataset", "phantom"), "both"),
        (("--reference", fake, "--held-out"), "patients"),
        (("--reference", fake, "--res", "64"), "64 x 64"),
    ):
        code, said = command(
            monkeypatch, capsys, "score", "--generated", fake, "--metrics", "swd", *arguments
        )
        assert code == 2
        assert words in said.err
        assert "Traceback" not in said.err


def test_bench_score_without_weights_says_what_to_type(monkeypatch, capsys, tmp_path):
    fake = noise(tmp_path / "fake.npy", 7, 0)
    code, said = command(monkeypatch, capsys, "score", "--generated", fake, "--reference", fake, "--offline")
    assert code == 2
    assert "--weights PATH" in said.err
    assert "--metrics swd,ms_ssim" in said.err


def test_bench_score_against_a_data_set_with_held_out_patients(monkeypatch, capsys, tmp_path):
    fake = noise(tmp_path / "fake.npy", 12, 0)
    code, said = command(
        monkeypatch, capsys, "score", "--generated", fake, "--dataset", "phantom", "--held-out",
        "--set", "images=60", "--metrics", "swd", "--out", tmp_path / "scores.json",
    )  # fmt: skip
    assert code in (0, None), said.err
    result = json.loads((tmp_path / "scores.json").read_text())
    assert result["n_real"] + result["n_held_out"] == 60
    assert result["n_held_out"] > 0
