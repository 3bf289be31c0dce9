"""The numbers that a user sees against sums over every string that the vocabulary can write, in fractions."""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from sim.disk.records import Record
from sim.metrics import scene
from sim.metrics.entropy import entropy_interval, entropy_of
from sim.metrics.forgetting import gate_erasure, style_split
from sim.metrics.scored import Scored, score, truth
from sim.metrics.support import EPSILONS, TIE, epsilon_support
from sim.metrics.table import Row, residuals, rows, violations
from sim.numerics import expectation, log_group_sum
from sim.quantity import Quantity
from tests.unit.metrics.small_worlds import Law, Outcome, World, log, surprise
from tests.unit.recorded_worlds import SFT, STYLES, knows_nothing, recorded, style_of, twins

Number = float | Fraction
LEAKS = [Fraction(0), Fraction(1, 100), Fraction(1)]


class Oracle:
    """Sums over strings in one view; E_x under P(x) or S(x), or one group in the joint view."""

    def __init__(self, world: World, view: str) -> None:
        self.world, self.joint = world, view == "joint"
        self.prompts: list[Outcome] = [()] if self.joint else world.group_prompts()
        kept = {d: p for d, p in world.p.items() if d in world.event}
        total = sum(kept.values())
        self.kept = {d: p / total for d, p in kept.items()}
        self._given: dict[tuple[int, Outcome], tuple[Law, Law]] = {}

    def given(self, law: Law, x: Outcome) -> Law:
        """The law behind a prompt, computed once; the law itself is kept as well, so that its id stays its own."""
        if (id(law), x) not in self._given:
            self._given[id(law), x] = law, self.divided(law, x)
        return self._given[id(law), x][1]

    def divided(self, law: Law, x: Outcome) -> Law:
        inside = {y: p for y, p in law.items() if y[: len(x)] == x}
        total = sum(inside.values())
        return {y: p / total for y, p in inside.items()} if total else {}

    def average(self, of: Callable[[Outcome], Number], law: Law) -> float:
        weights = {x: sum((p for y, p in law.items() if y[: len(x)] == x), Fraction(0)) for x in self.prompts}
        return math.fsum(float(weight) * float(of(x)) for x, weight in weights.items() if weight)

    def entropy(self, law: Law, prompts: Law) -> float:
        return self.average(lambda x: surprise(iter(self.given(law, x).values())), prompts)

    def kl(self, truth: Law, prompts: Law, model: Law | None = None) -> float:
        """KL(truth‖q), or to another law; infinite where that misses a string."""

        def one(x: Outcome) -> float:
            q = self.given(self.world.q if model is None else model, x)
            return math.fsum(
                float(p) * (log(p) - log(q.get(y, Fraction(0)))) for y, p in self.given(truth, x).items() if p
            )

        return self.average(one, prompts)

    def mass(self, law: Law, prompts: Law, inside: Callable[[Outcome], bool]) -> float:
        return self.average(lambda x: sum(p for y, p in self.given(law, x).items() if inside(y)), prompts)

    def count(self, law: Law, prompts: Law, epsilon: float) -> float:
        threshold = Fraction(str(epsilon))
        return self.average(lambda x: sum(p >= threshold for p in self.given(law, x).values()), prompts)

    def split(self, prompts: Law, parts: list[Callable[[Outcome], bool]]) -> list[tuple[float, float]]:
        """(share of the gate, within term) of every part, averaged over the prompt law."""

        def shares(x: Outcome, part: Callable[[Outcome], bool]) -> tuple[Law, Law]:
            p, q = self.given(self.world.p, x), self.given(self.world.q, x)
            return {y: p[y] for y in p if part(y)}, {y: q[y] for y in p if part(y)}

        def gate(x: Outcome, part: Callable[[Outcome], bool]) -> float:
            p, q = (sum(law.values(), Fraction(0)) for law in shares(x, part))
            return float(p) * (log(p) - log(q)) if p else 0.0

        def within(x: Outcome, part: Callable[[Outcome], bool]) -> float:
            p, q = shares(x, part)
            all_p, all_q = sum(p.values(), Fraction(0)), sum(q.values(), Fraction(0))
            return math.fsum(float(p[y]) * (log(p[y] / all_p) - log(q[y] / all_q)) for y in p if p[y])

        def averages(part: Callable[[Outcome], bool]) -> tuple[float, float]:
            return self.average(lambda x: gate(x, part), prompts), self.average(lambda x: within(x, part), prompts)

        return [averages(part) for part in parts]


