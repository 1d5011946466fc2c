from collections import defaultdict

import numpy as np
import pytest
import torch
from torch_fidelity import metric_fid

from harness.scoring import crosscheck
from harness.scoring.spaces.inception import Inception
from harness.scoring.weights import Weights

CPU = torch.device("cpu")


def images(n, seed, side=32):
    rng = np.random.default_rng(seed)
    coarse = rng.normal(128, 50, (n, 1, 4, 4)).repeat(side // 4, 2).repeat(side // 4, 3)
    return (coarse + rng.normal(0, 8, (n, 1, side, side))).clip(0, 255).astype(np.uint8)


@pytest.fixture
def space(tmp_path):
    return Inception(Weights(tmp_path, online=False), trained=False)


@pytest.fixture
def few_features(monkeypatch):
    """Everybody computes distances of the first 3 features: roots of 2048 x 2048 take half a minute."""

    def first(function):
        return lambda *sides: function(*(side[:, :3] for side in sides))

    for module, name in (
        (crosscheck, "frechet_distance"),
        (crosscheck.cleanfid, "fid_from_feats"),
        (metric_fid, "fid_features_to_statistics"),
    ):
        monkeypatch.setattr(module, name, first(getattr(module, name)))


def test_both_packages_themselves_say_what_we_say(space, few_features):
    fake = np.repeat(images(5, 1), 3, 1)
    fake[3, 0] //= 2  # one that is not grey
    rows = crosscheck.cross_check(images(6, 0), fake, space, CPU, ("fid", "kid"))
    assert [(row.score, row.package) for row in rows] == [
        ("fid", "clean-fid"), ("fid", "torch-fidelity"), ("kid", "torch-fidelity"),
    ]  # fmt: skip
    *rows, kernel = rows
    # Theirs is a mean over random subsets of two or three images: near ours and no more.
    assert kernel.ours == pytest.approx(kernel.theirs, abs=2e-3)
    assert "random subsets" in kernel.remark
    for row in rows:
        assert row.theirs > 0.001
        assert abs(row.difference) < 5e-5
    # Another resize is another number: the two must never stand in one column.
    assert rows[0].ours != pytest.approx(rows[1].ours, rel=1e-3)


def test_where_clean_fids_frechet_fails_its_features_get_ours_and_a_remark(space, monkeypatch):
    def as_on_scipy_1_18(*features):
        raise TypeError("sqrtm() got an unexpected keyword argument 'disp'")

    monkeypatch.setattr(crosscheck.cleanfid, "fid_from_feats", as_on_scipy_1_18)
    monkeypatch.setattr(crosscheck, "_by_torch_fidelity", lambda *_: defaultdict(float))
    row, *_ = crosscheck.cross_check(images(3, 0), images(3, 1), space, CPU, ("fid", "kid"))
    assert "SciPy" in row.remark
    assert abs(row.difference) < 1e-5


def test_difference_is_relative_to_theirs_and_finite_at_zero():
    assert crosscheck.CrossCheck("fid", "p", 2.0, 3.0).difference == 0.5
    assert crosscheck.CrossCheck("fid", "p", 0.0, 1e-9).difference == 1e-9
