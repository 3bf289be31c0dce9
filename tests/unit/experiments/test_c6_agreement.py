"""C6.1: a study in which every prediction holds, one number for each way out of it, and the rows of two real models."""

import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from experiments.c6_consequences import CLAIM
from experiments.c6_consequences.agreement import NEEDS, PHASES, compared, tables
from experiments.predictions import Tables
from experiments.study import Study
from sim.disk.records import Record
from sim.numerics import SpecificationError
from tests.unit.experiments.tiny_studies import archived, study, variant
from tests.unit.figures.tiny_runs import run
from tests.unit.recorded_worlds import recorded, twins

S, P = 0.06, 0.015
"""C(S) and C(P); the margin is a quarter of their difference, 0.01125."""


def pairs(gaps: dict[tuple[str, str], float] | None = None, worlds: int = 12) -> pl.DataFrame:
    """Pairs whose collision lies by `gaps` above what it should be, with a little noise."""
    rows = []
    for world in range(worlds):
        noise = 1e-4 * float(np.random.default_rng(world).standard_normal())
        for phase in PHASES:
            for where in ("shown", "unshown"):
                repeats = S if phase == "tuned" else P
                together = repeats + noise + (gaps or {}).get((phase, where), 0.0)
                rows.append(
                    {"world": world, "targets": "sampled", "valid": True, "phase": phase, "where": where, "narrow": S,
                     "widest": P, "repeats": repeats, "together_lower": together, "together_upper": together + 1e-7,
                     "overlap_lower": 0.99, "overlap_upper": 0.991, "alone_lower": together, "alone_upper": together}
                )  # fmt: skip
    return pl.DataFrame(rows)


def paths(mass: float = 0.999, information: float = 0.3, worlds: int = 12) -> pl.DataFrame:
    """Two models of each world; I(x; y) is 0.3 in S and 0.42 in P, so the margin is 0.03."""
    rows = []
    for world in range(worlds):
        for model in (0, 1000):
            for step, m, i in ((0, 0.25, 0.42), (1000, mass, information)):
                i += 1e-3 * float(np.random.default_rng(world + model).standard_normal())
                rows.append(
                    {"run": f"{world}{model}", "seed": world + model, "world": world, "valid": True, "part": "",
                     "targets": "sampled", "phase": "sft", "step": step, "mass_lower": m, "mass_upper": m,
                     "information_lower": i, "information_upper": i + 1e-4, "marginal_lower": 4.0,
                     "marginal_upper": 4.1, "fit_lower": 0.0, "fit_upper": 0.0, "prior": 0.25, "information_p": 0.42,
                     "information_s": 0.3}
                )  # fmt: skip
    return pl.DataFrame(rows)


def verdicts(identifier: str, **given: pl.DataFrame) -> set[str]:
    known: Tables = {"agreement_pairs": pairs(), "agreement_paths": paths(), **given}
    return {one.verdict for one in CLAIM.prediction(identifier).judge(known)}


@pytest.mark.parametrize("identifier", [f"C6.1{letter}" for letter in "abcdef"])
def test_all_holds_in_the_study_that_is_predicted(identifier: str) -> None:
    assert verdicts(identifier) == {"holds"}
    few = {"agreement_pairs": pairs(worlds=11), "agreement_paths": paths(worlds=11)}
    assert verdicts(identifier, **few) == {"undecided"}, "twelve worlds are needed, two models of a world are one"
    nothing = {"agreement_pairs": pl.DataFrame(), "agreement_paths": pl.DataFrame()}
    assert verdicts(identifier, **nothing) == {"not valid"}


@pytest.mark.parametrize(
    ("identifier", "place"),
    [("C6.1a", ("before", "shown")), ("C6.1b", ("control", "shown")), ("C6.1c", ("tuned", "shown")),
     ("C6.1d", ("tuned", "unshown"))],
)  # fmt: skip
@pytest.mark.parametrize(("gap", "verdict"), [(0.02, "refuted"), (-0.02, "refuted"), (0.005, "holds")])
def test_models_that_agree_more_or_less_refute_it(
    identifier: str, place: tuple[str, str], gap: float, verdict: str
) -> None:
    assert verdicts(identifier, agreement_pairs=pairs({place: gap})) == {verdict}
    others = {"C6.1a", "C6.1b", "C6.1c", "C6.1d"} - {identifier}
    assert all(verdicts(one, agreement_pairs=pairs({place: gap})) == {"holds"} for one in others)


def test_another_style_or_the_same_answers_everywhere_refute_it() -> None:
    assert verdicts("C6.1e", agreement_paths=paths(mass=0.5)) == {"refuted"}
    assert verdicts("C6.1f", agreement_paths=paths(information=0.05)) == {"refuted"}