def supported(world: World) -> Callable[[Outcome], bool]:
    return lambda y: y in world.p


def diversity(one: Oracle, of: str, law: Law, prompts: Law, name: str) -> Iterator[tuple[str, str, str, float]]:
    """Entropy, Hill numbers, eps-support and style masses of one law."""
    yield "entropy", of, name, one.entropy(law, prompts)
    yield "hill_1", of, name, math.exp(one.entropy(law, prompts))
    yield "hill_2", of, name, 1 / one.average(lambda x: sum(v * v for v in one.given(law, x).values()), prompts)
    yield "hill_inf", of, name, 1 / one.average(lambda x: max(one.given(law, x).values()), prompts)
    for epsilon in EPSILONS:
        yield "epsilon_support", f"{of} {epsilon:g}", name, one.count(law, prompts, epsilon)
    for z, style in enumerate(STYLES):
        inside = one.mass(law, prompts, lambda y, z=z: y in one.world.p and style_of(y) == z)
        yield "style_mass", f"{of} {style}", name, inside


def truths(one: Oracle, best: Law) -> Iterator[tuple[str, str, str, str, float]]:
    """What is known of P, P_A, S and q* under every prompt law that they have answers for."""
    p, s = one.world.p, one.world.s
    laws = {"": p} if one.joint else {"P(x)": p, "S(x)": s}
    for of, law in {"P": p, "P_A": one.kept, "S": s, "q*": best}.items():
        for name, prompts in laws.items():
            if all(one.given(law, x) for x in one.prompts if one.given(prompts, x)):
                yield from (("truth", *number) for number in diversity(one, of, law, prompts, name))


def mixed(world: World, weight: Fraction) -> Law:
    """(1 - weight) S + weight P: the optimum of replay, and of SFT at weight 0."""
    return {y: (1 - weight) * world.s.get(y, Fraction(0)) + weight * v for y, v in world.p.items()}


def expected(world: World, view: str, weight: Fraction) -> Iterator[tuple[str, str, str, str, float]]:
    """(phase, metric, of, prompt law, true value) of everything that the table holds at the model's evaluation."""
    one, best = Oracle(world, view), mixed(world, weight)
    p_name, s_name = ("", "") if one.joint else ("P(x)", "S(x)")
    p, s, q, kept = world.p, world.s, world.q, one.kept
    yield from truths(one, best)
    yield "truth", "kl", "P||q*", p_name, one.kl(p, p, best)
    yield "truth", "kl", "S||q*", s_name, one.kl(s, s, best)
    yield "sft", "kl", "q*||q", s_name, one.kl(best, s)
    yield "sft", "objective_gap", "H(S)-H(q*)", s_name, one.entropy(s, s) - one.entropy(best, s)
    prompts_only = Oracle(world, "response")
    masses = [
        [sum((v for y, v in law.items() if y[: len(x)] == x), Fraction(0)) for law in (s, p)]
        for x in prompts_only.prompts
    ]
    yield "truth", "shift_prompts", "S(x)||P(x)", "", math.fsum(float(a) * (log(a) - log(b)) for a, b in masses if a)
    conditioning = -one.average(lambda x: log(sum(v for y, v in one.given(p, x).items() if y in world.event)), s)
    narrowing = one.average(
        lambda x: math.fsum(float(v) * (log(v) - log(one.given(kept, x)[y])) for y, v in one.given(s, x).items() if v),
        s,
    )
    yield "truth", "shift_conditioning", "S||P", s_name, conditioning
    yield "truth", "shift_narrowing", "S||P", s_name, narrowing
    yield "truth", "shift_total", "S||P", s_name, conditioning + narrowing
    yield "truth", "event_mass", "P(A)", "", float(sum(p[d] for d in world.event))
    if one.joint:
        yield "truth", "expected_length", "P", "", float(sum(v * (len(d) - 1) for d, v in p.items()))
    for name, prompts in {p_name: p, s_name: s}.items():
        yield from (("sft", *number) for number in diversity(one, "q", q, p if one.joint else prompts, name))
    yield "sft", "kl", "P||q", p_name, one.kl(p, p)
    yield "sft", "kl", "S||q", s_name, one.kl(s, s)
    yield "sft", "kl", "P_A||q", s_name, one.kl(kept, s)
    yield "sft", "off_support", "q", p_name, one.mass(q, p, lambda y: y not in p)
    yield "sft", "outside_p", "q", p_name, one.mass(q, p, lambda y: not p.get(y))
    gap = one.average(lambda x: sum(abs(one.given(p, x).get(y, 0) - v) for y, v in one.given(q, x).items()) / 2, p)
    yield "sft", "total_variation", "P,q", p_name, gap
    event = [lambda y: y in world.event, lambda y: y not in world.event]
    (gate_a, within_a), (gate_b, within_b) = one.split(p, event)
    for part, value in (("gate", gate_a + gate_b), ("kept", within_a), ("erasure", within_b)):
        yield "sft", part, "A", p_name, value
    styles = one.split(p, [lambda y, z=z: style_of(y) == z for z in range(2)])
    yield "sft", "style_gate", "z", p_name, sum(gate for gate, _ in styles)
    for z, style in enumerate(STYLES):
        yield "sft", "style_within", f"z {style}", p_name, styles[z][1]
    entropies = [one.entropy(law, s) for law in (p, kept, s, q)]
    for part, before, after in zip(("conditioning", "narrowing", "learning"), entropies, entropies[1:], strict=False):
        yield "sft", f"waterfall_{part}", "H(P)-H(q)", s_name, before - after
    for phase in ("pretrain", "identity"):
        yield phase, "waterfall_conditioning", "H(P)-H(q)", p_name, 0.0
        yield phase, "waterfall_narrowing", "H(P)-H(q)", p_name, 0.0
        yield phase, "waterfall_learning", "H(P)-H(q)", p_name, one.entropy(p, p) - one.entropy(q, p)


