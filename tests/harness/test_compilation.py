"""Compiled networks, and machines on which they can't be; what ``auto`` precision means."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
from bench_example.model import LinearGAN

from harness import hookimpl
from harness.api import Batch, Clock, ImageShape
from harness.plugins import Registry
from harness.running.cell import Outcome
from harness.training.arithmetic import arithmetic, effective_precision
from harness.training.compilation import compile_networks
from harness.training.loop import Run

RunTiny = Callable[..., Outcome]

CPU = torch.device("cpu")

# torch means to hide this warning of its own from its users, and an error can't be hidden.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")


@pytest.mark.parametrize(
    ("asked", "device", "means"),
    [("auto", "cpu", "fp32"), ("auto", "cuda", "tf32"), ("fp32", "cuda", "fp32"), ("bf16", "cpu", "bf16")],
)
def test_auto_follows_the_device(asked: str, device: str, means: str) -> None:
    assert effective_precision(asked, torch.device(device)) == means


def test_bf16_steps_see_the_weights_as_they_are() -> None:
    layer = torch.nn.Linear(4, 4)
    ones = torch.ones(1, 4)
    with arithmetic("bf16", CPU):
        with torch.no_grad():
            before = layer(ones)
            layer.weight += 1.0
        after = layer(ones)
        after.sum().backward()
    assert after.dtype == torch.bfloat16
    assert torch.allclose(after - before, torch.full((1, 4), 4.0, dtype=torch.bfloat16), atol=0.1)
    assert layer.weight.grad is not None


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Compile without a C++ compiler, which takes a minute: traced graphs run as they are, and are counted."""
    graphs: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: object) -> torch.fx.GraphModule:
        graphs.append(1)
        return graph

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    return graphs


def make() -> LinearGAN:
    torch.manual_seed(0)
    return LinearGAN(ImageShape(1, 8, 8), LinearGAN.Config())


@pytest.mark.usefixtures("traced")
def test_compiled_networks_take_the_same_steps() -> None:
    plain, compiled = make(), make()
    random = torch.get_rng_state()
    assert compile_networks(compiled, 4, CPU) is None
    assert torch.equal(torch.get_rng_state(), random), "the trial draws numbers of its own"
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    images = torch.rand(4, 1, 8, 8) * 2 - 1
    for step in range(3):
        random = torch.get_rng_state()
        expected = plain.train_step(Batch(images), Clock(step, 0, 1))
        torch.set_rng_state(random)
        found = compiled.train_step(Batch(images), Clock(step, 0, 1))
        assert found.keys() == expected.keys()
        for name, loss in expected.items():
            torch.testing.assert_close(found[name], loss)


def test_samples_depend_on_no_compiler(traced: list[int]) -> None:
    model = make()
    assert compile_networks(model, 4, CPU) is None
    before = len(traced)
    model.eval().sample(torch.arange(3))
    assert len(traced) == before > 0


class Notes:
    """Keeps what observers are told of a run's beginning."""

    @hookimpl
    def bench_run_started(self, run: Run) -> None:
        self.found = run.notes


def test_a_machine_that_cannot_compile_says_so_and_trains(
    run_tiny: RunTiny, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object, **options: object) -> object:
        raise RuntimeError("no compiler\nwas found")

    plain = run_tiny()
    monkeypatch.setattr(torch, "compile", fails)
    notes = Notes()
    registry.manager.register(notes)
    record = run_tiny(compile=True, results=plain.folder.path.parents[1] / "other").record
    assert notes.found == ("not compiled, RuntimeError: no compiler",)
    assert record.device["compiled"] is False
    assert record.identity == plain.record.identity
    assert record.scores == plain.record.scores


@pytest.mark.usefixtures("traced")
def test_a_record_says_that_its_networks_were_compiled(run_tiny: RunTiny) -> None:
    device = run_tiny(compile=True).record.device
    assert (device["compiled"], device["precision"]) == (True, "fp32")
