"""The pages of the API, from what docs/api.md says is public: names in the site link to their signatures."""

import re
from pathlib import Path

SECTIONS = {
    "interface": "import sim",
    "theory": "sim.theory",
    "languages": "sim.languages",
    "laws": "sim.laws",
    "members": "for members",
}
"""The pages of the API and the words in a heading of docs/api.md that mark their sections."""

NAME = re.compile(r"^\| `(sim[\w.]*|experiments[\w.]*|figures[\w.]*)`(?= \|)", re.MULTILINE)


def sections(text: str) -> dict[str, str]:
    """Return the sections of docs/api.md by the names of their pages; each begins with its heading."""
    parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    return {key: part for key, words in SECTIONS.items() for part in parts if words in part.partition("\n")[0]}


def public(root: Path) -> dict[str, dict[str, str]]:
    """Return for each page its public names, and where each is defined.

    The interface is what `sim/__init__.py` lists, the theory is every module of its folder, and the other names are
    the first cells of the tables in docs/api.md.
    """
    import sim

    found = sections((root / "docs" / "api.md").read_text(encoding="utf-8"))
    modules = sorted(file.stem for file in (root / "sim" / "theory").glob("[a-z]*.py"))
    names = {key: {name: name for name in NAME.findall(found[key])} for key in ("languages", "laws", "members")}
    return {
        "interface": {f"sim.{name}": f"{module}.{name}" for name, module in sim._PUBLIC.items()},
        "theory": {f"sim.theory.{name}": f"sim.theory.{name}" for name in modules},
    } | names


def api_pages(root: Path) -> dict[str, str]:
    """Return the pages of the site: docs/api.md, where each public name leads to its entry, and one for each section.

    Such a page has the words of its section, without the table, and each name with its signature and docstring. Links
    are those of docs/api.md.
    """
    text = (root / "docs" / "api.md").read_text(encoding="utf-8")
    found, pages, overview = sections(text), {}, text
    for key, names in public(root).items():
        heading, _, body = found[key].partition("\n")
        words = re.sub(r"^\|.*\n?", "", body, flags=re.MULTILINE).strip()
        entries = (f"::: {path}\n    options: {{ heading: {name}, toc_label: {name} }}" for name, path in names.items())
        pages[f"api/{key}.md"] = "\n\n".join([f"# {heading.removeprefix('## ')}", words, *entries]) + "\n"
        overview = overview.replace(found[key], NAME.sub(rf"| [`\1`](api/{key}.md#\1)", found[key]))
    return {"api.md": overview} | pages
