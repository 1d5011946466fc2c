"""HAGAN as a whole: the reverse skip, the two stages, the switches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from harness_models import synthesis
from harness_models.hagan import HAGAN
from harness_models.hagan import model as model_module
from harness_models.hagan.reverse_skip import BANK_SIZE, MeanSkip, NoSkip, TrainingImagesSkip
from torch import Tensor

from harness.api import Batch, Clock, ImageShape

SHAPE = ImageShape(1, 32, 32)
FIRST_STAGE, SECOND_STAGE = Clock(step=0, epoch=0, epochs=200), Clock(step=0, epoch=100, epochs=200)


def hagan(**settings: Any) -> HAGAN:
    torch.manual_seed(0)
    return HAGAN(SHAPE, HAGAN.Config(**{"width": 64, **settings}))


def images(count: int = 4) -> Tensor:
    return torch.rand(count, 1, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


# Gradients that must not flow


def test_no_gradient_flows_through_the_saliency(monkeypatch) -> None:
    model = hagan(reverse_skip=False)
    seen = {}
    attnmix = model_module.attnmix

    def watch(real: Tensor, fake: Tensor, saliency: Tensor, alpha: float) -> Any:
        seen.update(fake=fake, saliency=saliency)
        return attnmix(real, fake, saliency, alpha)

    monkeypatch.setattr(model_module, "attnmix", watch)
    fake = model.generate(Batch(images()), needs_gradient=True)
    model.discriminator_losses(images(), fake, SECOND_STAGE)
    assert fake.attended.requires_grad, "the generator itself is in the graph"
    assert not seen["saliency"].requires_grad
    assert not seen["fake"].requires_grad


def test_the_reverse_skip_sends_no_gradient_into_the_discriminator() -> None:
    model = hagan(reverse_skip_drop=0.0)
    fake = model.generate(Batch(images()), needs_gradient=True)
    fake.images.square().mean().backward()
    assert all(parameter.grad is None for parameter in model.discriminator.parameters())
    assert model.generator.stages[0].convolution.parametrizations.weight.original.grad is not None


# The reverse skip


def test_maps_are_added_at_every_resolution() -> None:
    model = hagan(attention=False).eval()
    latents = model.law.draw(2)
    received: list[Tensor] = []  # what each stage but the first, and the output, reads
    for stage in (*model.generator.stages[1:], model.generator):
        layer = stage.to_image if stage is model.generator else stage.convolution
        layer.register_forward_pre_hook(lambda _, maps: received.append(maps[0]))
    skips = [torch.full((1, 64 >> level, 4 << level, 4 << level), 10.0 + level) for level in range(3)]
    model.generator(latents)
    plain = received.copy()
    received.clear()
    model.generator(latents, skips)
    torch.testing.assert_close(received[0], plain[0] + 10.0)
    assert (received[1] >= 11.0).all()
    assert (received[2] >= 12.0).all()
    assert plain[1].min() < 11.0


def maps_of(value: float, count: int = 2) -> list[Tensor]:
    return [torch.full((count, 64 >> level, 4 << level, 4 << level), value) for level in range(3)]


def test_running_means_by_hand() -> None:
    skip = MeanSkip(SHAPE, 64)
    for value in (2.0, 4.0):
        skip.for_training(images(2), maps_of(value), drop=0.0)
    for mean in skip.means:
        torch.testing.assert_close(mean, torch.full_like(mean, 3.0))  # at first, the plain mean
    skip.batches.fill_(1000.0)
    skip.for_training(images(2), maps_of(103.0), drop=0.0)
    torch.testing.assert_close(skip.means[0], torch.full_like(skip.means[0], 0.99 * 3 + 0.01 * 103))


@pytest.mark.parametrize(("kind", "substitute"), [(MeanSkip, 2.0), (NoSkip, 0.0)])
def test_dropped_images_receive_what_sampling_uses(kind, substitute) -> None:
    torch.manual_seed(0)
    skip = kind(SHAPE, 64)
    kept = skip.for_training(images(400), maps_of(2.0, 400), drop=0.0)
    assert all((level == 2.0).all() for level in kept)
    if kind is MeanSkip:
        skip.means[0].fill_(-5.0)
        substitute = -5.0 + (2.0 + 5.0) / 2  # the mean of two batches
    some = skip.for_training(images(400), maps_of(2.0, 400), drop=0.25)[0]
    dropped = (some == substitute).flatten(1).all(dim=1)
    assert ((some == 2.0).flatten(1).all(dim=1) | dropped).all(), "an image is dropped as a whole"
    assert 70 < dropped.sum() < 130


def test_an_image_is_dropped_at_all_resolutions_at_once() -> None:
    torch.manual_seed(0)
    levels = NoSkip(SHAPE, 64).for_training(images(50), maps_of(2.0, 50), drop=0.5)
    dropped = [(level == 0).flatten(1).all(dim=1) for level in levels]
    assert 10 < dropped[0].sum() < 40
    assert all(torch.equal(dropped[0], other) for other in dropped)


def test_sampling_uses_the_running_means(train) -> None:
    model = hagan(reverse_skip_sampling="mean", attention=False)
    train(model, images(), steps=2)
    model.eval()
    seeds = torch.arange(2)
    with torch.no_grad():
        means = model.reverse_skip.means
        expected = model.generator(model.seeded_latents(seeds), means).images
        torch.testing.assert_close(model.sample(seeds), expected)
        before = model.sample(seeds)
        means[-1].add_(1.0)
        assert not torch.allclose(model.sample(seeds), before)


def test_sampling_without_maps(train) -> None:
    model = hagan(reverse_skip_sampling="off")
    train(model, images(), steps=2)
    model.eval()
    seeds = torch.arange(2)
    with torch.no_grad():
        expected = model.generator(model.seeded_latents(seeds)).images
        torch.testing.assert_close(model.sample(seeds), expected)


def test_training_images_leak_into_samples_and_the_model_says_so(train) -> None:
    model = hagan(reverse_skip_sampling="train")
    assert any("training images" in caveat for caveat in model.caveats(SECOND_STAGE))
    train(model, images(), steps=1)
    assert torch.equal(model.state_dict()["reverse_skip.images"][:4], images()), "kept in the checkpoint"
    model.eval()
    with torch.no_grad():
        before = model.sample(torch.arange(8))
        model.reverse_skip.images[:4] *= -1
        changed = (model.sample(torch.arange(8)) - before).abs().amax(dim=(1, 2, 3))
    assert (changed > 0).all()


@pytest.mark.parametrize("source", ["mean", "off"])
def test_other_sources_have_nothing_to_confess(source) -> None:
    assert hagan(reverse_skip_sampling=source).caveats(SECOND_STAGE) == ()
    assert hagan(reverse_skip=False, reverse_skip_sampling="train").caveats(SECOND_STAGE) == ()


def test_a_training_without_its_second_stage_says_so() -> None:
    last_of_first = Clock(step=99, epoch=99, epochs=100)
    assert "begin at epoch 100" in hagan(warmup_epochs=100).caveats(last_of_first)[0]
    assert hagan(warmup_epochs=99).caveats(last_of_first) == ()
    assert hagan(staged_training=False).caveats(last_of_first) == ()


def test_the_bank_keeps_the_newest_images() -> None:
    skip = TrainingImagesSkip(SHAPE, 64)
    for value in range(3):
        batch = torch.full((BANK_SIZE // 2 + 1, 1, 32, 32), float(value))
        skip.for_training(batch, maps_of(0.0), drop=0.5)
    kept = skip.images[:, 0, 0, 0]
    assert (kept == 2).sum() == BANK_SIZE // 2 + 1
    assert (kept == 1).sum() == BANK_SIZE // 2 - 1
    skip.for_training(torch.full((2 * BANK_SIZE, 1, 32, 32), 7.0), maps_of(0.0), drop=0.5)
    assert (skip.images == 7).all()


# The two stages, and the switches


def calls_in(clock: Clock, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> list[str]:
    called = []
    modules = {"diff_augment": synthesis, "attnmix": model_module, "consistency_loss": model_module}
    for name, module in modules.items():
        function = getattr(module, name)

        def watch(*args: Any, name: str = name, function: Any = function, **kwargs: Any) -> Any:
            if name != "diff_augment" or args[1]:
                called.append(name)
            return function(*args, **kwargs)

        monkeypatch.setattr(module, name, watch)
    hagan(**settings).train_step(Batch(images()), clock)
    return called


HYBRID = ["diff_augment", "diff_augment", "attnmix", "consistency_loss", "diff_augment"]


def test_the_first_stage_is_conventional(monkeypatch) -> None:
    assert calls_in(FIRST_STAGE, monkeypatch) == []


def test_the_second_stage_augments_and_mixes(monkeypatch) -> None:
    assert calls_in(SECOND_STAGE, monkeypatch) == HYBRID


def test_without_stages_mixing_starts_at_once(monkeypatch) -> None:
    assert calls_in(FIRST_STAGE, monkeypatch, staged_training=False) == HYBRID


def test_mixing_can_be_switched_off(monkeypatch) -> None:
    assert calls_in(SECOND_STAGE, monkeypatch, attnmix=False) == ["diff_augment"] * 3


@pytest.mark.parametrize("reverse_skip", [False, True])
@pytest.mark.parametrize(
    ("settings", "clock", "judged"),
    [
        ({}, FIRST_STAGE, 2),
        ({}, SECOND_STAGE, 5),
        ({"augment": "none"}, SECOND_STAGE, 3),
        ({"mixing": "augmented"}, SECOND_STAGE, 3),
        ({"attnmix": False}, SECOND_STAGE, 2),
    ],
)
def test_every_batch_is_judged_once(settings, clock, judged, reverse_skip) -> None:
    model = hagan(reverse_skip=reverse_skip, **settings)
    seen = []
    model.discriminator.trunk.register_forward_pre_hook(lambda _, batch: seen.append(len(batch[0])))
    model.train_step(Batch(images()), clock)
    # In the second stage the reverse skip needs x itself where otherwise only T(x) is judged.
    extra = reverse_skip and settings in ({"attnmix": False}, {"mixing": "augmented"})
    assert sum(seen[:-1]) == 4 * (judged + extra)
    assert seen[-1] == 4, "the generator's step"
    assert len(seen) == 2 + reverse_skip


def test_the_ablation_rows_are_the_published_ones_in_order() -> None:
    assert list(HAGAN.ablation) == [
        "Base Model",
        "+ AttnMix Generator",
        "+ Reverse Skip Connection",
        "+ Hierarchical Discriminator",
        "+ Training Strategy",
    ]
    rows = [HAGAN.Config(**overrides) for overrides in HAGAN.ablation.values()]
    assert [row.attention for row in rows] == [False, True, True, True, True]
    assert [row.attnmix for row in rows] == [False, True, True, True, True]
    assert [bool(row.augment) for row in rows] == [False, True, True, True, True]
    assert [row.reverse_skip for row in rows] == [False, False, True, True, True]
    assert [row.pixel_branch for row in rows] == ["none", "none", "none", "lateral", "lateral"]
    assert [row.staged_training for row in rows] == [False, False, False, False, True]
    assert rows[-1] == HAGAN.Config()


@pytest.mark.parametrize("row", HAGAN.ablation)
def test_every_ablation_row_trains_with_its_own_losses(row, train) -> None:
    model = hagan(**HAGAN.ablation[row], warmup_epochs=0)
    losses = train(model, images(), steps=2)
    assert ("discriminator/consistency" in losses) == (row != "Base Model")
    assert ("discriminator/pixel" in losses) == (row in list(HAGAN.ablation)[3:])


@pytest.mark.parametrize(
    "settings",
    [
        {"pixel_branch": "both"},
        {"reverse_skip_sampling": "real"},
        {"reverse_skip_drop": 1.5},
        {"warmup_epochs": -1},
        {"diffaugment": "color,rotation"},
        {"width": 100},
    ],
)
def test_wrong_settings_are_refused(settings) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        HAGAN.Config(**settings)


def test_explaining_shows_the_mixture() -> None:
    model = hagan().eval()
    pictures = model.explain(Batch(images()))
    mixed, real, fake = pictures["mixed"], pictures["real"], pictures["fake"]
    assert torch.equal(real, images())
    assert ((mixed == real) | (mixed == fake)).all()
    assert pictures["attention"].shape == (4, 1, 16, 16)
    assert hagan(attention=False).explain(Batch(images())) == {}
