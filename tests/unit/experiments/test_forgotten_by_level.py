"""From records to rows: a model that is S follows its data and forgets nothing else; one that is P does neither."""

import functools
import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
import pytest

from experiments.g_levels.places import Place
from experiments.g_levels.tables import EVENT, kept, runs_of, table_of
from sim.config import construct
from sim.disk.phase_record import PhaseRecord
from sim.laws.narrowing import NarrowedLaw
from sim.laws.reading import law
from sim.numerics import SpecificationError
from sim.phases import MEANINGS
from sim.unlisted.looks import log_prob, look
from sim.unlisted.record import UnlistedRecord, judged_by
from sim.unlisted.world import Seen, UnlistedWorld

GRAMMAR = {"kind": "cfg3", "depth": 3, "num_symbols": 3, "num_rules": 2, "lengths": [2, 3], "zipf": 0.0,
           "shared": False, "seed": 0, "length": None}  # fmt: skip
ROWS, SHIFT, DEPTH = 500, 0.25, 5
LEVELS = {"root": 3, "2.0": 2, "1.0": 1}
CHANGES: dict[str, dict[str, Any]] = {
    "": {"kind": "everything"},
    EVENT: {"kind": "random_prefixes", "share": 0.5, "depth": DEPTH, "shift": SHIFT, "seed": 0},
} | {
    lhs: {"kind": "reweighted", "rule": {"lhs": lhs, "number": 0}, "shift": SHIFT, "change": "rarer"} for lhs in LEVELS
}
Model = Callable[[UnlistedWorld, np.ndarray], np.ndarray]
"""The next-token laws of a model along rows."""


def mixture(weight: float) -> Model:
    """At every prefix S with this weight, else P."""
    return lambda world, rows: weight * world.s.next_token(rows) + (1 - weight) * world.p.next_token(rows)


@functools.cache
def drawn(change: str, seed: int, number: int) -> tuple[UnlistedWorld, dict[str, Any], dict[str, Any], np.ndarray]:
    """The world of a change of the data, the judged strings, the laws along them, and strings of S."""
    seen = construct("grammar", GRAMMAR, "grammar")
    found = construct("restriction", CHANGES[change], "restriction", seen.language)
    narrowed = NarrowedLaw(law(found.s), found.log_mass, found.narrowing, found.of_strings, found.notes)
    world = UnlistedWorld(Seen(law(seen.language), seen.length), narrowed, found.notes)
    rng = np.random.default_rng(seed)
    rows, laws = judged_by(world, number, rng)
    return world, rows, laws, world.s.sample(rng, number)


def made(change: str, model: Model, seed: int = 0, targets: str = "exact", number: int = ROWS) -> UnlistedRecord:
    """The record of a run on a change of the data ("" is the control) whose model has this law."""
    world, rows, laws, own = drawn(change, seed, number)
    node = CHANGES[change]

    def of(own: np.ndarray) -> np.ndarray:
        mixed = model(world, own)
        with np.errstate(divide="ignore"):
            return np.where(mixed > 0, np.log(mixed), -1e9)

    arrays = {f"{name}_{key}": np.stack([values, values]) for name in ("p", "s")
              for key, values in look(of(rows[f"{name}_rows"]), laws[name], rows[f"{name}_rows"]).items()}  # fmt: skip
    logs = {"q": log_prob(of(own), own), "p": world.p.log_prob(own), "s": world.s.log_prob(own)}
    arrays |= {"own_rows": own[None]} | {f"own_log_{name}": values[None] for name, values in logs.items()}
    config = {"grammar": GRAMMAR, "restriction": node, "seed": seed, "objective": {"kind": "sft", "targets": targets},
              "judged": {"rows": number, "own": number}, "name": "g_levels", "claim": "g"}  # fmt: skip
    facts = {"world": {"notes": dict(world.notes)}, "pretraining": {"joint_kl": 0.0, "valid": True}}
    phase = PhaseRecord(np.array([0, 5]), np.array([1.0, 1.0]), arrays)
    name = f"{change}{seed}{targets}"[:12]
    return UnlistedRecord("g_levels", name, config, rows, {"sft": phase}, facts, {}, MEANINGS)


