"""From a grammar file, or from an exact language, to its law."""

from pathlib import Path

from sim.grammars import file
from sim.languages.exact import ExactLanguage
from sim.languages.pcfg.language import ContextFree
from sim.laws.nonrecursive import NonRecursive
from sim.laws.protocol import Law
from sim.numerics import SpecificationError


def law(source: str | Path | ExactLanguage) -> Law:
    """The law of a language, for batches of strings: samples, probabilities, next-token laws, parses, in numpy float64.

    `source` is the path of a grammar file (`cfg3b.json` and its like, or any file of docs/describe.md), or an exact
    language. Context-free grammars without recursion have a law. Raises `SpecificationError` for others, and for a
    file that cannot be read, in one line.
    """
    language = file.read(str(source)) if isinstance(source, str | Path) else source
    if isinstance(language, ContextFree):
        return NonRecursive(language)
    raise SpecificationError(
        f"law: a context-free grammar without recursion is required, found a language of the kind "
        f"{type(language).__name__}; ask the language itself, one string at a time (`log_prob`, `next_log_probs`)"
    )
