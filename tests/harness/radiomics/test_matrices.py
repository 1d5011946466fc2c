"""Texture matrices of images that are small enough to count by hand."""

import numpy as np
import pytest

from harness.scoring.spaces.radiomics import firstorder, glcm, glrlm, glszm, ngtdm
from harness.scoring.spaces.radiomics.levels import grey_levels
from harness.scoring.spaces.radiomics.wavelet import HIGH, LOW

SQUARE = np.array([[[1, 2], [1, 3]]])


def named(module, values):
    return dict(zip(module.NAMES, values[0], strict=True))


def test_grey_levels_begin_at_multiples_of_the_width():
    values = np.array([[[-0.1, 0.0, 4.9], [5.0, 9.99, 10.0]]])
    assert grey_levels(values).tolist() == [[[1, 2, 2], [3, 3, 4]]]


def test_co_occurrence_of_a_square():
    # Rows: 1-2, 1-3. Columns: 1-1, 2-3. Diagonals: 1-3 and 2-1. Contrast in each direction: (1 + 4)/2,
    # (0 + 1)/2, 4, 1. Mean of i: 7/4, 7/4, 2, 3/2. Products: (2 + 3)/2, (1 + 6)/2, 3, 2.
    found = named(glcm, glcm.co_occurrence(SQUARE))
    assert found["Contrast"] == pytest.approx((2.5 + 0.5 + 4 + 1) / 4)
    assert found["JointAverage"] == pytest.approx(7 / 4)
    assert found["Autocorrelation"] == pytest.approx((2.5 + 3.5 + 3 + 2) / 4)
    # Largest cells: 1/4 in rows; 1-1 is one cell with 1/2 in columns; 1/2 in both diagonals.
    assert found["MaximumProbability"] == pytest.approx((1 / 4 + 1 / 2 + 1 / 2 + 1 / 2) / 4)
    # Cells: four of 1/4; 1/2 and two of 1/4; two of 1/2, twice.
    assert found["JointEntropy"] == pytest.approx((2 + 1.5 + 1 + 1) / 4)
    assert found["JointEnergy"] == pytest.approx((1 / 4 + 3 / 8 + 1 / 2 + 1 / 2) / 4)
    # In the diagonals one pixel says what the other is; columns: 1-1, 2-3, 3-2 with own shares 1/2, 1/4, 1/4.
    assert found["Correlation"] == pytest.approx((-9 / 11 + 7 / 11 - 1 - 1) / 4)


def test_runs_of_a_small_image():
    # Rows: 1 1 2 / 2 2 2: runs 1x2, 2x1, 2x3. Columns and diagonals by the same way of reading.
    image = np.array([[[1, 1, 2], [2, 2, 2]]])
    found = named(glrlm, glrlm.run_lengths(image))
    # Columns: 1, 2 | 1, 2 | 2x2: five runs. Falling diagonals: 2 | 1 2 | 1 2 | 2: six runs. Rising: 1 | 2 1 | 2x2 | 2:
    # five runs.
    assert found["RunPercentage"] == pytest.approx((3 + 5 + 6 + 5) / 4 / 6)
    assert found["LongRunEmphasis"] == pytest.approx(
        ((4 + 1 + 9) / 3 + (4 * 1 + 4) / 5 + 1 + (4 * 1 + 4) / 5) / 4
    )
    assert found["HighGrayLevelRunEmphasis"] == pytest.approx(
        ((1 + 4 + 4) / 3 + (2 * 1 + 3 * 4) / 5 + (2 * 1 + 4 * 4) / 6 + (2 * 1 + 3 * 4) / 5) / 4
    )


def test_zones_touch_at_corners():
    # 1 and 1 meet at a corner: one zone of two. The 2s are one of three along the other corner; the 3s stand apart.
    image = np.array([[[1, 2, 3], [2, 1, 2], [3, 3, 2]]])
    pieces = glszm.zones(image)
    assert sorted(zip(pieces.levels.tolist(), pieces.sizes.tolist(), strict=True)) == [
        (1, 2),
        (2, 4),
        (3, 1),
        (3, 2),
    ]
    found = named(glszm, glszm.size_zones(image))
    assert found["ZonePercentage"] == pytest.approx(4 / 9)
    assert found["LargeAreaEmphasis"] == pytest.approx((4 + 16 + 1 + 4) / 4)
    assert found["GrayLevelNonUniformity"] == pytest.approx((1 + 1 + 4) / 4)
    assert found["SizeZoneNonUniformity"] == pytest.approx((1 + 4 + 1) / 4)
    assert found["ZoneEntropy"] == pytest.approx(2)


