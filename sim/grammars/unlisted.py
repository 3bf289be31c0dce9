"""A language given as a file, whose strings are not listed: an automaton, a hidden machine or a grammar of any size."""

from pathlib import Path
from typing import Annotated

from sim.config import AtLeast
from sim.grammars._unlisted import seen
from sim.grammars.file import read
from sim.languages.endless import Endless
from sim.languages.finite import FiniteLanguage
from sim.languages.unlisted import Unlisted
from sim.languages.unlisted import unlisted as marked
from sim.numerics import SpecificationError


@marked
def unlisted(
    *,
    path: str,
    length: Annotated[int | None, AtLeast(2)] = None,
    renormalise: bool = False,
    normalise: bool = False,
    text: str | None = None,
) -> Unlisted:
    """The language of a grammar file, of which a run sees the first `length` tokens of every string.

    The file is any of docs/describe.md that has a law (`sim.law`): a cfg3 file of PhysicsLM4, a grammar, an automaton,
    or a hidden machine that stops. The arguments are those of the grammar `file`, but nothing is listed, and longer
    strings are cut, not left out. Raises SpecificationError for a bad file, for one of listed strings, for a machine
    that never stops, and if an infinite language has no length.
    """
    language = read(path, renormalise, text, normalise)
    if isinstance(language, FiniteLanguage):
        raise SpecificationError(
            f"{path}: type: pfsa, hmm, markov or pcfg is required, found strings; choose grammar=file, which lists them"
        )
    if isinstance(language, Endless):
        raise SpecificationError(
            f"{path}: a machine that stops is required, found one whose sequences never end; give it an end, or choose "
            "grammar=file with a length"
        )
    return seen(language, length, path)


def label(*, path: str, **_: object) -> str:
    """The world in words: the name of its file."""
    return f"file {Path(path).name}, not listed"
