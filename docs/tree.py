"""Write the tree of rooms into docs/architecture.md: the names of files, and what each says it holds.

python docs/tree.py          prints it
python docs/tree.py --write  puts it into docs/architecture.md
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- the tree: python docs/tree.py --write -->", "<!-- end of the tree -->"
PACKAGES = ("harness", "models", "datasets")


def tree() -> str:
    """The tree as text, indented by four spaces."""
    return "\n".join(f"    {line}".rstrip() for package in PACKAGES for line in _lines(ROOT / package, 0))


def written() -> str:
    """The tree as docs/architecture.md has it."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip("\n")


def _lines(folder: Path, depth: int) -> Iterator[str]:
    yield _line(f"{folder.name}/", folder / "__init__.py", depth)
    for path in sorted(folder.iterdir(), key=lambda path: (path.is_dir(), path.name)):
        if path.is_dir() and (path / "__init__.py").exists():
            yield from _lines(path, depth + 1)
        elif path.suffix == ".py" and path.name != "__init__.py":
            yield _line(path.name, path, depth + 1)


def _line(name: str, source: Path, depth: int) -> str:
    first = (ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or "").splitlines()[:1]
    return f"{'  ' * depth + name:<28}{''.join(first).rstrip('.:')}"


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{tree()}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    else:
        print(tree())
