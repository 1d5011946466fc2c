"""One family for everything that a user can put right.

The command line shows these without a traceback; a traceback therefore always means a bug.
"""

from typing import Final

_MOST: Final = 1500
"""Characters of a line that is shown: what a user typed or a file holds may be of any length."""


class BenchError(Exception):
    """A problem that the user can solve.

    Args:
        found: What is wrong, naming the file, option or value.
        needed: What would have been right.
        hint: What to type or do next.
    """

    exit_code = 2

    def __init__(self, found: str, *, needed: str = "", hint: str = "") -> None:
        super().__init__(found, needed, hint)
        self.found = found
        self.needed = needed
        self.hint = hint

    def __str__(self) -> str:
        lines = [_shortened(self.found)]
        if self.needed:
            lines.append(f"needed: {_shortened(self.needed)}")
        if self.hint:
            lines.append(f"try: {self.hint}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        # Worker processes send their errors home; keyword-only arguments need this to survive pickling.
        return _rebuild, (type(self), self.found, self.needed, self.hint)


def _shortened(text: str) -> str:
    """Its beginning and its end, where it is long."""
    return text if len(text) <= _MOST else f"{text[: _MOST // 2]} ... {text[-_MOST // 2 :]}"


def _rebuild(kind: type[BenchError], found: str, needed: str, hint: str) -> BenchError:
    return kind(found, needed=needed, hint=hint)


class Diverged(Exception):
    """A loss or a pixel is not finite any more: a result of the training, not a user's mistake."""


class Interrupted(Exception):
    """Somebody asked to stop; whatever can be kept is saved.

    Attributes:
        steps: Steps of training that are taken and saved; None where it had not begun.
    """

    def __init__(self, steps: int | None = None) -> None:
        super().__init__(steps)
        self.steps = steps


class SpecError(BenchError):
    """An unknown name, or a setting out of its range."""


class PluginError(BenchError):
    """A plugin that can't be found, loaded, or does not keep the contract."""


class DataError(BenchError):
    """Raw images that are missing, damaged, or belong to another data set."""


class ChoiceError(DataError):
    """Raw files that are whole, and need something that only the user can say or install.

    Leaving the file out or getting another copy would not help, so neither is suggested.
    """


class StorageError(BenchError):
    """A file that can't be written: no space, no permission, no folder."""


class CheckpointError(BenchError):
    """A saved state that can't be trusted."""


class WeightsError(BenchError):
    """Weights of a feature network that can't be had or are not what they claim."""


class BusyError(BenchError):
    """Another process works on the same cell."""


class ScoreError(BenchError):
    """Images that a metric can't be computed on."""
