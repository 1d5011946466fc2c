"""What kubectl says of Jobs and their pods. It is asked seldom, and for all of them at once."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ....errors import BenchError
from ..asking import Asking
from .manifest import APP, LABEL

_INDEX = r"batch\.kubernetes\.io/job-completion-index"
_COLUMNS = {
    "job": r".metadata.labels.batch\.kubernetes\.io/job-name",
    "index": rf".metadata.annotations.{_INDEX}",
    "phase": ".status.phase",
    "node": ".spec.nodeName",
    "code": ".status.containerStatuses[0].state.terminated.exitCode",
    "reason": ".status.containerStatuses[0].state.terminated.reason",
    "began": ".metadata.creationTimestamp",
}
NONE = "<none>"


class Pod(NamedTuple):
    """The newest pod of an index.

    Attributes:
        code: Exit code; None while it has none.
        reason: Kubernetes' word for how its container ended.
    """

    phase: str
    node: str
    code: int | None
    reason: str


@dataclass
class KubernetesJob:
    """A Job.

    Attributes:
        done: Indexes that completed.
        failed: Indexes that were given up.
        ended: Why the whole Job ended; None while it goes on.
        pods: By index.
    """

    done: frozenset[int]
    failed: frozenset[int]
    ended: str | None
    pods: dict[int, Pod] = field(default_factory=dict)


class Kubectl(Asking[dict[str, KubernetesJob]]):
    """The Jobs of this benchmark in a namespace, by name."""

    def __init__(self, namespace: str | None) -> None:
        super().__init__({})
        self.options = () if namespace is None else (f"--namespace={namespace}",)

    def answer(self) -> dict[str, KubernetesJob]:
        """What the cluster lists now.

        Raises:
            BenchError: kubectl is not there, or its cluster does not answer.
        """
        chosen = f"--selector={LABEL}={APP}"
        jobs = self.call("get", "jobs", chosen, "--output=json")
        columns = ",".join(f"{name}:{path}" for name, path in _COLUMNS.items())
        pods = self.call("get", "pods", chosen, "--no-headers", f"--output=custom-columns={columns}")
        return read_jobs(jobs, pods)

    def call(self, *arguments: str, patience: float = 60.0) -> str:
        """What kubectl answers.

        Raises:
            BenchError: It is not there, fails, or says nothing for too long.
        """
        try:
            answer = subprocess.run(
                ["kubectl", *self.options, *arguments],
                capture_output=True, text=True, errors="replace", timeout=patience, check=False,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise BenchError(
                "there is no kubectl here",
                needed="kubectl, for --set-executor apply=true",
                hint="bench doctor",
            ) from error
        except subprocess.TimeoutExpired as error:
            raise BenchError(
                f"kubectl did not answer for {patience:g} s", hint="the same again later"
            ) from error
        if answer.returncode:
            said = "; ".join(answer.stderr.strip().splitlines()) or f"exit code {answer.returncode}"
            raise BenchError(
                f"kubectl refuses: {said}",
                needed="a cluster that takes the Job",
                hint="kubectl cluster-info, and bench show executor kubernetes",
            )
        return answer.stdout


def read_jobs(jobs: str, pods: str) -> dict[str, KubernetesJob]:
    """The Jobs in two answers of kubectl."""
    found = {item["metadata"]["name"]: _job(item.get("status", {})) for item in json.loads(jobs)["items"]}
    newest: dict[tuple[str, int], str] = {}
    for line in pods.splitlines():
        job, index, phase, node, code, reason, began = line.split()
        if job not in found or not index.isdecimal() or newest.get((job, int(index)), "") > began:
            continue
        newest[job, int(index)] = began
        number = int(code) if code.isdecimal() else None
        found[job].pods[int(index)] = Pod(phase, "" if node == NONE else node, number, reason)
    return found


def _job(status: dict[str, Any]) -> KubernetesJob:
    over = [
        condition.get("message") or condition["type"]
        for condition in status.get("conditions", ())
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True"
    ]
    return KubernetesJob(
        indexes_of(status.get("completedIndexes", "")),
        indexes_of(status.get("failedIndexes", "")),
        over[0] if over else None,
    )


def indexes_of(text: str) -> frozenset[int]:
    """The numbers in ``0-2,5``."""
    parts: Sequence[list[str]] = [part.split("-") for part in text.split(",") if part]
    return frozenset(number for part in parts for number in range(int(part[0]), int(part[-1]) + 1))
