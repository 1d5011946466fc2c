"""The shared layers."""

from __future__ import annotations

import pytest
import torch
from harness_models import layers
from harness_models.initialisation import initialise_normal, initialise_orthogonal
from harness_models.layers import Discriminator, Generator, SelfAttention, Trunk, attend, stage_widths
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile

from harness.api import ImageShape, SpecError


def projections(positions: int) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, positions, depth, requires_grad=True) for depth in (8, 8, 64)]


def test_fused_attention_equals_the_plain_one() -> None:
    parts = projections(1024)
    weight = torch.randn(2, 1024, 64)
    results = []
    for function in (layers._attend_fused, layers._attend_plain):
        read = function(*parts)
        results.append((read, *torch.autograd.grad((read * weight).mean(), parts)))
    for fused, plain in zip(*results, strict=True):
        torch.testing.assert_close(fused, plain, atol=1e-5, rtol=1e-5)


def kernels(positions: int) -> set[str]:
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        attend(*projections(positions))
    return {event.key for event in profiler.key_averages()}


@pytest.mark.filterwarnings("ignore")  # some builds of the profiler warn about devices that are not there
def test_the_fused_kernel_runs_where_it_is_faster() -> None:
    fused = "aten::_scaled_dot_product_flash_attention_for_cpu"
    assert fused in kernels(32 * 32)
    assert "aten::softmax" in kernels(16 * 16)
    with sdpa_kernel(SDPBackend.MATH):
        assert fused not in kernels(32 * 32)


def test_attention_by_hand() -> None:
    # Energies: the first query gives 0 and ln 3, so weights of 1/4 and 3/4; the second gives 0 and 0.
    query = torch.tensor([[[1.0], [0.0]]])
    key = torch.tensor([[[0.0], [3.0]]]).clamp(min=1).log()
    value = torch.tensor([[[4.0], [8.0]]])
    torch.testing.assert_close(attend(query, key, value), torch.tensor([[[7.0], [6.0]]]))


def test_attention_starts_as_the_identity() -> None:
    maps = torch.randn(2, 64, 8, 8)
    assert torch.equal(SelfAttention(64)(maps), maps)


def test_saliency_is_the_attention_that_each_position_receives() -> None:
    torch.manual_seed(0)
    attention, maps = SelfAttention(16), torch.randn(11, 16, 4, 4)
    saliency = attention.saliency(maps)
    query, key = attention.query(maps).flatten(2), attention.key(maps).flatten(2)
    received = torch.einsum("bci,bcj->bij", query, key).softmax(dim=2).mean(dim=1)
    torch.testing.assert_close(saliency.flatten(1), received)
    torch.testing.assert_close(saliency.sum(dim=(1, 2, 3)), torch.ones(11))
    assert not saliency.requires_grad


@pytest.mark.parametrize("side", [0, 16, 48, 65, -64])
def test_impossible_sides_are_refused(side: int) -> None:
    with pytest.raises(SpecError, match=r"power of two"):
        stage_widths(side, 512)


def test_images_must_be_square() -> None:
    with pytest.raises(SpecError, match="square"):
        Generator(ImageShape(1, 64, 32), 10, width=64, attention=False, spectral=False)


def test_widths_stop_at_an_eighth() -> None:
    assert stage_widths(64, 512) == (512, 256, 128, 64)
    assert stage_widths(256, 512) == (512, 256, 128, 64, 64, 64)
    assert stage_widths(32, 64) == (64, 32, 16)


def test_the_trunk_mirrors_the_generator() -> None:
    shape = ImageShape(1, 128, 128)
    generator = Generator(shape, 10, width=64, attention=True, spectral=True)
    maps, grown = generator.first_maps(torch.randn(2, 10)), []
    for stage in generator.stages:
        maps = stage(maps)
        grown.append(maps.shape)
    shrunk = [
        level.shape for level in Trunk(shape, width=64, slope=0.1, spectral=True)(torch.zeros(2, 1, 128, 128))
    ]
    assert grown == shrunk[::-1]


@pytest.mark.parametrize(("side", "sides"), [(32, [16]), (64, [16, 32]), (256, [16, 32])])
def test_attention_reads_maps_of_16_and_32(side: int, sides: list[int]) -> None:
    generator = Generator(ImageShape(1, side, side), 10, width=64, attention=True, spectral=True)
    with_attention = [
        4 << level for level, stage in enumerate(generator.stages) if stage.attention is not None
    ]
    assert with_attention == sides


def test_spectral_norm_brings_the_largest_singular_value_to_one() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(ImageShape(3, 32, 32), width=64, slope=0.1, spectral=True)
    for _ in range(20):  # one power iteration each
        discriminator(torch.zeros(1, 3, 32, 32))
    for convolution in discriminator.trunk.convolutions:
        largest = torch.linalg.matrix_norm(convolution.weight.flatten(1), ord=2)
        assert largest.item() == pytest.approx(1.0, abs=0.05)


def test_only_output_layers_are_without_spectral_norm() -> None:
    shape = ImageShape(3, 32, 32)
    networks = [
        Generator(shape, 10, width=64, attention=False, spectral=True),
        Discriminator(shape, width=64, slope=0.1, spectral=True),
    ]
    for network in networks:
        free = [
            name
            for name, module in network.named_modules()
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and not hasattr(module, "parametrizations")
        ]
        assert free in (["to_image"], ["head"])


@pytest.mark.parametrize("spectral", [False, True])
def test_normal_init_reaches_the_weights_under_spectral_norm(spectral: bool) -> None:
    torch.manual_seed(0)
    network = Discriminator(ImageShape(3, 32, 32), width=64, slope=0.2, spectral=spectral)
    initialise_normal([network])
    weights = [value for name, value in network.named_parameters() if "weight" in name]
    assert len(weights) == 4
    for weight in weights:
        assert weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_orthogonal_first_weights_are_orthogonal_and_normed_ones_too() -> None:
    network = Discriminator(ImageShape(1, 32, 32), width=64, slope=0.1, spectral=True)
    initialise_orthogonal([network])
    for convolution in network.trunk.convolutions:
        rows = convolution.parametrizations.weight.original.detach().flatten(1)
        gram = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
        torch.testing.assert_close(gram, torch.eye(len(gram)), atol=1e-5, rtol=0)


def test_the_discriminators_attention_has_the_parameters_of_its_original() -> None:
    shape = ImageShape(3, 64, 64)
    network = Discriminator(shape, width=512, slope=0.1, spectral=True, attention=True)
    assert sum(parameter.numel() for parameter in network.parameters()) == 3_175_299
    sides = [
        64 >> level + 1 for level, block in enumerate(network.trunk.attentions) if list(block.parameters())
    ]
    assert sides == [8, 4]


def test_latents_up_to_128_values_are_read_as_they_are() -> None:
    for length, read in ((100, 100), (128, 128), (129, 100)):
        generator = Generator(ImageShape(1, 32, 32), length, width=64, attention=False, spectral=False)
        assert generator.first_maps(torch.zeros(2, length)).shape == (2, read, 1, 1)
