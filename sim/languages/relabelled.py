"""Put two languages over one vocabulary, which holds the symbols of both."""

from dataclasses import replace

import numpy as np

from sim.languages.automaton import Automaton
from sim.languages.chain import Chain
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.pcfg.language import ContextFree
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS


def relabelled(p: ExactLanguage, q: ExactLanguage) -> tuple[ExactLanguage, ExactLanguage]:
    """Return both languages over the union of their symbols, P's symbols first. Probabilities do not change.

    Two symbols are the same if they have the same name. The two ends of string are the same whatever their names.
    """
    own, theirs = (one.vocabulary.symbols[EOS + 1 :] for one in (p, q))
    symbols = (p.vocabulary.symbols[EOS], *own, *(symbol for symbol in theirs if symbol not in own))
    union = Vocabulary(symbols, joiner=p.vocabulary.joiner)
    return _over(p, union), _over(q, union)


def _over(language: ExactLanguage, vocabulary: Vocabulary) -> ExactLanguage:
    index = {symbol: token for token, symbol in enumerate(vocabulary.symbols)}
    token = np.array([EOS, *(index[symbol] for symbol in language.vocabulary.symbols[EOS + 1 :])])
    size = len(vocabulary)
    if isinstance(language, FiniteLanguage):
        alive = language.log_p > -np.inf
        return FiniteLanguage.from_strings(vocabulary, token[language.trie.strings[alive]], language.log_p[alive])
    if isinstance(language, Automaton | Chain):
        table = np.full((len(language.next_state), size), -1)
        log_prob = np.full(table.shape, -np.inf)
        table[:, token], log_prob[:, token] = language.next_state, language.arc_log_prob
        return type(language)(vocabulary, table, log_prob, language.start, language.state_names)
    if isinstance(language, HiddenAutomaton):
        transitions = np.zeros((size, *language.transitions.shape[1:]))
        transitions[token] = language.transitions
        return replace(language, vocabulary=vocabulary, transitions=transitions)
    if isinstance(language, ContextFree):
        rules = tuple(
            replace(rule, rhs=tuple(int(token[symbol]) if symbol > 0 else symbol for symbol in rule.rhs))
            for rule in language.rules
        )
        return replace(language, vocabulary=vocabulary, rules=rules)
    raise TypeError(f"unknown kind of language: {type(language).__name__}")
