"""What a cell needs of Ray."""

from __future__ import annotations

from ....api.settings import PluginConfig, setting


class RayConfig(PluginConfig):
    """Where Ray is, and what each cell is given there."""

    address: str | None = setting(
        None, "address of a cluster, or auto for the one of this machine; null starts one here", source="ours"
    )
    cores: int = setting(2, "processor cores for each cell", source="ours", ge=1)
    gpus: float | None = setting(
        None,
        "GPUs for each cell: 0.5 has two share one, 0 computes on processors; null: 1 where there are any",
        source="ours",
        ge=0,
        le=1,
    )
    memory: int | None = setting(
        None, "memory for each cell; null: not counted", unit="MiB", source="ours", ge=1
    )
    resources: dict[str, float] = setting(
        {}, 'further resources of Ray for each cell: {"a100": 1}', source="ours"
    )
    retries: int = setting(
        3, "how often Ray starts a cell again whose node was lost: it goes on from its checkpoint",
        source="ours", ge=0,
    )  # fmt: skip
