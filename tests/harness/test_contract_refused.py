"""What a plugin gives against its contract is refused in a run, in its name."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from bench_example.model import LinearGAN, LinearGANConfig
from torch import Tensor

from harness.api import Batch, Clock, ImageShape, setting
from harness.cell.reserved import RESERVED_NAMES, check_setting_names
from harness.errors import Diverged, PluginError
from harness.tasks.sampling import sample_images
from harness.training.loss_check import check_losses


class Gives(LinearGAN):
    """Samples what it is told to."""

    made: Any = None

    def sample(self, seeds: Tensor) -> Tensor:
        return self.made


def sampled(made: Any) -> np.ndarray:
    model = Gives(ImageShape(1, 4, 4), LinearGANConfig())
    model.registered_name = "gives"
    model.made = made
    return sample_images(model, 2)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (torch.zeros(2, 3, 4, 4), "images of shape (2, 3, 4, 4) instead of (2, 1, 4, 4)"),
        (torch.zeros(1, 1, 4, 4), "images of shape (1, 1, 4, 4) instead of (2, 1, 4, 4)"),
        (torch.zeros(2, 1, 4, 4).double(), "pixels of torch.float64"),
        (torch.zeros(2, 1, 4, 4).byte(), "pixels of torch.uint8"),
        (torch.full((2, 1, 4, 4), 9.0), "pixels from 9 to 9 instead of [-1, 1]"),
        (np.zeros((2, 1, 4, 4), np.float32), "ndarray instead of a tensor"),
    ],
)
def test_wrong_images_are_refused(made: Any, words: str) -> None:
    with pytest.raises(PluginError) as caught:
        sampled(made)
    assert words in caught.value.found
    assert "model gives gave" in caught.value.found


def test_rounding_is_forgiven_and_clamped() -> None:
    assert (sampled(torch.full((2, 1, 4, 4), 1.0005)) == 255).all()
    assert (sampled(torch.full((2, 1, 4, 4), -1.0005)) == 0).all()
    with pytest.raises(PluginError):
        sampled(torch.full((2, 1, 4, 4), 1.002))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_pixels_that_are_not_finite_are_a_result(value: float) -> None:
    with pytest.raises(Diverged):
        sampled(torch.full((2, 1, 4, 4), value))


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ({}, "instead of named losses"),
        (torch.zeros(()), "instead of named losses"),
        ({"g": 0.5}, "'g' as float"),
        ({"g": torch.zeros(1)}, "'g' of shape (1,)"),
        ({"g": torch.zeros((), requires_grad=True)}, "'g' with its gradient"),
        ({"g": torch.zeros((), dtype=torch.int64)}, "'g' of torch.int64"),
    ],
)
def test_wrong_losses_are_refused(losses: Any, words: str) -> None:
    with pytest.raises(PluginError) as caught:
        check_losses("mine", losses)
    assert words in caught.value.found
    assert "model mine gave" in caught.value.found


def test_looking_at_losses_reads_no_value() -> None:
    # A tensor without data: whoever reads a value of it fails.
    check_losses("mine", {"g": torch.zeros((), device="meta"), "nan": torch.tensor(torch.nan)})


def test_a_run_refuses_losses_with_a_gradient(run_tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def train_step(self: LinearGAN, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        return {"critic": self.critic(batch.images).mean()}

    monkeypatch.setattr(LinearGAN, "train_step", train_step)
    with pytest.raises(PluginError, match="model linear-gan gave the loss 'critic' with its gradient"):
        run_tiny()


def test_settings_of_reserved_names_are_refused_when_a_model_is_loaded(
    run_tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Config(LinearGANConfig):
        limit: int = setting(3, "of what", source="ours")
        dataset: str = setting("", "which", source="ours")

    monkeypatch.setattr(LinearGAN, "Config", Config)
    with pytest.raises(PluginError, match="model linear-gan has settings of reserved names: dataset, limit"):
        run_tiny()
    check_setting_names("free", LinearGANConfig)
    assert "epochs" in RESERVED_NAMES


def test_settings_and_their_augmentations_are_kept_by_the_base() -> None:
    class Config(LinearGANConfig):
        augment: tuple[str, ...] = setting(("shift", "own"), "augmentations", source="ours")

    config = Config()
    model = LinearGAN(ImageShape(1, 4, 4), config)
    assert model.config is config
    assert model.augmentations == ("shift",), "others are the model's own affair"
    assert LinearGAN(ImageShape(1, 4, 4), LinearGANConfig()).augmentations == ("flip", "shift")


def test_an_executor_is_written_without_torch() -> None:
    code = (
        "import sys; from harness.api import BUSY, USER_ERROR, Ended, Executor, Job, Resources, SubmittedJob; "
        "print(BUSY, USER_ERROR, 'torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["75", "2", "False"]
