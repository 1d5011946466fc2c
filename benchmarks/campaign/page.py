"""The page of a campaign: counts by family, and each fault with what to type to see it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import _report

from .verdict import FAULTS, Trial


def numbers(trials: Sequence[Trial], seed: int, minutes: float, planted: dict[str, Any]) -> dict[str, Any]:
    """What a campaign came to, as plain values."""
    families: dict[str, dict[str, Any]] = {}
    for name in sorted({trial.family for trial in trials}):
        own = [trial for trial in trials if trial.family == name]
        families[name] = {
            "trials": sum(trial.ending != "skipped" for trial in own),
            "calls": sum(len(trial.calls) for trial in own),
            "right": dict(Counter(trial.way for trial in own if trial.ending == "right")),
            "faults": {kind: sum(trial.ending == kind for trial in own) for kind in FAULTS},
            "skipped": sum(trial.ending == "skipped" for trial in own),
        }
    faults = [
        {
            "family": trial.family,
            "again": trial.again,
            "kind": trial.ending,
            "did": trial.did,
            "seen": trial.seen,
        }
        for trial in trials
        if trial.ending in FAULTS
    ]
    return {
        "seed": seed,
        "minutes": round(minutes, 1),
        "trials": sum(row["trials"] for row in families.values()),
        "calls": sum(row["calls"] for row in families.values()),
        "faults": len(faults),
        "families": families,
        "found": faults,
        "planted": planted,
    }


def page(found: dict[str, Any]) -> str:
    """The same as Markdown."""
    rows = []
    for name, row in found["families"].items():
        ways = ", ".join(f"{way}: {count}" for way, count in sorted(row["right"].items()))
        rows.append(
            [name, row["trials"], sum(row["right"].values()), *(row["faults"][kind] for kind in FAULTS), ways]
        )
    total = ["**all**", found["trials"], *(_sum(rows, column) for column in range(2, 3 + len(FAULTS))), ""]
    lines = [
        "# Faults",
        "",
        f"`python benchmarks/faults.py --minutes {found['minutes']:g} --seed {found['seed']}`: "
        f"{found['trials']} trials, {found['calls']} calls, {found['faults']} faults. "
        + _report.machine_words(),
        "",
        _report.table(["family", "trials", "right", *FAULTS, "right, in which way"], [*rows, total]),
        "",
        *(f"- **{kind}**: {words}." for kind, words in FAULTS.items()),
        "",
        "## Found",
        "",
        *(_told(fault) for fault in found["found"]),
        *(["Nothing."] if not found["found"] else []),
        "",
    ]
    if found["planted"]:
        rows = [[name, one["family"], one["trials"], one["caught"]] for name, one in found["planted"].items()]
        lines += [
            "## That it can find something",
            "",
            "`python benchmarks/faults.py --self-test`: faults planted in the product, and after how many",
            "trials each was found.",
            "",
            _report.table(["planted", "family", "trials", "found as"], rows),
            "",
        ]
    return "\n".join(lines)


def counts(found: dict[str, Any]) -> str:
    """The campaign in a few rows, as ``docs/reliability.md`` shows it."""
    kinds: dict[str, list[int]] = {}
    for name, row in found["families"].items():
        own = kinds.setdefault(name.partition(":")[0], [0, 0, 0])
        for place, value in enumerate((row["trials"], row["calls"], sum(row["faults"].values()))):
            own[place] += value
    rows: list[list[object]] = [[kind, *values] for kind, values in kinds.items()]
    rows.append(["**all**", found["trials"], found["calls"], found["faults"]])
    lines = [f"{found['minutes']:g} minutes, seed {found['seed']}:", ""]
    return "\n".join([*lines, _report.table(["what", "trials", "calls", "faults"], rows)])


def with_counts(text: str, found: dict[str, Any]) -> str:
    """A page of the documentation with the counts of this campaign in their place."""
    begin, end = "<!-- counts: python benchmarks/faults.py -->", "<!-- end of the counts -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{counts(found)}\n{end}{after}"


def _told(fault: dict[str, Any]) -> str:
    seen = " ".join(fault["seen"].split())
    again = f'python benchmarks/faults.py --again "{fault["again"]}"'
    return f"- **{fault['kind']}**, {fault['family']}: {fault['did']}. {seen} Again: `{again}`"


def _sum(rows: Sequence[Sequence[Any]], column: int) -> int:
    return sum(row[column] for row in rows)
