"""Restrictions of languages that are not listed, tilts, deletions and chains of restrictions, against enumeration."""

import math
from fractions import Fraction

import numpy as np
import pytest

from sim.languages.restricted import Narrowed
from sim.numerics import SpecificationError
from sim.restrictions.everything import everything
from sim.restrictions.in_turn import in_turn
from sim.restrictions.regular import regular
from sim.restrictions.sharpen import sharpen
from sim.restrictions.style import style
from sim.restrictions.style_blind import style_blind
from sim.restrictions.sub_grammar import sub_grammar
from tests.unit.restrictions.small_worlds import LAW, as_law, entropy, given, spoken, written
from tests.unit.restrictions.test_heads import BRACKETS, MARKOV, MOODS

AMBIGUOUS = """{type: pcfg, start: S, rules: [{lhs: S, rhs: [S, S], p: 1/5}, {lhs: S, rhs: [a], p: 2/5},
  {lhs: S, rhs: [b, T], p: 2/5}, {lhs: T, rhs: [b], p: 1/2}, {lhs: T, rhs: [], p: 1/2}]}"""
FILES = {"markov": MARKOV, "pcfg": BRACKETS, "hidden": MOODS, "ambiguous": AMBIGUOUS}


@pytest.fixture(params=FILES)
def infinite(request, tmp_path):
    return written(tmp_path, FILES[request.param])


def listed(language, length=9):
    """Strings of up to `length` - 1 symbols with their probabilities, not renormalised."""
    near, _ = language.enumerate(length, 10**6)
    return near, near.log_p + language.log_mass_within(length)


def test_a_regular_event_of_any_kind(infinite):
    """log P(A) = log P(A within the horizon) + what lies beyond, bounded by the dropped mass."""
    symbol = infinite.vocabulary.symbols[1]
    escaped = f"\\{symbol}" if symbol == "(" else symbol
    found = regular(infinite, pattern=f"({escaped}.)*")
    assert isinstance(found, Narrowed)
    near, log_p = listed(infinite)
    inside = np.array(
        [
            len(x) % 2 == 0 and set(x[::2]) <= {1}
            for x in (row[: n - 1].tolist() for row, n in zip(near.trie.strings, near.trie.lengths, strict=True))
        ]
    )
    low = math.fsum(np.exp(log_p[inside]))
    assert low <= math.exp(found.log_mass) * (1 + 1e-12) <= low + infinite.dropped_mass(9) + 1e-12
    for i in np.flatnonzero(inside)[:20]:
        assert found.s.log_prob(near.trie.strings[i]) == pytest.approx(log_p[i] - found.log_mass, abs=1e-11)
    for i in np.flatnonzero(~inside)[:20]:
        assert found.s.log_prob(near.trie.strings[i]) == -math.inf


def test_everything_is_everything(infinite):
    found = everything(infinite)
    assert found.s is found.kept is infinite
    assert (found.log_mass, found.narrowing) == (0.0, 0.0)


# -- sharpen ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_tilt_of_a_list(temperature):
    found = sharpen(spoken(), temperature=temperature)
    weights = {text: float(p) ** (1 / temperature) for text, p in LAW.items()}
    expected = {text: w / sum(weights.values()) for text, w in weights.items()}
    assert as_law(found.s) == pytest.approx(expected, rel=1e-12)
    assert as_law(found.kept) == pytest.approx({text: float(p) for text, p in LAW.items()}, rel=1e-13)
    assert found.log_mass == 0.0
    kept = sharpen(spoken(), temperature=temperature, keep_prompts=True)
    for prompt, weight in (("x :", 0.6), ("y :", 0.4)):
        own = {text: w for text, w in weights.items() if text.startswith(prompt)}
        found_own = {text: p for text, p in as_law(kept.s).items() if text.startswith(prompt)}
        assert found_own == pytest.approx({text: weight * w / sum(own.values()) for text, w in own.items()}, rel=1e-12)


