"""A real SLURM of two nodes on this machine: its daemons are started here, and ended here by their process ids."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import toy_plugin

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo")

_CONFIG = """
ClusterName=here
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={home}/munge.socket
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool-%n
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd-%n.pid
SlurmctldLogFile={home}/log/slurmctld.log
SlurmdLogFile={home}/log/slurmd-%n.log
SlurmctldPort={port}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
JobRequeue=1
ReturnToService=2
KillWait=5
MinJobAge=600
MaxJobCount=20000
SlurmdTimeout=20
InactiveLimit=0
GresTypes=gpu
NodeName=n[1-2] NodeAddr=127.0.0.1 NodeHostname=localhost Port=[{first}-{second}] CPUs=2 RealMemory=4000 \
Gres=gpu:fake:2 State=UNKNOWN
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
DefMemPerCPU=500
PartitionName=cpu Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=2
PartitionName=urgent Nodes=n[1-2] MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def missing() -> str:
    """Why there can be no SLURM here; empty where there can."""
    if os.name != "posix" or os.getuid() != 0:
        return "SLURM's daemons are started by root"
    lacking = [name for name in PROGRAMS if not _program(name)]
    if lacking:
        return f"no {', '.join(lacking)}: apt-get install slurmctld slurmd slurm-client munge"
    return ""


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


class Slurm:
    """The cluster.

    Args:
        home: An empty folder for all its files, which everybody may read.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        port = 16000 + os.getpid() % 4000 * 4
        names = ("state", "log", "spool-n1", "spool-n2", "dev")
        for name in names:
            (home / name).mkdir(parents=True)
        ports = {"port": port, "first": port + 1, "second": port + 2}
        (home / "slurm.conf").write_text(_CONFIG.format(home=home, **ports))
        (home / "gres.conf").write_text(
            "".join(
                f"NodeName={node} Name=gpu Type=fake File={home}/dev/nvidia[0-1]\n" for node in ("n1", "n2")
            )
        )
        for number in (0, 1):
            # Plain files are refused as devices; this one is /dev/null.
            os.mknod(home / "dev" / f"nvidia{number}", 0o600 | 0o020000, os.makedev(1, 3))
        (home / "munge.key").write_bytes(os.urandom(1024))
        (home / "munge.key").chmod(0o600)

    def start(self) -> None:
        """Start all daemons, and wait until both nodes are idle."""
        self._daemon(
            "munged",
            f"--socket={self.home}/munge.socket",
            f"--key-file={self.home}/munge.key",
            f"--log-file={self.home}/log/munged.log",
            f"--pid-file={self.home}/munged.pid",
            f"--seed-file={self.home}/munged.seed",
            "--num-threads=2",
        )
        self._daemon("slurmctld", "-c")
        for node in ("n1", "n2"):
            self.start_node(node)
        self.wait_for_nodes()

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        self._daemon("slurmd", "-N", node)

    def wait_for_nodes(self, seconds: float = 60.0) -> None:
        """Wait until no node is down."""
        until = time.monotonic() + seconds
        while self.ask("sinfo", "-h", "-t", "idle,mixed,allocated", "-o", "%D") != "2":
            assert time.monotonic() < until, self.ask("sinfo")
            time.sleep(0.1)

    def kill_node(self, node: str) -> None:
        """Kill a node's daemon, and tell SLURM that the node is gone, which would take it half a minute."""
        os.kill(int((self.home / f"slurmd-{node}.pid").read_text()), signal.SIGKILL)
        self.ask("scontrol", "update", f"nodename={node}", "state=down", "reason=test")

    def stop(self) -> None:
        """End all jobs and daemons."""
        self.ask("scancel", "--user=root")
        for name in ("slurmd-n1", "slurmd-n2", "slurmctld", "munged"):
            try:
                os.kill(int((self.home / f"{name}.pid").read_text()), signal.SIGTERM)
            except (OSError, ValueError):
                continue

    @property
    def environment(self) -> dict[str, str]:
        """What makes SLURM's commands speak to this cluster."""
        return {"SLURM_CONF": str(self.home / "slurm.conf")}

    def ask(self, *command: str) -> str:
        """What one of SLURM's commands prints."""
        answer = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        return answer.stdout.strip()

    def _daemon(self, name: str, *arguments: str) -> None:
        program = _program(name)
        assert program is not None
        subprocess.run([program, *arguments], env={**os.environ, **self.environment}, check=True)


class Bench:
    """The command line in a folder of its own, with a cluster at hand.

    Attributes:
        folder: Where it is called; ``results`` and ``cache`` lie there.
    """

    def __init__(self, folder: Path, cluster: Slurm, installed: str, user: str | None = None) -> None:
        self.folder, self.cluster, self.user = folder, cluster, user
        self.python = sys.executable
        self.started: list[subprocess.Popen[str]] = []
        self.environment = {
            **os.environ,
            **cluster.environment,
            "PYTHONPATH": installed,
            "OMP_NUM_THREADS": "1",
            "HOME": str(folder),
            "HAGAN_BENCH_CACHE": str(folder / "cache"),
            "HAGAN_BENCH_CONFIG": str(folder / "config.toml"),
            "MPLCONFIGDIR": str(folder / "matplotlib"),
        }
        (folder / "mine.toml").write_text(toy_plugin.GRID)
        (folder / "config.toml").write_text(
            "[executor.slurm]\ngpus = 0\ncores = 1\nmemory = 1500\n"  # what holds for all grids of these tests
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``bench`` with these arguments, on processors."""
        process = subprocess.Popen(
            [self.python, "-m", "harness", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            user=self.user,
            group="nogroup" if self.user else None,
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Kill what was started and lives, and cancel its jobs."""
        for process in self.started:
            process.kill()
            process.communicate()
        if jobs := [job for job, _, state, *_ in self.jobs() if state in ("PENDING", "RUNNING")]:
            self.cluster.ask("scancel", *jobs)

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Run ``bench`` to its end; returns its exit code and what it said."""
        process = self.start(*arguments)
        try:
            out, errors = process.communicate(timeout=150)
        finally:
            process.kill()
        return process.returncode, out, errors

    def grid(self, *arguments: str) -> tuple[int, str, str]:
        """Run ``bench grid`` on the cluster."""
        return self(*self.command, *arguments)

    command = ("grid", "mine.toml", "--executor", "slurm", "--device", "cpu")

    def may_run(self) -> bool:
        """Whether its user may run this Python, or another one of this version with the same packages."""
        for python in (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"):
            self.python = python
            if python != sys.executable:
                homes = [path for path in sys.path if path.endswith("site-packages")]
                code = f"import site\nfor home in {homes}:\n    site.addsitedir(home)\n"
                (self.folder / "sitecustomize.py").write_text(code)
                self.environment["PYTHONPATH"] += os.pathsep + str(self.folder)
            try:
                if self("show", "protocol")[0] == 0:
                    return True
            except OSError:
                continue
        return False

    @property
    def runs(self) -> Path:
        """The run folders."""
        return self.folder / "results" / "runs"

    def jobs(self) -> list[list[str]]:
        """Of each of its jobs: number with index, state, node."""
        listing = self.cluster.ask("squeue", "-h", "-r", "-t", "all", "-o", "%i %j %T %N")
        folders = {f"bench-{path.name}" for path in self.folder.glob("results/jobs/*")}
        return [words for line in listing.splitlines() if (words := line.split())[1] in folders]
