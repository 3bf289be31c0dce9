"""Runs of C6.2 that never ran: models between P and S, decoded exactly; all illegal tokens share the leak."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from sim.disk.records import Record
from sim.languages.trie import Trie
from sim.probes.decoded import decoded_arrays
from tests.unit.figures.tiny_studies import made

PARTS = {"temperature_plain": 1e-3, "temperature_sharp": 1e-3, "temperature_erased": 1e-2, "temperature_control": 1.0}
"""The parts, and the weight of P in the end."""


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


def records(seeds: tuple[int, ...] = (0, 1)) -> Iterator[Record]:
    """Every part, for each seed."""
    for seed in seeds:
        for part, weight in PARTS.items():
            node = {"kind": "everything"} if part.endswith("control") else {"kind": "style", "keep": "poetic"}
            sharper = 2.0 * part.endswith("erased")
            yield with_decoded(made(node, part, seed, falling=(1.0, min(1.0, weight * (1 + seed))), sharper=sharper))
