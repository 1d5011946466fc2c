"""Processes that get ready at the same time and then take turns."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

Answer = dict[str, Any]


class Worker:
    """A process of ``script --part PART --settings JSON``, which calls ``answer_turns``."""

    def __init__(self, script: str, part: str, **settings: Any) -> None:
        command = [sys.executable, script, "--part", part, "--settings", json.dumps(settings)]
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True
        )
        self.answers: queue.Queue[Answer] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def answer(self, deadline: float) -> Answer:
        """Its next answer: first that it is ready, then one for each turn. Or an ``error``."""
        try:
            return self.answers.get(timeout=max(1.0, deadline - time.monotonic()))
        except queue.Empty:
            return {"error": "skipped: time is up"}

    def begin_turn(self) -> None:
        """Let it measure."""
        with contextlib.suppress(OSError):  # it died: its answer says why
            print("go", file=self.process.stdin, flush=True)

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                self.answers.put(json.loads(line))
        self.process.wait()
        self.errors.seek(0)
        last = (self.errors.read().strip().splitlines() or ["no words"])[-1]
        self.answers.put({"error": f"exit {self.process.returncode}: {last}"})


def answer_turns(ready: Answer, measure: Callable[[], Answer]) -> None:
    """In the process: say what there is to say, then measure once for each turn."""
    print(json.dumps(ready), flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure()), flush=True)