def test_a_spiral_is_one_zone():
    image = np.full((2, 7, 7), 2)
    for rows, columns in (
        (0, slice(0, 7)),
        (slice(0, 7), 6),
        (6, slice(0, 7)),
        (slice(2, 7), 0),
        (2, slice(0, 5)),
        (slice(2, 5), 4),
    ):
        image[:, rows, columns] = 1
    pieces = glszm.zones(image)
    assert pieces.rows[pieces.levels == 1].tolist() == [0, 1]
    assert (pieces.sizes[pieces.levels == 1] == (image[0] == 1).sum()).all()


def test_neighbouring_differences_of_the_published_form():
    # 4 x 4 pixels, no pixel of level 4. For level 2: |2 - 15/5| + |2 - 9/3| = 2, and so on for each pixel.
    image = np.array([[[1, 2, 5, 2], [3, 5, 1, 3], [1, 3, 5, 5], [3, 1, 1, 1]]])
    occurrences, differences = ngtdm.matrix(image)
    assert occurrences[0].tolist() == [0, 6, 2, 4, 0, 4]
    s1 = sum(abs(1 - x) for x in (10 / 3, 30 / 8, 15 / 5, 13 / 5, 15 / 5, 11 / 3))
    s3 = sum(abs(3 - x) for x in (12 / 5, 18 / 5, 20 / 8, 5 / 3))
    s5 = sum(abs(5 - x) for x in (13 / 5, 21 / 8, 20 / 8, 11 / 5))
    assert differences[0] == pytest.approx([0, s1, 2, s3, 0, s5])
    found = named(ngtdm, ngtdm.tone_differences(image))
    p = np.array([6, 2, 4, 4]) / 16
    s, i = np.array([s1, 2, s3, s5]), np.array([1, 2, 3, 5])
    pairs = [(a, b) for a in range(4) for b in range(4)]
    assert found["Coarseness"] == pytest.approx(1 / (p @ s))
    spread = sum(p[a] * p[b] * (i[a] - i[b]) ** 2 for a, b in pairs)
    assert found["Contrast"] == pytest.approx(spread / (4 * 3) * s.sum() / 16)
    assert found["Busyness"] == pytest.approx(p @ s / sum(abs(i[a] * p[a] - i[b] * p[b]) for a, b in pairs))
    mixed = sum(abs(i[a] - i[b]) * (p[a] * s[a] + p[b] * s[b]) / (p[a] + p[b]) for a, b in pairs)
    assert found["Complexity"] == pytest.approx(mixed / 16)
    assert found["Strength"] == pytest.approx(
        sum((p[a] + p[b]) * (i[a] - i[b]) ** 2 for a, b in pairs) / s.sum()
    )


def test_first_order_of_four_values():
    values = np.array([[[0.0, 10.0], [20.0, 30.0]]])
    found = named(firstorder, firstorder.first_order(values, grey_levels(values)))
    assert found["Mean"] == found["Median"] == 15
    assert found["Variance"] == 125
    assert found["InterquartileRange"] == 15
    assert found["Entropy"] == pytest.approx(2)
    assert found["Energy"] == 300**2 + 310**2 + 320**2 + 330**2
    assert found["TotalEnergy"] == 4 * found["Energy"]
    # Between the 10th and 90th percentile, 3 and 27, are 10 and 20.
    assert found["RobustMeanAbsoluteDeviation"] == 5


def test_wavelet_filters_are_an_orthogonal_pair():
    low, high = np.array(LOW), np.array(HIGH)
    assert low.sum() == pytest.approx(2**0.5)
    assert high.sum() == pytest.approx(0, abs=1e-12)
    for shift in (0, 2, 4):
        product = low[: 6 - shift] @ low[shift:]
        assert product == pytest.approx(float(shift == 0), abs=1e-12)
        assert low[: 6 - shift] @ high[shift:] == pytest.approx(0, abs=1e-12)
