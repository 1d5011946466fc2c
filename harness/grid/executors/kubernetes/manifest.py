"""A Job of Kubernetes as it is written: an index for each cell."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from ....api.executor import USER_ERROR, Resources
from ....errors import SpecError
from ....files import atomic_write
from ...cells import CELLS, NAMES
from .config import KubernetesConfig

MANIFEST = "job.json"
SCRIPT = "pod.sh"
LABEL = "app.kubernetes.io/name"
APP = "hagan-bench"

_TEXT = r"""#!/bin/bash
# One cell of a Job. What it prints is appended to the cell's log, and goes to the pod's own.
here={here}
index=$JOB_COMPLETION_INDEX
IFS='|' read -r name identity run < <(sed -n "$((index + 1))p" "$here/{names}")
mkdir -p {logs} && exec > >(tee -a {logs}/"$name.txt") 2>&1
echo "pod $HOSTNAME, on $BENCH_NODE"
export HAGAN_BENCH_JOB=kubernetes:$HOSTNAME
exec {python} -m harness cell --cells "$here/{cells}" --index "$index" --expect "$identity" \
    --device={device} --threads={threads}
"""


def write_job(
    folder: Path, count: int, config: KubernetesConfig, resources: Resources, *, longest: float | None
) -> Path:
    """Write the Job of a folder of cells, with the script of its pods; returns its path.

    Args:
        folder: The folder of the file of cells.
        count: How many cells it has.
        config: The settings.
        resources: What the user said of devices, cells at a time, and the logs.
        longest: Seconds for which a cell may not notice that it is asked to end; None where nobody knows.

    Raises:
        SpecError: The image or the volume was not named.
        StorageError: It can't be written.
    """
    for name in ("image", "claim"):
        if getattr(config, name) is None:
            raise SpecError(
                f"Kubernetes, and no {name}",
                needed=f"--set-executor {name}=NAME, or {name} below [executor.kubernetes] in your file",
                hint="bench show executor kubernetes",
            )
    text = _TEXT.format(
        here=shlex.quote(str(folder)),
        names=NAMES,
        cells=CELLS,
        logs=shlex.quote(str(resources.logs.absolute())),
        python=shlex.quote(config.python),
        device=resources.device or ("cuda" if config.gpus else "cpu"),
        threads=config.cores,
    )
    with atomic_write(folder / SCRIPT) as file:
        file.write(text.encode(errors="surrogateescape"))
    job = job_of(
        folder, count, config, at_a_time=resources.jobs, mount=mount_of(config, resources), longest=longest
    )
    with atomic_write(folder / MANIFEST) as file:
        file.write(json.dumps(job, indent=2).encode() + b"\n")
    return folder / MANIFEST


def job_of(
    folder: Path,
    count: int,
    config: KubernetesConfig,
    *,
    at_a_time: int | None,
    mount: Path,
    longest: float | None,
) -> dict[str, Any]:
    """The Job of so many cells."""
    limits = {"cpu": str(config.cores), "memory": config.memory}
    if config.gpus:
        limits[config.gpu_name] = str(config.gpus)
    container = {
        "name": "cell",
        "image": config.image,
        "command": ["bash", str(folder / SCRIPT)],
        "env": [{"name": "BENCH_NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "resources": {"limits": limits},
        "volumeMounts": [{"name": "shared", "mountPath": str(mount)}],
    }
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": max(config.grace, round(1.5 * (longest or 0.0))),
        "securityContext": {"runAsNonRoot": True},
        "containers": [container],
        "volumes": [{"name": "shared", "persistentVolumeClaim": {"claimName": config.claim}}],
        **config.pod,
    }
    metadata: dict[str, Any] = {"name": name_of(folder), "labels": {LABEL: APP}}
    if config.namespace is not None:
        metadata["namespace"] = config.namespace
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "completions": count,
            "parallelism": min(count, at_a_time or count),
            "completionMode": "Indexed",
            "backoffLimitPerIndex": config.retries,
            "maxFailedIndexes": count,  # what fails is told, and stops nobody else
            "podReplacementPolicy": "Failed",  # no second copy beside one that still saves
            "podFailurePolicy": {"rules": _rules()},
            "template": {"metadata": {"labels": {LABEL: APP}}, "spec": pod},
        },
    }


def _rules() -> list[dict[str, Any]]:
    """What the end of a pod means: no use to try again, or no failure, as it had to make room."""
    refused = {"containerName": "cell", "operator": "In", "values": [USER_ERROR]}
    return [
        {"action": "FailIndex", "onExitCodes": refused},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ]


def mount_of(config: KubernetesConfig, resources: Resources) -> Path:
    """Where the shared volume is, here and in containers."""
    return Path(config.mount) if config.mount else resources.logs.absolute().parent.parent


def name_of(folder: Path) -> str:
    """What the Job of the cells in a folder is called."""
    return f"bench-{folder.name}"
