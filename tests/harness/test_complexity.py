"""Sizes of models: the published counts, the rule by hand, and models of strangers."""

from __future__ import annotations

import io
from typing import Any

import pandas
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness.api import Batch, Clock, ImageShape, PluginConfig, PluginError, Synthesizer
from harness.tables.complexity import complexity_sheet, count, measure
from harness.tables.sheets import render


class Stranger(Synthesizer):
    """A network whose operations are easily counted by hand."""

    version = 1
    Config = PluginConfig

    def __init__(self, shape: ImageShape, network: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        super().__init__(shape, PluginConfig())
        self.network = network
        self.inputs = inputs

    def networks(self) -> dict[str, nn.Module]:
        return {"generator": self.network}

    def example_inputs(self, count: int) -> dict[str, tuple[torch.Tensor, ...]]:
        return {"generator": tuple(one.expand(count, *one.shape[1:]) for one in self.inputs)}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {}

    def train_step(self, batch: Batch, clock: Clock) -> dict[str, torch.Tensor]:
        return {}

    def sample(self, seeds: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(seeds), 3, 8, 8)


def sizes_of(network: nn.Module, *inputs: torch.Tensor) -> dict[str, Any]:
    return count(Stranger(ImageShape(3, 8, 8), network, inputs))


def test_a_convolution_with_batch_norm_counts_as_by_hand() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    sizes = sizes_of(network, torch.zeros(1, 3, 8, 8))
    assert sizes["generator"].parameters == 3 * 4 * 9 + 4 + 4
    # Each of 64 x 4 x 8 x 8 outputs: 27 multiply-accumulates, and 5 for its BatchNorm.
    assert sizes["generator"].operations == 64 * 4 * 64 * (27 + 5)


class Attention(nn.Module):
    def __init__(self, *, fused: bool) -> None:
        super().__init__()
        self.fused = fused

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        if self.fused:
            return F.scaled_dot_product_attention(maps, maps, maps)
        return (maps @ maps.transpose(-1, -2)).softmax(-1) @ maps


@pytest.mark.parametrize("fused", [False, True])
def test_attention_counts_the_same_whatever_kernel_it_would_run_on(fused: bool) -> None:
    sizes = sizes_of(Attention(fused=fused), torch.zeros(1, 1, 256, 64))
    assert sizes["generator"].operations == 64 * 2 * 256 * 256 * 64


def test_frozen_parameters_do_not_count() -> None:
    network = nn.Linear(5, 7)
    network.bias.requires_grad_(False)
    assert sizes_of(network, torch.zeros(1, 5))["all"].parameters == 35


def test_weights_that_two_networks_share_count_once_in_all() -> None:
    trunk = nn.Linear(5, 7)

    class Pair(Stranger):
        def networks(self) -> dict[str, nn.Module]:
            return {"generator": trunk, "discriminator": nn.Sequential(trunk, nn.Linear(7, 1))}

        def example_inputs(self, count: int) -> dict[str, tuple[torch.Tensor, ...]]:
            return dict.fromkeys(("generator", "discriminator"), (torch.zeros(count, 5),))

    sizes = count(Pair(ImageShape(3, 8, 8), trunk, ()))
    assert sizes["discriminator"].parameters == 42 + 8
    assert sizes["all"].parameters == 42 + 8
    assert sizes["all"].operations == 64 * (35 + 35 + 7)


PRINTED = ("dcgan", "sagan", "unetgan", "hagan", "wgan")


def at_64(model: str) -> pandas.Series[Any]:
    frame, problems = measure([model], 64)
    assert problems == []
    return frame.iloc[0]


@pytest.mark.parametrize("model", PRINTED)
def test_the_published_digits(model: str) -> None:
    row = at_64(model)
    for column in ("params_g", "params_d"):
        assert f"{row[column]:.1f}" == f"{row[f'published_{column}']:.1f}"
    for column in ("flops_g", "flops_d"):
        assert f"{row[column]:.2f}" == f"{row[f'published_{column}']:.2f}"


def test_ddpm_has_the_published_parameters() -> None:
    assert f"{at_64('ddpm')['params_all']:.1f}" == "35.7"


def test_infogan_has_the_published_operations() -> None:
    row = at_64("infogan")
    assert f"{row['flops_g']:.2f}" == "6.26"
    assert f"{row['flops_d']:.2f}" == "6.21"


def test_the_sheet_says_ours_published_and_difference() -> None:
    sheet = complexity_sheet(["dcgan"], 64)
    text = render(sheet, "md")
    assert "| dcgan | 3.6 (3.6, 0.0) | 2.8 (2.8, 0.0) | 6.4 (6.4, 0.0) | 6.27 (6.27, 0.00) |" in text
    frame = pandas.read_csv(io.StringIO(render(sheet, "csv")))
    counts = [f"{kind}_{network}" for kind in ("params", "flops") for network in ("g", "d", "all")]
    assert list(frame.columns) == ["model", *counts, *(f"published_{column}" for column in counts)]
    assert frame.params_g[0] == 3.577667


def test_what_cannot_be_reproduced_is_said() -> None:
    notes = complexity_sheet(["infogan"], 64).notes
    assert any("infogan params_g (published 10.1)" in note for note in notes)


def test_at_256_px_nothing_is_published() -> None:
    frame, problems = measure(["dcgan"], 256)
    assert problems == []
    assert frame.params_g[0] > 3.6
    assert frame.filter(like="published_").isna().all(axis=None)


def test_a_model_that_cannot_be_built_leaves_the_other_rows_standing() -> None:
    frame, problems = measure(["dcgan", "nosuch"], 64)
    assert frame.params_g.notna().tolist() == [True, False]
    assert len(problems) == 1
    assert "nosuch" in problems[0]


def test_a_network_of_any_name_has_its_columns() -> None:
    frame, problems = measure(["dcgan", "ddpm"], 64)
    assert problems == []
    dcgan, ddpm = (row for _, row in frame.iterrows())
    assert f"{ddpm.params_denoiser:.1f}" == "35.7"
    assert ddpm.flops_denoiser == ddpm.flops_all > 0
    assert pandas.isna(ddpm.params_g)
    assert pandas.isna(dcgan.params_denoiser)
    text = render(complexity_sheet(["dcgan", "ddpm"], 64), "md")
    assert "denoiser" in text
    assert "denoiser" not in render(complexity_sheet(["dcgan"], 64), "md")


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "has nothing for its network 'generator'"),
        ({"generator": torch.zeros(64, 5)}, "gives Tensor for 'generator'"),
        ({"generator": (torch.zeros(1, 5),)}, "gives float32 (1, 5) for 'generator'"),
        ({"generator": (torch.zeros(64, 4),)}, "can't be called with its example_inputs, float32 (64, 4)"),
        ({"generator": (torch.zeros(64, 5), torch.zeros(64))}, "float32 (64, 5) and float32 (64,)"),
    ],
)
def test_wrong_example_inputs_are_told_in_words(inputs: dict[str, Any], words: str) -> None:
    class Wrong(Stranger):
        def example_inputs(self, count: int) -> dict[str, tuple[torch.Tensor, ...]]:
            return inputs

    with pytest.raises(PluginError) as caught:
        count(Wrong(ImageShape(3, 8, 8), nn.Linear(5, 7), ()))
    assert words in caught.value.found
    assert "Wrong" in caught.value.found
    assert "mat1" not in str(caught.value)


def test_numbers_of_other_publications_name_their_source() -> None:
    sheet = complexity_sheet(["bbdm"], 256)
    assert "| bbdm |" in render(sheet, "md")
    assert "237.1 (237.1, 0.0)" in render(sheet, "md")
    assert any("bbdm params_denoiser (published 237.1): Li et al. 2023" in note for note in sheet.notes)
