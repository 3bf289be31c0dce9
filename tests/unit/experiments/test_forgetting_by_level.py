"""Levels: a model that is S follows the rule and forgets nothing else; one that is P does neither."""

import math
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
import pytest

from experiments import levels
from sim.config import construct
from sim.disk.phase_record import PhaseRecord
from sim.laws.narrowing import NarrowedLaw
from sim.laws.reading import law
from sim.numerics import SpecificationError
from sim.phases import MEANINGS
from sim.show.blocks import markdown
from sim.unlisted.looks import log_prob, look
from sim.unlisted.record import UnlistedRecord, judged_by
from sim.unlisted.world import Seen, UnlistedWorld

GRAMMAR = {"kind": "cfg3", "depth": 3, "num_symbols": 3, "num_rules": 2, "lengths": [2, 3], "zipf": 0.0,
           "shared": False, "seed": 0, "length": None}  # fmt: skip
RULES = {"root": ["2.0", "2.0"], "2.0": ["1.0", "1.2"], "1.0": ["b", "a"]}
ROWS, SHIFT = 1500, 0.25


def made(lhs: str, weight: float, seed: int = 0, targets: str = "exact", number: int = ROWS) -> UnlistedRecord:
    """A run whose model is the mixture, at every prefix, of S with this weight and of P; without lhs the control."""
    seen = construct("grammar", GRAMMAR, "grammar")
    node: dict[str, Any] = {"kind": "everything"}
    if lhs:
        node = {"kind": "reweighted", "rule": {"lhs": lhs, "rhs": RULES[lhs]}, "shift": SHIFT, "change": "rarer"}
    found = construct("restriction", node, "restriction", seen.language)
    p, s = law(seen.language), law(found.s)
    narrowed = NarrowedLaw(s, found.log_mass, found.narrowing, found.of_strings, found.notes)
    world = UnlistedWorld(Seen(p, seen.length), narrowed, found.notes)
    rng = np.random.default_rng([seed, len(lhs)])
    rows, laws = judged_by(world, number, rng)

    def of(own: np.ndarray) -> np.ndarray:
        mixed = weight * world.s.next_token(own) + (1 - weight) * world.p.next_token(own)
        with np.errstate(divide="ignore"):
            return np.where(mixed > 0, np.log(mixed), -1e9)

    arrays = {f"{name}_{key}": values[None] for name in ("p", "s")
              for key, values in look(of(rows[f"{name}_rows"]), laws[name], rows[f"{name}_rows"]).items()}  # fmt: skip
    own = (world.s if weight else world.p).sample(rng, number)
    arrays |= {
        "own_rows": own[None],
        "own_log_q": log_prob(of(own), own)[None],
        "own_log_p": world.p.log_prob(own)[None],
    }
    config = {
        "grammar": GRAMMAR, "restriction": node, "seed": seed, "objective": {"kind": "sft", "targets": targets},
        "judged": {"rows": number, "own": number}, "pretrain": {"num_steps": 5, "batch_size": 4},
        "finetune": {"num_steps": 5},
    }  # fmt: skip
    facts = {
        "world": world.facts(), "parameters": 1, "vocabulary": list("$abc"), "speed": {"pretrain": {}},
        "described": dict.fromkeys(("grammar", "restriction", "objective", "model"), "x"),
        "pretraining": {"joint_kl": 0.0, "limit": 0.02, "valid": True, "per": "token"},
    }  # fmt: skip
    phase = PhaseRecord(np.array([5]), np.array([1.0]), arrays)
    return UnlistedRecord("levels", f"{lhs}{seed}{targets}"[:12], config, rows, {"sft": phase}, facts, {}, MEANINGS)


def analysed(*records: UnlistedRecord) -> dict[str, pl.DataFrame]:
    by_name = {one.hash: one for one in records}
    found = {"finished": lambda _: [Path(name) for name in by_name], "read": lambda place: by_name[place.name]}
    with mock.patch.multiple(levels, **found):
        return dict(levels.analyse(Path("levels")))


@pytest.mark.parametrize("lhs", RULES)
def test_a_model_that_is_s_forgets_what_the_rule_costs_and_nothing_else(lhs: str) -> None:
    row = analysed(made(lhs, 1.0), made("", 0.0))["levels"].row(0, named=True)
    assert row["level"] == {"root": 3, "2.0": 2, "1.0": 1}[lhs]
    assert row["followed"] == pytest.approx(1.0, abs=0.15)
    assert row["expected"] > SHIFT
    assert row["forgotten"] == pytest.approx(row["expected"], abs=0.08), "KL(P||S) of derivations, by another route"
    assert row["excess"] == pytest.approx(0.0, abs=0.12)
    assert row["fit"] == pytest.approx(0.0, abs=1e-9)


def test_a_model_that_is_p_follows_nothing() -> None:
    row = analysed(made("2.0", 0.0), made("", 0.0))["levels"].row(0, named=True)
    assert row["followed"] == pytest.approx(0.0, abs=0.15)
    assert row["forgotten"] == pytest.approx(0.0, abs=1e-9)
    assert row["fit"] == pytest.approx(SHIFT, abs=0.05)


def test_trends_are_over_levels_and_pairs() -> None:
    records = [made(lhs, weight, seed, targets, 100) for targets, weight in (("exact", 1.0), ("sampled", 0.5))
               for seed in (0, 1) for lhs in ("", *RULES)]  # fmt: skip
    found = analysed(*records)
    trends = {(row["number"], row["targets"]): row for row in found["trends"].iter_rows(named=True)}
    assert trends["excess", "sampled − exact"]["runs"] == 2
    own = found["levels"].filter(targets="exact", seed=0).sort("level")["excess"].to_numpy()
    other = found["levels"].filter(targets="exact", seed=1).sort("level")["excess"].to_numpy()
    slopes = [(one[2] - one[0]) / 2 for one in (own, other)]
    assert trends["excess", "exact"]["estimate"] == pytest.approx(np.mean(slopes))
    said = markdown(levels.report(found))
    assert "12 runs in 2 seeds" in said
    assert "root → 2.0 2.0" in said


def test_a_run_without_its_control_is_refused() -> None:
    with pytest.raises(SpecificationError, match="a control"):
        analysed(made("2.0", 1.0), made("", 0.0, targets="sampled"))
    other = made("", 0.0)
    other.config["grammar"] = {**GRAMMAR, "seed": 1}  # type: ignore[index]
    with pytest.raises(SpecificationError, match="like the run but for its restriction"):
        analysed(made("2.0", 1.0), other)
    twice = made("2.0", 1.0), made("2.0", 0.5), made("", 0.0)
    object.__setattr__(twice[1], "hash", "another")
    with pytest.raises(SpecificationError, match="one rule of each level"):
        analysed(*twice)
    with pytest.raises(SpecificationError, match="restriction=reweighted"):
        analysed(made("", 0.0))
    assert math.isnan(levels._share(construct("grammar", GRAMMAR, "g").language, 0, np.zeros((2, 24), np.int32)))
