"""Colours and labels from slices to image sets, records and scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench_example.dataset import Discs

from harness.api import UNKNOWN_LABEL, Colour, DataError, Dataset, PluginConfig, ScoreError, Slice, SpecError
from harness.data.image_set import ImageSet
from harness.data.layers import LABELS
from harness.data.prepare import prepare
from harness.data.resize import labels as resized_labels
from harness.running.cell import Outcome
from harness.scoring.colour import colourfulness, compared_colours

RED, GREY = np.array([1.0, 0.2, 0.0], np.float32), np.float32(0.6)


class Cards(Dataset[PluginConfig]):
    """One picture an item: grey where its name begins with g, red where it begins with r."""

    version = 1
    Config = PluginConfig

    def __init__(self, names: Sequence[str], colour: Colour) -> None:
        super().__init__(Path("cards"), PluginConfig())
        self.names, self.colour = names, colour

    def items(self) -> Sequence[str]:
        return self.names

    def read(self, item: str) -> Iterator[Slice]:
        for index, kind in enumerate(item.split("-")):
            pixels = np.full((12, 8), GREY) if kind[0] == "g" else np.ones((12, 8, 3), np.float32) * RED
            yield Slice(pixels, item, item, index, "train")

    def fingerprint(self) -> str:
        return "5" * 64


def cards(tmp_path: Path, names: Sequence[str], colour: Colour) -> ImageSet:
    return prepare(Cards(names, colour), "cards", [8], tmp_path)[8]


@pytest.mark.parametrize("colour", ["auto", "rgb"])
@pytest.mark.parametrize("names", [["g1", "g2", "r1", "g3"], ["r1", "g1"], ["g1-r1-g2", "g3"]])
def test_one_coloured_slice_gives_all_three_channels(
    tmp_path: Path, names: Sequence[str], colour: Colour
) -> None:
    images = cards(tmp_path, names, colour)
    kinds = [kind for name in names for kind in name.split("-")]
    assert images.images.shape == (len(kinds), 3, 8, 8)
    for image, kind in zip(images.images, kinds, strict=True):
        expected = [153] * 3 if kind[0] == "g" else [255, 51, 0]
        assert image[:, 4, 4].tolist() == expected
    assert ImageSet.open(images.home).channels == 3


def test_a_set_without_colours_has_one_channel(tmp_path: Path) -> None:
    assert cards(tmp_path, ["g1", "g2"], "auto").images.shape == (2, 1, 8, 8)
    assert cards(tmp_path, ["g1", "g2"], "grey").images.shape == (2, 1, 8, 8)
    assert cards(tmp_path, ["g1", "g2"], "rgb").images.shape == (2, 3, 8, 8)


def test_colours_in_a_grey_set_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="r1, slice 0 has colours"):
        cards(tmp_path, ["g1", "r1"], "grey")


def test_many_grey_images_before_the_first_coloured_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.data.layer_file._AT_ONCE", 200)  # three images of 64 bytes
    images = cards(tmp_path, [*(f"g{number}" for number in range(10)), "r1"], "auto")
    assert (images.images[:10] == 153).all()
    assert images.images[10, :, 0, 0].tolist() == [255, 51, 0]
    assert sorted(path.name for path in images.home.iterdir()) == ["images.npy", "meta.json", "table.csv"]


def coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example's discs in red."""
    read = Discs.read

    def red(self: Discs, item: str) -> Iterator[Slice]:
        for piece in read(self, item):
            changes: dict[str, Any] = {"pixels": piece.pixels[..., None] * RED}
            if piece.counterpart is not None:
                changes["counterpart"] = piece.counterpart[..., None] * RED
            yield Slice(**{**vars(piece), **changes})

    monkeypatch.setattr(Discs, "read", red)
    monkeypatch.setattr(Discs, "colour", "auto")
    monkeypatch.setattr(Discs, "version", 7)


