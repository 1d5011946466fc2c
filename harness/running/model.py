"""A cell's model: new from its seed, or with the networks that its run left."""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch

from ..api import ImageShape, Model, PluginConfig
from ..cell.records import RunFolder
from ..cell.spec import RunSpec
from ..errors import BenchError, CheckpointError, SpecError
from ..files import move_aside
from ..training.checkpoints import load_networks, load_state
from ..values import validate
from .resolve import model_class


def make_model(spec: RunSpec, model: type[Model], config: PluginConfig, device: torch.device) -> Model:
    """Build a cell's model from its seed, on a device.

    Raises:
        SpecError: It can't be built with its settings: its networks find no memory, or its optimiser refuses.
    """
    torch.manual_seed(spec.seed)
    shape = shape_of(spec)
    try:
        made = model(shape, config).to(device)
    except BenchError:
        raise
    except (RuntimeError, ValueError, TypeError, OverflowError, MemoryError) as error:
        channels = (
            f", of {shape.channels} channels, {shape.labels} of them for labels" if shape.labels else ""
        )
        raise SpecError(
            f"model {spec.model.name} can't be built with these settings{channels}: "
            f"{_where_and_what(error, model)}",
            needed="settings that its networks and optimisers take, and the memory for them",
            hint=f"bench show model {spec.model.name}; or, where it is a fault of the model itself, "
            f"bench check {spec.model.name}, and the same command after bench --debug",
        ) from error
    made.registered_name = spec.model.name
    return made


def shape_of(spec: RunSpec) -> ImageShape:
    """The shape of a cell's images; with labels, one channel more for each of them, and one for nothing."""
    side, names = spec.resolution, spec.dataset.labels
    labels = 0 if names is None else 1 + len(names)
    return ImageShape(spec.protocol.channels + labels, side, side, labels)


def _where_and_what(error: BaseException, model: type[Model]) -> str:
    """An error's kind, its first line, and the last line of the model's own file that led to it."""
    own = inspect.getsourcefile(model)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == own]
    place = f" ({Path(own).name}, line {lines[-1]})" if own and lines else ""
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}{place}"


def load_model(folder: RunFolder, device: torch.device, which: Literal["best", "last"]) -> Model:
    """The networks of a run, as they were at its best or at its last evaluation.

    Raises:
        SpecError: The folder is no run's, or its plugin has another version by now.
        CheckpointError: The networks are missing or damaged.
    """
    spec = folder.read_spec()
    kind = model_class(spec.model.name)
    if kind.version != spec.model.version:
        raise SpecError(
            f"{folder.path} was trained with version {spec.model.version} of {spec.model.name}",
            needed=f"version {kind.version}, which is installed",
            hint="train the cell again, or install the older plugin",
        )
    config = validate(kind.Config, spec.model.config, f"model {spec.model.name}")
    model = make_model(spec, kind, config, device)
    record = folder.read_record()
    if which == "best" and record is not None:
        digest = record.best_networks
    else:
        state = _last_state(folder, spec)
        digest = state["progress"]["best_networks"]
        if which == "last":
            _load(model, state["model"], folder)
            return model
    if digest is None:
        raise CheckpointError(f"{folder.path} was never evaluated", needed="a run that got further")
    _load(model, load_networks(folder.best, digest), folder)
    return model


def _load(model: Model, tensors: Mapping[str, Any], folder: RunFolder) -> None:
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(
            f"the networks in {folder.path} are of other settings than its {folder.spec.name} says",
            needed="a run folder as it was written",
            hint=move_aside(folder.path),
        ) from error


def _last_state(folder: RunFolder, spec: RunSpec) -> Mapping[str, Any]:
    """The newest training state of a run, and no older one in its place.

    Raises:
        CheckpointError: There is none, or it is damaged.
    """
    state, complaints = load_state(folder.checkpoint, spec.identity)
    if complaints:
        again = "the command that made the run"
        if os.path.lexists(folder.record):
            again = f"{move_aside(folder.record)}, and {again} once more"
        raise CheckpointError(
            complaints[0],
            needed="the last networks of this run; those before them would make other images",
            hint=f"{again}: it goes on from the checkpoint before this one",
        )
    if state is None:
        raise CheckpointError(f"{folder.path} has no checkpoint", needed="a run that got further")
    return state
