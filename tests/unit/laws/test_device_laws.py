"""The device forms of laws: against all derivations and paths written down with rationals, and against the host forms.

Tolerances are those that `sim.laws.device.law.form` states: 1e-12 in float64, 1e-5 in float32.
"""

import math
from fractions import Fraction
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.grammars._levels import level_grammar
from sim.languages.exact import UnavailableError
from sim.laws.by_length import within
from sim.laws.device import bands, levels
from sim.laws.device import law as doors
from sim.laws.device.bands import Band, joined, moved, stack
from sim.laws.device.law import form, on_device
from sim.laws.device.levels import Levels
from sim.laws.device.ranges import least, widths
from sim.laws.device.walks import Shares
from sim.laws.hidden import HiddenLaw
from sim.laws.machine import AutomatonLaw
from sim.laws.narrowing import narrowed
from sim.laws.nonrecursive import NonRecursive
from sim.laws.protocol import Law
from sim.laws.recursive import Recursive
from sim.numerics import SpecificationError, log_fraction
from tests.unit.laws.all_paths import AMBIGUOUS, DETERMINED, FAINT, HOLES, Machine
from tests.unit.laws.all_trees import Tree, Written, grammar, trees, weight, words
from tests.unit.laws.test_machine_laws import automaton_of, sequences, string_of
from tests.unit.laws.test_nonrecursive import AMBIGUOUS as MIXED
from tests.unit.laws.test_nonrecursive import EMPTY, LEVELS, RARE, every
from tests.unit.laws.test_recursive import BRACKETS, CYCLES, PAIRS, as_grammar

TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}

KNOWN = {
    "levels": (NonRecursive(LEVELS), Written(LEVELS)),
    "mixed right-hand sides": (NonRecursive(MIXED), Written(MIXED)),
    "empty": (NonRecursive(EMPTY), Written(EMPTY)),
    "empty, as a chart": (Recursive(EMPTY), Written(EMPTY)),
    "hidden": (HiddenLaw(AMBIGUOUS.language()), AMBIGUOUS),
    "hidden, with holes": (HiddenLaw(HOLES.language()), HOLES),
    "hidden, as a chart": (Recursive(as_grammar(AMBIGUOUS)), AMBIGUOUS),
    "automaton": (AutomatonLaw(automaton_of(DETERMINED)), DETERMINED),
    "automaton, as a chart": (Recursive(as_grammar(DETERMINED)), DETERMINED),
}


