"""M.7: distances to the exact frontier where paths first have the same fit, and interpolated weights."""

from collections.abc import Iterator

import numpy as np

from experiments.m_methods.erasing import at_level
from experiments.m_methods.methods import CONTROLS, LEVELS, METHODS, RATES, REPLAYED, control_of
from experiments.m_methods.optima import counted, values
from experiments.predictions import Case, Tables


def replay_is_nearer(tables: Tables) -> Iterator[Case]:
    """M.7a: the distance of SFT minus that of a replay of 1 %, at equal fit."""
    yield from _nearer(tables, REPLAYED)


def all_distances(tables: Tables) -> Iterator[Case]:
    """M.7d: the same of every other method."""
    yield from _nearer(tables, tuple(name for name in METHODS if name not in (*REPLAYED, *CONTROLS.values())))


def _nearer(tables: Tables, parts: tuple[str, ...]) -> Iterator[Case]:
    for part in parts:
        for level in LEVELS:
            found = at_level(tables, part, control_of(part), level, "above")
            if found.height:
                own, other = values(found, "above"), values(found, "above_sft")
                note = f"SFT lies {other.mean():.3g} nats above the frontier, this {own.mean():.3g}"
                yield Case.exact(f"{METHODS[part].name}, at {level:g}", other - own, "nat", note=note)


def interpolated(tables: Tables) -> Iterator[Case]:
    """M.7b: KL(P‖q) where the path first fits as well as the interpolated model, minus that of this model."""
    for part in CONTROLS.values():
        found = counted(tables, "edits", part, fits=False)
        found = found.drop_nulls("forgetting_path") if found.height else found
        for (weight,), own in found.group_by("weight", maintain_order=True) if found.height else ():
            less = values(own, "forgetting_path") - values(own, "forgetting")
            note = f"at KL(S‖q) of {values(own, 'fit').mean():.3g} nats"
            yield Case.exact(f"{METHODS[part].name}, weight {weight:g}", less, "nat", note=note)


def by_rate(tables: Tables) -> Iterator[Case]:
    """M.7c: the distance of SFT with sampled targets where KL(S‖q) first is 0.03, by rate."""
    found = counted(tables, "crossings", *RATES, fits=False)
    found = found.filter(level=LEVELS[-1]) if found.height else found
    if found.height:
        rows = found.pivot("part", index="seed", values="above").sort("seed")
        there = all(rate in rows.columns for rate in RATES)
        above = rows.drop_nulls(list(RATES)).select(RATES).to_numpy().T if there else np.zeros((len(RATES), 0))
        means = ", ".join(f"{one:.3g}" for one in above.mean(axis=1)) if above.size else "none"
        yield Case.exact("2.5e-4, 5e-4, 1e-3, 2e-3", above, "nat", note=f"means {means} nats")
