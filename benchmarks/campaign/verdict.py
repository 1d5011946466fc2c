"""What a trial shows: right, or in which way it is not."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.cli.exits import EXIT_CODES

from .server import Result

FAULTS = {
    "silent": "another result than undisturbed, and not a word",
    "lost": "something that was whole is gone, or can't be had again by the same command or by its hint",
    "traceback": "a traceback",
    "hang": "no end in time",
    "exit": "an exit code that is not documented, a crash among them",
    "wordless": "a refusal without an error that says what is wrong",
    "broken": "a trial that could not be carried out: the fault may be the campaign's own",
}


class Fault(Exception):
    """What a trial found.

    Args:
        kind: One of ``FAULTS``.
        seen: What was seen, in a line or a few.
    """

    def __init__(self, kind: str, seen: str) -> None:
        super().__init__(kind, seen)
        self.kind = kind
        self.seen = seen


class Skip(Exception):
    """A trial that this machine does not admit, and why."""


@dataclass
class Trial:
    """One trial: what it did, and how it ended.

    Attributes:
        family: The family of faults.
        seed: Of everything in it that is random.
        again: By which ``faults.py --again`` sees it again.
        did: What was done, in words; filled in as it goes.
        ending: ``right``, ``skipped`` or one of ``FAULTS``.
        way: Of a right one, which: the ``same`` result, ``noticed`` and made again, ``refused``, ...
    """

    family: str
    seed: int
    did: str = ""
    ending: str = "right"
    way: str = "same"
    seen: str = ""
    seconds: float = 0.0
    again: str = ""
    calls: list[Result] = field(default_factory=list, repr=False)

    def check(self, result: Result, *, codes: set[int] | None = None) -> Result:
        """Note a call, and hold it against what every call promises.

        Args:
            result: The call.
            codes: Exit codes that are right here; None for every documented one.

        Raises:
            Fault: It hung, showed a traceback, or ended by another code or without a word.
        """
        self.calls.append(result)
        said = (
            f"`bench {' '.join(result.arguments)[:300]}` ({result.seconds:.1f} s): {result.last_line[:300]}"
        )
        if result.hung:
            raise Fault("hang", said)
        if "Traceback (most recent call last)" in result.text:
            raise Fault("traceback", said)
        if result.code not in EXIT_CODES:
            raise Fault("exit", f"{result.code} by {said}")
        if result.code == 2 and not any(word in result.err for word in ("error: ", "Usage: ", "Error")):
            raise Fault("wordless", said)
        if codes is not None and result.code not in codes:
            raise Fault("lost", f"exit {result.code} by {said}")
        return result
