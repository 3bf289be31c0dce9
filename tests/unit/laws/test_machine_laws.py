"""The laws of automata and hidden machines, against all of their paths written down with rationals."""

import math
from fractions import Fraction

import numpy as np
import pytest

import sim
from sim.grammars.file import read
from sim.languages.automaton import Automaton
from sim.languages.exact import UnavailableError
from sim.languages.hidden import HiddenAutomaton
from sim.laws import _forward, hidden
from sim.laws._forward import Logs, Scaled
from sim.laws.hidden import HiddenLaw
from sim.laws.machine import AutomatonLaw
from sim.laws.narrowing import narrowed
from sim.laws.protocol import Law
from sim.numerics import SpecificationError, log_fraction
from tests.composed import ROOT
from tests.unit.laws.all_paths import AMBIGUOUS, DETERMINED, FAINT, HOLES, MACHINES, Machine

LENGTH = 4


def sequences(machine: Machine, length: int) -> np.ndarray:
    """All sequences of at most `length` tokens, filled up with EOS, the longest without an EOS."""
    rows: list[tuple[int, ...]] = [()]
    found = list(rows)
    for _ in range(length):
        rows = [(*row, token) for row in rows for token in range(1, len(machine.tokens) + 1)]
        found += rows
    return np.array([row + (0,) * (length - len(row)) for row in found])


def string_of(row: np.ndarray) -> tuple[int, ...]:
    return tuple(int(token) for token in row if token)


def automaton_of(machine: Machine) -> Automaton:
    """A machine of one path for each prefix as an automaton."""
    own = machine.language()
    with np.errstate(divide="ignore"):
        log_p = np.log(own.transitions.sum(axis=2).T)
        log_p[:, 0] = np.log(own.stopping)
    return Automaton(
        own.vocabulary, own.transitions.argmax(axis=2).T, log_p, int(own.initial.argmax()), own.state_names
    )


class ByLogs(HiddenLaw):
    """Every string is passed with logs, as those of which the certificate fails."""

    def _portions(self, tokens):
        for rows, passes in super()._portions(tokens):
            yield rows, Logs(passes.steps, passes.tokens)


WAYS = {
    **{f"{name}, scaled": (machine, lambda own: HiddenLaw(own.language())) for name, machine in MACHINES.items()},
    **{f"{name}, by logs": (machine, lambda own: ByLogs(own.language())) for name, machine in MACHINES.items()},
    "determined, automaton": (DETERMINED, lambda own: AutomatonLaw(automaton_of(own))),
}


@pytest.fixture(params=WAYS, scope="module")
def known(request):
    machine, make = WAYS[request.param]
    return make(machine), machine, sequences(machine, LENGTH)


def test_it_is_a_law(known):
    assert isinstance(known[0], Law)


def test_probabilities_of_all_sequences(known):
    law, machine, batch = known
    true = [log_fraction(machine.whole(string_of(row))) for row in batch]
    np.testing.assert_allclose(law.log_prob(batch), true, atol=1e-13, rtol=0)


def test_prefixes_of_all_sequences(known):
    law, machine, batch = known
    true = np.empty((len(batch), LENGTH + 1))
    for row, own in zip(batch, true, strict=True):
        string = string_of(row)
        own[:] = log_fraction(machine.whole(string))  # of a prefix that holds the end
        own[: len(string) + 1] = [log_fraction(machine.prefix(string[:t])) for t in range(len(string) + 1)]
    np.testing.assert_allclose(law.prefix_log_prob(batch), true, atol=1e-13, rtol=0)


def test_next_tokens_of_all_sequences(known):
    law, machine, batch = known
    true = np.zeros((len(batch), LENGTH + 1, len(machine.tokens) + 1))
    for row, own in zip(batch, true, strict=True):
        string = string_of(row)
        own[:, 0] = machine.whole(string) > 0  # after the end comes the end
        for t in range(len(string) + 1):
            own[t] = [float(p) for p in machine.next(string[:t])]
    np.testing.assert_allclose(law.next_token(batch), true, atol=1e-14, rtol=0)


def test_uses_of_all_sequences(known):
    law, machine, batch = known
    found = law.parse(batch)
    assert (np.diff(found.string) >= 0).all()
    entries = zip(*vars(found).values(), strict=True)
    own = {(string_of(batch[s]), law.parts[part], *place): p for s, part, *place, p in entries}
    true = {
        (string, *place): p
        for string in map(string_of, batch)
        if machine.whole(string)
        for place, p in machine.uses(string).items()
    }
    assert own.keys() == true.keys()
    for key, p in true.items():
        assert own[key] == pytest.approx(float(p), abs=1e-13), key
    assert len(own) == len(found.string), "no place is named twice"
    assert found.expected.min() > 0


def test_the_parts_have_their_probabilities(known):
    law, machine, _ = known
    true = {f"(start) -> {s}": Fraction(p) for s, p in machine.start.items()}
    true |= {f"{s} -> (stop)": Fraction(p) for s, p in machine.stop.items()}
    for own in machine.arcs:
        s, a, t, p = own.split()
        true[f"{s} -> {a} {t}"] = Fraction(p)
    found = dict(zip(law.parts, np.exp(law.arcs.log_p), strict=True))
    assert found == pytest.approx({name: float(p) for name, p in true.items()}, abs=1e-15)


