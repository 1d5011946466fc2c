"""Latent diffusion: its two stages, the scale of its latents, and what it says of itself."""

from __future__ import annotations

import pytest
import torch
from harness_models.ldm import LDM
from torch import Tensor

from harness.api import Batch, Clock, ImageShape, SpecError

SHAPE = ImageShape(1, 16, 16)


def build(**settings: object) -> LDM:
    torch.manual_seed(0)
    smallest = {
        "autoencoder_channels": (32, 32),
        "autoencoder_blocks": 1,
        "level_channels": (32, 32),
        "blocks": 1,
        "sampling_steps": 4,
        "autoencoder_share": 0.5,
    }
    return LDM(SHAPE, LDM.Config(**{**smallest, **settings}))


def images(count: int = 4) -> Tensor:
    return torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def weights(model: LDM, name: str) -> Tensor:
    return torch.cat([each.detach().flatten() for each in model.get_submodule(name).parameters()])


def test_each_stage_moves_its_own_network() -> None:
    model = build()
    names = ("autoencoder", "denoiser", "average")
    moved = []
    for epoch in (0, 1, 2, 3):  # half of 4 epochs each
        before = {name: weights(model, name) for name in names}
        losses = model.train_step(Batch(images()), Clock(epoch, epoch, 4))
        moved.append({name for name in names if not torch.equal(before[name], weights(model, name))})
        assert set(losses) == ({"autoencoder", "autoencoder/l1"} if epoch < 2 else {"denoiser"})
    assert moved == [{"autoencoder"}] * 2 + [{"denoiser", "average"}] * 2


def test_latents_are_scaled_by_the_first_batch_of_the_second_stage() -> None:
    model = build()
    model.train_step(Batch(images()), Clock(0, 0, 4))
    assert model.scale == 0
    torch.manual_seed(5)
    with torch.no_grad():
        latents = model.autoencoder.encode(images()).latent_dist.sample()
    seen = []
    model.process.loss = lambda predict, states, start: (
        seen.append(states) or predict(states, torch.zeros(len(states), dtype=torch.int64)).mean()
    )
    torch.manual_seed(5)
    model.train_step(Batch(images()), Clock(1, 2, 4))
    assert model.scale.item() == pytest.approx(1 / latents.std().item())
    torch.testing.assert_close(seen[0], latents / latents.std())
    model.train_step(Batch(2 * images()), Clock(2, 3, 4))
    assert model.scale.item() == pytest.approx(1 / latents.std().item()), "it stays"
    assert "scale" in model.state_dict()


def test_decoding_undoes_the_scale() -> None:
    model = build().eval()
    latents = torch.randn(2, *model.state_shape)
    with torch.no_grad():
        unscaled = model.to_images(latents)
        model.scale.fill_(4.0)
        torch.testing.assert_close(model.to_images(4 * latents), unscaled)


def test_the_second_stage_has_a_clock_of_its_own() -> None:
    model = build(lr_warmup=10)
    optimizer = model.optimizers()["denoiser"]
    for step, (rate, decay) in enumerate([(0.0, 1 / 10), (0.1, 2 / 11)]):
        expected = weights(model, "average")
        model.train_step(Batch(images()), Clock(1000 + step, 2, 4))
        assert optimizer.param_groups[0]["lr"] == pytest.approx(rate * 5e-5)
        expected = decay * expected + (1 - decay) * weights(model, "denoiser")
        torch.testing.assert_close(weights(model, "average"), expected)
    assert optimizer.state_dict()["param_groups"][0]["taken"] == 2, "a checkpoint keeps it"


def test_the_loss_of_the_autoencoder_by_hand() -> None:
    model = build(kl_weight=0.25)
    torch.manual_seed(7)
    latents = model.autoencoder.encode(images()).latent_dist
    mean, log_variance = latents.mean, latents.logvar
    divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum() / 4 / 256
    error = (model.autoencoder.decode(latents.sample()).sample - images()).abs().mean()
    torch.manual_seed(7)
    losses = model.train_step(Batch(images()), Clock(0, 0, 4))
    torch.testing.assert_close(losses["autoencoder/l1"], error.detach())
    torch.testing.assert_close(losses["autoencoder"], (error + 0.25 * divergence).detach())


def test_a_training_without_a_second_stage_says_so() -> None:
    model = build()
    assert any("never learnt" in caveat for caveat in model.caveats(Clock(9, 1, 4)))
    assert model.caveats(Clock(9, 3, 4)) == ()


@pytest.mark.parametrize("settings", [{"level_channels": None}, {"level_channels": (32,) * 5}])
def test_latents_without_a_denoiser_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(SpecError, match="latents of 8 x 8"):
        build(**settings)
