"""Tables as Markdown, LaTeX, CSV and HTML."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pandas
import pytest
from handmade import Records, sheet_of

from harness.tables.sheets import Column, Sheet, SheetCell, latex_escape, number, render


def test_csv_holds_plain_numbers(records: Records) -> None:
    records.add(10.0, seed=0)
    records.add(13.0, seed=1)
    frame = pandas.read_csv(io.StringIO(render(sheet_of(records), "csv")))
    line = frame.set_index("row").loc["linear-gan"]
    assert line["mean"] == 11.5
    assert line["std"] == pytest.approx(2.1213203)
    assert (line["n_seeds"], line["seeds"], line["n_real"]) == (2, "0 1", 40)


NASTY = Sheet(
    label="nasty",
    caption="50 % of a_b & <c>",
    columns=[Column("model"), Column("fid ↓", "set_1"), Column("kid", "set_1")],
    rows=[[SheetCell("a|b"), SheetCell("1.0 ± 0.5", "best", 1.0), SheetCell("<i>", "second")]],
    numbers=[{"model": "a|b"}],
    notes=["# 1 ~ ^ \\"],
)


def test_markdown_is_escaped_and_ranked() -> None:
    text = render(NASTY, "md")
    assert text.splitlines()[0] == "| model | set_1 fid ↓ | set_1 kid |"
    assert text.splitlines()[2] == r"| a\|b | **1.0 ± 0.5** | <u><i></u> |"


def test_latex_as_expected() -> None:
    assert render(NASTY, "latex") == (
        "% needs \\usepackage{booktabs,graphicx}\n"
        "\\begin{table}[t]\n"
        "  \\centering\n"
        "  \\caption{50 \\% of a\\_b \\& $<$c$>$}\n"
        "  \\label{tab:nasty}\n"
        "  \\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"
        "  \\begin{tabular}{lrr}\n"
        "    \\toprule\n"
        "     & \\multicolumn{2}{c}{set\\_1} \\\\\n"
        "    \\cmidrule(lr){2-3}\n"
        "    model & fid $\\downarrow$ & kid \\\\\n"
        "    \\midrule\n"
        "    a|b & \\textbf{1.0 $\\pm$ 0.5} & \\underline{$<$i$>$} \\\\\n"
        "    \\bottomrule\n"
        "  \\end{tabular}}\n"
        "  \\par\\smallskip{\\footnotesize \\# 1 \\textasciitilde{} \\textasciicircum{} \\textbackslash{}}\n"
        "\\end{table}\n"
    )


def test_latex_compiles(records: Records, tmp_path: Path) -> None:
    engine = shutil.which("pdflatex")
    if engine is None:
        pytest.skip("no LaTeX here")
    records.add(10.0, caveats=["leaks é & 5 %"])
    records.add(99.0, model="faulty", status="diverged")
    tables = render(NASTY, "latex") + render(sheet_of(records, against_published=True), "latex")
    source = tmp_path / "paper.tex"
    source.write_text(
        "\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\n"
        + tables
        + "\\end{document}\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [engine, "-interaction=nonstopmode", "-halt-on-error", source.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_html_is_escaped() -> None:
    text = render(NASTY, "html")
    assert "<i>" not in text
    assert "&lt;i&gt;" in text
    assert '<td data-value="1.0"><strong>1.0 ± 0.5</strong></td>' in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(88.852, "88.85"), (0.0123456, "0.01235"), (240.231, "240.2"), (12345.6, "12346"), (0.0, "0.000"),
     (-2.5, "−2.500"), (9.99996, "10.00")],  # noqa: RUF001
)  # fmt: skip
def test_four_significant_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_every_special_character_is_escaped() -> None:
    assert latex_escape("a_b{c}") == r"a\_b\{c\}"
    assert latex_escape("--where") == "-{}-where"
