"""What a cell needs of Kubernetes."""

from __future__ import annotations

from typing import Any

from ....api.settings import PluginConfig, setting


class KubernetesConfig(PluginConfig):
    """Settings of Jobs; cells of equal settings are one Job."""

    image: str | None = setting(
        None, "image of the container, as the Dockerfile of the repository makes it", source="ours"
    )
    claim: str | None = setting(
        None, "claim of the volume that holds results and cache: every node writes to it", source="ours"
    )
    mount: str | None = setting(
        None, "where that volume is, here and in the container; null: the folder that holds the results",
        source="ours",
    )  # fmt: skip
    namespace: str | None = setting(None, "namespace; null for kubectl's own", source="ours")
    gpus: int = setting(1, "GPUs for each cell; 0 computes on processors", source="ours", ge=0, le=1)
    gpu_name: str = setting("nvidia.com/gpu", "what the cluster calls a GPU", source="ours")
    cores: int = setting(4, "processor cores for each cell", source="ours", ge=1)
    memory: str = setting("16Gi", "memory for each cell", source="ours")
    retries: int = setting(3, "how often a cell that failed is started again", source="ours", ge=0)
    grace: int = setting(
        120,
        "so long a cell may take to save; 1.5 times the longest evaluation that was seen, if that is longer",
        unit="s",
        source="ours",
        ge=1,
    )
    python: str = setting("python3", "Python of the container", source="ours")
    pod: dict[str, Any] = setting(
        {}, 'further fields of the pods: {"nodeSelector": {"gpu": "a100"}}', source="ours"
    )
    apply: bool = setting(
        False,
        "hand the Job to kubectl, and ask it how the cells are; false writes the file alone",
        source="ours",
    )
