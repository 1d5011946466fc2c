"""Vision transformers: published layouts, and the same activations as a second implementation."""

import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from harness.api import WeightsError, WeightsFile
from harness.scoring.spaces import vit
from harness.scoring.spaces.layouts import as_in_timm, resized_positions
from harness.scoring.spaces.vit import ARCHITECTURES, Architecture, VisionTransformer, empty_network
from harness.scoring.weights import Weights

pytest.importorskip("timm", reason="needs the extra `features`")
transformers = pytest.importorskip("transformers", reason="the second implementation is not installed")

CPU = torch.device("cpu")
TINY = {"embed_dim": 48, "depth": 3, "num_heads": 4}


@pytest.fixture
def tiny(monkeypatch):
    """DINOv2's network with three narrow layers, under a name of its own."""
    one = Architecture(
        "vit_large_patch14_dinov2", 48, 56, *vit._IMAGENET, WeightsFile("tiny.safetensors"), TINY
    )
    monkeypatch.setitem(ARCHITECTURES, "tiny", one)
    return one


@pytest.fixture
def second():
    """transformers' implementation with random weights, learnt (as it were) at 98 pixels."""
    config = transformers.Dinov2Config(
        hidden_size=48, num_hidden_layers=3, num_attention_heads=4, image_size=98, patch_size=14
    )
    return randomised(transformers.Dinov2Model(config).eval())


