"""Docstrings are plain text here: `[nat]` or `q*` mean nothing in them. mkdocstrings shows them as written.

This is an extension of Griffe that mkdocs.yml names. Code in backticks, indented code and lists stay Markdown.
"""

import re
from typing import Any

from griffe import Extension, Object

CODE = re.compile(r"`[^`]*`|^ {4}.*$", re.MULTILINE)
SPECIAL = re.compile(r"[\\*_\[\]#]")


def escaped(text: str) -> str:
    """Return a plain text as Markdown that shows it."""
    parts, done = [], 0
    for found in [*CODE.finditer(text), None]:
        plain = text[done : found.start() if found else None].replace("<", "&lt;")
        parts += [SPECIAL.sub(r"\\\g<0>", plain), found[0] if found else ""]
        done = found.end() if found else done
    return "".join(parts)


class PlainText(Extension):
    """Change every docstring when it has been read."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Escape what Markdown would take for its own."""
        if obj.docstring is not None:
            obj.docstring.value = escaped(obj.docstring.value)
