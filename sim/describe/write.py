"""Write the language that is described to a new grammar file."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sim.grammars._reading import MOST_BYTES, structured
from sim.grammars._writing import as_yaml, mapping_of
from sim.grammars.file import language_of
from sim.languages.exact import ExactLanguage
from sim.languages.pcfg.language import ContextFree
from sim.numerics import SpecificationError
from sim.places import check_folder, check_writable, reason

ENDINGS = (".yaml", ".yml")


def checked(path: str) -> None:
    """Raise `SpecificationError` unless a new YAML file can be meant. It is asked before anything is computed."""
    if not path.lower().endswith(ENDINGS):
        raise SpecificationError(f"--write: a name that ends in .yaml is required, found {path!r}; rename it")
    file = Path(path)
    check_folder(file.parent, "a folder for --write", "make it, or choose another name")
    check_writable("--write", file.parent, [file.name], "choose another name")
    if os.path.lexists(file):
        raise SpecificationError(f"--write: a new file is required, found {path!r}, which exists; choose another name")


def write(path: str, source: str, data: dict[str, Any], language: ExactLanguage, changes: Sequence[str]) -> None:
    """Write the file `path`. It is read again first, so that nothing unreadable is left on the disk.

    Without changes, the mapping `data` of the file `source` is written: its probabilities are exact, and the
    description of the new file is the same. Otherwise the changed `language` is written. Raises `SpecificationError` if
    the file exists, cannot be written, or if the language cannot.
    """
    told = f"Written by python -m sim.describe from {source!r}"
    if changes:
        kept = {key: data[key] for key in ("name",) if key in data}
        exact = "exact rationals" if isinstance(language, ContextFree) else "floats, with all their digits"
        data = kept | mapping_of(language)
        told += f", after {', '.join(changes)}. Probabilities are {exact}."
    else:
        told += ". Probabilities are exact, as they are there."
    text = as_yaml(data, told)
    _check(path, text)
    try:
        with Path(path).open("x", encoding="utf-8", newline="\n") as out:
            out.write(text)
    except FileExistsError:
        raise SpecificationError(
            f"--write: a new file is required, found {path!r}, which exists; choose another name"
        ) from None
    except OSError as error:
        Path(path).unlink(missing_ok=True)  # half of a file is worse than none
        raise SpecificationError(
            f"--write: a file that can be written is required, found {path!r} ({reason(error)}); choose another name"
        ) from None


def _check(path: str, text: str) -> None:
    """Raise `SpecificationError` if the text is too large or cannot be read."""
    try:
        size = len(text.encode("utf-8"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            language_of(path, structured(path, text))
    except (SpecificationError, UnicodeEncodeError) as problem:
        why = "a character that is not Unicode" if isinstance(problem, UnicodeEncodeError) else str(problem)
        raise SpecificationError(f"--write: a language that a grammar file can hold is required, found {why}") from None
    if size > MOST_BYTES:
        raise SpecificationError(
            f"--write: at most {MOST_BYTES >> 20} MiB are required, found {size / 2**20:.0f} MiB; keep fewer strings"
        )
