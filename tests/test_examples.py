"""What lies in examples/ works."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.plugins import Registry

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    """Its cells one after the other, with a training of one epoch."""
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((EXAMPLES / "quickstart.ipynb").read_text(encoding="utf-8"))
    namespace: dict[str, Any] = {}
    shown = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == []
        source = "".join(cell["source"]).replace(
            "EPOCHS = 32  # fewer for a faster look",
            "EPOCHS = 1",
        )
        source = source.replace('"epochs": EPOCHS}', '"epochs": EPOCHS, "dataset.images": 24, "width": 64}')
        source = source.replace('"width": 128', '"width": 64')
        tree = ast.parse(source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "cell", "exec"), namespace)
        if last is not None:
            shown.append(eval(compile(ast.Expression(last.value), "cell", "eval"), namespace))
    hagan, dcgan, picture, frame, noise = shown
    assert {"swd", "ms_ssim_gap"} <= hagan.keys() & dcgan.keys()
    assert picture.size[0] > picture.size[1]
    assert sorted(frame["model"]) == ["dcgan", "hagan"]
    assert noise["swd"] > 0


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_the_smoke_test_of_a_model_says_no_to_a_bad_score(tmp_path: Path) -> None:
    """With a `bench` that writes down what it is asked and answers with a record."""
    fake = tmp_path / "bench"
    fake.write_text(
        '#!/bin/sh\nmkdir -p smoke\necho "$@" >> asked.txt\n'
        'case "$1" in show) echo \'{"record": {"scores": {"best": {"swd": 123.0}}}}\';; esac\n'
    )
    fake.chmod(0o755)
    (tmp_path / "python").symlink_to(sys.executable)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    script = ["bash", str(EXAMPLES / "ci-smoke" / "smoke.sh"), "hagan"]
    for bound, code in (("400", 0), ("100", 1)):
        answer = subprocess.run(
            [*script, bound], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert answer.returncode == code, answer.stderr
    assert (tmp_path / "asked.txt").read_text().splitlines()[0] == "check hagan --kind models"
