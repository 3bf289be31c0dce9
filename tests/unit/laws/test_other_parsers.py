"""Laws against parsers that share nothing with span products: nltk's charts, and those of Jelinek & Lafferty."""

import math

import nltk
import numpy as np
import pytest

from sim.grammars._levels import level_grammar
from sim.languages.pcfg.language import ContextFree
from sim.laws.nonrecursive import NonRecursive

WORLDS = [
    level_grammar(3, 2, 3, (2, 3), shared=True, zipf=1.0, seed=1),
    level_grammar(3, 3, 2, (1, 2, 3), shared=True, seed=2),
    level_grammar(2, 4, 4, (1, 5), zipf=0.5, seed=3),
]


def productions(language: ContextFree) -> tuple[nltk.CFG, dict[nltk.Production, int]]:
    """The grammar for nltk, and the number of each production."""
    name = {~n: nltk.Nonterminal(f"N{n}") for n in range(len(language.nonterminals))}
    found = [nltk.Production(name[~r.lhs], [name.get(s, str(s)) for s in r.rhs]) for r in language.rules]
    return nltk.CFG(name[~language.start], found), {one: number for number, one in enumerate(found)}


@pytest.mark.parametrize("language", WORLDS)
def test_all_trees_of_a_chart_parser(language):
    """The probability is the sum over its trees, and the uses are their shares of it."""
    grammar, number = productions(language)
    parser, law = nltk.BottomUpLeftCornerChartParser(grammar), NonRecursive(language)
    batch = law.sample(np.random.default_rng(0), 12)
    swapped = batch.copy()
    swapped[:, :2] = swapped[:, 1::-1]  # some of these are not in the language
    batch = np.concatenate([batch, swapped[(swapped[:, 0] != 0)]])
    log_p, uses, several = law.log_prob(batch), law.parse(batch).counts(len(batch), len(law.parts)), 0
    for row, value, found in zip(batch, log_p, uses, strict=True):
        total, counts = 0.0, np.zeros(len(law.parts))
        for tree in parser.parse([str(token) for token in row if token]):
            own = np.bincount([number[p] for p in tree.productions()], minlength=len(counts))
            p = math.exp(own @ language.log_p)
            total, counts, several = total + p, counts + p * own, several + 1
        assert value == pytest.approx(math.log(total) if total else -math.inf, abs=1e-10)
        np.testing.assert_allclose(found, counts / total if total else counts, atol=1e-10)
    assert several >= (log_p > -np.inf).sum()
    assert several > (log_p > -np.inf).sum() or language is not WORLDS[0], "some have several derivations"


def test_the_chart_of_prefixes():
    """Strings of four levels, also with wrong tokens: the law of the next token, prefix by prefix."""
    language = level_grammar(4, 3, 2, (2, 3), zipf=1.0, seed=6)
    law = NonRecursive(language)
    batch = law.sample(np.random.default_rng(1), 2)[:, :24]
    batch[1, 9] = batch[1, 9] % 3 + 1
    laws, prefixes = law.next_token(batch), law.prefix_log_prob(batch)
    dead = 0
    for row, own, log_p in zip(batch, laws, prefixes, strict=True):
        for t in range(int((row != 0).sum()) + 1):
            chart = language.chart(row[:t])
            assert log_p[t] == pytest.approx(chart.log_prefix, abs=1e-10)
            if chart.alive:
                np.testing.assert_allclose(own[t], chart.next_law(), atol=1e-12)
            else:
                dead += 1
                assert (own[t] == 0).all()
    assert dead
