"""check_model: a model that keeps its contract passes, and each fault is found and named."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from bench_example.model import LinearGAN, LinearGANConfig
from bench_example.translator import ConvolutionTranslator
from torch import Tensor, nn

from harness.api import Batch, Clock, ImageShape, Model, setting
from harness.testing import assert_passes, check_model

SHAPE = ImageShape(3, 16, 16)


@pytest.mark.parametrize("model", [LinearGAN, ConvolutionTranslator])
def test_a_model_that_keeps_its_contract_passes(model: type[Model]) -> None:
    random = torch.get_rng_state()
    assert_passes(check_model(model, shape=SHAPE))
    assert torch.equal(random, torch.get_rng_state()), "whoever checks keeps their random numbers"


class Undocumented(LinearGAN):
    class Config(LinearGANConfig):
        width: int = 8
        depth: int = setting(1, "layers")


class TakesProtocolNames(LinearGAN):
    class Config(LinearGANConfig):
        epochs: int = setting(8, "epochs", source="ours")
        source: str = setting("", "where from", source="ours")


class WrongPreset(LinearGAN):
    presets = {"fast": {"lr": -1}, "typo": {"learning_rate": 1e-3}, "right": {"lr": 1e-3, "batch_size": 8}}
    ablation = {"row": {"latent_dim": 0}}


class WithoutVersion(LinearGAN):
    version = "1"  # type: ignore[assignment]


class ForgetsInputs(LinearGAN):
    def example_inputs(self, count: int) -> dict[str, tuple[Tensor, ...]]:
        return {"generator": (torch.zeros(count, self.config.latent_dim),)}


class MakesOptimizersAnew(LinearGAN):
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"generator": torch.optim.SGD(self.generator.parameters(), 0.1)}


class MovesStrangers(LinearGAN):
    def __init__(self, shape: ImageShape, config: LinearGANConfig) -> None:
        super().__init__(shape, config)
        self._optimizers["stranger"] = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.1)


class KeepsGradients(LinearGAN):
    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        return {**super().train_step(batch, clock), "more": self.critic(batch.images).mean()}


class GivesNumbers(LinearGAN):
    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        losses: Any = super().train_step(batch, clock)
        return {"critic": 0.5, "generator": losses["generator"].expand(2)}  # type: ignore[dict-item]


class NeverLearns(LinearGAN):
    def _descend(self, name: str, loss: Tensor) -> None:
        if name == "critic":
            super()._descend(name, loss)


class Raises(LinearGAN):
    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        raise RuntimeError("no luck")


class Forgets(LinearGAN):
    """Counts its steps where no checkpoint sees it, and lets them decide."""

    steps = 0

    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        self.steps += 1
        return super().train_step(Batch(batch.images / self.steps), clock)


class ForgetsInSampling(LinearGAN):
    """Samples with an average that is no part of its state."""

    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        object.__setattr__(self, "average", copy.deepcopy(self.generator))
        return super().train_step(batch, clock)

    def sample(self, seeds: Tensor) -> Tensor:
        current, self.generator = self.generator, getattr(self, "average", self.generator)
        images = super().sample(seeds)
        self.generator = current
        return images


class Waits(LinearGAN):
    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        losses = super().train_step(batch, clock)
        if losses["critic"].item() > 1e9 or losses["critic"] > 1e9:
            raise RuntimeError
        return losses


class WrongShape(LinearGAN):
    def sample(self, seeds: Tensor) -> Tensor:
        return super().sample(seeds)[:, :1]


class WrongRange(LinearGAN):
    def sample(self, seeds: Tensor) -> Tensor:
        return super().sample(seeds) + 1


class WrongType(LinearGAN):
    def sample(self, seeds: Tensor) -> Tensor:
        return super().sample(seeds).double()


class NotFinite(LinearGAN):
    def sample(self, seeds: Tensor) -> Tensor:
        return super().sample(seeds) * torch.nan


class Deaf(LinearGAN):
    def sample(self, seeds: Tensor) -> Tensor:
        return super().sample(torch.randint(2**20, (len(seeds),)))


class OneImage(LinearGAN):
    def sample(self, seeds: Tensor) -> Tensor:
        return super().sample(torch.zeros_like(seeds))


class DependsOnTheBatch(LinearGAN):
    def sample(self, seeds: Tensor) -> Tensor:
        images = super().sample(seeds)
        return images / 2 + images.mean(0, keepdim=True) / 2


class DependsOnTheOrder(LinearGAN):
    def sample(self, seeds: Tensor) -> Tensor:
        return super().sample(seeds[:1] + torch.arange(len(seeds)))


class SamplingLearns(LinearGAN):
    def sample(self, seeds: Tensor) -> Tensor:
        images = super().sample(seeds)
        next(self.critic[1].parameters()).data.add_(1)
        return images


class BadPreview(LinearGAN):
    def preview(self, seeds: Tensor) -> Tensor:
        return super().sample(seeds) * 5


IMAGES = "images have the right shape, type and range"
STEP = "a training step moves the networks"
RESUMES = "training resumes from a file to the same bits"
SEED = "an image depends on its seed alone"
OPTIMIZERS = "optimizers are the same objects at every call"


@pytest.mark.parametrize(
    ("model", "check", "words"),
    [
        (
            Undocumented,
            "settings are documented",
            ["'width' has no description", "'depth' does not say where"],
        ),
        (TakesProtocolNames, "names of settings are free", ["epochs, source"]),
        (WrongPreset, "presets and ablation rows are valid", ["'fast'", "'typo'", "ablation row 'row'"]),
        (WithoutVersion, "version", ["'1' instead of a whole number"]),
        (ForgetsInputs, "networks run on their example inputs", ["nothing for its network 'discriminator'"]),
        (MakesOptimizersAnew, OPTIMIZERS, ["'generator' is made anew"]),
        (MovesStrangers, OPTIMIZERS, ["'stranger' moves parameters that are not the model's"]),
        (KeepsGradients, STEP, ["'more' with its gradient"]),
        (GivesNumbers, STEP, ["'critic' as float", "'generator' of shape (2,)"]),
        (NeverLearns, STEP, ["'generator' is the same after"]),
        (Raises, STEP, ["RuntimeError: no luck (test_check_model.py:"]),
        (Forgets, RESUMES, ["state_dict() of a resumed", "optimizers() of a resumed", "gives other images"]),
        (ForgetsInSampling, RESUMES, ["the networks in a file gives other images"]),
        (Waits, "a training step never waits for the device", ["Tensor.item", "Tensor.__bool__"]),
        (WrongShape, IMAGES, ["shape (3, 1, 16, 16) instead of (3, 3, 16, 16)"]),
        (WrongRange, IMAGES, ["instead of [-1, 1]"]),
        (WrongType, IMAGES, ["torch.float64 instead of torch.float32"]),
        (NotFinite, IMAGES, ["NaN or infinite"]),
        (Deaf, SEED, ["another image for the same seed"]),
        (OneImage, SEED, ["one image for two seeds"]),
        (DependsOnTheBatch, SEED, ["another batch"]),
        (DependsOnTheOrder, SEED, ["another order"]),
        (SamplingLearns, "sampling changes no state", ["critic.1.weight"]),
        (BadPreview, IMAGES, ["preview gave pixels"]),
    ],
)
def test_each_fault_is_found_and_named(model: type[Model], check: str, words: list[str]) -> None:
    checked = check_model(model, shape=SHAPE)
    found = [finding.broken for finding in checked.findings if finding.check == check]
    assert len(found) == len(words), checked.findings
    for broken, part in zip(found, words, strict=True):
        assert part in broken
    with pytest.raises(AssertionError, match="does not keep its contract"):
        assert_passes(checked)


def test_something_else_than_a_model_is_told() -> None:
    (finding,) = check_model(nn.Linear).findings  # type: ignore[arg-type]
    assert "neither" in finding.broken
