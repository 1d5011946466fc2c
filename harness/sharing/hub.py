"""Publish a run on a hub of models: networks, card, record, log. The token is the hub's own affair."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from ..errors import BenchError, DataError
from ..files import sealed, sha256_of_file
from ..tables.survey import Result
from ..training.checkpoints import load_networks
from .card import card

NETWORKS = "model.safetensors"


def publish(result: Result, repository: str, *, cleared: str, endpoint: str | None = None) -> str:
    """Publish the best networks of a run with all that answers for them.

    Args:
        result: The run.
        repository: ``OWNER/NAME``; made where it is not there, for its owner's eyes alone.
        cleared: Who looked and may publish them; it is written on the card.
        endpoint: Address of the hub; None for the one that its own settings name.

    Returns:
        The address of what was published.

    Raises:
        DataError: The networks are not here, or the hub refused.
        CheckpointError: They are damaged.
    """
    from huggingface_hub import HfApi

    if result.record.best_networks is None:
        raise DataError(f"{result.folder.path.name} has no networks", needed="a run that was evaluated")
    load_networks(result.folder.best, result.record.best_networks)  # or an error that says what is wrong
    api = HfApi(endpoint=endpoint)
    with tempfile.TemporaryDirectory() as folder:
        _lay_out(Path(folder), result, cleared)
        try:
            api.create_repo(repository, private=True, exist_ok=True)
            done = api.upload_folder(
                repo_id=repository, folder_path=folder, commit_message=f"{result.folder.path.name}"
            )
        except Exception as error:  # of the library that carries it, which differs between versions
            raise DataError(
                f"{repository} could not be published: {next(iter(str(error).splitlines()), error)}",
                needed="the name OWNER/NAME, a token that may write there, and a connection",
                hint="hf auth login",
            ) from error
    return str(done.repo_url)


def _lay_out(folder: Path, result: Result, cleared: str) -> None:
    """The files of the repository."""
    shutil.copyfile(result.folder.best, folder / NETWORKS)
    title = f"{result.spec.model.name} on {result.spec.dataset.label}, {result.spec.resolution} px"
    digest = sha256_of_file(folder / NETWORKS)
    words = " ".join(cleared.split())
    extra = f"\n## Networks\n\n`{NETWORKS}`, sha256 {digest}. Cleared for publication: {words}\n"
    (folder / "README.md").write_text(card([result], title=title) + extra, encoding="utf-8")
    record = sealed(result.record.model_dump(mode="json"))
    (folder / "record.json").write_text(json.dumps(record, indent=2, ensure_ascii=False), encoding="utf-8")
    if result.folder.log.exists():
        shutil.copyfile(result.folder.log, folder / "log.jsonl")


def check_cleared(cleared: str | None) -> str:
    """Who answers for publishing networks.

    Raises:
        BenchError: Nobody does.
    """
    if not cleared or not cleared.strip():
        raise BenchError(
            "networks can give away the images that they were trained on, and nobody answers for these",
            needed="somebody who looked for copies and at the data's licence",
            hint="--cleared 'NAME, DATE, and why they may be published'",
        )
    return cleared
