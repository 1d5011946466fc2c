"""Damage to every kind of stored file: nothing damaged is believed, and nothing else is lost by it."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from .healthy import Healthy, cell, outcome, views
from .server import call
from .verdict import Fault, Trial

#: Files whose content nobody reads back: pictures for people, and what only says who is at work.
UNREAD = ("samples.png", ".lock", ".holder.json")


def damage_a_file(healthy: Healthy, trial: Trial, draw: random.Random) -> None:
    """One stored file is damaged. Views say so or show the same; cells come to the same results."""
    undisturbed = _undisturbed(healthy, trial)
    results, cache = healthy.fresh()
    name, path = draw.choice(_stored(healthy, results, cache))
    way = draw.choice([way for way in DAMAGES if _suits(way, path)])
    trial.family = f"damage: {name.partition(' ')[2]}"
    trial.did = f"{name}: {way}"
    DAMAGES[way](path, draw)
    others = _digests(results, but=path.parent)
    choices = list(views(healthy, results, cache))
    for view, arguments in draw.sample(choices, 3):
        shown = trial.check(call(arguments, healthy.place))
        seen = outcome(view, shown, results)
        if shown.code == 0 and seen != undisturbed[view][0]:
            if not _is_said(shown.text + seen, undisturbed[view][1]) and not _is_plain(way, path):
                raise Fault("silent", f"{view} shows something else than undisturbed: {shown.last_line}")
            trial.way = "noticed"
        elif shown.code:
            trial.way = "refused"
    half, done = healthy.cells["half"].name, healthy.cells["dcgan"].name
    owner, seed = ("half", 1) if path.parent.name == half or draw.random() < 0.5 else ("dcgan", 0)
    if path.parent.name == done:
        owner, seed = "dcgan", 0
    # A finished cell is returned as its record says: whoever reads its other files looks at them then.
    but = (path.name,) if path.parent.name == done and path.name != "record.json" else ()
    healthy.finish(trial, cell(results, cache, seed=seed), owner, results, but=but)
    if lost := sorted(set(others.items()) - set(_digests(results, but=path.parent).items())):
        raise Fault("lost", f"{lost[0][0]} was changed, though nothing was wrong with it")


def _undisturbed(healthy: Healthy, trial: Trial) -> dict[str, tuple[str, str]]:
    """What each view shows of healthy results, and all that it says, looked at once."""
    if "views" not in healthy.seen:
        shown = {}
        results, cache = healthy.fresh()
        assert healthy.wanted
        results, cache = healthy.fresh()
        for view, arguments in views(healthy, results, cache):
            ended = trial.check(call(arguments, healthy.place), codes={0})
            shown[view] = outcome(view, ended, results), ended.text + outcome(view, ended, results)
        healthy.seen["views"] = shown
    views_seen: dict[str, tuple[str, str]] = healthy.seen["views"]
    return views_seen


def _stored(healthy: Healthy, results: Path, cache: Path) -> list[tuple[str, Path]]:
    """Every kind of stored file, once: of the finished cell, of the half-done one, and of the cache."""
    found: dict[str, Path] = {}
    for words, cell_name in (("finished", "dcgan"), ("half-done", "half")):
        for path in sorted((results / "runs" / healthy.cells[cell_name].name).iterdir()):
            found[f"{words} {path.name}"] = path
    for path in sorted(path for path in cache.rglob("*") if path.is_file()):
        # Every set of features has a name of its own.
        name = path.name if path.parent.parent.name == "images" else f"*{path.suffix}"
        found[f"cache {path.relative_to(cache).parts[0]}/{name}"] = path
    return [(name, path) for name, path in found.items() if healthy.aim in name]


def _suits(way: str, path: Path) -> bool:
    is_text = path.suffix in (".json", ".jsonl", ".csv")
    if path.stat().st_size == 0:
        return way in ("a folder", "deleted", "garbage", "a link to nowhere", "a link to itself")
    return is_text or way not in ("another digit", "other JSON")


def _is_plain(way: str, path: Path) -> bool:
    """Whether what is seen says it all: a cell without a record is not done, and nobody reads some files."""
    return (way == "deleted" and path.name in ("record.json", "log.jsonl")) or path.name in UNREAD


def _is_said(text: str, undisturbed: str) -> bool:
    """Whether a view says of anything that it is wrong, and did not say so before."""
    return any(text.lower().count(words) > undisturbed.lower().count(words) for words in SAID)


SAID = (
    "left aside", "can't be believed", "left out", "damaged", "counts as not done", "is missing",
    "can't be read", "changed since",
)  # fmt: skip


def _digests(results: Path, *, but: Path) -> dict[str, str]:
    """Digests of the files of all finished cells but one."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in results.glob("runs/*/*")
        if path.parent != but and path.is_file() and "-s0-" in path.parent.name and path.suffix != ".pt"
    }


def _flip(path: Path, draw: random.Random, count: int = 1) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(count):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def _cut(path: Path, draw: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: draw.randrange(path.stat().st_size)])


def _digit(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    at = draw.choice([i for i, byte in enumerate(content) if 48 <= byte <= 57] or [0])
    content[at] = 48 + (content[at] - 48 + draw.randint(1, 9)) % 10
    path.write_bytes(content)


def _json(path: Path, draw: random.Random) -> None:
    path.write_text(draw.choice(["null", "[]", "{}", "1", '"x"', "[" * 5000, '{"format": 2}', "NaN"]))


def _replace(make: Callable[[Path], object]) -> Callable[[Path, random.Random], None]:
    def way(path: Path, draw: random.Random) -> None:
        path.unlink()
        make(path)

    return way


def _other(path: Path, draw: random.Random) -> None:
    """The file of the same name of another cell, where there is one."""
    others = [p for p in path.parent.parent.glob(f"*/{path.name}") if p != path and p.parent != path.parent]
    if others:
        shutil.copyfile(draw.choice(sorted(others)), path)
    else:
        path.write_bytes(draw.randbytes(path.stat().st_size))


DAMAGES: dict[str, Callable[[Path, random.Random], object]] = {
    "one bit": _flip,
    "another bit": _flip,
    "twenty bits": lambda path, draw: _flip(path, draw, 20),
    "cut": _cut,
    "empty": lambda path, draw: path.write_bytes(b""),
    "zeros": lambda path, draw: path.write_bytes(bytes(path.stat().st_size)),
    "garbage": lambda path, draw: path.write_bytes(draw.randbytes(500)),
    "no UTF-8": lambda path, draw: path.write_bytes(b"\xff\xfe" + path.read_bytes()),
    "more at its end": lambda path, draw: path.write_bytes(path.read_bytes() + b"{}\n"),
    "another cell's": _other,
    "another digit": _digit,
    "other JSON": _json,
    "deleted": lambda path, draw: path.unlink(),
    "a folder": _replace(Path.mkdir),
    "a link to nowhere": _replace(lambda path: path.symlink_to("/nowhere/at/all")),
    "a link to itself": _replace(lambda path: path.symlink_to(path.name)),
}

FAMILIES: dict[str, Callable[[Healthy, Trial, random.Random], None]] = {"damage": damage_a_file}
