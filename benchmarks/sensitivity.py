"""What each score sees: samples with one thing wrong with them, in three strengths.

    python benchmarks/sensitivity.py [--data-root DIR] [--count 240] [--draws 8] [--res 64]

Patients are divided at random, again and again. Two fifths are the training images, two fifths what a perfect
generator would make, new patients, and the rest is held out. Then one thing is done to the samples, and every
score that needs no weights is computed on them. What is told is how much worse each score becomes, in
standard deviations of what it is without anything wrong, over the divisions. Two are what one comparison can
tell.

Real images are looked for in DIR, then in BENCH_REAL_DATA, then where tests look for them: a folder that
holds ``covid-ct`` and ``acdc``. Without them only the phantom is measured. Regenerates ``sensitivity.md``,
``sensitivity.json`` and ``sensitivity.png`` in ``benchmarks/results``, numbers alone.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import _report
import _subjects
import numpy as np
import torch
from _corruptions import Corruption, Draw, Images, Part, corruptions
from _seen import heat_map, page
from numpy.typing import NDArray

from harness.api import Goal, Metric, Population
from harness.scoring.cache import FeatureCache
from harness.scoring.selection import make_metrics
from harness.scoring.spaces.network import full_precision
from harness.scoring.stored import fingerprint
from harness.scoring.weights import Weights

CPU = torch.device("cpu")
METRICS = (
    "frd", "kid_radiomics", "manifold_radiomics", "mia_auc_radiomics", "swd", "ms_ssim", "fd_random",
    "kid_random", "manifold_random", "mia_auc_random",
)  # fmt: skip
COARSE = 4
"""Pixels of the side of a block; images are alike where their blocks have alike means."""

Values = Mapping[str, NDArray[Any]]


class Judge(NamedTuple):
    """All scores, and the pools as each needs them.

    Attributes:
        metrics: By name.
        values: For each need, for each pool, the images or their features.
        patients: Of every pool but another organ's.
    """

    metrics: Mapping[str, Metric[Any]]
    values: Mapping[str, Values]
    patients: NDArray[np.str_]

    @property
    def goals(self) -> dict[str, Goal]:
        return {score: goal for metric in self.metrics.values() for score, goal in metric.goals.items()}

    def references(self, pool: str, draw: Draw) -> dict[str, Any]:
        """What each metric keeps of the real images of a draw."""
        result = {}
        for name, metric in self.metrics.items():
            values = self.values[metric.needs][pool]
            train, held_out = (
                Population(values[rows], self.patients[rows]) for rows in (draw.train, draw.held_out)
            )
            result[name] = metric.reference(train, held_out)
        return result

    def scores(self, references: Mapping[str, Any], parts: list[Part]) -> dict[str, float]:
        """All that is judged of these samples."""
        found: dict[str, float] = {}
        for name, metric in self.metrics.items():
            values = self.values[metric.needs]
            samples = np.concatenate([values[pool][rows] for pool, rows in parts])
            found |= metric.compute(references[name], Population(samples), CPU)
        return {score: found[score] for score in self.goals}


def main() -> None:
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--count", type=int, default=240, help="images of each set")
    parser.add_argument("--draws", type=int, default=8, help="divisions of the patients")
    parser.add_argument("--res", type=int, default=64)
    parser.add_argument("--metrics", default=",".join(METRICS), help="scores that need no weights")
    parser.add_argument("--cache", type=Path, help="where features are kept, for a run that is cut off")
    parser.add_argument("--out", type=Path, default=_report.RESULTS, help="where the results go")
    chosen = parser.parse_args()
    beside = Path(__file__).parents[2] / "shared" / "data"
    root = chosen.data_root or Path(os.environ.get("BENCH_REAL_DATA", beside))
    with tempfile.TemporaryDirectory() as folder:
        subjects = [_subjects.phantom(chosen.count, chosen.res)]
        if root.is_dir():
            subjects.append(_subjects.covid_ct(root, chosen.count, chosen.res, Path(folder)))
        else:
            print(f"no real images at {root}: the phantom alone")
        cache = FeatureCache(chosen.cache or Path(folder))
        metrics = chosen.metrics.split(",")
        seen = [measured(each, judge_of(each, metrics, cache), chosen.draws) for each in subjects]
    heat_map(seen, chosen.out / "sensitivity.png")
    about = {"metrics": chosen.metrics, "draws": chosen.draws, "resolution": chosen.res}
    _report.publish("sensitivity", {**about, "subjects": seen}, page(seen, **about), out=chosen.out)


def measured(subject: _subjects.Subject, judge: Judge, draws: int) -> dict[str, Any]:
    """Means over divisions of every score, without anything wrong and with each thing in each strength."""
    wrong = corruptions(subject.lesion, "healthy")
    found = [one_division(judge, subject, wrong, number) for number in range(draws)]
    rows = []
    for corruption in wrong:
        plain = _of_all(found, corruption.real, 0)
        moved = [_of_all(found, corruption.name, strength) for strength in corruption.strengths]
        rows.append(
            {
                "corruption": corruption.name,
                "strengths": [corruption.unit.format(strength) for strength in corruption.strengths],
                "scores": {score: _told(plain[score], [one[score] for one in moved]) for score in plain},
            }
        )
    return {
        "name": subject.name, "about": subject.about, "images": len(subject.patients),
        "patients": len(np.unique(subject.patients)), "goals": judge.goals, "rows": rows,
    }  # fmt: skip


def judge_of(subject: _subjects.Subject, names: list[str], cache: FeatureCache) -> Judge:
    """The features of all pools, each computed once."""
    metrics, spaces = make_metrics(names, Weights(Path(), online=False))
    values: dict[str, dict[str, NDArray[Any]]] = {"images": dict(subject.pools)}
    for name, space in spaces.items():
        values[name] = {}
        for pool, images in subject.pools.items():
            key = {"images": fingerprint(images), "space": name, "version": space.version}
            features = cache.get(key)
            if features is None:
                features = space.extract(images, CPU)
                cache.put(key, features)
                print(f"{subject.name}, {name}: {pool}", flush=True)
            values[name][pool] = features
    return Judge(metrics, values, subject.patients)


def one_division(
    judge: Judge, subject: _subjects.Subject, wrong: list[Corruption], number: int
) -> dict[tuple[str, float], dict[str, float]]:
    """All scores of all samples, for one division of the patients."""
    rng = np.random.default_rng(number)
    train, new, held_out = divided(subject.patients, rng)
    draw = Draw(train, new, held_out, _blocks(subject.pools["original"]), rng)
    found = {}
    with full_precision():
        references = {pool: judge.references(pool, draw) for pool in {one.real for one in wrong}}
        for pool, known in references.items():
            found[pool, 0.0] = judge.scores(known, [Part(pool, new)])
        for corruption in wrong:
            for strength in corruption.strengths:
                samples = corruption.samples(draw, strength)
                found[corruption.name, strength] = judge.scores(references[corruption.real], samples)
            print(f"{subject.name}, division {number}: {corruption.name}", flush=True)
    return found


def divided(patients: NDArray[np.str_], rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """Two fifths of the images, two fifths and a fifth; whole patients, as nearly as these allow."""
    number = np.unique(patients, return_inverse=True)[1]
    order = rng.permutation(number.max() + 1)
    before = np.cumsum(np.bincount(number)[order]) - np.bincount(number)[order]
    side = np.empty_like(order)
    side[order] = np.searchsorted(np.array([2, 4]) / 5 * len(number), before, "right")
    return [np.flatnonzero(side[number] == which) for which in range(3)]


def _blocks(images: Images) -> NDArray[np.float64]:
    side = images.shape[-1] // COARSE
    return images.reshape(len(images), side, COARSE, side, COARSE).mean(axis=(2, 4)).reshape(len(images), -1)


def _of_all(found: list[dict[tuple[str, float], dict[str, float]]], name: str, strength: float) -> Values:
    each = [one[name, strength] for one in found]
    return {score: np.array([scores[score] for scores in each]) for score in each[0]}


def _told(plain: NDArray[np.float64], moved: list[NDArray[np.float64]]) -> dict[str, Any]:
    """The mean without anything wrong, its deviation, and the means in each strength."""
    return {
        "plain": float(plain.mean()),
        "deviation": float(plain.std(ddof=1)),
        "moved": [float(values.mean()) for values in moved],
    }


if __name__ == "__main__":
    main()