EXACT = ("kl", "total_variation", "jensen_shannon", "gate", "kept", "erasure", "style_gate", "style_within",
         "off_support", "event_mass", "style_mass", "waterfall_conditioning", "waterfall_narrowing")  # fmt: skip
"""What is exact for any model, however much of its mass leaves the support."""


def key(row: Row) -> tuple[str, str, str, str, str]:
    return row["view"], row["phase"], row["metric"], f"{row['of']} {row['at']}".strip(), row["prompt_law"]


@cache
def asked(seed: int, zeros: bool, leak: Fraction, weight: Fraction) -> tuple[World, list[Row]]:
    """A world and the rows of a model in it, in both views."""
    world, other = twins(seed, leak=leak, zeros=zeros)
    objective = {"kind": "replay", "weight": float(weight)} if weight else SFT
    return world, rows(recorded(other, world, objective=objective))


@pytest.mark.parametrize(("seed", "zeros"), [(0, False), (1, False), (2, True), (3, True)])
@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("view", ["response", "joint"])
@pytest.mark.parametrize("weight", [Fraction(0), Fraction(1, 4)])
def test_every_number_against_every_string(seed: int, zeros: bool, leak: Fraction, view: str, weight: Fraction) -> None:
    """With zeros a prompt is lost to S, another is kept whole, and some illegal tokens are impossible."""
    world, table = asked(seed, zeros, leak, weight)
    found = {key(row): row for row in table if row["phase"] == "truth" or row["step"] == 10}
    seen = 0
    for phase, metric, of, prompt_law, value in expected(world, view, weight):
        row = found[view, phase, metric, of, prompt_law]
        if math.isinf(value):
            assert row["value"] == value
            continue
        slack = 1e-11 * max(1.0, abs(value))
        assert row["lower"] - slack <= value <= row["upper"] + slack, row
        if row["exactness"] == "exact":
            assert row["value"] == row["lower"] == row["upper"]
            assert row["value"] == pytest.approx(value, rel=1e-11, abs=1e-11), row
        else:
            assert row["value"] is None
            assert row["lower"] < row["upper"]
        seen += 1
    assert seen >= 130


