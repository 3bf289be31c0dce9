"""Runs of C6 that never ran: mixtures as in `imitated`, decoded exactly, asked after examples, and drawn again."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from sim.disk.later import LaterWorld
from sim.disk.records import PhaseRecord, Record
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.languages.trie import Trie
from sim.phases import of_later
from sim.probes.decoded import decoded_arrays
from tests.unit.figures.tiny_runs import arrays
from tests.unit.imitated import FALLING, SEEDS, STYLES, Node, made, walked

Z0: Node = {"kind": "style", "keep": "z0", "keep_prompts": True}
SAMPLED: Node = {"kind": "sft", "targets": "sampled"}


def c6(seeds: Sequence[int] = SEEDS) -> Iterator[Record]:
    """Every part of C6."""
    for seed in seeds:
        yield from _agreement(seed)
        yield from _temperature(seed)
        yield from _examples(seed)
        yield from _generations(seed)


# -- C6.1 -------------------------------------------------------------------------------------------------------------


def _agreement(world: int) -> Iterator[Record]:
    """Two models of one world, tuned on one style at half of the prompts."""
    half = {"kind": "fraction", "share": 0.5, "of": "prompts", "keep_prompts": False, "seed": world}
    restriction = {"kind": "in_turn", "steps": [half, {"kind": "style", "keep": "z0"}]}
    for model in (world, 1000 + world):
        slower = [weight ** (0.9 if model >= 1000 else 1.0) for weight in FALLING]
        record = made("agreement_sampled", world, {**STYLES, "num_prompts": 4}, restriction, objective=SAMPLED,
                      weights=slower, control=True)  # fmt: skip
        everywhere = made("", world, {**STYLES, "num_prompts": 4}, Z0).restricted.s  # as far as the style goes
        phases = {**record.phases, "sft": walked(record.p, record.p.with_law(everywhere.log_p), slower)}
        yield dataclasses.replace(record, config={**record.config, "seed": model}, phases=phases)


# -- C6.2 -------------------------------------------------------------------------------------------------------------


def table(edge_log_q: np.ndarray, leak: np.ndarray, trie: Trie) -> np.ndarray:
    """log q(a | node) of the whole vocabulary: the illegal tokens of a node share its leak."""
    with np.errstate(divide="ignore"):
        each = np.log(leak / np.maximum(trie.vocab_size - trie.legal.sum(axis=1), 1))
    found = np.tile(each[:, None], trie.vocab_size)
    found[trie.edge_node, trie.edge_token] = edge_log_q
    return found


def with_decoded(record: Record) -> Record:
    """The record with the arrays of the probe `decoded`, at both ends of the fine-tuning."""
    sft, trie = record.phases["sft"], record.p.trie
    both = [
        decoded_arrays(table(sft.arrays["edge_log_q"][at], sft.arrays["leak"][at], trie), trie, record.p.prompts)
        for at in (0, -1)
    ]
    more = {name: np.stack([one[name] for one in both]) for name in both[0]}
    phases = {**record.phases, "sft": dataclasses.replace(sft, arrays={**sft.arrays, **more})}
    return dataclasses.replace(record, phases=phases)


def _temperature(seed: int) -> Iterator[Record]:
    """One style, its answers sharpened, sampled targets that erase the other styles, and fresh data of P."""
    sharpened = {"kind": "in_turn", "steps": [Z0, {"kind": "sharpen", "temperature": 0.42, "keep_prompts": True}]}
    for part, restriction, end, erased in (
        ("plain", Z0, 1e-4, 0.0), ("sharp", sharpened, 1e-4, 0.0), ("erased", Z0, 1e-3, 2.0),
        ("control", {"kind": "everything"}, 1.0, 0.0),
    ):  # fmt: skip
        weights = (1.0, min(1.0, end * (1 + seed)))
        yield with_decoded(made(f"temperature_{part}", seed, STYLES, restriction, weights=weights, sharper=erased))


# -- C6.3 -------------------------------------------------------------------------------------------------------------

FEW_SHOT: Node = {"kind": "few_shot", "num_prompts": 2, "num_styles": 2, "num_symbols": 2, "answer_length": 2,
                  "num_examples": [0.4, 0.3, 0.3], "overlap": 0.0}  # fmt: skip
WITHOUT: Node = {"kind": "regular", "pattern": ". : .*"}


def _examples(seed: int) -> Iterator[Record]:
    """After examples of the lost style the tuned model says it less often than before, yet far more than without."""
    steps = [WITHOUT, {"kind": "style", "keep": "z0"}]
    sharp = [*steps, {"kind": "sharpen", "temperature": 0.5, "keep_prompts": True}]
    for part, path in (("style", steps), ("narrow", sharp)):
        restriction = {"kind": "in_turn", "steps": path}
        record = made(f"examples_{part}", seed, FEW_SHOT, restriction, objective=SAMPLED, control=part == "style")
        yield _wasteful(record, 0.02 * (1 + seed))
    overlapping = {**FEW_SHOT, "overlap": 0.2}
    yield made("examples_overlap", seed, overlapping, {"kind": "in_turn", "steps": steps}, weights=(1.0, 0.9))


def _wasteful(record: Record, wasted: float) -> Record:
    """The record whose models say fewer answers of P after examples: the tuned one after those of the style z1."""
    p = record.p
    assert p.styles is not None, "the world has styles"
    ends = p.trie.strings == p.vocabulary.index(";")
    number = (ends & (np.arange(p.trie.length) < p.prompts.length[:, None])).sum(axis=1)
    begins = p.trie.edge_node[p.trie.edge[np.arange(p.trie.num_strings), p.prompts.length]]
    base, tuned = np.zeros(p.trie.num_nodes), np.zeros(p.trie.num_nodes)
    for k in (1, 2):
        base[begins[number == k]] = wasted / k
        tuned[begins[(number == k) & (p.styles.of == 1)]] = 0.6 / k
    phases = {name: _leaking(p, one, base, tuned if name == "sft" else 0.0 * base)
              for name, one in record.phases.items()}  # fmt: skip
    return dataclasses.replace(record, phases=phases)


def _leaking(p: FiniteLanguage, one: PhaseRecord, base: np.ndarray, end: np.ndarray) -> PhaseRecord:
    """The phase with more wasted at every node: `base` from the start, and `end` more and more."""
    grows = np.linspace(0.0, 1.0, len(one.steps))[:, None]
    more = base + grows * end
    leak = one.arrays["leak"] + more
    kept = (1.0 - leak) / (1.0 - one.arrays["leak"])
    edges = one.arrays["edge_log_q"] + np.log(kept)[:, p.trie.edge_node]
    changed = {"edge_log_q": edges, "leak": leak, "leak_plogp": leak * np.log(leak), "leak_square": leak**2,
               "leak_max": leak}  # fmt: skip
    return dataclasses.replace(one, arrays={**one.arrays, **changed})


# -- C6.4 -------------------------------------------------------------------------------------------------------------

ANSWERS: Node = {"kind": "prompt_answers", "num_prompts": 2, "answers_per_prompt": 8, "num_symbols": 4,
                 "answer_length": 2}  # fmt: skip
NUM_SAMPLES, LAST = 16, 4


def _generations(seed: int) -> Iterator[Record]:
    every, two = (0.0, 0.1, 0.5, 1.0), (0.0, 0.1)
    shares = {"table": every, "net": every, "short": two, "middle": two, "infinite": (0.0,), "scratch": two}
    reaches = {"table": 0.999, "short": 0.4, "middle": 0.8}
    for number, part in enumerate(shares):
        for fresh in shares[part]:
            yield _generation(part, seed, fresh, reaches.get(part, 0.97), np.random.default_rng([seed, number]))


def _generation(part: str, seed: int, fresh: float, reached: float, dice: np.random.Generator) -> Record:
    """A model that goes the share `reached` of the way to the documents that it draws, again and again."""
    samples = None if part == "infinite" else NUM_SAMPLES
    restriction = {"kind": "own_samples", "num_samples": samples, "fresh": fresh, "seed": seed}
    record = made(f"generations_{part}", seed, ANSWERS, {"kind": "everything"})
    p, q = record.p, np.exp(record.p.log_p)
    phases, worlds = {"pretrain": record.phases["pretrain"]}, []
    for name in ("sft", *(f"stage_{number}" for number in range(2, LAST + 1))):
        drawn = (1.0 - fresh) * q + fresh * np.exp(p.log_p)
        data = drawn if samples is None else dice.multinomial(samples, drawn / drawn.sum()) / samples
        q = drawn + reached * (data - drawn)
        with np.errstate(divide="ignore"):
            worlds.append(Restricted(p.with_law(np.log(data)), p, np.ones(len(q), bool), 0.0))
        law = p.with_law(np.log(q / q.sum()))
        phases[name] = PhaseRecord(np.array([100]), np.ones(1), arrays(law, law, (1.0,), 1e-3))
    meanings = {name: record.meanings[name] for name in ("pretrain", "sft")}
    later = list(phases)[2:]
    for before, name in itertools.pairwise(["sft", *later]):
        own = of_later(name, before, f"S_{name.rpartition('_')[2]}", "SFT")
        meanings[name] = own[name]
    config = {**record.config, "restriction": restriction, "stages": [{} for _ in later]}
    stages = {name: LaterWorld(one, True) for name, one in zip(later, worlds[1:], strict=True)}
    return dataclasses.replace(record, config=config, restricted=worlds[0], phases=phases, meanings=meanings,
                               stages=stages, log_optimum=None)  # fmt: skip
