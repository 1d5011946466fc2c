"""What is said to Kubernetes, and what is understood of its answers, without a cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness.api import STOPPED, USER_ERROR, Ended, Job, JobState, Resources
from harness.cell.spec import RunRequest
from harness.errors import BenchError, SpecError
from harness.grid.cells import write_cells
from harness.grid.executors import asking
from harness.grid.executors.kubernetes import executor as kubernetes
from harness.grid.executors.kubernetes.config import KubernetesConfig
from harness.grid.executors.kubernetes.executor import Kubernetes
from harness.grid.executors.kubernetes.kubectl import Kubectl, Pod, indexes_of, read_jobs
from harness.grid.executors.kubernetes.manifest import job_of, name_of, write_job
from harness.grid.jobs import pack

SCHEMA = json.loads((Path(__file__).parent / "job.schema.json").read_text())
ROOT = Path(__file__).parents[2]
NAMED: dict[str, Any] = {"image": "hagan-bench:1", "claim": "bench"}


def resources(tmp_path: Path, **values: Any) -> Resources:
    given: dict[str, Any] = {"devices": [], "cores": 1, "jobs": None, "per_device": 1}
    return Resources(**{**given, **values}, logs=tmp_path / "results" / "logs")


def job(config: KubernetesConfig, count: int = 42, **values: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"at_a_time": None, "mount": Path("/shared"), "longest": None}
    return job_of(
        Path("/shared/results/jobs/0123456789abcdef0123456789abcdef"), count, config, **{**given, **values}
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"gpus": 0, "namespace": "images", "memory": "4Gi"},
        {"pod": {"nodeSelector": {"gpu": "a100"}, "tolerations": [{"key": "gpu", "operator": "Exists"}]}},
    ],
)
def test_a_job_validates_against_kubernetes_own_schema(settings: dict[str, Any]) -> None:
    jsonschema.validate(job(KubernetesConfig(**NAMED, **settings), at_a_time=8, longest=300.0), SCHEMA)


def test_the_schema_refuses_what_kubernetes_does_not_know() -> None:
    good = job(KubernetesConfig(**NAMED))
    for path, value in (
        ("completions", "42"),
        ("backoffLimitPerIndices", 2),
        ("podFailurePolicy", {"rules": [{}]}),
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**good, "spec": {**good["spec"], path: value}}, SCHEMA)


def test_what_can_never_work_fails_at_once_and_who_makes_room_has_not_failed() -> None:
    spec = job(KubernetesConfig(**NAMED, retries=5), at_a_time=8, longest=300.0)["spec"]
    refused, moved = spec["podFailurePolicy"]["rules"]
    assert refused["action"] == "FailIndex"
    assert refused["onExitCodes"] == {"containerName": "cell", "operator": "In", "values": [USER_ERROR]}
    assert moved["action"] == "Ignore"
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 42, 8)
    assert (spec["backoffLimitPerIndex"], spec["maxFailedIndexes"]) == (5, 42)
    assert spec["template"]["spec"]["restartPolicy"] == "Never", "else there is no policy of failures"
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 450
    assert spec["template"]["spec"]["securityContext"] == {"runAsNonRoot": True}


def test_names_are_short_enough_for_the_hosts_of_pods() -> None:
    name = job(KubernetesConfig(**NAMED))["metadata"]["name"]
    assert len(f"{name}-{kubernetes.TOGETHER}") <= 63


def cell(tmp_path: Path, number: int, cache: str = "cache") -> Job:
    request = RunRequest("dcgan", "phantom", 64, number)
    arguments = pack(request, tmp_path / "results", tmp_path / cache, expect=str(number))
    return Job(f"c{number}", arguments, folder=tmp_path / "results" / "runs" / f"c{number}")


def test_without_apply_a_file_is_written_and_what_to_type_is_told(tmp_path: Path) -> None:
    executor = Kubernetes(resources(tmp_path), KubernetesConfig(**NAMED))
    tasks = list(executor.submit([cell(tmp_path, number) for number in range(3)]))
    (path,) = (tmp_path / "results" / "jobs").glob("*/job.json")
    jsonschema.validate(json.loads(path.read_text()), SCHEMA)
    assert executor.handover == f"kubectl apply -f {path}"
    assert [(task.poll(), task.state) for task in tasks] == [(None, JobState("queued"))] * 3
    assert executor.attach({"c0"}) == {}
    again = Kubernetes(resources(tmp_path), KubernetesConfig(**NAMED))
    list(again.submit([cell(tmp_path, number) for number in range(3)]))
    assert again.handover == executor.handover, "the same Job: applied twice, it is one"


@pytest.mark.parametrize("lacking", ["image", "claim"])
def test_what_nobody_can_guess_must_be_named(tmp_path: Path, lacking: str) -> None:
    executor = Kubernetes(resources(tmp_path), KubernetesConfig(**{**NAMED, lacking: None}))
    with pytest.raises(SpecError, match=f"no {lacking}"):
        list(executor.submit([cell(tmp_path, 0)]))


def test_what_containers_do_not_see_is_refused(tmp_path: Path) -> None:
    executor = Kubernetes(resources(tmp_path), KubernetesConfig(**NAMED))
    with pytest.raises(SpecError, match=r"does not hold .*elsewhere"):
        list(executor.submit([cell(tmp_path, 0, "../elsewhere")]))
    mount = KubernetesConfig(**NAMED, mount=str(tmp_path / "results"))
    with pytest.raises(SpecError, match=r"does not hold .*cache"):
        list(Kubernetes(resources(tmp_path), mount).submit([cell(tmp_path, 0)]))


def test_a_pod_computes_its_cell_and_keeps_its_log(tmp_path: Path) -> None:
    folder = write_cells(tmp_path / "results" / "jobs", [cell(tmp_path, number) for number in range(2)])
    config = KubernetesConfig(**NAMED, gpus=0, cores=3, python=str(tmp_path / "python"))
    write_job(folder, 2, config, resources(tmp_path), longest=None)
    (tmp_path / "python").write_text('#!/bin/bash\necho "called $*"; echo "as $HAGAN_BENCH_JOB"; exit 7\n')
    (tmp_path / "python").chmod(0o755)
    for attempt in (1, 2):
        ended = subprocess.run(
            ["bash", str(folder / "pod.sh")],
            env={"JOB_COMPLETION_INDEX": "1", "HOSTNAME": "bench-1-1", "BENCH_NODE": "n2", "PATH": "/usr/bin:/bin"},
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert ended.returncode == 7, ended.stderr
        lines = (tmp_path / "results" / "logs" / "c1.txt").read_text().splitlines()
        assert lines == attempt * [
            "pod bench-1-1, on n2",
            f"called -m harness cell --cells {folder}/cells.jsonl --index 1 --expect 1 --device=cpu --threads=3",
            "as kubernetes:bench-1-1",
        ]
        assert ended.stdout.splitlines() == lines[:3], "kubectl logs shows it too"


@pytest.mark.parametrize(("text", "numbers"), [("", set()), ("3", {3}), ("0-2,5,7-8", {0, 1, 2, 5, 7, 8})])
def test_indexes_are_read_as_kubernetes_writes_them(text: str, numbers: set[int]) -> None:
    assert indexes_of(text) == numbers


def jobs(name: str, **status: Any) -> str:
    return json.dumps({"items": [{"metadata": {"name": name}, "status": status}]})


def test_the_newest_pod_of_an_index_counts() -> None:
    pods = (
        "bench-a  0  Failed   n1      85      Error   2026-01-01T00:00:00Z\n"
        "bench-a  0  Running  n2      <none>  <none>  2026-01-01T01:00:00Z\n"
        "bench-a  1  Pending  <none>  <none>  <none>  2026-01-01T00:00:00Z\n"
        "other    0  Running  n1      <none>  <none>  2026-01-01T00:00:00Z\n"
    )
    found = read_jobs(jobs("bench-a", completedIndexes="2-3", failedIndexes="4"), pods)
    assert set(found) == {"bench-a"}
    one = found["bench-a"]
    assert one.pods == {0: Pod("Running", "n2", None, "<none>"), 1: Pod("Pending", "", None, "<none>")}
    assert (one.done, one.failed, one.ended) == ({2, 3}, {4}, None)
    over = {"type": "Failed", "status": "True", "message": "deadline"}
    assert read_jobs(jobs("bench-a", conditions=[over]), "")["bench-a"].ended == "deadline"


class Cluster:
    """Answers in kubectl's place."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.jobs, self.pods = '{"items": []}', ""
        monkeypatch.setattr(Kubectl, "call", lambda _, *words, **__: self.call(*words))

    def call(self, *words: str) -> str:
        self.asked.append(words)
        return {"get jobs": self.jobs, "get pods": self.pods}.get(" ".join(words[:2]), "")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(monkeypatch)


