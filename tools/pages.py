"""Lay out the pages of the documentation site in build/pages, from the Markdown of the repository.

`make docs` calls it as `python -m tools.pages` and then builds the site from the folder. The pages of the repository
are written for a code host: they link to each other, and to files of the source. Here every link becomes one within
the site. A linked file of the source gets a page that shows it, so the site is complete without a network.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from tools.api import api_pages
from tools.cells import as_page, is_notebook

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "build" / "pages"
MOVED = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Pages outside of docs/ and their places in the site. A page of docs/ keeps its place."""

LANGUAGES = {".py": "python", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml", ".cff": "yaml", ".json": "json"}
PICTURES = (".png", ".gif", ".svg")
LINK = re.compile(r"(?<=\]\()(?P<target>[^)\s#]*)(?P<anchor>#[^)\s]*)?(?=\))")
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """Return the files that are pages of the site: Markdown, and the notebooks of the folder notebooks/."""
    notebooks = [file for file in sorted((ROOT / "notebooks").glob("*.py")) if is_notebook(file)]
    return [*(ROOT / name for name in MOVED), *sorted((ROOT / "docs").rglob("*.md")), *notebooks]


def links(text: str) -> Iterator[re.Match[str]]:
    """Yield the links of a page, outside of its code."""
    hidden = CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    return LINK.finditer(hidden)


def relinked(text: str, change: Callable[[str], str]) -> str:
    """Return the page with every target within the repository replaced by `change(target)`; anchors are kept."""
    parts, done = [], 0
    for found in links(text):
        target = found["target"]
        if target and "://" not in target and not target.startswith("mailto:"):
            parts += [text[done : found.start()], change(target), found["anchor"] or ""]
            done = found.end()
    return "".join([*parts, text[done:]])


def place(file: Path) -> PurePosixPath:
    """Return where a file of the repository lies in the site. A file that is no page gets one below source/."""
    name = PurePosixPath(file.relative_to(ROOT).as_posix())
    if str(name) in MOVED:
        return PurePosixPath(MOVED[str(name)])
    if name.parts[0] == "docs":
        return name.relative_to("docs")
    if name.parts[0] == "notebooks" and is_notebook(file.with_suffix(".py")):  # its pair, .ipynb, leads to it as well
        return name.with_suffix(".md")
    return PurePosixPath("source", f"{name}.md")


def from_page(page: PurePosixPath, other: PurePosixPath) -> str:
    """Return the relative link from one page to another."""
    common = 0
    while common < len(page.parts) - 1 and page.parts[common] == other.parts[common]:
        common += 1
    return "/".join([".."] * (len(page.parts) - 1 - common) + list(other.parts[common:]))


def shown(file: Path) -> str:
    """Return a page that shows a file of the source; the search does not look into it."""
    text, name = file.read_text(encoding="utf-8"), file.relative_to(ROOT).as_posix()
    language = LANGUAGES.get(file.suffix, "text")
    return f"---\nsearch:\n  exclude: true\n---\n\n# {name}\n\n````{language}\n{text.rstrip()}\n````\n"


def put(file: Path, text: str) -> None:
    """Write a page, with its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def lay_out(out: Path = OUT) -> None:
    """Write all pages, the pages of the API, and what they link to: pictures, and files of the source."""
    shutil.rmtree(out, ignore_errors=True)
    linked: set[Path] = set()
    api = api_pages(ROOT)

    def moved(file: Path, text: str, here: PurePosixPath) -> str:
        """Return a text of a file of the repository with links for its place in the site."""

        def change(target: str) -> str:
            found = (file.parent / target).resolve()
            if target in api:
                return target
            if not found.is_file():
                raise SystemExit(f"{file.relative_to(ROOT)}: a file is required as target of a link, found {target!r}")
            linked.add(found)
            return from_page(here, place(found))

        return relinked(text, change)

    for page in pages():
        text = page.read_text(encoding="utf-8")
        put(out / place(page), moved(page, as_page(text) if page.suffix == ".py" else text, place(page)))
    for here, text in api.items():
        put(out / here, moved(ROOT / "docs" / "api.md", text, PurePosixPath(here)))
    for file in sorted(linked):
        if file.suffix in PICTURES:
            (out / place(file)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, out / place(file))
        elif not (out / place(file)).exists():
            put(out / place(file), shown(file))
    for name in ("site.css", "iframe-worker.js"):
        shutil.copyfile(ROOT / "tools" / "site" / name, out / name)


if __name__ == "__main__":
    lay_out()
