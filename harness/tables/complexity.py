"""How large a model is: parameters, and operations by the rule that the published table was counted with.

One operation for each multiply-accumulate of convolutions, linear maps and matrix products (those inside
attention included), 5 for each output element of a BatchNorm, nothing for activations; networks in training
mode on 64 images; divided by 2^30. The rule is inferred: of all that were tried, it alone gives the
published digits for DCGAN's 6.27 and SAGAN's 11.96.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import pandas
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ..api import ImageShape, Model
from ..errors import BenchError, PluginError
from ..running.resolve import check_resolution, model_class
from .published import lookup, published
from .sheets import Column, Sheet, SheetCell

BATCH = 64
BATCH_NORM_OPERATIONS = 5
_SUFFIXES = {"generator": "g", "discriminator": "d"}
"""How the published table, and so a column's name, abbreviates two networks; others keep their name."""
_DECIMALS = {"params": 1, "flops": 2}
_TABLES = "Ju et al."
"""Whose tables these are: numbers from elsewhere say so in a note."""


@dataclass(frozen=True)
class Size:
    """One network, or all of a model.

    Attributes:
        parameters: Trainable numbers.
        operations: By the rule above, before the division by 2^30.
    """

    parameters: int
    operations: int


def count(model: Model) -> dict[str, Size]:
    """Sizes of each of ``model.networks()`` by name, and of ``all``; weights that are shared count once.

    The networks run on shapes alone: nothing is computed, and DDPM at 256 px takes seconds.

    Raises:
        PluginError: ``example_inputs`` is not what a network can be called with.
    """
    model.train()
    inputs = model.example_inputs(BATCH)
    sizes = {}
    for name, network in model.networks().items():
        _check_inputs(model.registered_name, name, inputs)
        sizes[name] = Size(
            _parameters([network]), _operations(model.registered_name, name, network, inputs[name])
        )
    total = sum(size.operations for size in sizes.values())
    return {**sizes, "all": Size(_parameters(model.networks().values()), total)}


def _parameters(networks: Iterable[nn.Module]) -> int:
    unique = {parameter for network in networks for parameter in network.parameters()}
    return sum(parameter.numel() for parameter in unique if parameter.requires_grad)


def _check_inputs(model: str, name: str, inputs: Mapping[str, tuple[torch.Tensor, ...]]) -> None:
    """Refuse example inputs that are none, before a network is called with them."""
    needed = f"a tuple of tensors for each of networks(), each of {BATCH} images"
    if name not in inputs:
        raise PluginError(
            f"example_inputs of model {model} has nothing for its network {name!r}",
            needed=needed,
            hint=f"it names {', '.join(inputs) or 'no network'}",
        )
    given = inputs[name]
    if not isinstance(given, tuple) or not all(isinstance(one, torch.Tensor) for one in given):
        raise PluginError(
            f"example_inputs of model {model} gives {type(given).__name__} for {name!r}", needed=needed
        )
    if not given or any(one.ndim == 0 or len(one) != BATCH for one in given):
        raise PluginError(
            f"example_inputs({BATCH}) of model {model} gives {_shapes(given)} for {name!r}", needed=needed
        )


def _shapes(inputs: tuple[torch.Tensor, ...]) -> str:
    return (
        " and ".join(f"{str(one.dtype).removeprefix('torch.')} {tuple(one.shape)}" for one in inputs)
        or "nothing"
    )


def _operations(model: str, name: str, network: nn.Module, inputs: tuple[torch.Tensor, ...]) -> int:
    # Fused attention may pad its operands and would then count the padding; the plain backend does not.
    with (
        torch.no_grad(),
        sdpa_kernel(SDPBackend.MATH),
        FakeTensorMode(allow_non_fake_inputs=True) as shapes,
        FlopCounterMode(display=False, custom_mapping=_BATCH_NORMS) as counter,
    ):
        try:
            network(*(shapes.from_tensor(tensor) for tensor in inputs))
        except Exception as error:
            # Whatever a stranger's network raises, the reason is what it was called with.
            raise PluginError(
                f"the network {name!r} of model {model} can't be called with its example_inputs, "
                f"{_shapes(inputs)}",
                needed="what its forward() takes in training",
                hint=f"have example_inputs(count) give that for {name!r}",
            ) from error
    # torch counts a multiply-accumulate as two.
    return int(counter.get_total_flops()) // 2


def _batch_norm(shape: Sequence[int], *args: Any, **kwargs: Any) -> int:
    return 2 * BATCH_NORM_OPERATIONS * prod(shape)


_BATCH_NORMS = {
    operation: _batch_norm
    for operation in (
        torch.ops.aten.native_batch_norm,
        torch.ops.aten._native_batch_norm_legit,
        torch.ops.aten._batch_norm_with_update,
    )
}