def test_cells_are_followed_to_their_ends(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = Kubernetes(resources(tmp_path), KubernetesConfig(**NAMED, apply=True))
    tasks = list(executor.submit([cell(tmp_path, number) for number in range(6)]))
    applied = [words for words in cluster.asked if words[0] == "apply"]
    assert len(applied) == 1
    assert executor.handover == ""
    asked = len(cluster.asked)
    assert [task.poll() for task in tasks] == [None] * 6
    assert len(cluster.asked) - asked <= 2, "asked again within ten seconds"
    monkeypatch.setattr(asking, "ASK_SECONDS", -1.0)
    (tmp_path / "results" / "logs").mkdir()
    (tmp_path / "results" / "logs" / "c3.txt").write_text("error: no such device\n")
    name = name_of(tasks[0].folder)  # type: ignore[attr-defined]
    cluster.jobs = jobs(name, completedIndexes="0", failedIndexes="3-5")
    cluster.pods = "".join(
        f"{name} {index} {phase} {node} {code} {reason} 2026-01-01T00:00:00Z\n"
        for index, phase, node, code, reason in [
            (1, "Running", "n1", "<none>", "<none>"),
            (2, "Pending", "<none>", "<none>", "<none>"),
            (3, "Failed", "n1", 2, "Error"),
            (4, "Failed", "n2", 137, "OOMKilled"),
            (5, "Failed", "n2", STOPPED, "Error"),
        ]
    )
    assert [task.poll() for task in tasks] == [
        Ended(0, "exit 0"), None, None, Ended(2, "exit 2: no such device"),
        Ended(137, "out of memory, on n2", "out of memory"), Ended(STOPPED, f"exit {STOPPED}", "cancelled"),
    ]  # fmt: skip
    assert [task.state for task in tasks[1:3]] == [JobState("running", "n1"), JobState("queued")]
    found = Kubernetes(resources(tmp_path), KubernetesConfig(**NAMED, apply=True)).attach(
        {"c0", "c1", "c2", "c3"}
    )
    assert set(found) == {"c1", "c2"}
    executor.stop(tasks, now=False)
    assert cluster.asked[-1][:2] == ("delete", "jobs")
    assert cluster.asked[-1][-1] == name
    cluster.jobs = '{"items": []}'
    monkeypatch.setattr(kubernetes, "GONE_SECONDS", 0.0)
    assert tasks[1].poll() == Ended(None, "its Job was deleted", "cancelled")


def test_a_cluster_that_does_not_answer_is_waited_for(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = Kubernetes(resources(tmp_path), KubernetesConfig(**NAMED, apply=True))
    (task,) = executor.submit([cell(tmp_path, 0)])

    def silent(*_: str, **__: object) -> str:
        raise BenchError("kubectl did not answer for 60 s")

    monkeypatch.setattr(Kubectl, "call", silent)
    monkeypatch.setattr(asking, "ASK_SECONDS", -1.0)
    monkeypatch.setattr(kubernetes, "GONE_SECONDS", 0.0)
    assert task.poll() is None


def test_what_kubectl_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match="there is no kubectl here"):
        Kubectl(None).call("version")
    (tmp_path / "kubectl").write_text(f'#!{sys.executable}\nraise SystemExit("error: forbidden")\n')
    (tmp_path / "kubectl").chmod(0o755)
    with pytest.raises(BenchError, match="kubectl refuses: error: forbidden"):
        Kubectl("images").call("get", "jobs")


def test_the_image_is_nobodys_root_and_made_of_packages_alone() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    words = [line.split() for line in lines if line and not line.startswith("#")]
    assert words[0][1].startswith("nvidia/cuda:")
    users = [line[1] for line in words if line[0] == "USER"]
    assert users[-1].split(":")[0].isdecimal(), "Kubernetes does not know whether a name is root"
    assert users[-1].split(":")[0] != "0"
    assert not any(word in line for line in lines for word in ("http", "curl", "wget", "git clone"))
