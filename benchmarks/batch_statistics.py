"""Whether samples suffer from BatchNorm's running statistics, which a small batch makes poor.

    python benchmarks/batch_statistics.py --data-root COVID-CT [--dataset covid-ct] [--model dcgan]

A model is trained for a short while at each size with the published batch for it. The same generator then
samples three times: with the running statistics, as the product does; with those of each batch, which makes
an image depend on its neighbours; and with statistics averaged over 100 batches of the last weights. Where
the first is worse than the others, the running statistics are to blame. Regenerates ``batch_statistics.json``
and ``batch_statistics.md`` in ``benchmarks/results``.
"""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

import _report
import numpy as np
import torch
from harness_models.latents import SeededDraws
from harness_models.synthesis import AdversarialSynthesizer
from torch import Tensor, nn

from harness.api import Batch, Clock, ImageShape
from harness.data.pixels import to_model_range, to_store_range
from harness.data.prepare import prepare
from harness.plugins import current
from harness.running.datasets import make_dataset
from harness.scoring.metrics.patches import sliced_wasserstein

#: Side, images a step, steps.
TRAININGS = ((64, 32, 150), (64, 2, 1000), (256, 2, 150))

#: Batches that the third kind of statistics is averaged over: as many as UNetGAN's reference code takes.
STANDING = 100


def main() -> None:
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--dataset", default="covid-ct")
    parser.add_argument("--model", default="dcgan")
    parser.add_argument("--samples", type=int, default=128)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        dataset = make_dataset(options.dataset, {}, options.data_root)
        sides = sorted({side for side, *_ in TRAININGS})
        sets = prepare(dataset, options.dataset, sides, Path(cache))
        for side, batch, steps in TRAININGS:
            real = np.array(sets[side].images)
            model = trained(options.model, torch.from_numpy(real), side, batch, steps)
            distances = [
                sliced_wasserstein(real, images_of(model, kind, batch, options.samples)) for kind in KINDS
            ]
            found = dict(zip(KINDS, distances, strict=True))
            rows.append({"side": side, "batch": batch, "steps": steps, **found})
    table = _report.table(
        ["px", "batch", "steps", *KINDS],
        [(r["side"], r["batch"], r["steps"], *(f"{r[kind]:.1f}" for kind in KINDS)) for r in rows],
    )
    text = f"""# Samples with running BatchNorm statistics, and with others

{options.model} on {options.dataset}, trained for so many steps with one seed: `swd` of {options.samples}
samples of the same generator to all real images.

{table}

{_report.machine_words()}
"""
    numbers = {"model": options.model, "dataset": options.dataset, "samples": options.samples, "rows": rows}
    _report.publish("batch_statistics", numbers, text)


def trained(name: str, images: Tensor, side: int, batch: int, steps: int) -> AdversarialSynthesizer:
    torch.manual_seed(0)
    kind = current().load("models", name)
    model: AdversarialSynthesizer = kind(ImageShape(3, side, side), kind.Config(augment="none")).train()
    for step in range(steps):
        chosen = images[torch.randint(len(images), (batch,))]
        model.train_step(Batch(to_model_range(chosen).expand(-1, 3, -1, -1)), Clock(step, 0, 1))
    return model


def running(model: AdversarialSynthesizer, batch: int) -> nn.Module:
    return copy.deepcopy(model.generator).eval()


def of_each_batch(model: AdversarialSynthesizer, batch: int) -> nn.Module:
    return copy.deepcopy(model.generator).train()


def standing(model: AdversarialSynthesizer, batch: int) -> nn.Module:
    generator = copy.deepcopy(model.generator).train()
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the plain mean over all batches
    for _ in range(STANDING):
        generator(model.law.draw(batch))
    return generator.eval()


KINDS: dict[str, Any] = {"running": running, "of each batch": of_each_batch, "standing": standing}


@torch.no_grad()
def images_of(model: AdversarialSynthesizer, kind: str, batch: int, count: int) -> Any:
    generator = KINDS[kind](model, batch)
    latents = model.law.seeded(SeededDraws(torch.arange(count), torch.device("cpu")))
    made = [to_store_range(generator(part)) for part in latents.split(batch)]
    return torch.cat(made).numpy()


if __name__ == "__main__":
    main()
