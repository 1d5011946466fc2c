"""``bench check``: three faults are three findings, ``bench run`` refuses them, and a good plugin passes both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.plugins import Registry


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], registry: Registry) -> Any:
    """The command line with the example and the faulty plugins: exit code, output, errors."""

    def bench(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["bench", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return bench


CELL = (
    "--dataset",
    "discs",
    "--res",
    "16",
    "--preset",
    "smoke",
    "--metrics",
    "brightness",
    "--device",
    "cpu",
)


def test_three_faults_are_three_findings_and_no_record(bench: Any, tmp_path: Path) -> None:
    code, out, err = bench("check", "deaf", "--res", "16")
    assert code == 1
    assert "3 findings" in err
    broken = [line.strip() for line in out.splitlines() if line.startswith("        ")]
    assert broken == [
        "sample gave images of shape (3, 1, 16, 16) instead of (3, 3, 16, 16)",
        broken[1],
        "sample gives another image for the same seed at the next call",
    ]
    assert broken[1].startswith("sample gave pixels from 0")
    assert broken[1].endswith("instead of [-1, 1]")

    code, out, err = bench("run", "--model", "deaf", *CELL, "--results", tmp_path)
    assert code == 2
    assert (
        "model deaf gave images of shape (40, 1, 16, 16) instead of (40, 3, 16, 16), and pixels from 0" in err
    )
    assert "bench check deaf" in err
    assert "Traceback" not in err
    assert not list(tmp_path.glob("runs/*/record.json"))


def test_a_model_that_keeps_its_contract_passes_both(bench: Any, tmp_path: Path) -> None:
    code, out, _ = bench("check", "linear-gan", "--res", "16")
    assert code == 0
    assert "model linear-gan keeps its contract" in out
    assert "BROKEN" not in out
    code, _, _ = bench("run", "--model", "linear-gan", *CELL, "--results", tmp_path)
    assert code == 0
    (record,) = tmp_path.glob("runs/*/record.json")
    assert json.loads(record.read_text())["status"] == "complete"


@pytest.mark.parametrize("name", ["one-convolution", "discs", "brightness", "psnr", "kid_random", "local"])
def test_every_kind_of_plugin_can_be_checked(bench: Any, name: str) -> None:
    code, out, err = bench("check", name)
    assert code == 0, out + err
    assert "keeps its contract" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["hagann"], "did you mean hagan"),
        (["hagan", "--kind", "metrics"], "unknown plugin 'hagan'"),
        (["hagan", "--kind", "model"], "there is no kind 'model'"),
        (["hagan", "--res", "48"], "can't make 48 px images"),
        (["acdc"], "--data-root DIR"),
        (["radimagenet", "--offline"], "--weights PATH"),
    ],
)
def test_what_cannot_be_checked_is_a_users_error(bench: Any, arguments: list[str], words: str) -> None:
    code, _, err = bench("check", *arguments)
    assert code == 2
    assert words in err.lower() or words in err
