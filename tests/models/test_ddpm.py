"""Diffusion: the average that samples, the samplers, the layouts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from harness_models.averaging import decay_at, follow
from harness_models.ddpm import DDPM
from pydantic import ValidationError
from torch import Tensor, nn

from harness.api import ImageShape, SpecError


def test_the_average_by_hand() -> None:
    average, network = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    network.weight.data.fill_(3.0)
    network.running_mean.fill_(7.0)
    follow(average, network, decay=0.9)
    assert average.weight.item() == pytest.approx(0.9 * 1 + 0.1 * 3)
    assert average.running_mean.item() == 7.0, "buffers are copied"


def test_the_average_forgets_the_first_weights_soon() -> None:
    average, network = nn.Linear(1, 1), nn.Linear(1, 1)
    average.weight.data.fill_(0.0)
    network.weight.data.fill_(1.0)
    config = DDPM.Config(ema_decay=0.9999)
    follow(average, network, decay_at(config, 0))
    assert average.weight.item() == pytest.approx(0.9)
    for step in range(1, 100):
        follow(average, network, decay_at(config, step))
    assert average.weight.item() > 0.999


class Oracle(nn.Module):
    """Knows the image, and so the noise in it."""

    def __init__(self, image: Tensor, alphas: Tensor) -> None:
        super().__init__()
        self.image, self.alphas = image, alphas

    def forward(self, noisy: Tensor, time: Tensor) -> SimpleNamespace:
        alpha = self.alphas[time]
        return SimpleNamespace(sample=(noisy - alpha.sqrt() * self.image) / (1 - alpha).sqrt())


@pytest.mark.parametrize("name", ["ddpm", "ddpm, implicit"])
def test_a_perfect_denoiser_samples_the_image(name, tinies) -> None:
    model = tinies[name].build(sampling_steps=20)
    image = torch.linspace(-0.9, 0.9, 256).view(1, 1, 16, 16)
    model.average = Oracle(image, model.process.schedule.alphas_cumprod)
    samples = model.sample(torch.tensor([0, 1]))
    torch.testing.assert_close(samples, image.expand(2, 1, 16, 16), atol=1e-2, rtol=0)


def test_a_preview_takes_its_own_sampler(tinies) -> None:
    short = {"preview_sampler": "ddpm", "preview_steps": 2}
    model, as_preview = (
        tinies["ddpm"].build(**settings).eval()
        for settings in (short, {"sampler": "ddpm", "sampling_steps": 2})
    )
    as_preview.load_state_dict(model.state_dict())
    seeds = torch.tensor([0, 1])
    with torch.no_grad():
        assert torch.equal(model.preview(seeds), as_preview.sample(seeds))
        assert not torch.equal(model.preview(seeds), model.sample(seeds))


def test_samples_come_from_the_average(tinies, train) -> None:
    model = tinies["ddpm"].build()
    train(model, tinies["ddpm"].images(), steps=3)
    model.eval()
    with torch.no_grad():
        before = model.sample(torch.tensor([0]))
        for parameter in model.denoiser.parameters():
            parameter.zero_()
        assert torch.equal(model.sample(torch.tensor([0])), before)
        for parameter in model.average.parameters():
            parameter.zero_()
        assert not torch.equal(model.sample(torch.tensor([0])), before)


@pytest.mark.parametrize("side", [32, 64, 128, 256])
def test_attention_reads_maps_of_16_at_every_size(side: int) -> None:
    with torch.device("meta"):
        network = DDPM(ImageShape(1, side, side), DDPM.Config()).denoiser
    kinds = [type(block).__name__ for block in network.down_blocks]
    assert [side >> level for level, kind in enumerate(kinds) if kind == "AttnDownBlock2D"] == [16]


@pytest.mark.parametrize(("side", "settings"), [(48, {}), (17, {"level_channels": "32, 32"})])
def test_impossible_sizes_are_refused(side: int, settings: dict[str, str]) -> None:
    with pytest.raises(SpecError, match="square images of 32, 64, 128, 256"):
        DDPM(ImageShape(1, side, side), DDPM.Config(**settings))


def test_steps_that_do_not_divide_the_thousand_are_refused() -> None:
    for name in ("sampling_steps", "preview_steps"):
        with pytest.raises(ValidationError, match="a divisor of 1000"):
            DDPM.Config(**{name: 600})


def test_the_variance_of_a_sampling_step_by_hand(tinies) -> None:
    betas = torch.linspace(1e-4, 0.02, 1000)
    kept = (1 - betas).cumprod(0)
    # At the last time: beta_t, and beta_t (1 - kept before) / (1 - kept).
    expected = {"fixed_large": 0.02, "fixed_small": 0.02 * (1 - kept[998]) / (1 - kept[999])}
    for variance, value in expected.items():
        model = tinies["ddpm"].build(variance=variance, sampling_steps=1000)
        scheduler = model.process.scheduler("ddpm")
        scheduler.set_timesteps(1000)
        assert scheduler._get_variance(999).item() == pytest.approx(float(value), rel=1e-4)
    assert expected["fixed_small"] < 0.02


def test_a_large_variance_must_not_stay_in_the_image() -> None:
    with pytest.raises(ValidationError, match="leaves noise"):
        DDPM.Config(variance="fixed_large", sampling_steps=100)
    DDPM.Config(variance="fixed_large", sampler="ddim", sampling_steps=100)
