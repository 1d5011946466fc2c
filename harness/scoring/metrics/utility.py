"""What synthetic images are good for: a network learns from them to segment, and is tested on patients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from ...api import Goal, Metric, Population, ScoreError
from ..segmentation.agreement import agreement
from ..segmentation.learning import Pairs, Recipe, learn, packed, segment, unpacked
from ..segmentation.network import UNet
from ..segmentation.patients import mean_of

Values = NDArray[np.float64]
"""Dice and HD95, float64 (seeds, 2, structures, patients), NaN where a patient has no such structure."""


class RealSide:
    """Real images with their labels: what networks learn from, and the patients that test them.

    Args:
        metric: Who asks; it keeps trained networks.
        train: Training images.
        held_out: Test patients.
    """

    def __init__(self, metric: Utility, train: Population, held_out: Population) -> None:
        self.metric = metric
        self.structures = train.structures
        self.classes = 1 + max(max(members) for members in train.structures.values())
        self.train = pairs_of(train).ordered()
        self.held_out = held_out
        self._known: dict[str, Values] = {}
        if not len(self.train.images):
            raise ScoreError(
                "no training image has known labels",
                needed="segmentations of training images",
                hint="leave utility out of --metrics",
            )

    @cached_property
    def networks(self) -> list[UNet]:
        """Networks that learnt from the real training images, one for each seed."""
        recipe, device = self.metric.recipe, self.metric.device
        key = {
            "what": "segmentation networks",
            "pairs": self.train.fingerprint,
            "recipe": recipe.as_dict(),
            "classes": self.classes,
            "version": self.metric.version,
            "device": device.type,
            "torch": torch.__version__,
        }
        weights = self.metric.kept(key, lambda: packed(self.taught(self.train)))
        return unpacked(weights, self.train.images.shape[1], self.classes, recipe, device)

    def taught(self, pairs: Pairs) -> list[UNet]:
        """Networks that learn from some pairs, one for each seed."""
        recipe = self.metric.recipe
        seeds = range(recipe.seeds)
        return [learn(pairs, self.classes, recipe, seed, self.metric.device) for seed in seeds]

    def tested(self, networks: Sequence[UNet]) -> Values:
        """What networks are worth on the test patients."""
        truth = pairs_of(self.held_out)
        assert self.held_out.patients is not None
        return self.judged(networks, truth, self.held_out.patients)

    def once(self, pairs: Pairs, value: Callable[[], Values]) -> Values:
        """What takes long is computed once for the scores of some pairs and their context."""
        key = pairs.fingerprint
        if key not in self._known:
            self._known[key] = value()
        return self._known[key]

    def judged(self, networks: Sequence[UNet], truth: Pairs, patients: NDArray[np.str_]) -> Values:
        """What networks are worth on images of which the truth is known."""
        each = [
            agreement(segment(one, truth.images, self.metric.device), truth.labels, patients, self.structures)
            for one in networks
        ]
        return np.stack(each)

    @cached_property
    def real(self) -> Values:
        """What networks that learnt from real images are worth on the test patients."""
        return self.tested(self.networks)


class Utility(Metric[RealSide]):
    """``utility``: how well a network that learnt from synthetic images segments real patients.

    Of labelled synthesis a network learns from the pairs that a model made, and segments the images of
    held-out patients; beside it stands one that learnt from the real training images by the same recipe. Of
    translations it is the latter that segments them, and the true targets beside them.

    ``utility`` is Dice, ``utility_hd95`` the 95th percentile of the distance of outlines in pixels, and
    ``utility_gap`` what is lost beside real images, in Dice. Each is a mean over test patients and over the
    recipe's training seeds, over all structures or of one (``utility/lv``).

    Source: Ravuri and Vinyals 2019, "Classification accuracy score for conditional generative models", for
    the idea of learning from synthetic and testing on real images; all numbers of the recipe are ours.

    Args:
        recipe: How networks are trained.
    """

    version: ClassVar[int] = 3
    needs_held_out = True
    needs_labels = True
    goals: Mapping[str, Goal] = {"utility": "higher", "utility_hd95": "lower", "utility_gap": "lower"}

    def __init__(self, **recipe: Any) -> None:
        self.recipe = Recipe(**recipe)
        self.device = torch.device("cpu")

    def reference(self, train: Population, held_out: Population | None) -> RealSide:
        """Both real sides.

        Raises:
            ScoreError: There are no held-out patients, or nobody's labels are known.
        """
        if held_out is None or train.labels is None or held_out.labels is None:
            raise ScoreError("no held-out patients with labels", needed="labels of patients on both sides")
        return RealSide(self, train, held_out)

    def compute(self, reference: RealSide, generated: Population, device: torch.device) -> dict[str, float]:
        """Dice, HD95 and the gap, over all structures and of each."""
        ours, real = (one.mean(0) for one in self._values(reference, generated, device))
        scores: dict[str, float] = {}
        for name, part in parts(reference.structures):
            for score, values in (
                ("utility", part(ours[0])),
                ("utility_hd95", part(ours[1])),
                ("utility_gap", part(real[0]) - part(ours[0])),
            ):
                if (found := mean_of(values)) is not None:
                    scores[f"{score}{name}"] = found.value
        return scores

    def context(self, reference: RealSide, generated: Population, device: torch.device) -> dict[str, float]:
        """The same of real images (``utility_real``), and errors over patients."""
        each = self._values(reference, generated, device)
        ours, real = (one.mean(0) for one in each)
        found: dict[str, float] = {}
        for name, part in parts(reference.structures):
            for score, values in (
                ("utility", part(ours[0])),
                ("utility_hd95", part(ours[1])),
                ("utility_gap", part(real[0]) - part(ours[0])),
                ("utility_real", part(real[0])),
                ("utility_real_hd95", part(real[1])),
            ):
                found |= around(f"{score}{name}", values, itself="real" in score)
            for score, values in (("utility", each[0]), ("utility_real", each[1])):
                found |= over_seeds(f"{score}{name}", [part(one[0]) for one in values])
            found[f"utility{name}_n"] = float((~np.isnan(part(ours[0]))).sum())
        return found

    def _values(
        self, reference: RealSide, generated: Population, device: torch.device
    ) -> tuple[Values, Values]:
        """What generated images are worth, and what real ones are worth beside them."""
        self.device = device
        pairs = pairs_of(generated)
        if generated.targets is None:
            taught = reference.once(pairs, lambda: reference.tested(reference.taught(pairs.ordered())))
            return taught, reference.real
        targets = generated.targets
        if targets.patients is None:
            raise ScoreError("nobody says whom the targets show", needed="a patient for each target")
        people, networks = targets.patients, reference.networks
        sides = (pairs, Pairs(targets.images, pairs.labels))
        judged = [reference.once(one, partial(reference.judged, networks, one, people)) for one in sides]
        return judged[0], judged[1]


class UtilityGain(Utility):
    """``utility_gain``: what synthetic images add to real ones, in Dice.

    One network learns from the real training images and the synthetic ones together, another from the real
    ones alone, in as many steps; the gain is the mean difference over test patients. Above 0 they help.
    """

    goals: Mapping[str, Goal] = {"utility_gain": "higher"}

    def compute(self, reference: RealSide, generated: Population, device: torch.device) -> dict[str, float]:
        """The gain, over all structures and of each."""
        both, real = (one.mean(0) for one in self._values(reference, generated, device))
        gains = {name: mean_of(part(both[0]) - part(real[0])) for name, part in parts(reference.structures)}
        return {f"utility_gain{name}": gain.value for name, gain in gains.items() if gain is not None}

    def context(self, reference: RealSide, generated: Population, device: torch.device) -> dict[str, float]:
        """Dice with both (``utility_gain_both``), and standard errors over patients."""
        both, real = (one.mean(0) for one in self._values(reference, generated, device))
        found: dict[str, float] = {}
        for name, part in parts(reference.structures):
            found |= around(f"utility_gain{name}", part(both[0]) - part(real[0]))
            found |= around(f"utility_gain_both{name}", part(both[0]), itself=True)
        return found

    def _values(
        self, reference: RealSide, generated: Population, device: torch.device
    ) -> tuple[Values, Values]:
        """What real and generated images are worth together, and what real ones are alone."""
        self.device = device
        if generated.targets is not None:
            raise ScoreError(
                "translations are no further training images",
                needed="labelled synthesis",
                hint="--metrics utility",
            )
        pairs = pairs_of(generated)
        both = reference.once(
            pairs, lambda: reference.tested(reference.taught(reference.train.beside(pairs.ordered())))
        )
        return both, reference.real


def pairs_of(images: Population) -> Pairs:
    """Images with their labels."""
    assert images.labels is not None
    return Pairs(images.values, images.labels)


def parts(structures: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, Any]]:
    """What a name ends with, and one value a patient from (structures, patients): their mean, and each."""
    yield "", _over_structures
    for row, name in enumerate(structures):
        yield f"/{name}", lambda values, row=row: values[row]


def around(name: str, values: NDArray[np.float64], *, itself: bool = False) -> dict[str, float]:
    """What helps to read a mean over patients: its error, and where asked for itself."""
    mean = mean_of(values)
    if mean is None:
        return {}
    found = {name: mean.value} if itself else {}
    if mean.error is not None:
        found[f"{name}_se"] = mean.error
    return found


def over_seeds(name: str, values: Sequence[NDArray[np.float64]]) -> dict[str, float]:
    """How far the mean over patients scatters over training seeds: its standard deviation."""
    means = [mean.value for one in values if (mean := mean_of(one)) is not None]
    return {f"{name}_seed_sd": float(np.std(means, ddof=1))} if len(means) > 1 else {}


def _over_structures(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over the structures that each patient has, (patients,)."""
    has = ~np.isnan(values)
    total = np.where(has, values, 0).sum(0)
    return np.where(has.any(0), total / np.maximum(has.sum(0), 1), np.nan)
