"""Build the documentation as a site that needs no network: python docs/build_site.py OUT (tox -e docs).

The pages are those of this folder, with the reports that they point to and a reference made of the code. All
links between them are followed; a broken one ends the build.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from reference import pages

DOCS = Path(__file__).parent
ROOT = DOCS.parent
MOVED = {"../harness/api": "reference/api.md", "../harness/hookspecs.py": "reference/plugins.md"}


def stage(folder: Path) -> None:
    """Lay the sources of the site out: this folder, reports of benchmarks, changes, and the reference."""
    for path in sorted(DOCS.rglob("*.md")):
        is_top = path.parent == DOCS
        text = path.read_text(encoding="utf-8")
        _put(folder / path.relative_to(DOCS), text, site=folder if is_top else None)
    shutil.copytree(DOCS / "pictures", folder / "pictures")
    for path in (*DOCS.glob("*.json"), *DOCS.glob("*.css"), *DOCS.glob("*.js")):
        shutil.copy(path, folder)
    for path in (ROOT / "benchmarks" / "results").glob("*.png"):
        shutil.copy(path, folder / "benchmarks" / "results")
    for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY"):
        text = (ROOT / f"{name}.md").read_text(encoding="utf-8")
        _put(folder / f"{name.lower()}.md", text.replace("](docs/", "]("))
    for name, text in pages().items():
        _put(folder / name, text)


def _put(path: Path, text: str, *, site: Path | None = None) -> None:
    """Write a page; a file outside of this folder that it points to comes along, into ``site``."""
    for source, target in MOVED.items():
        text = text.replace(f"]({source})", f"]({target})")

    def bring(link: re.Match[str]) -> str:
        if site is None or not (ROOT / link[1]).is_file():
            return link[0]
        _bring(ROOT / link[1], site)
        return f"]({link[1]}"

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(re.sub(r"\]\(\.\./([^)#\s]+)", bring, text), encoding="utf-8")


def _bring(path: Path, site: Path) -> None:
    """Copy a file from outside of this folder; where it is a page, the files that it points to come along."""
    home = site / path.relative_to(ROOT)
    if home.exists():
        return
    home.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, home)
    if path.suffix == ".md":
        for link in re.findall(r"\]\(([^):#\s]+)", path.read_text(encoding="utf-8")):
            beside = (path.parent / link).resolve()
            if beside.is_file() and beside.is_relative_to(ROOT):
                _bring(beside, site)


class Page(HTMLParser):
    """The links and the places of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a browser would follow or fetch."""
        for name, value in attrs:
            if name == "id" and value:
                self.places.add(value)
            if name in ("href", "src") and value and not (tag == "link" and "canonical" in str(attrs)):
                self.links.append(value)


def broken_links(site: Path) -> list[str]:
    """Every link that leads nowhere, and everything that would be fetched from elsewhere."""
    found = {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}
    broken = []
    for path, page in found.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("//"):
                if re.search(r"\.(js|css|woff2?)\b", link):
                    broken.append(f"{path.relative_to(site)}: fetches {link}")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                broken.append(f"{path.relative_to(site)}: {link}")
            elif parts.fragment and target in found and parts.fragment not in found[target].places:
                broken.append(f"{path.relative_to(site)}: {link} (no such place)")
    return broken


def main(out: Path) -> None:
    """Build the site into ``out``."""
    source = out / "source"
    shutil.rmtree(out, ignore_errors=True)
    stage(source / "docs")
    shutil.copy(DOCS / "zensical.toml", source / "zensical.toml")
    subprocess.run([shutil.which("zensical") or "zensical", "build", "--strict"], cwd=source, check=True)
    shutil.move(source / "site", out / "html")
    if broken := broken_links((out / "html").resolve()):
        sys.exit("broken links:\n" + "\n".join(broken))
    print(out / "html" / "index.html")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/site"))
