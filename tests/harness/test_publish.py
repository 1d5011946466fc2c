"""`bench publish`, against a hub that is played by a server of this process."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from typer.testing import CliRunner

from harness.cell.records import Record
from harness.cli import app
from harness.errors import BenchError, CheckpointError
from harness.files import unsealed
from harness.plugins import Registry

RunTiny = Callable[..., Any]


class Hub(BaseHTTPRequestHandler):
    """As much of a hub as an upload meets."""

    files: dict[str, bytes]
    created: dict[str, Any]
    refuses = False

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        home = f"http://127.0.0.1:{self.server.server_port}"
        if self.refuses:
            self._answer({"error": "no"}, 403)
        elif self.path == "/api/repos/create":
            type(self).created = json.loads(body)
            self._answer({"url": f"{home}/me/mine", "id": "me/mine", "name": "mine"})
        elif "/preupload/" in self.path:
            named = [one["path"] for one in json.loads(body)["files"]]
            modes = [
                {"path": name, "uploadMode": "regular", "shouldIgnore": False, "oid": None} for name in named
            ]
            self._answer({"files": modes})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    type(self).files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self._answer({"commitUrl": f"{home}/me/mine/commit/1", "commitOid": "1", "success": True})
        else:
            self._answer({"success": True, "warnings": [], "errors": []})

    def do_GET(self) -> None:
        self._answer({"id": "me/mine", "sha": "0", "siblings": [], "tags": [], "private": True})

    def _answer(self, content: dict[str, Any], code: int = 200) -> None:
        text = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *values: Any) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, registry: Registry) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_none")
    monkeypatch.setattr(Hub, "files", {}, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def publish(hub: str, *more: str) -> str:
    words = ["publish", "linear", "--hub", "me/mine", "--endpoint", hub, *more]
    answer = CliRunner().invoke(app, words, catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer.stdout


@pytest.mark.skipif(
    int(huggingface_hub.__version__.split(".")[0]) < 1,
    reason="before 1.0 huggingface-hub can't name what it uploaded to another address than its own",
)
def test_networks_card_record_and_log_arrive(hub: str, run_tiny: RunTiny) -> None:
    outcome = run_tiny()
    assert "me/mine" in publish(hub, "--cleared", "me, today: discs are nobody's")
    assert set(Hub.files) == {"README.md", "model.safetensors", "record.json", "log.jsonl"}
    assert Hub.files["model.safetensors"] == outcome.folder.best.read_bytes()
    assert Record.model_validate(unsealed(json.loads(Hub.files["record.json"]))) == outcome.record
    # As one version of the hub's library says it, or another.
    assert Hub.created.get("private") is True or Hub.created.get("visibility") == "private"
    text = Hub.files["README.md"].decode()
    assert text.startswith("---\nlibrary_name: hagan-bench\n")
    assert "Cleared for publication: me, today: discs are nobody's" in text
    assert "Memorisation" in text


def test_nothing_leaves_without_somebody_who_answers(hub: str, run_tiny: RunTiny) -> None:
    run_tiny()
    with pytest.raises(BenchError, match="nobody answers"):
        publish(hub)
    assert Hub.files == {}


def test_damaged_networks_and_a_hub_that_refuses_are_told(
    hub: str, run_tiny: RunTiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = run_tiny()
    monkeypatch.setattr(Hub, "refuses", True)
    with pytest.raises(BenchError, match="could not be published"):
        publish(hub, "--cleared", "me")
    monkeypatch.setattr(Hub, "refuses", False)
    for path in outcome.folder.path.glob("best*"):
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CheckpointError):
        publish(hub, "--cleared", "me")
    assert Hub.files == {}
