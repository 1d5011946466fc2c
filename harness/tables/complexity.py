"""How large a model is: parameters, and operations by the rule that the published table was counted with.

One operation for each multiply-accumulate of convolutions, linear maps and matrix products (those inside
attention included), 5 for each output element of a BatchNorm, nothing for activations; networks in training
mode on 64 images; divided by 2^30. The rule is inferred: of all that were tried, it alone gives the
published digits for DCGAN's 6.27 and SAGAN's 11.96.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from ..errors import BenchError
from ..running.resolve import check_resolution, model_class
from .published import lookup, published
from .sheets import Column, Sheet, SheetCell

BATCH = 64
BATCH_NORM_OPERATIONS = 5
COLUMNS = ("params_g", "params_d", "params_all", "flops_g", "flops_d", "flops_all")
_SUFFIXES = {"g": "generator", "d": "discriminator"}
_DECIMALS = {"params": 1, "flops": 2}


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
    """
    model.train()
    inputs = model.example_inputs(BATCH)
    sizes = {
        name: Size(_parameters([network]), _operations(network, inputs[name]))
        for name, network in model.networks().items()
    }
    total = sum(size.operations for size in sizes.values())
    return {**sizes, "all": Size(_parameters(model.networks().values()), total)}


def _parameters(networks: Iterable[nn.Module]) -> int:
    unique = {parameter for network in networks for parameter in network.parameters()}
    return sum(parameter.numel() for parameter in unique if parameter.requires_grad)


def _operations(network: nn.Module, inputs: tuple[torch.Tensor, ...]) -> int:
    # Fused attention may pad its operands and would then count the padding; the plain backend does not.
    with (
        torch.no_grad(),
        sdpa_kernel(SDPBackend.MATH),
        FakeTensorMode(allow_non_fake_inputs=True) as shapes,
        FlopCounterMode(display=False, custom_mapping=_BATCH_NORMS) as counter,
    ):
        network(*(shapes.from_tensor(tensor) for tensor in inputs))
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
        Columns ``model`` and ``COLUMNS``, then the published numbers as ``published_...``, NaN where there
        is none; and what kept a model from being counted.
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
            for suffix, network in {**_SUFFIXES, "all": "all"}.items():
                if size := sizes.get(network):
                    row[f"params_{suffix}"] = size.parameters / 1e6
                    row[f"flops_{suffix}"] = size.operations / 2**30
        for column in COLUMNS:
            row[f"published_{column}"] = lookup("I", column, model=name, dataset="", resolution=resolution)
        rows.append(row)
    columns = ["model", *COLUMNS, *(f"published_{column}" for column in COLUMNS)]
    frame = pandas.DataFrame(rows, columns=columns)
    return frame.astype(dict.fromkeys(columns[1:], float)).round(6), problems


def _make(name: str, resolution: int) -> Model:
    cls = model_class(name)
    check_resolution(name, cls, resolution)
    return cls(ImageShape(3, resolution, resolution), cls.Config())


def complexity_sheet(names: Sequence[str], resolution: int) -> Sheet:
    """Table 1: each model's size beside the published one."""
    frame, problems = measure(names, resolution)
    notes = [
        f"{row['model']} {row['metric']} (published {row['value']}): {row['note']}"
        for row in published().query("table == 'I' and note != ''").to_dict("records")
        if row["model"] in set(names) and row["resolution"] == resolution
    ]
    has_published = bool(frame.filter(like="published_").notna().to_numpy().any())
    return Sheet(
        label="table1",
        caption=(
            f"Parameters (millions) and operations (2^30) at {resolution} px, 3 channels. Operations: "
            f"multiply-accumulates plus {BATCH_NORM_OPERATIONS} for each BatchNorm output, training mode, "
            f"{BATCH} images; totals are sums of the rounded parts."
            + (" In brackets: published, ours minus published." if has_published else "")
        ),
        columns=[
            Column("model"),
            *(Column(_head(column), _group(column)) for column in COLUMNS),
        ],
        rows=[
            [SheetCell(str(row["model"])), *(_cell(row, column) for column in COLUMNS)]
            for _, row in frame.iterrows()
        ],
        numbers=frame,
        notes=[*notes, *problems],
    )


def _head(column: str) -> str:
    return {"g": "G", "d": "D", "all": "all"}[column.partition("_")[2]]


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
