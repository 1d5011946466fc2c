"""The benchmark of medical image synthesis: train, score, record.

In Python::

    import harness

    record = harness.run("hagan", "phantom", 64, presets=("smoke",))
    harness.open_results("results").frame()
    harness.score("my-samples/", "real-images/", metrics=("swd", "ms_ssim"))

A plugin's entry point imports ``Register`` and ``hookimpl`` from here. Nothing else is imported before it is
asked for: an entry point is imported for every ``bench --help``, and the rest imports numpy and torch.
"""

import importlib
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    from .library import open_results, run, score
    from .sample_scores import SampleScores

    __version__: str

__all__ = ["Register", "SampleScores", "__version__", "hookimpl", "open_results", "run", "score"]

_HOMES = {
    "SampleScores": ".sample_scores",
    "open_results": ".library",
    "run": ".library",
    "score": ".library",
}

hookimpl = pluggy.HookimplMarker("harness")


class Register(Protocol):
    """Names something without importing it."""

    def __call__(self, name: str, target: str, *, summary: str = "", **options: Any) -> None:
        """Make ``target``, ``"package.module:Class"``, known as ``name``.

        ``options`` are passed to the class by keyword when it is made (metrics and features only).
        """
        ...


def __getattr__(name: str) -> Any:
    """The Python API, and the version, when somebody asks for them."""
    if name == "__version__":
        from importlib import metadata

        return metadata.version("hagan-bench")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
