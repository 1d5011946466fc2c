"""Settings: to whom each belongs, and what a preset stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..api import Dataset, Model
from ..cell.protocol import CORE_PRESETS, Protocol
from ..cell.spec import RunRequest
from ..plugins import unknown_name
from ..tasks import task_of
from ..values import read_value
from .datasets import DATASET_PREFIX


class SettingsByOwner(NamedTuple):
    """Settings by name, for each of the three that have some."""

    protocol: dict[str, Any]
    model: dict[str, Any]
    dataset: dict[str, Any]


def settings_by_owner(request: RunRequest, model: type[Model], dataset: type[Dataset]) -> SettingsByOwner:
    """Hand every setting of a request to its owner: its presets' first, then its own, which win.

    Raises:
        SpecError: There is no such preset or setting.
    """
    settings: dict[str, Any] = {}
    for preset in request.presets:
        settings |= preset_settings(preset, request.model, model, request.resolution)
    settings |= request.settings
    owned = SettingsByOwner({}, {}, {})
    for name, value in settings.items():
        if name.startswith(DATASET_PREFIX):
            owner, key, known = owned.dataset, name.removeprefix(DATASET_PREFIX), dataset.Config.model_fields
        elif name in Protocol.model_fields:
            owner, key, known = owned.protocol, name, Protocol.model_fields
        else:
            owner, key, known = owned.model, name, model.Config.model_fields
        if key not in known:
            everything = [
                *Protocol.model_fields,
                *model.Config.model_fields,
                *(f"{DATASET_PREFIX}{field}" for field in dataset.Config.model_fields),
            ]
            about = f"dataset {request.dataset}" if owner is owned.dataset else f"model {request.model}"
            raise unknown_name("setting", name, everything, hint=f"bench show {about}; bench show protocol")
        owner[key] = read_value(value)
    return owned


def preset_settings(name: str, model_name: str, model: type[Model], resolution: int) -> Mapping[str, Any]:
    """The settings of a preset: the core's, with what the model's task and the model add to them.

    Raises:
        SpecError: There is none of that name.
    """
    known = {*CORE_PRESETS, *model.presets}
    if name not in known:
        raise unknown_name("preset", name, known, hint=f"bench show model {model_name}")
    task = task_of(model)
    settings = {**CORE_PRESETS.get(name, {}), **task.presets.get(name, {}), **model.presets.get(name, {})}
    for side, others in sorted(model.presets_from.get(name, {}).items()):
        settings |= others if resolution >= side else {}
    return settings
