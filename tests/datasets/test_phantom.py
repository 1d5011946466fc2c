"""The phantom: lazy, seeded, varied, and a thorax."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from harness_datasets.anatomy import Thorax, Tissue
from harness_datasets.phantom import Phantom, PhantomConfig, _labels
from pydantic import ValidationError

from harness.api import Pair


def phantom(**options: int) -> Phantom:
    return Phantom(None, PhantomConfig(**options))


def test_it_gives_exactly_the_images_asked_for() -> None:
    made = list(phantom(images=11, slices_per_patient=4, size=32).slices())
    assert [(piece.patient, piece.index) for piece in made[-4:]] == [
        ("patient00001", 3),
        ("patient00002", 0),
        ("patient00002", 1),
        ("patient00002", 2),
    ]
    assert len(made) == 11
    assert all(piece.pixels.shape == (32, 32) and piece.pixels.dtype == np.float32 for piece in made)
    assert all(piece.pixels.min() >= 0.0 and piece.pixels.max() <= 1.0 for piece in made)


def test_a_hundred_thousand_images_cost_nothing_until_they_are_read() -> None:
    many = phantom(images=100_000)
    assert len(many.items()) == 12_500
    last = list(many.read(many.items()[-1]))
    few = phantom(images=512)
    assert np.array_equal(next(few.read("patient00003")).pixels, next(many.read("patient00003")).pixels)
    assert len(last) == 8


@pytest.mark.parametrize("images", [0, 100_001])
def test_the_number_of_images_has_limits(images: int) -> None:
    with pytest.raises(ValidationError, match="images"):
        PhantomConfig(images=images)


def test_a_slice_depends_on_seed_patient_and_index_alone() -> None:
    one = phantom(size=32)
    forwards = {(s.patient, s.index): s.pixels for item in one.items()[:3] for s in one.read(item)}
    backwards = {(s.patient, s.index): s.pixels for item in one.items()[2::-1] for s in one.read(item)}
    assert all(np.array_equal(pixels, backwards[key]) for key, pixels in forwards.items())
    other = {(s.patient, s.index): s.pixels for s in phantom(size=32, seed=1).read("patient00000")}
    assert not np.array_equal(other["patient00000", 0], forwards["patient00000", 0])


def test_no_two_images_are_alike_and_no_mean_image_wins() -> None:
    one = phantom(images=64)
    images = np.stack([piece.pixels for item in one.items() for piece in one.read(item)])
    for a, b in itertools.pairwise(images):
        assert np.abs(a - b).mean() > 0.01
    # Were all patients the same chest, the mean image would explain nearly everything.
    smooth = images.reshape(64, 64, 4, 64, 4).mean(axis=(2, 4))
    assert smooth.std(axis=0).mean() > 0.1


def test_the_fingerprint_follows_the_options() -> None:
    assert phantom().fingerprint() == phantom().fingerprint()
    assert phantom(seed=1).fingerprint() != phantom().fingerprint()


def test_it_is_a_thorax_as_a_radiologist_sees_it() -> None:
    for seed in range(5):
        chest = Thorax(np.random.default_rng(seed)).tissues(0.55, 128)
        side = chest.shape[0]
        where = {tissue: np.argwhere(chest == tissue).mean(axis=0) / side for tissue in np.unique(chest)}
        share = {tissue: (chest == tissue).mean() for tissue in np.unique(chest)}
        assert chest[0, 0] == Tissue.AIR
        assert 0.06 < share[Tissue.LUNG] < 0.45
        # The spine is behind, which is below; the heart is more to the patient's left, the picture's right.
        assert where[Tissue.SPONGY_BONE][0] > 0.5
        assert where[Tissue.HEART][1] > where[Tissue.SPONGY_BONE][1]
        # Both sides have a lung.
        assert (chest[:, : side // 2] == Tissue.LUNG).mean() > 0.05
        assert (chest[:, side // 2 :] == Tissue.LUNG).mean() > 0.05


def test_patients_differ_in_their_lesions() -> None:
    lesions = {Tissue.NODULE, Tissue.GROUND_GLASS, Tissue.CONSOLIDATION}
    ill = 0
    for seed in range(20):
        thorax = Thorax(np.random.default_rng(seed))
        seen = set().union(*(np.unique(thorax.tissues(z, 64)) for z in np.linspace(0.2, 0.9, 8)))
        ill += bool(lesions & seen)
    assert 4 < ill < 20


def test_asking_for_pairs_changes_no_ct() -> None:
    alone = list(phantom(images=16, size=32).slices())
    for pair in (Pair("ct", "mr"), Pair("mr", "ct")):
        for one, both in zip(alone, phantom(images=16, size=32).paired(pair).slices(), strict=True):
            shown = {pair.source: both.counterpart, pair.target: both.pixels}
            assert np.array_equal(one.pixels, shown["ct"])
            assert (one.patient, one.index, one.split) == (both.patient, both.index, both.split)


def test_grey_levels_of_ct_do_not_tell_those_of_mr() -> None:
    chests = list(phantom(images=128, size=128).paired(Pair("ct", "mr")).slices())
    ct, mr, lesion = (
        np.concatenate([picture.ravel() for picture in pictures])
        for pictures in zip(*((c.counterpart, c.pixels, c.labels == 2) for c in chests), strict=True)
    )
    assert 0.002 < lesion.mean() < 0.1
    # The best table from grey levels of CT to those of MR is wrong about tissue, and most about lesions.
    level = (ct * 63).astype(int)
    table = np.bincount(level, mr) / np.maximum(np.bincount(level), 1)
    error = np.abs(table[level] - mr)
    assert error[lesion].mean() > 0.15
    assert error[lesion].mean() > 2 * error.mean()


def test_labels_are_the_body_and_in_it_the_lesions() -> None:
    chests = list(phantom(images=64, size=64).slices())
    for chest in chests:
        assert 0.2 < (chest.labels > 0).mean() < 0.75
        assert chest.labels[0, 0] == 0
        assert set(np.unique(chest.labels)) <= {0, 1, 2}
    assert any((chest.labels == 2).any() for chest in chests)
    paired = phantom(images=64, size=64).paired(Pair("mr", "ct")).slices()
    assert all(np.array_equal(one.labels, both.labels) for one, both in zip(chests, paired, strict=True))


def test_a_pixel_is_labelled_by_at_least_half_of_its_points() -> None:
    # Two by two points a pixel: air with bone, bone with a nodule, and one lone point of each.
    air, bone, nodule = Tissue.AIR, Tissue.COMPACT_BONE, Tissue.NODULE
    points = [[air, bone, bone, nodule, air, air], [air, bone, nodule, bone, bone, air]]
    assert _labels(np.array(points, np.uint8)).tolist() == [[1, 2, 0]]
