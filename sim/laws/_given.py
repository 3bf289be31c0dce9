"""What the law of an exact language takes from the language: its tokens, its entropy and its length."""

from functools import cached_property

from sim.languages.exact import ExactLanguage
from sim.languages.pcfg.language import ContextFree
from sim.languages.vocabulary import Vocabulary


class OfLanguage:
    """The law of an exact language, which is kept in the field `language`."""

    language: ExactLanguage

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens, EOS first."""
        return self.language.vocabulary

    def entropy(self) -> float:
        """H(P) [nat per string], exact; `UnavailableError` unless every string has one derivation or path, proved."""
        return self.language.entropy()

    def expected_length(self) -> float:
        """E|x| [symbols], EOS not counted, exact; math.inf if it is infinite."""
        return self.language.expected_length()


class OfGrammar(OfLanguage):
    """The law of a context-free grammar, whose parts are the rules."""

    language: ContextFree

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The rules as messages show them, such as `S -> a S b`, in the order of `language.rules`."""
        return tuple(self.language.shown(rule) for rule in self.language.rules)

    def latent_entropy(self) -> float:
        """Entropy of the derivations [nat], exact. It is H(P) if every string has one derivation, else it is larger."""
        return self.language.derivation_entropy()


def leads_to(grammar: ContextFree) -> list[set[int]]:
    """The non-terminals on the right-hand sides of the rules of every non-terminal."""
    found: list[set[int]] = [set() for _ in grammar.nonterminals]
    for rule in grammar.rules:
        found[rule.lhs] |= set(rule.children)
    return found


def is_loop(block: list[int], graph: list[set[int]]) -> bool:
    """Whether the non-terminals of a strongly connected block of `leads_to` occur in what they derive."""
    return len(block) > 1 or block[0] in graph[block[0]]
