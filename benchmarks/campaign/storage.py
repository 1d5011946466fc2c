"""Storage that ends: small disks, limits of file sizes and open files, folders that can't be written to."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from .healthy import Healthy, cell, outcome, views
from .server import Prepare, call
from .verdict import Fault, Skip, Trial

#: Of a score by float32: 1e-7 is the last digit of one number, and a score is a mean of thousands.
ROUNDING = 1e-7


def fill_a_disk(healthy: Healthy, trial: Trial, draw: random.Random) -> None:
    """A cell's results or its cache lie on a disk that is too small; then the disk grows."""
    assert healthy.wanted
    place = healthy.empty()
    disk = place / "disk"
    disk.mkdir()
    where = draw.choice(["results", "results", "cache"])
    kib = int(10 ** (draw.uniform(0.6, 3.9) if where == "results" else draw.uniform(0.6, 2.5)))
    files = draw.choice([10_000, 10_000, draw.randint(2, 14)])
    options = [f"size={kib}k,nr_inodes={files}", "size=40m,nr_inodes=10000,remount"]
    trial.did = f"{where} on a disk of {kib} KiB and {files} files"
    folders = {"results": place / "results", "cache": place / "cache", where: disk / where}
    arguments = cell(folders["results"], folders["cache"])
    _mount(disk, options[0])
    try:
        ended = trial.check(call(arguments, place), codes={0, 2})
        trial.way = "it was large enough" if ended.code == 0 else "refused, then the same"
        if ended.code and list(folders["results"].glob("runs/*/record.json")):
            raise Fault("silent", f"a full disk became a result: {ended.last_line}")
        healthy.no_litter(folders["results"], folders["cache"])
        _mount(disk, options[1])
        trial.check(call(arguments, place), codes={0})
        if where == "results":
            shutil.copytree(disk / "results", place / "results")
        if different := healthy.differs(place / "results", "dcgan"):
            raise Fault("silent", f"{', '.join(different)} differ from those of an undisturbed cell")
    finally:
        subprocess.run(["umount", "-l", disk], check=False, capture_output=True)


def limit_a_process(healthy: Healthy, trial: Trial, draw: random.Random) -> None:
    """A cell may write only so large files, open only so many, or ask for only so much memory."""
    assert healthy.wanted
    place = healthy.empty()
    what = draw.choice(["file size", "file size", "open files", "memory"])
    amount = {
        "file size": int(10 ** draw.uniform(0, 6.6)), "open files": draw.randint(4, 40),
        "memory": int(10 ** draw.uniform(5, 8.6)),
    }[what]  # fmt: skip
    if draw.random() < 0.5:
        shutil.copytree(healthy.cache, place / "cache")
    trial.did = f"limit of {what}: {amount:,}"
    arguments = cell(place / "results", place / "cache")
    ended = call(arguments, place, _limit(what, amount))
    # What has no memory may fail anywhere, in C too; what it leaves behind is what counts.
    broke = ended.code in (1, 70, 127, -signal.SIGSEGV, -signal.SIGABRT)
    starved = what == "memory" and (broke or ended.hung)
    if not starved:
        trial.check(ended, codes={0, 2})
    trial.way = "it was enough" if ended.code == 0 else "refused, then the same"
    if ended.code and what != "memory" and list(place.glob("results/runs/*/record.json")):
        raise Fault("silent", f"a limit became a result: {ended.last_line}")
    trial.check(call(arguments, place), codes={0})
    if not (different := healthy.differs(place / "results", "dcgan")):
        return
    # Short of memory, a matrix library goes another way, which rounds otherwise (docs/reliability.md).
    if what != "memory" or healthy.differs(place / "results", "dcgan", rounding=ROUNDING):
        raise Fault("silent", f"{', '.join(different)} differ from those of an undisturbed cell")
    trial.way = "the same but for the last digits of a score"


def read_only(healthy: Healthy, trial: Trial, draw: random.Random) -> None:
    """Somebody who is not root can't write to results or cache, or can't read a file in them."""
    results, cache = healthy.fresh()
    choices = list(views(healthy, results, cache))
    choices += [("run done", cell(results, cache)), ("run half", cell(results, cache, seed=1))]
    name, arguments = draw.choice(choices)
    wanted = None
    if name in ("show", "sample", "table", "compare"):
        wanted = outcome(name, trial.check(call(arguments, healthy.place), codes={0}), results)
        results, cache = healthy.fresh()
    kind = draw.choice(["results", "cache", "file"])
    paths = [path for path in (*results.rglob("*"), *cache.rglob("*")) if path.is_file()]
    chosen = {"results": results, "cache": cache, "file": draw.choice(sorted(paths))}[kind]
    trial.did = (
        f"{name}, {'unreadable' if kind == 'file' else 'read-only'} {chosen.relative_to(healthy.place)}"
    )
    modes = "a-rwx" if kind == "file" else "a-w"
    subprocess.run(["chmod", "-R", modes, chosen], check=True)
    ended = trial.check(call(arguments, healthy.place, _unprivileged))
    trial.way = "refused" if ended.code else "the same"
    if ended.code == 0 and wanted is not None and outcome(name, ended, results) != wanted:
        if chosen.name not in ended.text and chosen.parent.name not in ended.text:
            raise Fault("silent", f"{name} shows something else: {ended.last_line}")
        trial.way = "noticed"


def _mount(disk: Path, options: str) -> None:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], check=False, capture_output=True
    )
    if done.returncode:
        raise Skip("small disks need root and mount")


def _limit(what: str, amount: int) -> Prepare:
    def prepare() -> None:
        if what == "file size":
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python does for itself
            resource.setrlimit(resource.RLIMIT_FSIZE, (amount, amount))
        elif what == "open files":
            resource.setrlimit(resource.RLIMIT_NOFILE, (amount, amount))
        else:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit = pages * resource.getpagesize() + amount
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    return prepare


def _unprivileged() -> None:
    """In a call: as root, give up the right to override permissions."""
    if os.geteuid() == 0:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        if libc.capset(header, data) != 0:  # every capability is given up
            raise OSError(ctypes.get_errno(), "capset")


FAMILIES: dict[str, Callable[[Healthy, Trial, random.Random], None]] = {
    "storage: a full disk": fill_a_disk,
    "storage: limits of a process": limit_a_process,
    "storage: permissions": read_only,
}