def truth(known: Written | Machine, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log P(x), log P(prefix) and the next-token laws of a batch, from rationals."""
    whole, prefixes, laws = [], [], []
    for row in batch:
        string, T = string_of(row), len(row)
        begun = [string[:t] for t in range(len(string) + 1)]
        if isinstance(known, Machine):
            p, before = known.whole(string), [known.prefix(one) for one in begun]
        else:
            zero = Fraction(0)
            p, before = known.strings.get(string, zero), [known.prefixes.get(one, zero) for one in begun]
        behind = T - len(string)
        whole.append(log_fraction(p))
        prefixes.append([log_fraction(one) for one in before] + [whole[-1]] * behind)
        ended = [float(p > 0)] + [0.0] * (len(known.next(())) - 1)
        laws.append([[float(one) for one in known.next(prefix)] for prefix in begun] + [ended] * behind)
    return np.array(whole), np.array(prefixes), np.array(laws)


FAST = {"mixed right-hand sides": np.float64, "hidden, with holes": np.float32, "empty, as a chart": np.float64}


def slow_unless(fast: bool, *arguments: object, name: str) -> object:
    return pytest.param(*arguments, id=name, marks=[] if fast else pytest.mark.slow)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        slow_unless(FAST.get(name) == kind, name, kind, name=f"{name}, {kind.__name__}")
        for name, kind in product(KNOWN, TOLERANCE)
    ],
)
def test_all_numbers_against_rationals(name, kind):
    """The empty string, impossible prefixes and rows of all lengths are among these batches."""
    law, known = KNOWN[name]
    batch = sequences(known, 3) if isinstance(known, Machine) else every(law.language, 4)
    device = on_device(law, kind)
    assert isinstance(device, Law)
    found = device.log_prob(batch), device.prefix_log_prob(batch), device.next_token(batch)
    true = truth(known, batch)
    assert np.isinf(true[0]).any() or name.startswith("hidden")
    for one, other in zip(found, true, strict=True):
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, other, rtol=TOLERANCE[kind], atol=TOLERANCE[kind])
        np.testing.assert_array_equal(np.isinf(one), np.isinf(other))


LONG = {
    "brackets": Recursive(BRACKETS),
    "pairs": Recursive(PAIRS),
    "cycles": Recursive(CYCLES),
    "three levels": NonRecursive(level_grammar(3, seed=1)),
    "restricted grammar": narrowed(NonRecursive(MIXED), "regular", pattern="a .* a").law,
    "restricted machine": narrowed(HiddenLaw(AMBIGUOUS.language()), "regular", pattern="a.*").law,
}


@pytest.mark.parametrize(
    ("law", "kind"),
    [
        slow_unless(name == "cycles" and kind == np.float32, law, kind, name=f"{name}, {kind.__name__}")
        for (name, law), kind in product(LONG.items(), TOLERANCE)
    ],
)
def test_long_strings_against_the_host(law, kind):
    """The longest of drawn strings, cut at 20 tokens; one with its first token exchanged, so it may be impossible."""
    drawn = law.sample(np.random.default_rng(4), 300)[:, :20]
    batch = drawn[np.argsort((drawn > 0).sum(axis=1))[[*range(-11, 0), 0]]]
    assert (batch > 0).sum(axis=1)[10] > 4
    batch[-1, 0] = 1 + batch[-1, 0] % (len(law.vocabulary) - 1)
    device, off = on_device(law, kind), TOLERANCE[kind]
    for name in ("log_prob", "prefix_log_prob", "next_token"):
        true = getattr(law, name)(batch)
        np.testing.assert_allclose(getattr(device, name)(batch), true, rtol=off, atol=off)


@pytest.mark.parametrize(
    "widest", [pytest.param(0, marks=pytest.mark.slow), 3, pytest.param(1000, marks=pytest.mark.slow)]
)
def test_bands_and_vectors_have_the_same_numbers(widest, monkeypatch):
    """Without bands of non-terminals, with some, with all."""
    law = NonRecursive(level_grammar(3, lengths=(1, 3), seed=2))
    batch = law.sample(np.random.default_rng(0), 3)
    monkeypatch.setattr(levels, "WIDEST", widest)
    own = Levels(law, np.float64)
    made = [head for head in law.order.bottom_up if own._made(~head, 99)]
    assert bool(made) == (widest > 0)
    assert (len(made) == len(law.order.bottom_up) - 1) == (widest == 1000), "never one of the start"
    np.testing.assert_allclose(on_device(law).next_token(batch), law.next_token(batch), rtol=0, atol=1e-14)


def dense(band: Band, size: int) -> np.ndarray:
    """A band [D, K] as a matrix [K, K]."""
    found = np.zeros((size, size))
    for d, i in product(range(band.values.shape[0]), range(size)):
        if i + band.low + d < size:
            found[i, i + band.low + d] = band.values[d, i]
    return found


@pytest.mark.parametrize(("low", "several"), [((0, 2), (3, 2)), ((1, 0), (1, 1)), ((2, 3), (10, 5)), ((30, 1), (2, 2))])
def test_products_of_bands_are_those_of_matrices(low, several):
    dice, K = np.random.default_rng(0), 24
    assert max(several) > bands.TOGETHER or several != (10, 5)
    one, other = (
        Band(first, jnp.asarray(dice.random((D, K)) * (np.arange(K) + np.arange(first, first + D)[:, None] < K), "f4"))
        for first, D in zip(low, several, strict=True)
    )
    together = joined(Band(one.low, one.values[None, None]), Band(other.low, other.values[None, None]), 7)
    true = dense(one, K) @ dense(other, K)
    true[np.arange(K) - np.arange(K)[:, None] > max(7, sum(low))] = 0
    np.testing.assert_allclose(dense(Band(together.low, together.values[0, 0]), K), true, rtol=1e-5)
    vector = jnp.asarray(dice.random(K), "f4")
    np.testing.assert_allclose(
        moved(vector[None], Band(one.low, one.values[None]))[0], vector @ dense(one, K), rtol=1e-5
    )
    if low[0] < 10:
        both = stack([Band(one.low, one.values[None]), Band(other.low, other.values[None])])
        for number, band in enumerate((one, other)):
            np.testing.assert_array_equal(dense(Band(both.low, both.values[0, number]), K), dense(band, K))


def steps(tree: Tree | int, law: NonRecursive, scale: float) -> list[float]:
    """The logs by which the weight of a derivation changes, read from left to right and from top to bottom."""
    if isinstance(tree, int):
        return [scale]
    return [float(law.language.log_p[tree[0]]), *(step for part in tree[1] for step in steps(part, law, scale))]


def nodes(tree: Tree | int) -> list[Tree]:
    return [] if isinstance(tree, int) else [tree, *(node for part in tree[1] for node in nodes(part))]


LATE = grammar(  # the least weight is that of the last two symbols of a right-hand side
    ("S", "A B B", "1"), ("A", "a a a a", "1"), ("B", "a", "1/100"), ("B", "b", "99/100"),
)  # fmt: skip


@pytest.mark.parametrize("language", [LEVELS, MIXED, EMPTY, LATE], ids=["levels", "mixed", "empty", "late"])
@pytest.mark.parametrize("scale", [0.0, 0.4, 2.0])
def test_the_least_weight_is_that_of_all_derivations(language, scale):
    law, found, sizes = NonRecursive(language), [0.0], {}
    for tree in trees(language, language.start):
        found.append(float(np.cumsum(steps(tree, law, scale)).min()))  # the prefixes
        for node in nodes(tree):
            behind = 0.0
            for part in reversed(node[1]):  # the last symbols of a right-hand side, with its rule and without
                behind += math.log(weight(language, part)) + scale * len(words(part))
                found += [behind, behind + float(law.language.log_p[node[0]])]
            sizes.setdefault(~language.rules[node[0]].lhs, []).append(len(words(node)))
    assert least(law.order, scale) == pytest.approx(min(found), abs=1e-12)
    own = {symbol: width for symbol, width in widths(law.order).items() if symbol < 0}
    assert own == {symbol: (min(several), max(several)) for symbol, several in sizes.items()}


def test_it_is_a_part_of_a_program():
    """Under jit and vmap, and within a function of one's own."""
    law = HiddenLaw(AMBIGUOUS.language())
    own, batch = form(law, np.float32), sequences(AMBIGUOUS, 3)

    @jax.jit
    def entropy(tokens):
        laws = own.next_token(tokens)
        return -jax.scipy.special.xlogy(laws, laws).sum(axis=-1)

    laws = law.next_token(batch)
    true = -(laws * np.log(np.where(laws > 0, laws, 1))).sum(axis=-1)
    np.testing.assert_allclose(entropy(batch), true, atol=1e-5)
    each = jax.vmap(lambda row: own.prefix_log_prob(row[None])[0])(jnp.asarray(batch))
    np.testing.assert_allclose(each, law.prefix_log_prob(batch), rtol=1e-5)
    with pytest.raises(SpecificationError, match="found jax_enable_x64=False; call it within"):
        form(law).log_prob(jnp.asarray(batch))


def test_what_the_floats_cannot_hold_is_refused_before_any_compute():
    rare = NonRecursive(RARE)
    with pytest.raises(SpecificationError, match=r"from 1.2e-38 to .* in float32, found 1.0e-300; take float64"):
        on_device(rare, np.float32)
    with pytest.raises(SpecificationError, match=r"range of float64 .* down to e\^-2763 .*; take the law on the host"):
        on_device(rare)
    many = NonRecursive(grammar(("S", "A " * 30, "1"), ("A", "a", "1e-20"), ("A", "b", str(1 - Fraction("1e-20")))))
    with pytest.raises(SpecificationError, match=r"range of float32 .* down to e\^-1382 .*; take float64"):
        on_device(many, np.float32)
    for law in (HiddenLaw(FAINT.language()), Recursive(as_grammar(FAINT)), AutomatonLaw(automaton_of(UNLIKELY))):
        with pytest.raises(SpecificationError, match=r"in float32, found 1.0e-200"):
            on_device(law, np.float32)
    with pytest.raises(SpecificationError, match="found a ByLength; take it on the host"):
        on_device(within(NonRecursive(LEVELS), 4))
    with pytest.raises(SpecificationError, match=r"np.float32 or np.float64 is required .* found float16"):
        on_device(rare, np.float16)


FADING = Machine(
    {"A": "1/2", "B": "1/2"},
    ("A a A 1/2", "B a B 1e-60", "B b A 1/4"),
    {"A": "1/2", "B": str(Fraction(3, 4) - Fraction("1e-60"))},
)
UNLIKELY = Machine({"A": "1"}, ("A a A 1e-200",), {"A": str(1 - Fraction("1e-200"))})

LIKELY = grammar(  # a usual string has a weight of 1, and one of a alone is e^122 times as likely
    ("S", "B " * 10, "1"), ("B", "A " * 10, "1"), ("A", "a", "1/2"), *(("A", token, "1/16") for token in "bcdefghi"),
    tokens="abcdefghi",
)  # fmt: skip


@pytest.mark.parametrize(
    ("law", "kind", "batch", "sure"),
    [
        (HiddenLaw(FAINT.language()), np.float64, [[1, 1, 1, 2], [2, 1, 0, 0]], [False, True]),
        (Recursive(as_grammar(FADING)), np.float64, [[1, 1, 1, 2], [2, 0, 0, 0]], [False, True]),
        (NonRecursive(LIKELY), np.float32, [[1] * 100, [2, 1] * 50], [False, True]),
    ],
    ids=["shares", "chart", "levels"],
)
def test_rows_that_leave_the_range_are_marked(law, kind, batch, sure):
    """Nothing of such a row is a number, and the numbers of the others are right."""
    batch = np.array(batch)
    own = form(law, kind)
    with jax.enable_x64(kind == np.float64):
        found = jax.jit(own.along)(batch)
    assert found.sure.tolist() == sure
    for values in found[:3]:
        assert np.isnan(values[0]).all()
        assert not np.isnan(values[1]).any()
    np.testing.assert_allclose(found.log_prob[1], law.log_prob(batch)[1], rtol=TOLERANCE[kind])
    with pytest.raises(
        UnavailableError, match=rf"string 0 of the batch: .* {np.dtype(kind).name} .* on the host"
    ) as said:
        on_device(law, kind).next_token(batch)
    assert "\n" not in str(said.value)


def test_the_device_would_lose_what_is_marked():
    """Without the mark, these shares would be 0 in silence: P(a a a b) is not 0."""
    law, batch = HiddenLaw(FAINT.language()), np.array([[1, 1, 1, 2]])
    with jax.enable_x64(True):
        lost = np.asarray(Shares(law, np.dtype(np.float64))._raw(jnp.asarray(batch)).log_whole)
    assert lost[0] == -math.inf
    assert law.log_prob(batch)[0] > -2000


def test_a_batch_in_parts_and_no_batch(monkeypatch):
    law = NonRecursive(LEVELS)
    device, batch = on_device(law), every(LEVELS, 3)
    for name in ("log_prob", "prefix_log_prob", "next_token"):
        assert getattr(device, name)([]).shape == getattr(law, name)([]).shape
    monkeypatch.setattr(doors, "CELLS", 2 * device.form.cells(3))
    np.testing.assert_allclose(device.log_prob(batch), law.log_prob(batch), atol=1e-13)
    with pytest.raises(SpecificationError, match="to 2 are required, found 3 in row 0, position 1"):
        device.next_token([[1, 3]])
    assert device.parts == law.parts
    assert device.latent_entropy() == law.latent_entropy()
    assert device.expected_length() == law.expected_length()
    np.testing.assert_array_equal(device.sample(np.random.default_rng(0), 3), law.sample(np.random.default_rng(0), 3))
    np.testing.assert_array_equal(device.parse(batch).expected, law.parse(batch).expected)
