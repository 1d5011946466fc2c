"""Tables as people paste them: Markdown, LaTeX with booktabs, CSV and HTML from one sheet of cells."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from ..api import Goal

Format = Literal["md", "latex", "csv", "html"]
Rank = Literal["", "best", "second"]


@dataclass(frozen=True)
class SheetCell:
    """One cell as it is printed.

    Attributes:
        text: What it says.
        rank: ``best`` is printed bold, ``second`` underlined.
        value: The number behind the text, by which a page can sort; None where there is none.
    """

    text: str
    rank: Rank = ""
    value: float | None = None


@dataclass(frozen=True)
class Column:
    """The head of a column; neighbours of one group share a head above."""

    name: str
    group: str = ""


@dataclass(frozen=True)
class Sheet:
    """A table before it has a format.

    Attributes:
        label: Short name for references, such as ``table2``.
        caption: What it shows and under which conditions.
        columns: Heads; the first one stands over the names of the rows.
        rows: Cells, as many as columns in each.
        notes: Footnotes, each printed on its own line below.
        numbers: The same as plain numbers, one mapping for each line, for CSV and JSON.
    """

    label: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[SheetCell]]
    numbers: Sequence[Mapping[str, Any]]
    notes: Sequence[str] = field(default=())


def render(sheet: Sheet, form: Format) -> str:
    """The sheet as text of a format, with a line end."""
    renderers: Mapping[Format, Callable[[Sheet], str]] = {
        "md": _markdown,
        "latex": _latex,
        "csv": _csv,
        "html": _html,
    }
    return renderers[form](sheet)


def number(value: float, digits: int = 4) -> str:
    """A number with so many significant digits, never in exponential notation; a real minus sign."""
    decimals = decimals_of(value, digits)
    return f"{value:.{decimals}f}".replace("-", "−")  # noqa: RUF001


def arrow(goal: Goal) -> str:
    """Where better scores lie, for a head."""
    return "↓" if goal == "lower" else "↑"


def decimals_of(value: float, digits: int = 4) -> int:
    """Decimals that show ``value`` with so many significant digits."""
    if value == 0:
        return digits - 1
    exponent = int(f"{abs(value):.{digits - 1}e}".partition("e")[2])
    return max(0, digits - 1 - exponent)


def _groups(columns: Sequence[Column]) -> list[tuple[str, int]]:
    return [(group, len(list(members))) for group, members in groupby(columns, lambda column: column.group)]


def _csv(sheet: Sheet) -> str:
    """Comma-separated values that no spreadsheet takes for formulas, whatever a name begins with."""
    import pandas  # other formats do without

    safe = pandas.DataFrame(list(sheet.numbers)).map(_no_formula).rename(columns=_no_formula)
    return safe.to_csv(index=False, lineterminator="\n")


def _no_formula(value: Any) -> Any:
    # As https://owasp.org/www-community/attacks/CSV_Injection advises.
    is_formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if is_formula and value != "-" else value


def _markdown(sheet: Sheet) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"

    def cell(one: SheetCell) -> str:
        return {"best": f"**{one.text}**", "second": f"<u>{one.text}</u>", "": one.text}[one.rank]

    lines = [
        line([f"{column.group} {column.name}".strip() for column in sheet.columns]),
        line(["---", *["---:"] * (len(sheet.columns) - 1)]),
        *(line([cell(one) for one in row]) for row in sheet.rows),
        "",
        sheet.caption,
        *(f"\n- {note}" if index == 0 else f"- {note}" for index, note in enumerate(sheet.notes)),
    ]
    return "\n".join(lines) + "\n"


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"$<$", ">": r"$>$",
    "±": r"$\pm$", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "†": r"$\dagger$", "−": r"$-$",  # noqa: RUF001
    "×": r"$\times$", "–": "--", "é": r"\'e",  # noqa: RUF001
}  # fmt: skip


def latex_escape(text: str) -> str:
    """Text in which every character that LaTeX would read as a command stands for itself."""
    parts = ("".join(_LATEX.get(character, character) for character in part) for part in text.split("--"))
    return "-{}-".join(parts)  # two hyphens would become a dash


def _latex(sheet: Sheet) -> str:
    def cell(one: SheetCell) -> str:
        text = latex_escape(one.text)
        return {"best": rf"\textbf{{{text}}}", "second": rf"\underline{{{text}}}", "": text}[one.rank]

    def line(cells: Sequence[str]) -> str:
        return "    " + " & ".join(cells) + r" \\"

    head = []
    if any(column.group for column in sheet.columns):
        spans, rules, at = [], [], 1
        for group, width in _groups(sheet.columns):
            spans.append(rf"\multicolumn{{{width}}}{{c}}{{{latex_escape(group)}}}" if group else "")
            if group:
                rules.append(rf"\cmidrule(lr){{{at}-{at + width - 1}}}")
            else:
                spans.extend([""] * (width - 1))
            at += width
        head = [line(spans), "    " + "".join(rules)]
    return "\n".join(
        [
            r"% needs \usepackage{booktabs,graphicx}",
            r"\begin{table}[t]",
            r"  \centering",
            rf"  \caption{{{latex_escape(sheet.caption)}}}",
            rf"  \label{{tab:{re.sub('[^A-Za-z0-9:._-]', '-', sheet.label)}}}",
            # Shrunk to the line where it is wider, and left alone where it is not.
            r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"  \begin{{tabular}}{{l{'r' * (len(sheet.columns) - 1)}}}",
            r"    \toprule",
            *head,
            line([latex_escape(column.name) for column in sheet.columns]),
            r"    \midrule",
            *(line([cell(one) for one in row]) for row in sheet.rows),
            r"    \bottomrule",
            r"  \end{tabular}}",
            *(rf"  \par\smallskip{{\footnotesize {latex_escape(note)}}}" for note in sheet.notes),
            r"\end{table}",
            "",
        ]
    )


def _html(sheet: Sheet) -> str:
    def cell(one: SheetCell) -> str:
        text = html.escape(one.text)
        text = {"best": f"<strong>{text}</strong>", "second": f"<u>{text}</u>", "": text}[one.rank]
        key = "" if one.value is None else f' data-value="{one.value!r}"'
        return f"<td{key}>{text}</td>"

    def line(row: Sequence[SheetCell]) -> str:
        first, *others = map(cell, row)
        return (
            f'<tr><th scope="row">{first.partition(">")[2].removesuffix("</td>")}</th>{"".join(others)}</tr>'
        )

    heads = [f'<th scope="col">{html.escape(column.name)}</th>' for column in sheet.columns]
    groups = (
        [
            f'<th scope="colgroup" colspan="{width}">{html.escape(group)}</th>'
            if group
            else "<td></td>" * width
            for group, width in _groups(sheet.columns)
        ]
        if any(column.group for column in sheet.columns)
        else []
    )
    return "\n".join(
        [
            f'<table class="scores" id="{html.escape(sheet.label)}">',
            f"<caption>{html.escape(sheet.caption)}</caption>",
            "<thead>",
            *([f'<tr class="groups">{"".join(groups)}</tr>'] if groups else []),
            f"<tr>{''.join(heads)}</tr>",
            "</thead>",
            "<tbody>",
            *map(line, sheet.rows),
            "</tbody>",
            "</table>",
            *_html_notes(sheet.notes),
            "",
        ]
    )


def _html_notes(notes: Sequence[str]) -> list[str]:
    """Notes below a table; many of them fold."""
    lines = [f'<p class="note">{html.escape(note)}</p>' for note in notes]
    if len(lines) <= 3:
        return lines
    return [f'<details class="notes"><summary>{len(lines)} notes</summary>', *lines, "</details>"]