@pytest.mark.parametrize("keep_prompts", [False, True])
@pytest.mark.parametrize("wanted", [0.9, 1.2, 1.5])
def test_the_entropy_that_is_wanted_is_met(wanted, keep_prompts):
    found = sharpen(spoken(), entropy=wanted, keep_prompts=keep_prompts)
    law = as_law(found.s)
    if keep_prompts:
        shares = {x: sum(p for text, p in law.items() if text[0] == x) for x in "xy"}
        assert shares == pytest.approx({"x": 0.6, "y": 0.4}, rel=1e-12)
        reached = -math.fsum(p * math.log(p / shares[text[0]]) for text, p in law.items())
    else:
        reached = -math.fsum(p * math.log(p) for p in law.values())
    assert reached == pytest.approx(wanted, abs=1e-9)
    assert found.notes["entropy"] == pytest.approx(reached, abs=1e-12)


@pytest.mark.parametrize("name", ["markov", "pcfg"])
@pytest.mark.parametrize("temperature", [0.6, 1.05])
def test_the_narrowing_of_a_tilt_is_its_divergence(name, temperature, tmp_path):
    """(tau - 1) H(S) - tau log Z against the product machine, and against a closed form."""
    p = written(tmp_path, FILES[name])
    found = sharpen(p, temperature=temperature)
    if name == "markov":
        assert found.narrowing == pytest.approx(found.s.kl(p), rel=1e-10)
    else:
        q = float(found.s.rules[0].p)  # S is again a language of brackets, whose S is replaced 1 / (1 - 2q) times
        each = q * math.log(q / 0.3) + (1 - q) * math.log((1 - q) / 0.7)
        assert found.narrowing == pytest.approx(each / (1 - 2 * q), rel=1e-10)
    assert found.narrowing > 0


def test_one_of_temperature_and_entropy():
    for arguments, found in (({}, "neither"), ({"temperature": 1.0, "entropy": 1.0}, "both")):
        with pytest.raises(SpecificationError, match=f"temperature and entropy is required, found {found}"):
            sharpen(spoken(), **arguments)
    with pytest.raises(SpecificationError, match=r"restriction.entropy: .* lie between .* nats per string, found 9"):
        sharpen(spoken(), entropy=9.0)


# -- deletions --------------------------------------------------------------------------------------------------------


def test_strings_without_a_symbol():
    found = sub_grammar(spoken(), symbols=["c"])
    expected = given(LAW, lambda text: "c" not in text)
    assert as_law(found.s) == pytest.approx({text: float(p) for text, p in expected.items()}, rel=1e-13)
    with pytest.raises(
        SpecificationError, match=r"restriction.symbols: a symbol of the language is required, found 'd'"
    ):
        sub_grammar(spoken(), symbols=["d"])


MACHINE = """{type: pfsa, states: [A, B, C], initial: {A: 1}, transitions: [{from: A, symbol: a, to: B, p: 1/2},
  {from: A, symbol: b, to: C, p: 1/4}, {from: B, symbol: a, to: A, p: 1/3}, {from: B, symbol: c, to: C, p: 1/3},
  {from: C, symbol: b, to: A, p: 1/2}], final: {A: 1/4, B: 1/3, C: 1/2}}"""


@pytest.mark.parametrize(
    ("arguments", "keeps"),
    [
        ({"states": ["C"]}, lambda path: "C" not in path[0]),
        ({"transitions": [{"from": "B", "symbol": "c"}]}, lambda path: ("B", "c") not in path[1]),
        (
            {"states": ["C"], "transitions": [{"from": "B", "symbol": "a", "to": "A"}]},
            lambda path: "C" not in path[0] and ("B", "a") not in path[1],
        ),
    ],
)
def test_strings_without_parts_of_a_machine(arguments, keeps, tmp_path):
    machine = written(tmp_path, MACHINE)
    arcs = {("A", "a"): "B", ("A", "b"): "C", ("B", "a"): "A", ("B", "c"): "C", ("C", "b"): "A"}

    def path(text):
        states, used = ["A"], []
        for symbol in text:
            used.append((states[-1], symbol))
            states.append(arcs[states[-1], symbol])
        return states, used

    near, log_p = listed(machine, 7)
    texts = [machine.vocabulary.decode(row) for row in near.trie.strings]
    kept = np.array([keeps(path(text)) for text in texts])
    on_list = sub_grammar(near, **arguments)
    np.testing.assert_array_equal(on_list.event, kept)
    assert on_list.log_member is None
    assert on_list.log_mass == pytest.approx(math.log(math.fsum(np.exp(near.log_p[kept]))), abs=1e-12)
    whole = sub_grammar(machine, **arguments)
    low = math.fsum(np.exp(log_p[kept]))
    assert low - 1e-12 <= math.exp(whole.log_mass) <= low + machine.dropped_mass(7) + 1e-12
    for i in np.flatnonzero(kept)[:10]:
        assert whole.s.log_prob(near.trie.strings[i]) == pytest.approx(log_p[i] - whole.log_mass, abs=1e-12)
    assert whole.of_strings


