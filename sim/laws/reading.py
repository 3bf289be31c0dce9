"""From a grammar file, or from an exact language, to its law."""

from pathlib import Path

from sim.grammars import file
from sim.languages.automaton import Automaton
from sim.languages.endless import Endless
from sim.languages.exact import ExactLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.pcfg.language import ContextFree
from sim.laws.hidden import HiddenLaw
from sim.laws.machine import AutomatonLaw
from sim.laws.nonrecursive import NonRecursive
from sim.laws.protocol import Law
from sim.laws.recursive import Recursive, is_recursive
from sim.numerics import SpecificationError


def law(source: str | Path | ExactLanguage) -> Law:
    """The law of a language, for batches of strings: samples, probabilities, next-token laws, parses, in numpy float64.

    `source` is the path of a grammar file (`cfg3b.json` and its like, or any file of docs/describe.md), or an exact
    language. Automata, hidden machines that stop, and context-free grammars have a law; that of grammars without
    recursion is faster. Raises `SpecificationError` for others, and for a file that cannot be read, in one line.
    """
    language = file.read(str(source)) if isinstance(source, str | Path) else source
    if isinstance(language, ContextFree):
        return Recursive(language) if is_recursive(language) else NonRecursive(language)
    if isinstance(language, Automaton):
        return AutomatonLaw(language)
    if isinstance(language, HiddenAutomaton):
        return HiddenLaw(language)
    if isinstance(language, Endless):
        raise SpecificationError(
            f"law: a machine that stops is required, found a {type(language).__name__}, whose sequences never end; "
            "give it an end, or take blocks of a fixed length: law(language.blocks(n))"
        )
    raise SpecificationError(
        f"law: an automaton, a hidden machine or a context-free grammar is required, found a language of the kind "
        f"{type(language).__name__}; ask the language itself, one string at a time (`log_prob`, `next_log_probs`)"
    )
