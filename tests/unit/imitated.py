"""Runs of C3 and C4 that never ran: tiny worlds, and models that go from P to S by mixing the two."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sim.config import construct
from sim.disk.later import LaterWorld
from sim.disk.records import PhaseRecord, Record
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.phases import MEANINGS, of_later
from tests.unit.figures.tiny_runs import arrays

Node = Mapping[str, Any]

SEEDS = (0, 1)
STEPS = (0, 1, 3, 10, 40, 100)
FALLING = (1.0, 0.7, 0.4, 0.1, 0.01, 1e-4)
"""Weight of P in the tuned model at each of the steps; the rest is S."""

STILL = (1.0,) * len(STEPS)
LEAK = 1e-5
"""What the model wastes at every node."""

TUNING = {"num_steps": STEPS[-1], "batch_size": 64, "num_evals": len(STEPS), "loss_on": "response",
          "prefixes": "sampled", "spacing": "log"}  # fmt: skip


def tempered(p: FiniteLanguage, sharper: float) -> FiniteLanguage:
    """P^(1 + sharper), normalised."""
    log_p = (1.0 + sharper) * p.log_p
    return p.with_law(log_p - np.log(np.exp(log_p).sum()))


def between(p: FiniteLanguage, s: FiniteLanguage, weight: float) -> FiniteLanguage:
    """weight P + (1 − weight) S."""
    with np.errstate(divide="ignore"):
        return p.with_law(np.logaddexp(np.log(weight) + p.log_p, np.log(1.0 - weight) + s.log_p))


def walked(p: FiniteLanguage, s: FiniteLanguage, weights: Sequence[float], sharper: float = 0.0) -> PhaseRecord:
    """A phase along these weights of P, which becomes sharper as its weight falls."""
    ends = [arrays(tempered(p, sharper * (1.0 - one)), s, (one,), LEAK) for one in weights]
    found = {name: np.concatenate([one[name] for one in ends]) for name in ends[0]}
    return PhaseRecord(np.array(STEPS[-len(weights) :]), np.ones(len(weights)), found)


def made(
    part: str, seed: int, grammar: Node, restriction: Node, *, objective: Node | None = None, model: Node | None = None,
    weights: Sequence[float] = FALLING, sharper: float = 0.0, control: bool = False, then: Node | None = None,
    **config: Any,
) -> Record:  # fmt: skip
    """A run of a part of a study. then: the entry of a second stage; control: whether there is an identity control."""
    p = _language({**grammar, "seed": seed})
    restricted = _restricted(p, restriction)
    phases = {"pretrain": walked(p, p, (1.0,)), "sft": walked(p, restricted.s, weights, sharper)}
    meanings = {name: MEANINGS[name] for name in ("pretrain", "sft", *(("identity",) if control else ()))}
    if control:
        phases["identity"] = walked(p, restricted.s, STILL)
    stages = {}
    if then is not None:
        start, second = between(p, restricted.s, weights[-1]), _restricted(p, then["restriction"])
        phases |= {"stage_2": walked(start, second.s, FALLING), "stage_2_identity": walked(start, p, FALLING)}
        meanings |= of_later("stage_2", "sft", "S_2", "SFT")
        stages["stage_2"] = LaterWorld(second, True, second.s.log_p)
    size = 100 * (model or {}).get("width", 1)
    whole = {
        "seed": seed, "study": {"part": part}, "grammar": {**grammar, "seed": seed}, "restriction": restriction,
        "model": model or {"kind": "transformer", "width": 64}, "finetune": TUNING, **config,
        "objective": objective or {"kind": "sft", "targets": "exact"},
        "optimizer": {"kind": "adam", "learning_rate": 0.002}, "stages": [] if then is None else [then],
    }  # fmt: skip
    facts = {"pretraining": {"joint_kl": 0.005, "limit": 0.02, "valid": True}, "world_notes": {}, "optimum": "imitated"}
    params = {"sft": {"w": np.zeros(size)}}
    return Record("tiny", "", whole, p, restricted, phases, facts, params, restricted.s.log_p, meanings, stages)


def _language(node: Node) -> FiniteLanguage:
    found = construct("grammar", node, "grammar")
    p = found[0] if isinstance(found, tuple) else found
    assert isinstance(p, FiniteLanguage)
    return p


def _restricted(p: FiniteLanguage, node: Node) -> Restricted:
    found = construct("restriction", node, "restriction", p)
    assert isinstance(found, Restricted)
    return found


# -- C3 ---------------------------------------------------------------------------------------------------------------

TOPICS: Node = {"kind": "topics", "num_prompts": 12, "num_topics": 2, "answers_per_prompt": 4, "num_symbols": 2,
                "answer_length": 2, "idiosyncrasy": 0.5, "shown": True}  # fmt: skip
SAMPLED: Node = {"kind": "sft", "targets": "sampled"}


def few(m: int | None, n: int, seed: int, annotator: str = "sampled", temperature: float | None = None) -> Node:
    """m answers to each of n prompts."""
    return {"kind": "answers", "num_answers": m, "num_prompts": n, "annotator": annotator, "temperature": temperature,
            "seed": seed}  # fmt: skip


def c3(seeds: Sequence[int] = SEEDS) -> Iterator[Record]:
    """Every part of C3. Held-out prompts become sharper in all runs on finite data."""
    for seed in seeds:
        yield from _cells(seed)
        yield from _others(seed)
        yield from _modes(seed)


def _cells(seed: int) -> Iterator[Record]:
    for width, m in itertools.product((32, 64), (1, 4, 16)):
        part = "cells" if width == 64 else "cells_narrow"
        late = tuple(weight ** (64 / width) for weight in FALLING)
        yield made(part, seed, TOPICS, few(m, 6, seed), objective=SAMPLED, weights=late, sharper=1.0 / m,
                   model={"kind": "transformer", "width": width})  # fmt: skip
    for width, targets in itertools.product((32, 64), ("exact", "sampled")):
        part = "infinite_exact" if targets == "exact" else "infinite" if width == 64 else "infinite_narrow"
        yield made(part, seed, TOPICS, few(None, 6, seed), objective={"kind": "sft", "targets": targets},
                   model={"kind": "transformer", "width": width})  # fmt: skip


def _others(seed: int) -> Iterator[Record]:
    def one(part: str, restriction: Node, sharper: float = 0.5, targets: str = "sampled") -> Record:
        return made(part, seed, TOPICS, restriction, objective={**SAMPLED, "targets": targets}, sharper=sharper)

    for targets in ("exact", "sampled"):
        yield one("identity", {"kind": "everything"}, 0.0, targets)
    yield one("annotators", few(1, 6, seed, "homogeneous"), 8.0)
    for temperature in (0.5, 0.7, 1.4):
        tuned = few(None, 6, seed, "tempered", temperature)
        yield one("annotators_tempered", tuned, 0.8 / temperature - 0.8)
    yield one("fewer", few(32, 3, seed))
    yield one("fewer_few", few(4, 3, seed))
    yield one("rivals_exact", few(1, 6, seed), 0.9, "exact")
    half = {"kind": "fraction", "share": 0.5, "of": "prompts", "keep_prompts": False, "seed": 0}
    for part, draws in (("copies_first", 1000), ("copies_again", 2000)):
        steps = [half, {"kind": "answers", "num_answers": 1, "seed": draws}]
        yield one(part, {"kind": "in_turn", "steps": steps}, 3.0)
    yield one("copies_few", few(4, 4, seed), 1.0)
    yield one("copies_many", few(2, 8, seed), 2.0)


def _modes(seed: int) -> Iterator[Record]:
    for kind, objective in itertools.product(("tabular_ngram", "tabular_trie"), ("sft", "mixed_kl", "reverse_kl")):
        small = kind == "tabular_ngram"
        leak = {"sft": 0.7, "mixed_kl": 0.55, "reverse_kl": 0.4}[objective] if small else 1e-3
        node = {"kind": objective, "targets": "exact"} if objective == "sft" else {"kind": objective, "delta": 1e-3}
        part = f"modes{'' if small else '_trie'}_{objective}"
        yield made(part, seed, TOPICS, few(2, 6, seed), objective=node, weights=(1.0, leak),
                   model={"kind": kind, "order": 3} if small else {"kind": kind})  # fmt: skip


# -- C4 ---------------------------------------------------------------------------------------------------------------

STYLES: Node = {"kind": "styles_content", "num_prompts": 2, "num_styles": 3, "num_symbols": 6, "answer_length": 2,
                "shown": 1.0, "swing": 0.0}  # fmt: skip
ON: Node = {"kind": "style", "keep": "on", "keep_prompts": False}
Z0: Node = {"kind": "style", "keep": "z0", "keep_prompts": True}
BOTH: Node = {"kind": "style", "keep": ["z0", "z1"], "keep_prompts": True}


def c4(seeds: Sequence[int] = SEEDS) -> Iterator[Record]:
    """Every part of C4."""
    for seed in seeds:
        yield from _walks(seed)
        yield from _styles(seed)
        yield from _forgetting(seed)
        for arm in ("sft", "klpg", "dpo", "hard"):
            then = {"objective": OBJECTIVES[arm], "restriction": Z0}
            parts = [f"stages_{arm}", *([f"again_{arm}"] if arm in ("dpo", "hard") else [])]
            for part in parts:
                yield made(part, seed, STYLES, BOTH, control=arm == "sft", then=then, weights=FALLING[:-1])


OBJECTIVES: dict[str, Node] = {
    "sft": {"kind": "sft", "targets": "exact"},
    "klpg": {"kind": "policy_gradient", "beta": 0.1},
    "pg": {"kind": "policy_gradient", "beta": 0.0},
    "dpo": {"kind": "dpo", "beta": 0.1},
    "hard": {"kind": "dpo", "beta": 0.1, "labels": "hard"},
    "rejection": {"kind": "rejection"},
}


def _walks(seed: int) -> Iterator[Record]:
    for part, swing, recovery in (
        ("horizon_table", 0.0, 0.0), ("horizon_net", 0.0, 0.0), ("horizon_net", 0.5, 0.0), ("horizon_returns", 0.0, 0.2)
    ):  # fmt: skip
        for horizon in (4, 8):
            grammar = {"kind": "corridor", "num_steps": horizon, "swing": swing, "recovery": recovery, "branching": 1}
            yield made(part, seed, grammar, ON, weights=(1.0, 0.1))
    short = {"kind": "corridor", "num_steps": 3, "branching": 1, "recovery": 0.2, "swing": 0.5}
    noisy = {"kind": "style", "keep": {"on": 0.9, "back": 0.1}, "keep_prompts": False}
    for targets, restriction in itertools.product(("exact", "sampled"), (ON, noisy)):
        part, end = f"returns_{'clean' if restriction is ON else 'noisy'}", 0.01 if targets == "exact" else 0.03
        yield made(part, seed, short, restriction, objective={"kind": "sft", "targets": targets},
                   weights=(1.0, end * (1 + seed)), control=True)  # fmt: skip
    for model in ("trie", "ngram2", "ngram1"):
        yield made(f"sharing_walk_{model}", seed, short, ON, weights=(1.0, 0.01), control=True)
    drift = {"kind": "corridor", "num_steps": 4, "branching": 2, "swing": 0.5}
    for targets, temperature in itertools.product(("exact", "sampled"), (None, 0.4, 2.5)):
        sharpened = [ON, {"kind": "sharpen", "temperature": temperature}]
        yield made("drift" if temperature is None else "drift_tilted", seed, drift,
                   ON if temperature is None else {"kind": "in_turn", "steps": sharpened},
                   objective={"kind": "sft", "targets": targets}, control=temperature is None,
                   weights=FALLING if targets == "exact" else [weight**0.9 for weight in FALLING])  # fmt: skip


def _styles(seed: int) -> Iterator[Record]:
    half = {"kind": "fraction", "share": 0.5, "of": "prompts", "keep_prompts": False, "seed": seed}
    restriction = {"kind": "in_turn", "steps": [half, {"kind": "style", "keep": "z0"}]}
    for shown, targets in itertools.product((1.0, 0.0), ("exact", "sampled")):
        yield made("weights", seed, {**STYLES, "shown": shown}, restriction, control=True, sharper=0.5,
                   objective={"kind": "sft", "targets": targets})  # fmt: skip
    for model, shown in (("trie", 1.0), ("trie", 0.0), ("ngram3", 1.0), ("ngram2", 1.0)):
        yield made(f"sharing_style_{model}", seed, {**STYLES, "shown": shown}, restriction, weights=(1.0, 0.01),
                   control=True, sharper=0.0 if model == "trie" else 0.3)  # fmt: skip


def _forgetting(seed: int) -> Iterator[Record]:
    for kind, arm in itertools.product(("table", "net"), ("oracle", "sampled", "rejection", "pg", "klpg", "tilted")):
        if (kind, arm) == ("table", "sampled"):
            continue
        targets = {"kind": "sft", "targets": "sampled" if arm == "sampled" else "exact"}
        for temperature in (0.7, 0.4) if (kind, arm) == ("table", "tilted") else (0.5,):
            sharp = {"kind": "sharpen", "temperature": temperature, "keep_prompts": True}
            restriction = {"kind": "in_turn", "steps": [Z0, sharp]} if arm == "tilted" else Z0
            yield made(f"forget_{kind}_{arm}", seed, STYLES, restriction, objective=OBJECTIVES.get(arm, targets),
                       sharper=1.0 if arm == "pg" else 0.0, control=kind == "net" and arm in ("oracle", "pg", "klpg"),
                       weights=[weight ** (1 + 0.1 * seed) for weight in FALLING])  # fmt: skip
    yield made("dpo_table", seed, STYLES, Z0, objective=OBJECTIVES["dpo"], weights=(1.0, 1e-4))


def numbered(records: Iterator[Record]) -> list[Record]:
    """The runs, each with a hash of its own."""
    return [dataclasses.replace(record, hash=f"{number:012x}") for number, record in enumerate(records)]