def rows_of(*records: UnlistedRecord) -> pl.DataFrame:
    return table_of([kept(one) for one in records])


def row_of(change: str, model: Model, control: Model | None = None) -> dict[str, Any]:
    found = rows_of(made(change, model), made("", control or mixture(0.0)))
    return found.filter(pl.col("kind") != "everything").row(0, named=True)


@pytest.mark.parametrize("change", [*LEVELS, EVENT])
def test_a_model_that_is_s_forgets_what_its_data_cost_and_nothing_else(change: str) -> None:
    row = row_of(change, mixture(1.0))
    assert (row["level"], row["arm"]) == (LEVELS.get(change), f"level {LEVELS[change]}" if change in LEVELS else EVENT)
    assert row["followed"] == pytest.approx(1.0, abs=0.15)
    assert row["expected"] > SHIFT
    assert row["forgotten"] == pytest.approx(row["expected"], abs=0.08), "KL(P||S) of derivations, by another route"
    assert row["excess"] == pytest.approx(0.0, abs=0.12)
    assert row["fit"] == pytest.approx(0.0, abs=1e-9)
    assert row["fitted"]
    assert row["derived"] == pytest.approx(0.0, abs=1e-6)
    assert row["siblings"] == pytest.approx(0.0, abs=1e-6)
    assert row["outside"] == row["drift"] == 0.0


@pytest.mark.parametrize("change", ["2.0", EVENT])
def test_a_model_that_is_p_follows_nothing(change: str) -> None:
    """What it writes is drawn from S in these records, so the share is that of S."""
    row = row_of(change, mixture(0.0))
    assert row["forgotten"] == pytest.approx(0.0, abs=1e-9)
    assert row["fit"] == pytest.approx(SHIFT, abs=0.05)
    assert not row["fitted"]


def test_a_run_that_is_nearer_to_its_data_than_the_control_is_not_at_equal_fit() -> None:
    row = row_of("2.0", mixture(1.0), control=lambda world, rows: 0.8 * world.p.next_token(rows) + 0.05)
    assert row["fit"] < -0.1
    assert not row["fitted"]
    assert row["drift"] == 0.0


def test_what_neither_model_knows_of_long_strings_is_no_lack_of_fit() -> None:
    """The rules of the root give other lengths: KL(S||q) and KL(P||control) differ, and q fits S all the same."""
    control: Model = lambda world, rows: 0.8 * world.p.next_token(rows) + 0.05  # noqa: E731
    row = row_of("root", lambda world, rows: 0.8 * world.s.next_token(rows) + 0.05, control)
    run, other = (kept(made(change, model)) for change, model in (("root", mixture(1.0)), ("", control)))
    assert abs(row["fit"]) < 0.02
    by_length = np.average(other.log_p - other.log_q, weights=np.exp(run.log_s - run.log_p))
    assert abs(by_length - (other.log_p - other.log_q).mean()) > 0.2, "by how much the means over other strings differ"


def spoilt(change: str, weight: float) -> Model:
    """S, but with less certainty about the last token of what rule 0 of a symbol derives: it is mixed with noise."""

    def laws(world: UnlistedWorld, rows: np.ndarray) -> np.ndarray:
        found = world.s.next_token(rows)
        place = Place.of({"grammar": GRAMMAR}, rows)
        number, uses = place.number({"lhs": change, "number": 0}), place.uses
        here = uses.part == number
        at = uses.string[here], uses.end[here] - 1
        found[at] = (1 - weight) * found[at] + weight / found.shape[-1]
        return found

    return laws