def test_two_models_of_a_world_against_sums_over_their_answers() -> None:
    """`twins` have one world and other models; each row is a sum over strings with both probabilities."""
    one, other = (styled(recorded(world)) for world in twins(5))
    rows = {(row["phase"], row["where"]): row for row in compared(one, other)}
    assert {where for _, where in rows} == {"shown", "unshown"}
    p = one.p
    q, r = (answers(record) for record in (one, other))
    s_law = np.exp(one.restricted.s.prompts.log_p)[p.prompts.group]
    row = rows["tuned", "shown"]
    assert row["together_lower"] == pytest.approx((s_law * q * r).sum(), rel=1e-12)
    assert row["overlap_lower"] == pytest.approx((s_law * np.sqrt(q * r)).sum(), rel=1e-12)
    assert row["alone_lower"] == pytest.approx((s_law * (q * q + r * r)).sum() / 2, rel=1e-12)
    assert row["narrow"] == row["repeats"] == pytest.approx((s_law * np.exp(one.restricted.s.answers) ** 2).sum())
    assert row["widest"] == rows["before", "shown"]["repeats"] == pytest.approx((s_law * np.exp(p.answers) ** 2).sum())
    lacks = np.where(np.exp(one.restricted.s.prompts.log_p) > 0.0, 0.0, np.exp(p.prompts.log_p))
    law = (lacks / lacks.sum())[p.prompts.group]
    in_style = np.exp(p.answers) * np.exp(p.styles.log_posterior[:, 0])
    total = np.bincount(p.prompts.group, in_style)[p.prompts.group]
    in_style = np.divide(in_style, total, out=np.zeros_like(total), where=total > 0.0)
    assert rows["tuned", "unshown"]["narrow"] == pytest.approx((law * in_style**2).sum(), rel=1e-12)


def answers(record: Record) -> np.ndarray:
    """q(y|x) of every document from the recorded probabilities of its tokens."""
    trie, log_q = record.p.trie, record.phases["sft"].arrays["edge_log_q"][-1]
    after = (trie.edge >= 0) & (np.arange(trie.length) >= record.p.prompts.length[:, None])
    return np.exp(np.where(after, log_q[trie.edge], 0.0).sum(axis=1))


def styled(record: Record) -> Record:
    """The record with its styles under the names of the study."""
    named = dataclasses.replace(record.p.styles, names=("z0", "z1"))
    p = dataclasses.replace(record.p, styles=named)
    kept = {name: dataclasses.replace(getattr(record.restricted, name), styles=named) for name in ("s", "kept")}
    return dataclasses.replace(record, p=p, restricted=dataclasses.replace(record.restricted, **kept))


def test_models_of_two_worlds_are_refused() -> None:
    one = run()
    other = dataclasses.replace(one, p=one.p.with_law(one.p.log_p[::-1]))
    with pytest.raises(SpecificationError, match="one world is required, found two laws P; give the grammar"):
        list(compared(one, other))


def test_the_tables_of_a_study_whose_two_models_are_equal(tmp_path: Path) -> None:
    """An archived run twice, under two seeds of the model and one of the world: they agree as often as they repeat."""
    record = renamed(archived())
    worlds = [(0, 5), (1, 5), (2, 6)]
    twice = [
        variant(record, at, "agreement_sampled", seed=seed, grammar={"seed": world})
        for at, (seed, world) in enumerate(worlds)
    ]
    found = tables(Study.of(study(tmp_path, twice), NEEDS))
    pairs, paths = found["agreement_pairs"], found["agreement_paths"]
    assert set(pairs["world"]) == {5}, "a world with one model has no pair"
    assert pairs.select("phase", "where").rows() == [(phase, "shown") for phase in PHASES]
    for end in ("lower", "upper"):
        np.testing.assert_allclose(pairs[f"together_{end}"], pairs[f"alone_{end}"], rtol=1e-12)
    sft, control = (len(record.phases[phase].steps) for phase in ("sft", "identity"))
    assert paths.height == 3 * (sft + control)
    assert not paths.select(pl.selectors.numeric().is_null().any()).transpose().to_series().any()
    assert (paths["information_lower"] <= paths["information_upper"]).all()


def renamed(record: Record) -> Record:
    """The record with the first style under the name of the tuned one."""
    styles = dataclasses.replace(record.p.styles, names=("z0", *record.p.styles.names[1:]))
    p = dataclasses.replace(record.p, styles=styles)
    kept = {name: dataclasses.replace(getattr(record.restricted, name), styles=styles) for name in ("s", "kept")}
    return dataclasses.replace(record, p=p, restricted=dataclasses.replace(record.restricted, **kept))