def randomised(network):
    """All weights from one seed, layer scales and norms too, that no mistake hides behind ones and zeros."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in network.parameters():
            value.copy_(torch.randn(value.shape, generator=generator) * 0.2 + (value.ndim == 1))
    return network


def published(network):
    """The names under which such weights were published, by transformers before version 5."""
    state = {}
    for name, value in network.state_dict().items():
        for new, old in (("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value")):
            name = name.replace(f"attention.{new}", f"attention.attention.{old}")
        state[name.replace("attention.o_proj", "attention.output.dense")] = value.clone().contiguous()
    assert any(".attention.attention.query." in name for name in state)
    return state


def seen(images, architecture):
    """What the second implementation is fed with: images of that side, so nothing is resized."""
    batch = torch.from_numpy(images).float().expand(-1, 3, -1, -1) / 255
    mean, deviation = (torch.tensor(v)[:, None, None] for v in (architecture.mean, architecture.deviation))
    return (batch - mean) / deviation


def close(found, expected):
    return np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_activations_are_those_of_a_second_implementation(tmp_path, tiny, second):
    save_file(published(second), tmp_path / "tiny.safetensors")
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 56, 56), dtype=np.uint8)
    space = VisionTransformer(Weights(tmp_path, online=False), "tiny")
    found = space.extract(images, CPU)
    with torch.inference_mode():
        expected = second(pixel_values=seen(images, tiny)).pooler_output.double().numpy()
    assert found.shape == (5, 48)
    assert found.dtype == np.float64
    assert close(found, expected)
    assert len(space.identity()["weights"]) == 64


def test_the_layouts_of_all_publishers_are_one_network(tiny, second):
    wanted = empty_network(tiny).state_dict()
    old = as_in_timm(published(second), wanted)
    since = as_in_timm(second.state_dict(), wanted)
    # DINOv2's own code: timm's names, positions of its own grid, and what only training needs.
    own = {name: value for name, value in old.items() if name != "pos_embed"}
    own |= {"pos_embed": second.embeddings.position_embeddings, "mask_token": torch.zeros(1, 48)}
    original = as_in_timm(own, wanted)
    for state in (since, original):
        assert state.keys() == old.keys() == wanted.keys()
        assert all(torch.equal(state[name], old[name]) for name in old)


def test_a_layer_without_scales_and_with_patches_of_16_is_transformers_vit(tmp_path, monkeypatch):
    config = transformers.ViTConfig(
        hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=192, image_size=64,
        layer_norm_eps=1e-6,
    )  # fmt: skip
    network = randomised(transformers.ViTModel(config, add_pooling_layer=False).eval())
    small = ARCHITECTURES["radiodino"]._replace(
        width=48, side=64, file=WeightsFile("small.safetensors"), options={**TINY, "depth": 2}
    )
    monkeypatch.setitem(ARCHITECTURES, "small", small)
    renames = (
        (r"^(?:encoder\.layer|layers)\.(\d+)\.", r"blocks.\1."),
        (r"layernorm_before|layernorm1", "norm1"),
        (r"layernorm_after|layernorm2", "norm2"),
        (r"intermediate\.dense", "mlp.fc1"),
        (r"(?<!attention)\.output\.dense", ".mlp.fc2"),
        (r"attention\.(?:output\.dense|o_proj)", "attn.proj"),
        (r"attention\.(?:attention\.)?(?:query|q_proj)", "attn.query"),
        (r"attention\.(?:attention\.)?(?:key|k_proj)", "attn.key"),
        (r"attention\.(?:attention\.)?(?:value|v_proj)", "attn.value"),
    )
    state = {}
    for name, value in network.state_dict().items():
        for pattern, replacement in renames:
            name = re.sub(pattern, replacement, name)
        state[name] = value
    save_file({n: v.contiguous() for n, v in as_in_timm(state, {}).items()}, tmp_path / "small.safetensors")
    images = np.random.default_rng(1).integers(0, 256, (3, 1, 64, 64), dtype=np.uint8)
    found = VisionTransformer(Weights(tmp_path, online=False), "small").extract(images, CPU)
    with torch.inference_mode():
        expected = network(pixel_values=seen(images, small)).last_hidden_state[:, 0].double().numpy()
    assert close(found, expected)


@pytest.mark.parametrize("name", ["dinov2", "rad-dino", "radiodino"])
def test_the_published_networks_have_these_sizes(name):
    one = ARCHITECTURES[name]
    shapes = {key: tuple(value.shape) for key, value in empty_network(one).state_dict().items()}
    tokens = {"dinov2": 1 + 16**2, "rad-dino": 1 + 37**2, "radiodino": 1 + 14**2}[name]
    depth = {"dinov2": 24, "rad-dino": 12, "radiodino": 12}[name]
    assert shapes["pos_embed"] == (1, tokens, one.width)
    assert shapes["norm.weight"] == (one.width,)
    assert sum(key.endswith("attn.qkv.weight") for key in shapes) == depth


def test_positions_of_a_grid_keep_the_class_token_and_a_constant_stays_one():
    positions = torch.cat([torch.zeros(1, 1, 4), torch.ones(1, 49, 4)], dim=1)
    resized = resized_positions(positions, 1 + 16)
    assert torch.equal(resized[:, :1], positions[:, :1])
    assert torch.allclose(resized[:, 1:], torch.ones(1, 16, 4))
    with pytest.raises(ValueError, match="51 tokens"):
        resized_positions(torch.zeros(1, 51, 4), 17)


def test_what_is_missing_or_wrong_is_said(tmp_path, tiny):
    with pytest.raises(WeightsError, match=r"dinov2-large\.safetensors is not on this machine") as caught:
        VisionTransformer(Weights(tmp_path, online=False), "dinov2").check()
    assert "facebook/dinov2-large" in caught.value.hint
    assert "no digest of it is known here" in caught.value.hint
    assert "keep it as dinov2-large.safetensors" in caught.value.hint
    state = {name: torch.zeros(value.shape) for name, value in empty_network(tiny).state_dict().items()}
    wrong = {**state, "norm.weight": torch.zeros(49)}
    few = {name: value for name, value in state.items() if name != "blocks.2.ls2.gamma"}
    for other in (wrong, few, {**state, "head.weight": torch.zeros(3, 48)}):
        save_file(other, tmp_path / "tiny.safetensors")
        with pytest.raises(WeightsError, match="does not fit tiny"):
            VisionTransformer(Weights(tmp_path, online=False), "tiny").check()


def test_a_pickle_under_the_name_of_tensors_is_never_run(tmp_path, tiny):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    torch.save({"norm.weight": Bomb()}, tmp_path / "tiny.safetensors")
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        VisionTransformer(Weights(tmp_path, online=False), "tiny").check()
    assert not (tmp_path / "exploded").exists()


def test_nothing_is_drawn_from_the_trainers_generator(tmp_path, tiny, second):
    save_file(published(second), tmp_path / "tiny.safetensors")
    before = torch.get_rng_state()
    VisionTransformer(Weights(tmp_path, online=False), "tiny").check()
    assert torch.equal(torch.get_rng_state(), before)
