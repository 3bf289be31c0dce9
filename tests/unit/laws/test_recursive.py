"""The law of grammars with recursion: against machines written down with rationals, and against plain iteration.

A hidden machine is a right-linear grammar, so `all_paths` knows all of its numbers. Other grammars are solved span by
span by iterating their equations. The expected uses are derivatives of that, by a complex step, which is exact.
"""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

import sim
from sim.languages.exact import UnavailableError
from sim.languages.pcfg.language import ContextFree
from sim.laws import _rewriting, recursive
from sim.laws._chart import Charts
from sim.laws.narrowing import narrowed
from sim.laws.nonrecursive import NonRecursive
from sim.laws.protocol import Law
from sim.laws.recursive import Recursive, is_recursive
from sim.numerics import SpecificationError, log_fraction
from tests.composed import ROOT
from tests.unit.laws.all_paths import FAINT, MACHINES, Machine
from tests.unit.laws.all_trees import grammar
from tests.unit.laws.test_machine_laws import sequences, string_of
from tests.unit.laws.test_nonrecursive import AMBIGUOUS, EMPTY, every

BRACKETS = grammar(("S", "a S b S", "2/5"), ("S", "", "3/5"))
PAIRS = grammar(("S", "S S", "1/4"), ("S", "a", "1/2"), ("S", "b S", "1/4"))  # many derivations
CYCLES = grammar(  # a non-terminal derives itself, a rule is used twice at one span, a rule has four symbols
    ("S", "T", "1/4"), ("S", "a S b S", "1/8"), ("S", "", "5/8"),
    ("T", "S S", "1/3"), ("T", "b", "2/3"),
)  # fmt: skip
GRAMMARS = {"brackets": BRACKETS, "pairs": PAIRS, "cycles": CYCLES}


def as_grammar(machine: Machine) -> ContextFree:
    """A machine as a right-linear grammar with unit rules and empty rules."""
    rules = [("S", s, p) for s, p in machine.start.items()]
    for own in machine.arcs:
        s, a, t, p = own.split()
        rules.append((s, f"{a} {t}", p))
    return grammar(*rules, *((s, "", p) for s, p in machine.stop.items()), tokens=machine.tokens)


@pytest.mark.parametrize("name", MACHINES)
def test_machines_as_grammars(name):
    machine = MACHINES[name]
    law, batch = Recursive(as_grammar(machine)), sequences(machine, 3)
    assert isinstance(law, Law)
    strings = [string_of(row) for row in batch]
    np.testing.assert_allclose(law.log_prob(batch), [log_fraction(machine.whole(x)) for x in strings], atol=1e-13)
    prefixes, laws = law.prefix_log_prob(batch), law.next_token(batch)
    for x, own, follows in zip(strings, prefixes, laws, strict=True):
        whole = log_fraction(machine.whole(x))
        true = [log_fraction(machine.prefix(x[:t])) for t in range(len(x) + 1)]
        np.testing.assert_allclose(own, true + [whole] * (3 - len(x)), atol=1e-13)
        rows = [[float(p) for p in machine.next(x[:t])] for t in range(len(x) + 1)]
        ended = [[float(whole > -math.inf)] + [0.0] * len(machine.tokens)] * (3 - len(x))
        np.testing.assert_allclose(follows, rows + ended, atol=1e-14)
    entries = zip(*vars(law.parse(batch)).values(), strict=True)
    found = {(strings[s], law.parts[part], *place): p for s, part, *place, p in entries}
    true = {}
    for x in filter(machine.whole, strings):
        for (part, begin, _), p in machine.uses(x).items():
            true[x, part.replace("(start)", "S").replace("(stop)", "(empty)"), begin, len(x)] = float(p)
    assert found == pytest.approx(true, abs=1e-13)


def iterated(language: ContextFree, string: tuple[int, ...], at: tuple[int, int, int] | None = None) -> complex:
    """P(x) by iterating the inside equations of all spans from 0; the rule `at` has a complex p at one span."""
    n, step = len(string), 1e-30
    value = {
        (head, i, j): 0j for head in range(len(language.nonterminals)) for i in range(n + 1) for j in range(i, n + 1)
    }

    def product(rhs: tuple[int, ...], i: int, j: int) -> complex:
        if not rhs:
            return 1.0 if i == j else 0.0
        if rhs[0] > 0:
            return product(rhs[1:], i + 1, j) if i < j and string[i] == rhs[0] else 0.0
        return sum(value[~rhs[0], i, k] * product(rhs[1:], k, j) for k in range(i, j + 1) if value[~rhs[0], i, k])

    for width in range(n + 1):
        for _ in range(400):
            before = dict(value)
            for head, i, j in value:
                if j - i == width:
                    own = [(r, rule) for r, rule in enumerate(language.rules) if rule.lhs == head]
                    p = [float(rule.p) * (1 + step * 1j * ((r, i, j) == at)) for r, rule in own]
                    value[head, i, j] = sum(q * product(rule.rhs, i, j) for q, (_, rule) in zip(p, own, strict=True))
            if all(abs(value[key] - before[key]) <= 1e-17 * abs(value[key]) for key in value):
                break
    return value[language.start, 0, n]