def test_paths_of_a_hidden_machine_are_a_latent_event(tmp_path):
    """S(x) is in proportion to the weight of the paths of x that avoid the transition."""
    text = """{type: pfsa, states: [A, B], initial: {A: 1}, transitions: [{from: A, symbol: a, to: A, p: 1/4},
      {from: A, symbol: a, to: B, p: 1/4}, {from: B, symbol: a, to: B, p: 1/2}], final: {A: 1/2, B: 1/2}}"""
    near, _ = written(tmp_path, text).enumerate(6, 100)
    found = sub_grammar(near, transitions=[{"from": "A", "symbol": "a", "to": "B"}])
    stay = {"a" * n: Fraction(1, 4) ** n / 2 for n in range(6)}  # paths that never reach B
    whole = {
        "a" * n: stay["a" * n] + sum(Fraction(1, 4) ** (k + 1) * Fraction(1, 2) ** (n - k - 1) / 2 for k in range(n))
        for n in range(6)
    }
    assert as_law(found.s) == pytest.approx({x: float(p / sum(stay.values())) for x, p in stay.items()}, rel=1e-12)
    assert found.log_member is not None
    shares = dict(
        zip([near.vocabulary.decode(row) for row in near.trie.strings], np.exp(found.log_member), strict=True)
    )
    assert shares == pytest.approx({x: float(stay[x] / whole[x]) for x in stay}, rel=1e-12)
    assert not sub_grammar(written(tmp_path, text), transitions=[{"from": "A", "symbol": "a", "to": "B"}]).of_strings


def test_derivations_without_a_rule(tmp_path):
    grammar = written(tmp_path, AMBIGUOUS)
    found = sub_grammar(grammar, rules=[{"lhs": "T", "rhs": []}])
    assert not found.of_strings
    rule = dict.fromkeys([(~0, ~0), (1,), (2, ~1)], None)
    assert {r.rhs for r in found.s.rules if r.lhs == 0} == set(rule)
    z = (1 - math.sqrt(1 - 4 / 5 * 3 / 5)) / (2 / 5)  # z = z^2/5 + 2/5 + 1/5
    assert math.exp(found.log_mass) == pytest.approx(z, rel=1e-12)
    near, _ = grammar.enumerate(6, 1000)
    on_list = sub_grammar(near, rules=[{"lhs": "T", "rhs": []}])
    for row, log_s in zip(near.trie.strings, on_list.s.log_p, strict=True):
        ratio = (
            found.s.log_prob(row) - math.log(1 - found.s.dropped_mass(6))
            if found.s.log_prob(row) > -math.inf
            else -math.inf
        )
        assert log_s == pytest.approx(ratio, abs=1e-10)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({}, "either symbols or one of states, transitions, nonterminals and rules is required, found neither"),
        ({"symbols": ["a"], "states": ["A"]}, "is required, found both"),
        ({"states": ["AA"]}, r"restriction.states: a state is required, found 'AA' \(did you mean 'A'"),
        ({"transitions": [{"from": "A", "symbol": "c"}]}, "an existing transition is required"),
        ({"transitions": [{"from": "A", "symbol": "a", "to": "C"}]}, "an existing transition is required"),
        ({"transitions": [{"from": "A", "sym": "c"}]}, "the keys from, symbol and possibly to are required"),
        ({"transitions": [{"from": "A", "symbol": "z"}]}, "a symbol of the language is required, found 'z'"),
        ({"rules": [{"lhs": "A", "rhs": []}]}, "made from an automaton .* or from a context-free grammar"),
        ({"states": ["A"]}, r"P\(A\) must be positive, found 0"),
    ],
)
def test_deletions_that_are_refused(arguments, line, tmp_path):
    machine = written(tmp_path, MACHINE)
    for language in (machine, machine.enumerate(6, 1000)[0]):
        with pytest.raises(SpecificationError, match=line) as refused:
            sub_grammar(language, **arguments)
        assert "\n" not in str(refused.value)


