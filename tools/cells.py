"""A notebook in the percent format (a Python file whose cells begin with `# %%`) as a page of Markdown."""

import re
from pathlib import Path


def is_notebook(file: Path) -> bool:
    """Return whether a file is a notebook in this format."""
    return (
        file.is_file() and re.search(r"^# %% \[markdown\]$", file.read_text(encoding="utf-8"), re.MULTILINE) is not None
    )


def as_page(text: str) -> str:
    """Return the cells as a page: words as they are, code in blocks. The header, which is for programs, is left out."""
    cells = re.split(r"^# %%(.*)\n", text, flags=re.MULTILINE)[1:]
    parts = []
    for kind, body in zip(cells[::2], cells[1::2], strict=True):
        if "[markdown]" in kind:
            parts.append(re.sub(r"^# ?", "", body, flags=re.MULTILINE).strip())
        elif body.strip():
            parts.append(f"```python\n{body.strip()}\n```")
    return "\n\n".join(parts) + "\n"