@pytest.mark.parametrize("name", GRAMMARS)
def test_probabilities_by_iteration(name):
    language = GRAMMARS[name]
    law, batch = Recursive(language), every(language, 4)
    true = [abs(iterated(language, string_of(row))) for row in batch]
    np.testing.assert_allclose(np.exp(law.log_prob(batch)), true, rtol=1e-12)
    assert (np.array(true) > 0).sum() > 2


@pytest.mark.parametrize(
    ("name", "strings"), [("pairs", [(1, 1, 1)]), ("brackets", [(1, 2), ()]), ("cycles", [(2, 2), ()])]
)
def test_uses_are_derivatives(name, strings):
    """E[uses of a rule at a span | x] = d log P(x) / d log p, if the probability is that of this span alone."""
    language = GRAMMARS[name]
    law, twice = Recursive(language), False
    uses = law.parse(strings)
    found = {(s, part, i, j): p for s, part, i, j, p in zip(*vars(uses).values(), strict=True)}
    assert len(found) == len(uses.string)
    for s, x in enumerate(strings):
        for part in range(len(law.parts)):
            for i in range(len(x) + 1):
                for j in range(i, len(x) + 1):
                    value = iterated(language, x, (part, i, j))
                    true = value.imag / value.real / 1e-30
                    assert found.pop((s, part, i, j), 0.0) == pytest.approx(true, abs=1e-11), (x, law.parts[part], i, j)
                    twice |= true > 1.01
    assert not found
    assert twice == (name == "cycles")


@pytest.mark.parametrize("name", GRAMMARS)
def test_prefixes_against_another_chart_and_against_lists(name):
    """The chart of Jelinek & Lafferty for one prefix; the strings that begin with it, up to the mass of long ones."""
    language = GRAMMARS[name]
    law, batch = Recursive(language), every(language, 3)
    prefixes, laws = law.prefix_log_prob(batch), law.next_token(batch)
    for row, own, follows in zip(batch, prefixes, laws, strict=True):
        for t in range(len(string_of(row)) + 1):
            chart = language.chart(row[:t])
            assert own[t] == pytest.approx(chart.log_prefix, abs=1e-13)
            np.testing.assert_allclose(follows[t], chart.next_law() if chart.alive else 0 * follows[t], atol=1e-14)
    listed, dropped = language.enumerate(9, 10_000)
    p = np.exp(listed.log_p) * (1 - dropped)
    for row, log_p in zip(batch, prefixes, strict=True):
        x = string_of(row)
        least = p[(listed.trie.strings[:, : len(x)] == x).all(axis=1)].sum()
        assert least - 1e-12 <= math.exp(log_p[len(x)]) <= least + dropped + 1e-12
    assert dropped < 0.2


@pytest.mark.parametrize("language", [AMBIGUOUS, EMPTY])
def test_grammars_without_recursion_have_the_same_law(language):
    """Span products and charts share no code."""
    one, other, batch = Recursive(language), NonRecursive(language), every(language, 3)
    for method in ("log_prob", "prefix_log_prob", "next_token"):
        np.testing.assert_allclose(getattr(one, method)(batch), getattr(other, method)(batch), atol=1e-13)
    for left, right in zip(vars(one.parse(batch)).values(), vars(other.parse(batch)).values(), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-13)


@pytest.mark.skipif(np.finfo(np.longdouble).tiny == np.finfo(float).tiny, reason="this machine has no wider float")
def test_weights_beyond_the_range_of_floats():
    law, batch = Recursive(as_grammar(FAINT)), np.array([[1, 1, 1, 2], [2, 1, 0, 0]])
    with np.errstate(all="ignore"):
        narrow = Charts(law._forms[0], batch)
        assert not narrow.sure.any()
        assert np.isinf(narrow.log_whole[0]), "this is what the certificate is for"
    true = [log_fraction(FAINT.whole(string_of(row))) for row in batch]
    np.testing.assert_allclose(law.log_prob(batch), true, rtol=1e-14)
    assert law.parse(batch).counts(2, len(law.parts))[0] @ law.language.log_p == pytest.approx(true[0], rel=1e-13)
    with pytest.raises(UnavailableError, match=r"string 1 of the batch: .* beyond the range of floats"):
        law.log_prob([[2], [1] * 30 + [2]])