@pytest.mark.parametrize("leak", LEAKS)
def test_a_number_is_bounded_only_if_mass_leaves_the_support(leak: Fraction) -> None:
    for row in rows(recorded(*twins(1, leak=leak))):
        assert row["exactness"] in ("exact", "bounded")
        if row["phase"] == "truth" or leak == 0 or row["metric"] in EXACT:
            assert row["exactness"] == "exact", row
        elif row["metric"] in ("entropy", "hill_1", "hill_2", "waterfall_learning"):
            assert row["exactness"] == "bounded", row


@pytest.mark.parametrize("view", ["response", "joint"])
def test_jensen_shannon(view: str) -> None:
    world, _ = twins(2, leak=Fraction(1, 10))
    one = Oracle(world, view)

    def divergence(x: Outcome) -> float:
        p, q = one.given(world.p, x), one.given(world.q, x)
        total = 0.0
        for y in q.keys() | p.keys():
            a, b = p.get(y, Fraction(0)), q.get(y, Fraction(0))
            total += sum(float(v) / 2 * (log(v) - log((a + b) / 2)) for v in (a, b) if v)
        return total

    (row,) = (
        row
        for row in rows(recorded(world))
        if (row["phase"], row["view"], row["metric"]) == ("sft", view, "jensen_shannon")
    )
    assert row["value"] == pytest.approx(one.average(divergence, world.p), rel=1e-11)


def test_units_views_and_laws() -> None:
    table = rows(recorded(*twins(1)))
    assert {row["unit"] for row in table} >= {"nat", "1", "strings", "symbols"}
    assert all(row["unit"] for row in table)
    assert {row["prompt_law"] for row in table if row["view"] == "joint"} == {""}
    assert {row["phase"] for row in table} == {"truth", "pretrain", "sft", "identity"}
    keys = [(*key(row), row["step"]) for row in table]
    assert len(set(keys)) == len(keys), "no number is there twice"
    assert all(not math.isnan(row[end]) for row in table for end in ("lower", "upper"))


def test_a_world_without_styles_has_no_rows_of_styles() -> None:
    table = rows(recorded(*twins(1), styles=False))
    assert not [row for row in table if row["metric"] in ("style_gate", "style_within", "style_mass")]


def test_no_knowledge_is_an_infinite_divergence_and_never_nan() -> None:
    record = recorded(*twins(1))
    knows_nothing(record)
    table = {key(row): row for row in rows(record) if row["step"] == 10}
    assert table["joint", "sft", "kl", "P||q", ""]["value"] == math.inf
    assert all(not math.isnan(row[end]) for row in table.values() for end in ("lower", "upper"))


# -- identities -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("seed", range(4))
def test_identities_hold_for_any_model(seed: int, leak: Fraction, zeros: bool) -> None:
    found = residuals(recorded(*twins(seed, leak=leak, zeros=zeros)))
    assert set(found) == {
        f"{phase}/{view}" for phase in ("pretrain", "sft", "identity") for view in ("response", "joint")
    }
    assert {len(values) for values in found.values()} == {13}
    assert violations(found) == []
    assert all(abs(value) < 1e-11 for values in found.values() for name, value in values.items() if name in EQUALITIES)


EQUALITIES = ("cross_entropy", "chain_rule_entropy", "chain_rule_kl", "gate_erasure", "shift_accounting", "waterfall",
              "conditionals", "total_mass", "style_split")  # fmt: skip


def doubled_leak(record: Record) -> None:
    record.phases["sft"].arrays["leak"][-1] *= 2.0


def shifted_conditional(record: Record) -> None:
    record.phases["sft"].arrays["edge_log_q"][-1, 0] -= 1e-6


def lost_entropy(record: Record) -> None:
    record.phases["sft"].arrays["leak_plogp"][-1] *= 0.5


def wrong_law(record: Record) -> None:
    object.__setattr__(record.restricted, "kept", record.p)


def other_event(record: Record) -> None:
    event = record.restricted.event.copy()
    event[np.argmax(event)] = False
    object.__setattr__(record.restricted, "event", event)