@pytest.mark.parametrize("make", [HiddenLaw, ByLogs])
@pytest.mark.parametrize("machine", [AMBIGUOUS, HOLES])
def test_beliefs_and_states_of_all_sequences(make, machine):
    law, batch = make(machine.language()), sequences(machine, 3)
    beliefs, states = law.beliefs(batch), law.states(batch)
    for row, before, after in zip(batch, beliefs, states, strict=True):
        string = string_of(row)
        for t in range(4):
            none = [0.0] * len(machine.states)
            true = machine.state(string, t, False) if t <= len(string) and machine.prefix(string[:t]) else none
            np.testing.assert_allclose(before[t], [float(p) for p in true], atol=1e-14)
            true = machine.state(string, t, True) if t <= len(string) and machine.whole(string) else none
            np.testing.assert_allclose(after[t], [float(p) for p in true], atol=1e-14)


def test_a_share_below_the_range_of_floats_is_not_lost():
    """After three a, state B has a share of 1e-600, and the next b needs it."""
    law, batch = HiddenLaw(FAINT.language()), np.array([[1, 1, 1, 2], [1, 1, 1, 1], [2, 1, 0, 0], [1, 2, 1, 0]])
    scaled = Scaled(law._steps, batch)
    assert scaled.sure.tolist() == [False, False, True, False]
    assert np.isinf(scaled.log_whole[0]), "this is what the certificate is for"
    true = [log_fraction(FAINT.whole(string_of(row))) for row in batch]
    assert true[0] < -1380
    np.testing.assert_allclose(law.log_prob(batch), true, rtol=1e-14)
    np.testing.assert_allclose(law.prefix_log_prob(batch)[0, -1], log_fraction(FAINT.prefix((1, 1, 1, 2))), rtol=1e-14)
    np.testing.assert_allclose(law.states(batch)[0, :4], [[0, 1]] * 4, atol=1e-15)
    counts = law.parse(batch).counts(len(batch), len(law.parts))
    np.testing.assert_allclose(counts[0] @ law.arcs.log_p, true[0], rtol=1e-12)  # it has one path


def test_long_strings_leave_the_range_of_floats():
    """Products of 1500 matrices of rationals."""
    law, dice = HiddenLaw(AMBIGUOUS.language()), np.random.default_rng(4)
    batch = dice.integers(1, 3, (2, 1500))
    steps, names = AMBIGUOUS.steps, AMBIGUOUS.states
    for row, found in zip(batch, law.log_prob(batch), strict=True):
        here = {s: int(60 * Fraction(p)) for s, p in AMBIGUOUS.start.items()}  # over 60 * 60^n
        for token in row.tolist():
            ways = {(s, t): int(60 * p) for s in names for t, p in steps.get((s, token), {}).items()}
            here = {t: sum(here[s] * p for (s, other), p in ways.items() if other == t) for t in names}
        total = Fraction(3 * sum(here.values()), 10)
        true = math.log(total.numerator) - math.log(total.denominator) - 1501 * math.log(60)
        assert true < -1000
        assert found == pytest.approx(true, rel=1e-13)


def test_a_batch_in_small_parts_has_the_same_law(monkeypatch):
    law, batch = HiddenLaw(HOLES.language()), sequences(HOLES, 3)[np.random.default_rng(0).permutation(40)]
    whole = [law.log_prob(batch), law.prefix_log_prob(batch), law.next_token(batch), law.states(batch)]
    uses = law.parse(batch)
    monkeypatch.setattr(hidden, "CHUNK", 40)
    monkeypatch.setattr(_forward, "BLOCK", 1)
    for make in (HiddenLaw, ByLogs):
        law = make(HOLES.language())
        parts = [law.log_prob(batch), law.prefix_log_prob(batch), law.next_token(batch), law.states(batch)]
        for one, other in zip(parts, whole, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-14)
        for one, other in zip(vars(law.parse(batch)).values(), vars(uses).values(), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-14)


