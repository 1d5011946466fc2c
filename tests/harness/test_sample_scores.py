import json

import numpy as np
import pytest
import torch

import harness
from harness.errors import ScoreError, SpecError, WeightsError

METRICS = ("frd", "swd", "ms_ssim", "manifold_radiomics")


def noise(n, seed, side=32):
    return np.random.default_rng(seed).integers(0, 200 + 10 * seed, (n, 1, side, side), dtype=np.uint8)


def scores(tmp_path, real=None, **more):
    options = {"metrics": METRICS, "cache": tmp_path / "cache", "device": "cpu", "offline": True}
    return harness.SampleScores(real, **{**options, **more})


def test_a_plain_loop_gets_what_the_command_prints(monkeypatch, capsys, tmp_path):
    from harness import cli

    real, made = noise(20, 0), noise(24, 1)
    np.save(tmp_path / "real.npy", real)
    np.save(tmp_path / "made.npy", made)
    out, names = tmp_path / "scores.json", ",".join(METRICS)
    command = ["score", "--generated", tmp_path / "made.npy", "--reference", tmp_path / "real.npy"]
    command += ["--metrics", names, "--out", out, "--device", "cpu"]
    monkeypatch.setattr("sys.argv", ["bench", *map(str, command)])
    with pytest.raises(SystemExit):
        cli.main()
    printed = json.loads(out.read_text())
    running = scores(tmp_path, real)
    for start in range(0, 24, 5):  # the last batch is smaller
        running.update(torch.from_numpy(made[start : start + 5]))
    assert running.compute() == printed["scores"]
    assert json.loads(json.dumps(running.report())) == printed


def test_each_epoch_begins_anew_and_an_array_may_be_filled_again(tmp_path):
    real, made = noise(12, 0), noise(12, 1)
    running = scores(tmp_path, real, metrics=("swd",))
    buffer = np.empty((6, 1, 32, 32), np.uint8)
    for start in (0, 6):
        buffer[:] = made[start : start + 6]
        running.update(buffer)
    first = running.compute()
    assert first == harness.score(made, real, metrics=("swd",), cache=tmp_path, device="cpu")["scores"]
    running.update(noise(6, 5))
    assert running.compute() != first
    running.reset()
    running.update(made)
    assert running.compute() == first
    running.reset()
    with pytest.raises(ScoreError, match="no samples"):
        running.compute()


def test_against_a_data_set_with_held_out_patients(tmp_path):
    options = {"dataset": "phantom", "settings": {"images": 40}, "held_out": True}
    names = ("frd", "mia_auc_radiomics")
    running = scores(tmp_path, resolution=32, metrics=names, **options)
    made = noise(10, 1)
    running.update(made)
    whole = harness.score(made, metrics=names, cache=tmp_path / "cache", device="cpu", **options)
    assert running.report() == whole
    assert "frd_held_out" in running.compute()
    with pytest.raises(SpecError, match="no resolution"):
        scores(tmp_path, **options)


def test_what_is_missing_is_said_when_it_is_made(tmp_path):
    with pytest.raises(WeightsError):
        scores(tmp_path, noise(12, 0), metrics=("fid",))
    with pytest.raises(ScoreError, match="none are held out"):
        scores(tmp_path, noise(12, 0), metrics=("mia_auc_radiomics",))


def test_floats_and_other_sizes_are_refused(tmp_path):
    running = scores(tmp_path, noise(12, 0))
    with pytest.raises(ScoreError, match="uint8"):
        running.update(torch.zeros(4, 1, 32, 32))
    running.update(noise(12, 1, side=16))
    with pytest.raises(ScoreError, match="another size is another score"):
        running.compute()
    running.update(noise(12, 1))
    with pytest.raises(ScoreError, match="one shape"):
        running.compute()