def test_cells_learn_and_record_colours(
    run_tiny: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = run_tiny().record
    assert (grey.dataset["channels"], grey.dataset["conversions"]) == (1, {})
    coloured(monkeypatch)
    outcome = run_tiny(settings={"metrics": "swd", "epochs": 60})
    assert outcome.record.status == "complete"
    assert outcome.record.dataset["channels"] == 3
    from PIL import Image

    # The right half of the picture shows real images, the left half what the model makes of them.
    made, real = np.split(np.asarray(Image.open(outcome.folder.samples)).astype(int), 2, axis=1)
    assert real[..., 0].sum() > real[..., 1].sum() > real[..., 2].sum()
    assert made[..., 0].sum() > made[..., 2].sum()


def test_pairs_may_have_colours(run_tiny: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    coloured(monkeypatch)
    request = {"model": "one-convolution", "source": "disc", "target": "ring"}
    record = run_tiny(**request, settings={"metrics": "mae"}).record
    assert record.status == "complete"
    assert record.dataset["channels"] == 3


def test_one_channel_is_too_few_for_colours(
    run_tiny: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    coloured(monkeypatch)
    with pytest.raises(SpecError, match="discs have colours") as caught:
        run_tiny(settings={"channels": 1})
    assert "channels=3" in caught.value.hint


def pictures(count: int, colour: np.ndarray, seed: int = 0) -> np.ndarray:
    """Noise of one colour, uint8 (count, 3, 8, 8)."""
    shades = np.random.default_rng(seed).uniform(0.5, 1.0, (count, 1, 8, 8))
    return (shades * colour[:, None, None] * 255).astype(np.uint8)


def test_grey_is_not_compared_with_colour() -> None:
    red, grey = pictures(6, RED), pictures(6, np.ones(3))
    assert compared_colours(red, red, {}) == []
    assert compared_colours(grey, grey[:, :1], {}) == []
    with pytest.raises(
        ScoreError, match=r"generated images are coloured .* real ones grey \(colour to grey in 4"
    ):
        compared_colours(grey[:, :1], red, {"colour to grey": 4})
    with pytest.raises(ScoreError, match="generated images are grey, and the real ones coloured"):
        compared_colours(red, grey, {})
    (note,) = compared_colours(grey[:, :1], grey, {"colour to grey": 4})
    assert "lost something on their way (colour to grey in 4 of 6)" in note


def test_a_tint_is_told_and_no_error() -> None:
    grey = pictures(6, np.ones(3))
    tinted = pictures(6, np.array([1.0, 0.98, 0.97]))
    assert 1.0 < colourfulness(tinted) < 16.0
    (note,) = compared_colours(grey, tinted, {})
    assert note.startswith("the generated images are not quite grey")


def test_colourfulness_is_the_mean_difference_of_channels() -> None:
    image = np.zeros((1, 3, 1, 2), np.uint8)
    image[0, :, 0, 0], image[0, :, 0, 1] = (10, 30, 20), (5, 5, 5)
    assert colourfulness(image) == 10.0


@pytest.mark.parametrize("side", [1, 2, 3, 4, 7, 8, 16, 21])
def test_labels_of_any_side_are_those_of_the_largest_area(side: int) -> None:
    random = np.random.default_rng(side)
    print("seed", side)
    values = random.choice(np.array([0, 1, 3, UNKNOWN_LABEL], np.uint8), (16, 16))
    values[:, 8:] = 3
    made = resized_labels(values, [0, 1, 3, UNKNOWN_LABEL], side)
    assert made.shape == (side, side)
    assert made.dtype == np.uint8
    if side <= 8 and 16 % side == 0:
        step = 16 // side
        for y in range(side):
            for x in range(side):
                area = values[y * step : (y + 1) * step, x * step : (x + 1) * step]
                counts = np.bincount(area.ravel(), minlength=256)
                assert made[y, x] == np.flatnonzero(counts == counts.max()).max()
    if side == 16:
        assert np.array_equal(made, values)
    # Nobody mixes labels: those between 1 and 3 mean something else.
    assert set(np.unique(made)) <= {0, 1, 3, UNKNOWN_LABEL}


def test_labels_are_kept_beside_the_images(tmp_path: Path) -> None:
    images = prepare(Discs(None, Discs.Config()), "discs", [16], tmp_path)[16]
    assert images.label_names == ("inside",)
    assert images.labels.shape == images.images.shape
    # A disc is white in its own picture: at least half of a pixel in one is at least half in the other.
    assert np.array_equal(images.labels == 1, images.images >= 128)
    assert set(images.table["labels"]) == {"inside"}
    test = images.select("test")
    assert np.array_equal(test.labels, images.labels[images.table["split"] == "test"])
    meta = json.loads((images.home / "meta.json").read_text())
    assert meta["channels"] == {"images.npy": 1, "labels.npy": 1}
    (images.home / LABELS).write_bytes((images.home / LABELS).read_bytes()[:-1])
    with pytest.raises(DataError, match="not a prepared image set"):
        ImageSet.open(images.home)


def test_slices_without_labels_are_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Discs.read
    monkeypatch.setattr(
        Discs, "read", lambda self, item: (Slice(**{**vars(p), "labels": None}) for p in read(self, item))
    )
    images = prepare(Discs(None, Discs.Config()), "discs", [16], tmp_path)[16]
    assert (images.labels == UNKNOWN_LABEL).all()
    assert set(images.table["labels"]) == {"unknown"}
    assert not images.regions["inside"].any()


def test_a_trainer_sees_colours_as_they_are(tmp_path: Path) -> None:
    from harness.data.pixels import to_model_range

    images = cards(tmp_path, ["g1", "r1"], "auto")
    batch = to_model_range(torch.from_numpy(np.array(images.images)))
    assert batch[1, :, 0, 0].tolist() == pytest.approx([1.0, -0.6, -1.0])