def test_a_rule_can_be_named_by_its_number(tmp_path):
    grammar = written(tmp_path, AMBIGUOUS)
    found = sub_grammar(grammar, rules=[{"lhs": "S", "number": 0}])
    same = sub_grammar(grammar, rules=[{"lhs": "S", "rhs": ["S", "S"]}])
    assert (found.s.rules, found.log_mass) == (same.s.rules, same.log_mass)
    for number in (3, -1, 0.0, True, "0"):
        with pytest.raises(SpecificationError, match=r"an integer from 0 to 2 is required for S, found .* 0: S -> S S"):
            sub_grammar(grammar, rules=[{"lhs": "S", "number": number}])
    with pytest.raises(SpecificationError, match="a non-terminal is required, found 'R'"):
        sub_grammar(grammar, rules=[{"lhs": "R", "number": 0}])


def test_rules_that_do_not_exist_are_refused(tmp_path):
    grammar = written(tmp_path, BRACKETS)
    with pytest.raises(
        SpecificationError, match=r"restriction.rules: a rule of the grammar is required, found 'S -> \( S \)'"
    ):
        sub_grammar(grammar, rules=[{"lhs": "S", "rhs": ["(", "S", ")"]}])
    with pytest.raises(SpecificationError, match="found another; name symbols, or use regular"):
        sub_grammar(grammar, states=["S"])
    with pytest.raises(SpecificationError, match="found another; name symbols, or use regular"):
        sub_grammar(spoken(), states=["S"])


# -- in turn ----------------------------------------------------------------------------------------------------------


def test_a_part_that_is_sharpened():
    steps = [{"kind": "regular", "pattern": "x : .*"}, {"kind": "sharpen", "temperature": 0.5}]
    found = in_turn(spoken(), steps=steps)
    kept = given(LAW, lambda text: text.startswith("x"))
    squares = {text: p**2 for text, p in kept.items()}
    assert as_law(found.s) == pytest.approx(
        {text: float(p / sum(squares.values())) for text, p in squares.items()}, rel=1e-12
    )
    assert as_law(found.kept) == pytest.approx({text: float(p) for text, p in kept.items()}, rel=1e-13)
    assert math.exp(found.log_mass) == pytest.approx(0.6, rel=1e-13)
    assert found.notes["2_temperature"] == 0.5


def test_the_order_of_steps_matters_and_the_accounting_holds():
    steps = [{"kind": "sharpen", "temperature": 2.0}, {"kind": "top_mass", "mass": 0.5}]
    one, other = (in_turn(spoken(), steps=list(order)) for order in (steps, steps[::-1]))
    assert one.event.sum() > other.event.sum(), "a flat law needs more strings for half of its mass"
    for found in (one, other):
        total = found.s.kl(spoken_on(found))
        assert total == pytest.approx(-found.log_mass + found.s.kl(found.kept), rel=1e-12)


def spoken_on(found):
    """P on the trie of a restriction."""
    p = {text: float(q) for text, q in LAW.items()}
    texts = [found.s.vocabulary.decode(row) for row in found.s.trie.strings]
    return found.s.with_law(np.log([p[text] for text in texts]))


