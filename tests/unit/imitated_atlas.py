"""Runs of the atlas that never ran: methods of every family, at two strengths, in three tiny worlds."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from sim.config import construct
from sim.disk.records import PhaseRecord, Record
from sim.metrics.optimum import laws_of, predicted
from sim.phases import of_edit
from tests.unit.imitated import FALLING, Node, between, made, tempered, walked

SEEDS = range(6)
"""Fewer worlds cannot be compared (`experiments.atlas.ranking.FEWEST`)."""

GRAMMAR: Node = {"kind": "styles_content", "num_styles": 3, "num_prompts": 2, "answer_length": 2, "shown": 1.0}
STYLE: Node = {"kind": "style", "keep": "z0"}
OTHERS: Sequence[tuple[Node, Node]] = (
    ({"kind": "ngram", "num_symbols": 3, "zeros": 0, "length": 4}, {"kind": "regular", "pattern": "a .*"}),
    ({"kind": "english", "words": "classroom", "num_prompts": 2}, {"kind": "style", "keep": "assistant"}),
)
"""Other kinds of language, in which few methods are tried."""

SFT: Node = {"kind": "sft", "targets": "exact"}

METHODS: Mapping[str, tuple[Sequence[Node], Sequence[float], float, int]] = {
    "sft_sampled": ([{"kind": "sft", "targets": "sampled"}], (0.0,), 0.5, 6),
    "replay": ([{"kind": "replay", "weight": one} for one in (0.01, 0.2)], (0.01, 0.2), 0.0, 6),
    "gem": ([{"kind": "gem", "beta": 0.7}], (0.0,), -0.3, 6),
    "gem_log_sigmoid": ([{"kind": "gem", "h": "log_sigmoid"}], (0.0,), -0.2, 1),
    "mixce": ([{"kind": "mixce", "eta": 0.5}], (0.0,), 0.4, 2),
    "reverse_kl": ([{"kind": "reverse_kl"}], (0.0,), 0.1, 2),
    "policy_gradient": ([{"kind": "policy_gradient", "beta": 0.2}], (0.02,), 0.2, 1),
}
"""Objectives, the weights of P in the end, how much sharper than P and S the model is in the end, and worlds."""


def atlas(seeds: Sequence[int] = SEEDS) -> Iterator[Record]:
    """All methods, one that edits the weights, and two methods in two other languages."""
    for seed in seeds:
        for method in METHODS:
            if seed < METHODS[method][3]:
                yield from _runs(method, seed, (GRAMMAR, STYLE))
        yield _edited(seed)
    for seed, other in itertools.product(seeds[:2], OTHERS):
        yield from _runs("sft_sampled", seed, other)
        yield next(_runs("replay", seed, other))


def _runs(method: str, seed: int, world: tuple[Node, Node]) -> Iterator[Record]:
    objectives, kept, sharper, _ = METHODS[method]
    for place, (objective, end) in enumerate(zip(objectives, kept, strict=True)):
        weights = [end + (1.0 - end) * one for one in FALLING]
        yield _run(method, seed, world, objective, weights, sharper / (1 + place) * (1 + 0.1 * seed))


def _run(
    method: str, seed: int, world: tuple[Node, Node], objective: Node, weights: Sequence[float], sharper: float
) -> Record:
    """A run with the predicted optimum of its objective, and KL(S‖q) after every step."""
    found = made(method, seed, *world, objective=objective, weights=weights, sharper=sharper)
    best = predicted(construct("objective", objective, "objective"), laws_of(found))
    after = np.full((int(found.phases["sft"].steps[-1]), 2), 0.01 + abs(sharper) * (1 + 0.2 * seed))
    tuned = dataclasses.replace(found.phases["sft"], kl_every_step=after)
    return dataclasses.replace(found, log_optimum=best, phases={**found.phases, "sft": tuned})


def _edited(seed: int) -> Record:
    """The mean of the weights: a model that is halfway, and one that is nearer to the end."""
    shares = (0.5, 0.75)
    edits = [{"kind": "interpolate", "weight": one} for one in shares]
    found = _run("wise_ft", seed, (GRAMMAR, STYLE), SFT, FALLING, 0.1)
    phases: dict[str, PhaseRecord] = dict(found.phases)
    meanings = dict(found.meanings)
    for share, weight in zip(shares, (0.2, 0.05), strict=True):
        name = f"interpolate_{share}"
        near = tempered(between(found.p, found.restricted.s, weight), 0.05)
        phases[name] = dataclasses.replace(walked(near, near, (1.0,)), steps=np.zeros(1, np.int64))
        meanings[name] = of_edit(name, "sft", name, (("pretrain", 1.0 - share), ("sft", share)))
    tuning = {**found.config["finetune"], "edits": edits}
    return dataclasses.replace(found, phases=phases, meanings=meanings, config={**found.config, "finetune": tuning})
