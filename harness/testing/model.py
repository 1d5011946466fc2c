"""What the core may expect of every model."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..api import ImageShape, Model, Synthesizer, Translator
from ..cell.protocol import Protocol
from ..cell.reserved import check_setting_names
from ..tables.complexity import count
from ..tasks.sampling import faults_of_images
from ..training.checkpoints import load_networks, save_networks
from ..training.loss_check import faults_of_losses
from .findings import Checked, Checks
from .settings import faults_of_config, faults_of_version
from .trial import Trial, differences, optimizer_states, restore, state_of, through_file
from .waiting import noting_waits

SIDE = 32
"""Side of the images where the model can make any."""
STEPS = 6
"""Steps of a training: every network of a model must move in them."""
EARLY = STEPS // 2
"""Steps before the checkpoint from which it is resumed."""
ROUNDING = 2 / 255
"""How far an image may change with its batch, a grey level: a sampler of many steps multiplies rounding."""
SEEDS = (3, 1, 4)


def check_model(
    model: type[Model],
    *,
    name: str | None = None,
    shape: ImageShape | None = None,
    side: int | None = None,
    labels: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> Checked:
    """Check that a model keeps its contract (``harness.api.Model``).

    Args:
        model: Its class.
        name: What to call it; None for the name of the class.
        shape: Of the images; None for three channels, and those of label maps.
        side: Of the images, where no shape is given; None for the smallest that it can make.
        labels: How many labels it is to make beside its images, where no shape is given.
        settings: Overrides of its default config; None for those of its preset ``smoke``, where it has one.
    """
    checks = Checks(f"model {name or getattr(model, '__name__', model)}")
    if not checks.run("class", lambda: _faults_of_class(model)):
        return checks.result
    checks.run("version", lambda: faults_of_version(model))
    checks.run("settings are documented", lambda: faults_of_config(model))
    checks.run("names of settings are free", lambda: _faults_of_names(name or model.__name__, model))
    checks.run("presets and ablation rows are valid", lambda: _faults_of_presets(model))
    if shape is None:
        side = min(model.resolutions or (SIDE,)) if side is None else side
        maps = 1 + labels if labels else 0
        shape = ImageShape(3 + maps, side, side, maps)
    if settings is None:
        preset = model.presets.get("smoke", {})
        settings = {key: value for key, value in preset.items() if key in model.Config.model_fields}
    with torch.random.fork_rng(devices=[]):
        _ModelChecks(Trial(model, shape, settings), checks).run()
    return checks.result


def _faults_of_class(model: object) -> Iterator[str]:
    if not (isinstance(model, type) and issubclass(model, Synthesizer | Translator)):
        yield f"{model!r} is neither a class of harness.api.Synthesizer nor one of Translator"
    elif missing := sorted(model.__abstractmethods__):
        yield f"it lacks {', '.join(missing)}"


def _faults_of_names(name: str, model: type[Model]) -> Iterator[str]:
    check_setting_names(name, model.Config)
    yield from ()


def _faults_of_presets(model: type[Model]) -> Iterator[str]:
    larger = {
        f"{preset} from {side} px": row
        for preset, sides in model.presets_from.items()
        for side, row in sides.items()
    }
    for kind, rows in (("preset", {**model.presets, **larger}), ("ablation row", model.ablation)):
        for name, row in rows.items():
            protocol = {key: value for key, value in row.items() if key in Protocol.model_fields}
            own = {
                key: value
                for key, value in row.items()
                if key not in protocol and not key.startswith("dataset.")
            }
            try:
                Protocol(**protocol)
                model.Config(**own)
            except ValueError as error:
                yield f"{kind} {name!r}: {' '.join(str(error).split())}"


class _ModelChecks:
    """The checks that need a model which exists."""

    def __init__(self, trial: Trial, checks: Checks) -> None:
        self.trial = trial
        self.checks = checks

    def run(self) -> None:
        """All of them, as far as each makes sense after the ones before."""
        run = self.checks.run
        if not run("it can be made", self.made):
            return
        run("networks run on their example inputs", self.counted)
        run("optimizers are the same objects at every call", self.optimizers)
        if run("a training step moves the networks", self.learns):
            run("a training step never waits for the device", self.never_waits)
            run("training resumes from a file to the same bits", self.resumes)
        run("images have the right shape, type and range", self.images)
        run("an image depends on its seed alone", self.seeds)
        run("sampling changes no state", self.sampling_is_pure)

    def made(self) -> Iterator[str]:
        self.model = self.trial.build()
        if getattr(self.model, "config", None) is None:
            yield "it has no config: call super().__init__(shape, config)"

    def counted(self) -> Iterator[str]:
        if not self.model.networks():
            yield "networks() is empty"
        count(copy.deepcopy(self.model))

    def optimizers(self) -> Iterator[str]:
        first, second = self.model.optimizers(), self.model.optimizers()
        if not first:
            yield "optimizers() is empty"
        for name in first:
            if first[name] is not second.get(name):
                yield f"{name!r} is made anew at every call: its state would be lost"
        own = {id(parameter) for parameter in self.model.parameters()}
        for name, optimizer in first.items():
            if any(
                id(parameter) not in own for group in optimizer.param_groups for parameter in group["params"]
            ):
                yield f"{name!r} moves parameters that are not the model's: a checkpoint would miss them"

    def learns(self) -> Iterator[str]:
        model = self.trial.build()
        before = {name: _weights(network) for name, network in model.networks().items()}
        self.waits: list[str] = []
        for step in range(STEPS):
            if step == EARLY:
                self.early = state_of(model)
            with noting_waits(self.waits):
                losses = self.trial.train(model, 1, first_step=step)
            if faults := list(faults_of_losses(losses)):
                yield from (f"train_step gave {fault}" for fault in faults)
                return
            for name, loss in losses.items():
                if not loss.isfinite():
                    yield f"the loss {name!r} is {loss.item()} at step {step + 1}"
        for name, network in model.networks().items():
            if before[name] and not differences(before[name], _weights(network)):
                yield f"the network {name!r} is the same after {STEPS} steps"
        self.model = model

    def resumes(self) -> Iterator[str]:
        trial, straight = self.trial, self.model
        resumed, loaded = trial.build(seed=1), trial.build(seed=2)
        with tempfile.TemporaryDirectory() as folder:
            restore(resumed, through_file(self.early, Path(folder) / "state.pt"))
            trial.train(resumed, STEPS - EARLY, first_step=EARLY)
            best = Path(folder) / "best.safetensors"
            digest = save_networks(best, straight.state_dict(), identity="trial", epoch=1)
            loaded.load_state_dict(load_networks(best, digest))
        states = [(one.state_dict(), optimizer_states(one)) for one in (straight, resumed)]
        for what, *pair in zip(("state_dict()", "optimizers()"), *states, strict=True):
            if found := differences(*pair):
                yield f"{what} of a resumed training is another: {_few(found)}"
        images = trial.draw(straight, SEEDS)
        for what, other in (("a resumed training", resumed), ("the networks in a file", loaded)):
            if not torch.equal(images, trial.draw(other, SEEDS)):
                yield f"{what} gives other images: something that sampling needs is not in state_dict()"

    def never_waits(self) -> Iterator[str]:
        yield from (f"{place}, which reads a value back" for place in self.waits)

    def images(self) -> Iterator[str]:
        for way, preview in self._ways():
            made = self.trial.draw(self.model, SEEDS, preview=preview)
            if isinstance(made, torch.Tensor) and not made.isfinite().all():
                yield f"{way} gave pixels that are NaN or infinite"
                continue
            yield from (
                f"{way} gave {fault}" for fault in faults_of_images(made, len(SEEDS), self.trial.shape)
            )

    def seeds(self) -> Iterator[str]:
        for way, preview in self._ways():
            yield from self._faults_of_seeds(way, preview)

    def _faults_of_seeds(self, way: str, preview: bool) -> Iterator[str]:
        """The first thing that is wrong: what comes after would follow from it."""

        def draw(seeds: Sequence[int], ambient: int = 0) -> torch.Tensor:
            return self.trial.draw(self.model, seeds, preview=preview, ambient=ambient).double()

        together = draw(SEEDS)
        alone = torch.cat([draw([seed], ambient=seed) for seed in SEEDS])
        one = "seed" if isinstance(self.model, Synthesizer) else "source"
        if not torch.equal(together, draw(SEEDS, ambient=1)):
            yield f"{way} gives another image for the same {one} at the next call"
        elif len(together) == len(SEEDS) and torch.equal(together[0], together[1]):
            yield f"{way} gives one image for two {one}s"
        elif (together - draw(SEEDS[::-1]).flip(0)).abs().max() > ROUNDING:
            yield f"{way} gives other images in another order"
        elif together.shape != alone.shape or (together - alone).abs().max() > ROUNDING:
            yield f"{way} gives other images in another batch"

    def sampling_is_pure(self) -> Iterator[str]:
        before = copy.deepcopy(self.model.state_dict())
        for _, preview in self._ways():
            self.trial.draw(self.model, SEEDS, preview=preview)
        if found := differences(before, self.model.state_dict()):
            yield f"it changes {_few(found)}"

    def _ways(self) -> list[tuple[str, bool]]:
        """The ways to images that the model has of its own, and whether each is the shorter one."""
        if isinstance(self.model, Synthesizer):
            way, shorter = "sample", type(self.model).preview is not Synthesizer.preview
        else:
            assert isinstance(self.model, Translator)
            way, shorter = "translate", type(self.model).preview is not Translator.preview
        return [(way, False), ("preview", True)][: 1 + shorter]


def _weights(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: one.detach().clone() for name, one in network.named_parameters() if one.requires_grad}


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