def test_steps_on_a_language_that_is_not_listed(tmp_path):
    p = written(tmp_path, MARKOV)
    steps = [{"kind": "regular", "pattern": "a.*"}, {"kind": "regular", "pattern": ".*b"}]
    both, once = in_turn(p, steps=steps), regular(p, pattern="a.*b")
    assert both.log_mass == pytest.approx(once.log_mass, abs=1e-12)
    assert both.s.kl(once.s) == pytest.approx(0.0, abs=1e-12)
    tilted = in_turn(p, steps=[steps[0], {"kind": "sharpen", "temperature": 0.5}])
    assert tilted.s.kl(p) == pytest.approx(-tilted.log_mass + tilted.narrowing, rel=1e-10)
    with pytest.raises(SpecificationError, match="a change of weights must come last, found steps after it"):
        in_turn(p, steps=[{"kind": "sharpen", "temperature": 0.5}, steps[0]])


def test_a_step_that_is_wrong_is_named():
    with pytest.raises(
        SpecificationError, match=r"^restriction.steps\[1\].kind: one of .* is required, found 'sharpn'"
    ):
        in_turn(spoken(), steps=[{"kind": "everything"}, {"kind": "sharpn"}])
    with pytest.raises(SpecificationError, match="at least one step is required, found none"):
        in_turn(spoken(), steps=[])


# -- overlapping styles -----------------------------------------------------------------------------------------------

SHARE_OF_U = {text: Fraction(k % 5, 4) for k, text in enumerate(LAW)}
STYLES = {text: [u, 1 - u] for text, u in SHARE_OF_U.items()}


@pytest.mark.parametrize("keep", ["u", "v", ["u"], {"u": 2.0, "v": 1.0}])
@pytest.mark.parametrize("keep_prompts", [False, True])
def test_overlapping_styles(keep, keep_prompts):
    found = style(spoken(styles=STYLES), keep=keep, keep_prompts=keep_prompts)
    weights = {"u": Fraction(2, 3), "v": Fraction(1, 3)} if isinstance(keep, dict) else {next(iter(keep)): Fraction(1)}
    expected = dict.fromkeys(LAW, Fraction(0))
    for z, weight in weights.items():
        joint = {text: p * STYLES[text]["uv".index(z)] for text, p in LAW.items()}
        for text, p in joint.items():
            if keep_prompts:
                own = sum(q for other, q in joint.items() if other[0] == text[0])
                law = sum(q for other, q in LAW.items() if other[0] == text[0])
                expected[text] += weight * law * p / own
            else:
                expected[text] += weight * p / sum(joint.values())
    assert as_law(found.s) == pytest.approx({text: float(p) for text, p in expected.items() if p}, rel=1e-12)
    member = {text: sum(STYLES[text]["uv".index(z)] for z in weights) for text in LAW}
    assert math.exp(found.log_mass) == pytest.approx(
        float(sum(p for text, p in LAW.items() if member[text])), rel=1e-12
    )
    texts = [found.s.vocabulary.decode(row) for row in found.s.trie.strings]
    assert np.exp(found.log_member) == pytest.approx([float(member[text]) for text in texts], abs=1e-15)


def test_a_blind_control_of_an_overlapping_style():
    dice = np.random.default_rng(0)
    weights = dice.dirichlet(np.ones(40))
    law = {
        f"x : {' '.join('abc'[int(c)] for c in np.base_repr(i + 81, 3)[1:])}": Fraction(w).limit_denominator(10**6)
        for i, w in enumerate(weights)
    }
    total = sum(law.values())
    law = {text: p / total for text, p in law.items()}
    shares = {
        text: [Fraction(int(u), 8), 1 - Fraction(int(u), 8)]
        for text, u in zip(law, dice.integers(0, 9, 40), strict=True)
    }
    p = spoken(law, shares)
    like, blind = style(p, keep="u"), style_blind(p, like="u", tolerance=1e-2)
    mass = float(sum(q * shares[text][0] for text, q in law.items()))
    assert math.exp(blind.log_mass) == pytest.approx(mass, rel=1.1e-2)
    assert blind.s.entropy() == pytest.approx(like.s.entropy(), abs=1.1e-2)
    assert entropy({t: Fraction(q).limit_denominator(10**12) for t, q in as_law(blind.s).items()}) == pytest.approx(
        blind.s.entropy(), abs=1e-6
    )