@pytest.mark.parametrize(
    ("tamper", "caught"),
    [
        (doubled_leak, {"conditionals", "total_mass"}),
        (shifted_conditional, {"conditionals", "total_mass"}),
        (wrong_law, {"shift_accounting"}),
        (other_event, {"shift_accounting"}),
    ],
)
def test_a_wrong_number_violates_an_identity(tamper: Callable[[Record], None], caught: set[str]) -> None:
    record = recorded(*twins(1, leak=Fraction(1, 10)))
    assert violations(residuals(record)) == []
    tamper(record)
    lines = violations(residuals(record))
    assert all(line.startswith(("sft/", "pretrain/", "identity/")) for line in lines)
    named = {name for line in lines for name in caught if f"identity {name}:" in line}
    assert named == caught, lines


def test_only_the_last_evaluation_is_judged_and_all_of_them_are_measured() -> None:
    record = recorded(*twins(1))
    assert {row["step"] for row in rows(record) if row["phase"] == "sft"} == {0, 10}
    curve = [row for row in rows(record) if row["metric"] == "epsilon_support" and row["phase"] == "sft"]
    for step in (0, 10):
        assert {row["at"] for row in curve if row["step"] == step} == {f"{epsilon:g}" for epsilon in EPSILONS}
    assert EPSILONS[0] == 1e-7
    assert EPSILONS[-1] == 1.0


# -- the quick ways give the bits of the plain ones -------------------------------------------------------------------


def plain_expectation(log_p: np.ndarray, values: np.ndarray) -> float:
    log_p, values = np.broadcast_arrays(np.asarray(log_p, np.float64), np.asarray(values, np.float64))
    inside = log_p != -np.inf
    weights, inner = np.exp(log_p[inside]), values[inside]
    underflown = (weights == 0) & np.isinf(inner)
    return float(np.sum(np.where(underflown, 1.0, weights) * inner))


def plain_group_sum(log_values: np.ndarray, group: np.ndarray, num_groups: int) -> np.ndarray:
    top = np.full(num_groups, -np.inf)
    np.maximum.at(top, group, log_values)
    shift = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.bincount(group, np.exp(log_values - shift[group]), num_groups)) + shift


def plain_epsilon_support(q: Scored, epsilon: float, log_law: np.ndarray) -> Quantity:
    threshold = float(np.log(epsilon) + np.log1p(-TIE))
    on = plain_expectation(q.log_weights(log_law), (q.log_q >= threshold).astype(np.float64))
    open_nodes = (q.node_group >= 0) & (q.node_off_max >= epsilon * (1.0 - TIE))
    room = np.floor(q.node_off[open_nodes] / epsilon * (1.0 + TIE))
    return Quantity(on, on + plain_expectation(log_law[q.node_group[open_nodes]], room))


