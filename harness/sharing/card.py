"""The card that goes with results: what was trained on what, how well, and what the numbers can't say."""

from __future__ import annotations

from collections.abc import Iterable

from .. import plugins
from ..cell.records import Record
from ..errors import BenchError
from ..tables.survey import Result

LIMITS = (
    "Samples are no data of patients and no basis for a diagnosis. Scores hold for this data set, this "
    "resolution and this number of images, and a model that scores well may still have copied: no score "
    "proves that it has not."
)


def card(results: Iterable[Result], *, title: str) -> str:
    """A card in Markdown, with the metadata that hubs of models read."""
    results = list(results)
    datasets = sorted({result.spec.dataset.name for result in results})
    lines = [
        "---",
        "library_name: hagan-bench",
        "tags:",
        "- medical",
        "- unconditional-image-generation",
        "---",
        "",
        f"# {_text(title)}",
        "",
        LIMITS,
        "",
        "## Data",
        "",
        *(f"- **{_text(name)}**: {_text(_licence(name))}" for name in datasets),
        "",
    ]
    for result in results:
        lines += _cell(result)
    return "\n".join(lines)


def _cell(result: Result) -> list[str]:
    record, spec = result.record, result.spec
    return [
        f"## {_text(result.folder.path.name)}",
        "",
        f"{_text(spec.model.name)} (version {spec.model.version}) on {_text(spec.dataset.label)}, "
        f"{spec.resolution} px, seed {spec.seed}: {record.status} after {record.epochs_done} epochs.",
        "",
        "| score | value |",
        "|---|---:|",
        *(f"| {_text(name)} | {value:.6g} |" for name, value in record.scores["best"].items()),
        "",
        f"{record.n_generated} generated images against {record.n_real} real ones of "
        f"{record.dataset.get('patients', 'an unknown number of')} patients.",
        "",
        f"Memorisation: {_memorisation(record)}",
        "",
        *(f"- Caveat: {_text(caveat)}" for caveat in record.caveats),
        "",
        "Made with "
        + _text(", ".join(f"{name} {version}" for name, version in record.versions.items()))
        + ".",
        "",
    ]


def _memorisation(record: Record) -> str:
    found = {name: value for name, value in record.scores["best"].items() if name.startswith("copy_excess")}
    if not found:
        return "not looked for; `--metrics manifold` does."
    told = ", ".join(f"{name} {value:.4g}" for name, value in found.items())
    return (
        f"{told}. 0 says that no more samples are near training images than images of new patients are, "
        "in these features."
    )


def _licence(dataset: str) -> str:
    try:
        licence: str = plugins.current().load("datasets", dataset).licence
    except BenchError:
        return "of a plugin that is not installed here"
    return licence or "licence not named"


def _text(text: str) -> str:
    """Text of a record as Markdown that is nothing but text."""
    flat = " ".join(text.split())
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>|#" else sign for sign in flat)