def measure(names: Sequence[str], resolution: int) -> tuple[pandas.DataFrame, list[str]]:
    """Millions of parameters and giga-operations of models with their default config.

    Returns:
        Columns ``model``, then ``params_...`` and ``flops_...`` of each network (``g`` and ``d`` for
        generator and discriminator, others by their name) and of ``all``, then the published numbers as
        ``published_...``; NaN where there is none. And what kept a model from being counted.
    """
    rows, problems = [], []
    for name in names:
        row: dict[str, Any] = {"model": name}
        try:
            sizes = count(_make(name, resolution))
        except BenchError as error:
            problems.append(f"{name}: {error.found}")
        except Exception as error:  # a stranger's network may raise anything; the other rows stand
            problems.append(f"{name} can't be counted: {type(error).__name__}: {error}")
        else:
            for network, size in sizes.items():
                suffix = _SUFFIXES.get(network, network)
                row[f"params_{suffix}"] = size.parameters / 1e6
                row[f"flops_{suffix}"] = size.operations / 2**30
        rows.append(row)
    counted = columns_of(rows)
    for row in rows:
        for column in counted:
            row[f"published_{column}"] = lookup(
                "I", column, model=row["model"], dataset="", resolution=resolution
            )
    columns = ["model", *counted, *(f"published_{column}" for column in counted)]
    frame = pandas.DataFrame(rows, columns=columns)
    return frame.astype(dict.fromkeys(columns[1:], float)).round(6), problems


def columns_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The columns that hold counts: generator and discriminator, then all other networks, then the totals."""
    named = dict.fromkeys(
        name.partition("_")[2] for row in rows for name in row if name.startswith("params_")
    )
    networks = [
        *_SUFFIXES.values(),
        *(name for name in named if name not in (*_SUFFIXES.values(), "all")),
        "all",
    ]
    return [f"{kind}_{network}" for kind in _DECIMALS for network in networks]


def _make(name: str, resolution: int) -> Model:
    cls = model_class(name)
    check_resolution(name, cls, resolution)
    return cls(ImageShape(3, resolution, resolution), cls.Config())


def complexity_sheet(names: Sequence[str], resolution: int) -> Sheet:
    """Table 1: each model's size beside the published one."""
    frame, problems = measure(names, resolution)
    notes = [
        f"{row['model']} {row['metric']} (published {float(row['value'])}): "
        + "; ".join(part for part in (row["note"], row["source"]) if part)
        for row in published()
        if row["table"] == "I"
        and row["model"] in set(names)
        and row["resolution"] == str(resolution)
        and (row["note"] or row["source"] != _TABLES)
    ]
    columns = [name for name in frame.columns if name.startswith(("params_", "flops_"))]
    has_published = bool(frame.filter(like="published_").notna().to_numpy().any())
    return Sheet(
        label="table1",
        caption=(
            f"Parameters (millions) and operations (2^30) at {resolution} px, 3 channels. Operations: "
            f"multiply-accumulates plus {BATCH_NORM_OPERATIONS} for each BatchNorm output, training mode, "
            f"{BATCH} images; totals are sums of the rounded parts."
            + (" In brackets: published, ours minus published." if has_published else "")
        ),
        columns=[Column("model"), *(Column(_head(column), _group(column)) for column in columns)],
        rows=[
            [SheetCell(str(row["model"])), *(_cell(row, column) for column in columns)]
            for _, row in frame.iterrows()
        ],
        numbers=[{str(name): value for name, value in row.items()} for row in frame.to_dict("records")],
        notes=[*notes, *problems],
    )


def _head(column: str) -> str:
    network = column.partition("_")[2]
    return {"g": "G", "d": "D"}.get(network, network)


def _group(column: str) -> str:
    return {"params": "parameters (M)", "flops": "operations (G)"}[column.partition("_")[0]]


def _cell(row: pandas.Series[Any], column: str) -> SheetCell:
    decimals = _DECIMALS[column.partition("_")[0]]
    ours, theirs = _as_printed(row, column, decimals), row[f"published_{column}"]
    text = "–" if pandas.isna(ours) else f"{ours:.{decimals}f}"  # noqa: RUF001
    if not pandas.isna(theirs):
        text += f" ({theirs:.{decimals}f}"
        text += ")" if pandas.isna(ours) else f", {_signed(ours - theirs, decimals)})"
    return SheetCell(text, value=None if pandas.isna(row[column]) else float(row[column]))


def _as_printed(row: pandas.Series[Any], column: str, decimals: int) -> float:
    """A number rounded as published; there, a total is the sum of the two rounded parts (3.6 + 2.8 = 6.4)."""
    kind, _, suffix = column.partition("_")
    parts = row[f"{kind}_g"], row[f"{kind}_d"]
    if suffix == "all" and abs(sum(parts) - row[column]) < 1e-5:
        return float(sum(round(part, decimals) for part in parts))
    return float(round(row[column], decimals))


def _signed(difference: float, decimals: int) -> str:
    text = f"{difference:+.{decimals}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")  # noqa: RUF001