def test_infinitely_many_uses_are_refused():
    """The derivations of the empty string are critical: A is used infinitely often on average, with probability 1."""
    law = Recursive(grammar(("S", "A a", "1"), ("A", "A A", "1/2"), ("A", "", "1/2")))
    assert law.log_prob([[1]]) == [0.0]
    with pytest.raises(UnavailableError, match="rules are used infinitely often, on average"):
        law.parse([[1]])


def test_a_batch_in_small_portions_has_the_same_law(monkeypatch):
    law, batch = Recursive(CYCLES), every(CYCLES, 3)[::-1]
    whole = [law.log_prob(batch), law.prefix_log_prob(batch), law.next_token(batch), *vars(law.parse(batch)).values()]
    monkeypatch.setattr(recursive, "CHUNK", 200)
    parts = [law.log_prob(batch), law.prefix_log_prob(batch), law.next_token(batch), *vars(law.parse(batch)).values()]
    for one, other in zip(parts, whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-14)
    monkeypatch.setattr(recursive, "MOST_CELLS", 200)
    with pytest.raises(UnavailableError, match=r"a string of 9 tokens and .* symbols need a chart of over 200 weights"):
        law.log_prob([[1] * 9])


def test_strings_are_drawn_with_their_probabilities():
    """Chi-square with a false-alarm rate of 1e-6 over the seeds; the least expected count is above 20."""
    number, law = 20_000, Recursive(CYCLES)
    drawn = law.sample(np.random.default_rng(1), number)
    assert drawn.dtype == np.int32
    assert (drawn[:, -1] == 0).all()
    assert (drawn[:, -2] > 0).any()
    batch = every(CYCLES, 4)
    p = np.array([abs(iterated(CYCLES, string_of(row))) for row in batch])
    often = batch[p * number > 20]
    seen = [string_of(row) for row in drawn]
    counts = np.array([seen.count(string_of(row)) for row in often])
    counts, p = np.append(counts, number - counts.sum()), p[p * number > 20]
    true = np.append(p, 1 - p.sum()) * number
    assert len(true) > 5
    assert ((counts - true) ** 2 / true).sum() < stats.chi2.isf(1e-6, len(true) - 1)
    assert law.sample(np.random.default_rng(0), 0).shape == (0, 1)


def test_rules_are_used_as_often_as_expected():
    """Means of 400 strings, with a false-alarm rate of 1e-6 for all: uses of rules, and -log P(x) + H(D | x)."""
    law = Recursive(grammar(("S", "S S", "1/8"), ("S", "a", "5/8"), ("S", "b S", "1/4")))
    batch = law.sample(np.random.default_rng(3), 400)
    uses, log_p = law.parse(batch).counts(len(batch), len(law.parts)), law.log_prob(batch)
    # for one string, H(D | x) = log P(x) - E[log p(D) | x]
    means = np.column_stack([uses, -(uses @ law.language.log_p)])
    true = np.append(2 * np.exp(law.language.log_p), law.latent_entropy())  # S is replaced 1 / (1 - 1/2) times
    spread = means.std(axis=0, ddof=1) / math.sqrt(len(batch))
    assert (abs(means.mean(axis=0) - true) < stats.norm.isf(5e-7 / len(true)) * spread).all()
    assert (log_p > uses @ law.language.log_p - 1e-9).all()
    assert law.expected_length() == pytest.approx(7 / 4)


def test_the_door_and_restrictions():
    law = sim.law(ROOT / "examples/grammars/brackets.yaml")
    assert isinstance(law, Recursive)
    assert is_recursive(BRACKETS)
    assert not is_recursive(AMBIGUOUS)
    less = narrowed(Recursive(BRACKETS), "regular", pattern="a.*")
    assert less.log_mass == pytest.approx(log_fraction(Fraction(2, 5)), abs=1e-12)
    batch = every(BRACKETS, 4)
    true = np.where(batch[:, 0] == 1, Recursive(BRACKETS).log_prob(batch) - less.log_mass, -np.inf)
    np.testing.assert_allclose(less.law.log_prob(batch), true, atol=1e-12)


def test_too_many_symbols_are_refused(monkeypatch):
    monkeypatch.setattr(_rewriting, "MOST_ENTRIES", 50)
    with pytest.raises(SpecificationError, match=r"at most 50 symbols at once are required, found .*; draw fewer"):
        Recursive(BRACKETS).sample(np.random.default_rng(0), 50)


def test_nothing_is_a_batch():
    law = Recursive(BRACKETS)
    assert law.next_token([]).shape == (0, 1, 3)
    assert law.log_prob([]).shape == (0,)
    assert len(law.parse([]).string) == len(law.parse([[2]]).string) == 0
    for method in ("log_prob", "prefix_log_prob", "next_token", "parse"):
        with pytest.raises(SpecificationError, match="to 2 are required, found 3 in row 0, position 1"):
            getattr(law, method)([[1, 3]])
