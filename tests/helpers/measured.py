"""Metrics, asked directly."""

from __future__ import annotations

from typing import Any

import torch

from harness.api import Metric, Population

CPU = torch.device("cpu")


def scores_of(
    metric: Metric[Any], train: Population, held_out: Population | None, generated: Population
) -> dict[str, float]:
    return metric.compute(metric.reference(train, held_out), generated, CPU)


def context_of(
    metric: Metric[Any], train: Population, held_out: Population | None, generated: Population
) -> dict[str, float]:
    return metric.context(metric.reference(train, held_out), generated, CPU)