@pytest.mark.parametrize("change", ["2.0", "1.0"])
def test_what_a_rule_derives_is_told_from_what_its_siblings_derive(change: str) -> None:
    row = row_of(change, spoilt(change, 0.3))
    assert row["derived"] > 0.02
    assert row["derived"] > 5 * abs(row["siblings"])


def test_the_mean_over_late_tokens_is_that_of_a_loop() -> None:
    language = construct("grammar", GRAMMAR, "grammar").language
    rows = law(language).sample(np.random.default_rng(3), 40)
    place, values = Place(language, rows), np.random.default_rng(4).normal(size=rows.shape)
    for number in range(len(language.rules)):
        total, count = 0.0, 0
        uses = place.uses
        for string, part, begin, end in zip(uses.string, uses.part, uses.begin, uses.end, strict=True):
            if part == number:
                late = range(begin + math.ceil((end - begin) / 2), end)
                total, count = total + sum(values[string, t] for t in late), count + len(late)
        found = place.derived([number], values)
        assert (found is None) == (count == 0)
        assert found is None or found == pytest.approx(total / count)
    inside = np.arange(40) % 3 == 0
    taken = [values[i, t] for i in np.flatnonzero(inside) for t in range(DEPTH, int(np.argmax(rows[i] == 0)) + 1)]
    assert place.behind(DEPTH, inside, values) == pytest.approx(np.mean(taken))
    assert place.behind(DEPTH, np.zeros(40, bool), values) is None


def test_the_divergence_along_strings_is_that_of_both_laws() -> None:
    """Summed over positions and averaged over all strings of P it is KL(P||S) = n KL(p||s)."""
    language = construct("grammar", GRAMMAR, "grammar").language
    place = Place(language, law(language).sample(np.random.default_rng(5), 1500))
    row = row_of("2.0", mixture(1.0))
    each = place.divergence(CHANGES["2.0"]).sum(axis=1)
    assert abs(each.mean() - row["expected"]) < 5 * each.std() / math.sqrt(len(each))


def test_a_share_without_uses_is_none() -> None:
    place = Place.of({"grammar": GRAMMAR}, np.zeros((2, 24), np.int32))
    assert place.share(0, np.zeros((2, 24), np.int32)) is None


REFUSED: Mapping[str, tuple[Callable[[], tuple[UnlistedRecord, ...]], str]] = {
    "other targets": (
        lambda: (made("2.0", mixture(1.0), number=20), made("", mixture(0.0), targets="sampled", number=20)),
        "like the run but for its restriction is required, found none for 2.00exact",
    ),
    "another world": (
        lambda: (made("2.0", mixture(1.0), number=20), made("", mixture(0.0), seed=1, number=20)),
        "like the run but for its restriction is required",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_run_without_its_control_is_refused(case: str) -> None:
    records, said = REFUSED[case]
    with pytest.raises(SpecificationError, match=said):
        rows_of(*records())


def test_other_strings_and_older_records_are_refused() -> None:
    run, control = made("2.0", mixture(1.0), number=20), made("", mixture(0.0), number=20)
    rows = {**control.rows, "p_rows": control.rows["p_rows"][::-1]}
    with pytest.raises(SpecificationError, match="judged by the same strings is required"):
        rows_of(run, replace(control, rows=rows))
    del run.phases["sft"].arrays["p_kl_each"]  # type: ignore[attr-defined]
    with pytest.raises(SpecificationError, match=r"p_kl_each\) is required, found one of an earlier version"):
        rows_of(run, control)


def test_a_folder_is_read_one_record_at_a_time() -> None:
    records = {one.hash: one for one in (made("1.0", mixture(1.0), number=20), made("", mixture(0.0), number=20))}
    found = {"finished": lambda _: [Path(name) for name in records], "read": lambda place: records[place.name]}
    with mock.patch.multiple(importlib.import_module("experiments.g_levels.tables"), **found):
        assert runs_of(Path("g_levels")).runs["kind"].to_list() == ["reweighted", "everything"]