def sparse_machine() -> HiddenAutomaton:
    """Thirty states with few arcs of each token, so that matrices are sparse."""
    dice, size = np.random.default_rng(3), 30
    arcs = np.zeros((4, size, size))
    for token in (1, 2, 3):
        arcs[token, np.arange(size), dice.permutation(size)] = dice.random(size)
        arcs[token, np.arange(0, size, 2), dice.permutation(size)[::2]] += dice.random(size // 2)
    stop = dice.random(size)
    total = arcs.sum(axis=(0, 2)) + stop
    return HiddenAutomaton(
        sim.Vocabulary(("<eos>", *"abc")), np.full(size, 1 / size), arcs / total[:, None], stop / total
    )


@pytest.mark.parametrize("name", ["weather.yaml", "moods.yaml", "pfsa.yaml", "sparse"])
def test_the_law_is_that_of_the_language_one_string_at_a_time(name):
    law = sim.law(sparse_machine() if name == "sparse" else ROOT / "examples/grammars" / name)
    language, batch = law.language, law.sample(np.random.default_rng(5), 20)
    np.testing.assert_allclose(law.log_prob(batch), [language.log_prob(row) for row in batch], atol=1e-12)
    prefixes, laws = law.prefix_log_prob(batch), law.next_token(batch)
    for row, own, follows in zip(batch, prefixes, laws, strict=True):
        string = string_of(row)
        for t in range(len(string) + 1):
            assert own[t] == pytest.approx(language.log_prefix(string[:t]), abs=1e-12)
            np.testing.assert_allclose(follows[t], np.exp(language.next_log_probs(string[:t])), atol=1e-14)
    assert law.expected_length() == language.expected_length()
    if isinstance(law, HiddenLaw):
        assert law.latent_entropy() == language.path_entropy()
        assert any(isinstance(own, np.ndarray) for own in law._steps.matrices) == (name != "sparse")
        states = np.exp(Logs(law._steps, batch).log_beliefs + Logs(law._steps, batch).log_ratios)
        np.testing.assert_allclose(law.states(batch), np.swapaxes(states, 0, 1), atol=1e-13)


def test_entropies_of_strings_and_of_paths():
    law = AutomatonLaw(automaton_of(DETERMINED))
    assert law.entropy() == law.latent_entropy() == law.language.entropy()
    with pytest.raises(UnavailableError, match="several paths"):
        HiddenLaw(AMBIGUOUS.language()).entropy()


def test_a_restricted_machine_has_a_law():
    """P(. | the first token is a), against Bayes' rule with rationals."""
    less = narrowed(HiddenLaw(AMBIGUOUS.language()), "regular", pattern="a.*")
    assert less.log_mass == pytest.approx(log_fraction(AMBIGUOUS.prefix((1,))), abs=1e-14)
    batch = sequences(AMBIGUOUS, 3)
    kept = np.array([string_of(row)[:1] == (1,) for row in batch])
    true = [log_fraction(AMBIGUOUS.whole(string_of(row))) - less.log_mass for row in batch]
    np.testing.assert_allclose(less.law.log_prob(batch), np.where(kept, true, -np.inf), atol=1e-13)


def test_a_machine_without_arcs_writes_the_empty_string():
    """numpy sums no numbers to an int64, by which nothing can be divided."""
    law = HiddenLaw(Machine({"x": "1"}, (), {"x": "1"}).language())
    rows = [[], [1], [1, 2]]
    np.testing.assert_array_equal(law.log_prob(rows), [0.0, -np.inf, -np.inf])
    np.testing.assert_array_equal(law.prefix_log_prob(rows)[1], [0.0, -np.inf, -np.inf])
    np.testing.assert_array_equal(law.next_token(rows)[0, 0], [1.0, 0.0, 0.0])
    counts = law.parse([[1]]).counts(1, len(law.parts))
    assert counts.dtype == np.float64
    assert not counts.any()


def test_a_list_and_nothing_are_batches():
    for law in (HiddenLaw(DETERMINED.language()), AutomatonLaw(automaton_of(DETERMINED))):
        rows = [[1, 3, 2], [], np.array([2])]
        np.testing.assert_array_equal(law.log_prob(rows), law.log_prob(np.array([[1, 3, 2], [0] * 3, [2, 0, 0]])))
        assert law.next_token([]).shape == (0, 1, 4)
        assert law.log_prob([]).shape == (0,)
        assert law.prefix_log_prob([]).shape == (0, 1)
        assert len(law.parse([]).string) == 0
        assert len(law.parse([[3]]).string) == 0
        for method in ("log_prob", "prefix_log_prob", "next_token", "parse"):
            with pytest.raises(SpecificationError, match="to 3 are required, found 4 in row 0, position 1"):
                getattr(law, method)([[1, 4]])


def test_sources_without_an_end_are_refused():
    language = read(str(ROOT / "examples/grammars/endless.yaml"))
    with pytest.raises(SpecificationError, match=r"machine that stops is required, found a Chain, .*blocks"):
        sim.law(language)
    blocks = sim.law(language.blocks(3))
    strings = blocks.sample(np.random.default_rng(0), 5)
    np.testing.assert_allclose(blocks.log_prob(strings), [language.log_prefix(row[:3]) for row in strings], atol=1e-13)


def test_what_would_not_fit_into_memory_is_refused(monkeypatch):
    law = HiddenLaw(AMBIGUOUS.language())
    monkeypatch.setattr(hidden, "MOST_USES", 5)
    with pytest.raises(UnavailableError, match=r"at most 5 pairs of a token and an arc .* found 6; give fewer strings"):
        law.parse([[1, 1]])
    monkeypatch.setattr(hidden, "MOST_ENTRIES", 9)
    assert len(law.log_prob([[1, 1, 1]])) == 1
    with pytest.raises(UnavailableError, match="4 tokens and 2 states need more than 9 numbers; give shorter strings"):
        law.log_prob([[1], [1, 1, 1, 1]])
