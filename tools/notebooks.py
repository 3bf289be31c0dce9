"""Write notebooks/<name>.ipynb from its pair notebooks/<name>.py, without outputs. It needs the extra `notebook`.

    python -m tools.notebooks            # after an edit of a .py file; tests/unit/lessons/test_pairs.py compares them

If pyproject.toml names a repository at GitHub ([project.urls]), each notebook gets a badge that opens it in Colab. If
it names none, there is no badge.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"
BADGE = "# [![Open in Colab]"
BRANCH = "main"
"""The branch that Colab opens."""

GITHUB = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")


def sources() -> list[Path]:
    """Return the paired .py files: those with a header of jupytext."""
    return [file for file in sorted(FOLDER.glob("*.py")) if "#   jupytext:" in file.read_text(encoding="utf-8")]


def repository(project: Mapping[str, Any]) -> str | None:
    """Return https://github.com/<owner>/<name> from the table `project` of a pyproject.toml, or None."""
    for address in project.get("urls", {}).values():
        if found := GITHUB.fullmatch(str(address)):
            return f"https://github.com/{found[1]}/{found[2]}"
    return None


def with_badge(text: str, stem: str, address: str | None) -> str:
    """Return the text of a paired .py file with the badge below its title if there is an address, and else without."""
    lines = [line for line in text.split("\n") if not line.startswith(BADGE)]
    if address is None:
        return "\n".join(lines)
    path = f"{address.removeprefix('https://github.com/')}/blob/{BRANCH}/notebooks/{stem}.ipynb"
    image = "https://colab.research.google.com/assets/colab-badge.svg"
    install = f"In Colab, run `!pip install git+{address}` first."
    title = next(place for place, line in enumerate(lines) if line.startswith("# # "))
    lines.insert(title + 1, f"{BADGE}({image})](https://colab.research.google.com/github/{path}) {install}")
    return "\n".join(lines)


def main() -> None:
    """Write all notebooks, and correct the badges of their pairs."""
    try:
        import jupytext  # a package of the extra `notebook`, as nbformat is
        import nbformat
    except ImportError as problem:
        raise SystemExit(f"notebooks: the extra notebook is required, found no {problem.name}") from None

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for source in sources():
        before = source.read_text(encoding="utf-8")
        text = with_badge(before, source.stem, repository(project))
        if text != before:
            source.write_text(text, encoding="utf-8")
        notebook = jupytext.reads(text, fmt="py:percent")
        for number, cell in enumerate(notebook.cells):
            cell["id"] = f"{source.stem}-{number}"  # random ones would make each writing a change
        notebook.nbformat, notebook.nbformat_minor = 4, 5
        target = source.with_suffix(".ipynb")
        target.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
        print(f"written: {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