def plain_split(p: Scored, q: Scored, log_member: np.ndarray, log_law: np.ndarray) -> tuple[float, float]:
    def ratio(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        inside = one > -np.inf
        return np.where(inside, np.where(inside, one, 0.0) - np.where(inside, other, 0.0), 0.0)

    def shares(part: np.ndarray, mass: np.ndarray) -> np.ndarray:
        total = mass[p.group]
        return np.where(part > -np.inf, part - np.where(total > -np.inf, total, 0.0), -np.inf)

    part_p, part_q = p.log_q + log_member, q.log_q + log_member
    mass_p, mass_q = (plain_group_sum(part, p.group, p.num_groups) for part in (part_p, part_q))
    gate = plain_expectation(log_law + mass_p, ratio(mass_p, mass_q))
    inner = np.where((mass_q > -np.inf)[q.group], ratio(shares(part_p, mass_p), shares(part_q, mass_q)), 0.0)
    return gate, plain_expectation(p.log_weights(log_law) + part_p, inner)


def plain_paths(record: Record, arrays: dict[str, np.ndarray], view: str) -> tuple[np.ndarray, np.ndarray]:
    """log q of every string and every node, summed along each string from its first scored token."""
    trie, prompts = record.p.trie, record.p.prompts
    num_strings, length = trie.strings.shape
    start = prompts.length if view == "response" else np.zeros(num_strings, np.int64)
    counted = (trie.node >= 0) & (np.arange(length) >= start[:, None])
    path = np.cumsum(np.where(counted, arrays["edge_log_q"][trie.edge], 0.0), axis=1)
    before = np.concatenate([np.zeros((num_strings, 1)), path[:, :-1]], axis=1)
    nodes = np.full(trie.num_nodes, -np.inf)
    nodes[trie.node[counted]] = before[counted]
    return path[:, -1], nodes


@pytest.mark.parametrize("size", [0, 1, 7, 130, 4097])
def test_expectations_bit_by_bit(size: int) -> None:
    random = np.random.default_rng(size)
    log_p, values = random.normal(-3.0, 4.0, size), random.normal(0.0, 1e3, size)
    hard = log_p.copy()
    hard[::3], hard[1::5] = -np.inf, -800.0
    infinite = values.copy()
    infinite[::3], infinite[1::7] = np.nan, np.inf  # a nan only where the probability is 0
    for law, inner in [(log_p, values), (hard, values), (hard, infinite), (hard, np.ones(1))]:
        assert expectation(law, inner).hex() == plain_expectation(law, inner).hex()
    for law in (log_p, hard):
        for num_groups in (1, 3):
            group = random.integers(0, num_groups, size)
            np.testing.assert_array_equal(
                log_group_sum(law, group, num_groups), plain_group_sum(law, group, num_groups), strict=True
            )


@pytest.mark.parametrize("view", ["response", "joint"])
@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize(("seed", "zeros"), [(1, False), (2, True), (3, True)])
def test_metrics_bit_by_bit(seed: int, zeros: bool, leak: Fraction, view: str) -> None:
    record = recorded(*twins(seed, leak=leak, zeros=zeros))
    truths = scene.World(record, view)
    arrays = {name: values[-1] for name, values in record.phases["sft"].arrays.items()}
    q, p = truths.scored("sft", -1), truths.p
    log_q, node_log_mass = plain_paths(record, arrays, view)
    np.testing.assert_array_equal(q.log_q, log_q, strict=True)
    np.testing.assert_array_equal(q.node_log_mass, node_log_mass, strict=True)
    again, known = score(record.p.trie, record.p.prompts, arrays, view), truth(record.p, record.p.prompts, view)
    for one, other in ((q, again), (p, known)):
        for name in (*vars(other), *vars(other.nodes)):
            if name not in ("trie", "nodes"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)
    for name, law in truths.laws.items():
        assert epsilon_support(q, EPSILONS, law) == [plain_epsilon_support(q, epsilon, law) for epsilon in EPSILONS]
        assert entropy_of(truths.truth, "P", name) == entropy_interval(p, law)
    supported = p.log_q > -np.inf
    members = [np.where(side & supported, 0.0, -np.inf) for side in (record.restricted.event, ~record.restricted.event)]
    (gate, kept), (other_gate, erasure) = (plain_split(p, q, member, truths.p_law) for member in members)
    split = gate_erasure(p, q, record.restricted.event, truths.p_law)
    assert (split.gate, split.kept, split.erasure) == (gate + other_gate, kept, erasure)
    assert record.p.styles is not None
    columns = [np.where(supported, column, -np.inf) for column in record.p.styles.log_posterior.T]
    parts = [plain_split(p, q, column, truths.p_law) for column in columns]
    styles = style_split(p, q, record.p.styles.log_posterior, truths.p_law)
    assert styles.gate == sum(gate for gate, _ in parts)
    assert styles.within.tolist() == [within for _, within in parts]


def test_what_is_computed_once_is_what_the_metrics_give() -> None:
    record = recorded(*twins(1, leak=Fraction(1, 10)))
    table = {(*key(row), row["step"]): row for row in rows(record)}
    truths = scene.World(record, "response")
    for index, step in enumerate((0, 10)):
        q = truths.scored("sft", index)
        for name, law in truths.laws.items():
            entropy = entropy_interval(q, law)
            row = table["response", "sft", "entropy", "q", name, step]
            assert (row["lower"], row["upper"]) == (entropy.lower, entropy.upper)
        learned = entropy_of(truths.truth, "S", "S(x)") - entropy_interval(q, truths.s_law)
        row = table["response", "sft", "waterfall_learning", "H(P)-H(q)", "S(x)", step]
        assert (row["lower"], row["upper"]) == (learned.lower, learned.upper)
        whole = entropy_of(truths.truth, "P", "P(x)") - entropy_interval(truths.scored("identity", index), truths.p_law)
        row = table["response", "identity", "waterfall_learning", "H(P)-H(q)", "P(x)", step]
        assert (row["lower"], row["upper"]) == (whole.lower, whole.upper)
