"""What to cite for a claim: the entries of `references.bib` with its identifier among their keywords."""

import functools
import re
from pathlib import Path

FILE = "references.bib"

ALL = "claims"
"""The keyword of what every claim uses, such as its statistics and this project."""


def file() -> Path:
    """Return the bibliography: `references.bib` in a checkout, beside this module in an installed wheel."""
    here = Path(__file__).resolve().parent
    return here.parent / FILE if (here.parent / FILE).is_file() else here / FILE


@functools.cache
def entries() -> dict[str, dict[str, str]]:
    """Return the fields of every entry by its key, without braces. There are none if there is no bibliography.

    The file has one field on a line, `name = {value},`; a long value goes on in the next lines.
    """
    if not file().is_file():
        return {}
    found = {}
    for key, body in re.findall(r"^@\w+\{([\w-]+),\n(.*?)^\}", file().read_text(encoding="utf-8"), re.M | re.S):
        fields = re.findall(r"^  (\w+) = \{(.*?)\},$", body, re.M | re.S)
        found[key] = {name: " ".join(re.sub("[{}]", "", value).split()) for name, value in fields}
    return found


def works(identifier: str) -> list[str]:
    """Return the keys of what is cited for a claim, such as "C2": first its own works, then what all claims use."""
    keywords = {key: one.get("keywords", "").split(", ") for key, one in entries().items()}
    return [key for wanted in (identifier, ALL) for key, one in keywords.items() if wanted in one]


def cited(identifier: str) -> str:
    """Say what to cite for a claim, in one sentence with the keys of the bibliography."""
    keys = ", ".join(works(identifier))
    return f"To cite ({FILE}): {keys}." if keys else f"To cite: see CITATION.cff and {FILE} of the repository."
