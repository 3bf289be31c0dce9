"""A record of a run before it is done, with a stand-in for its models. So a question about its numbers can be checked.

The stand-in begins with equal probabilities of every next token. So it has mass off the support, as a trained model
has, and a number that is only bounded after the training is only bounded here too.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sim.disk.records import PhaseRecord, Record
from sim.languages.trie import Trie
from sim.metrics.named import Named, check_phase, is_known, only_bounded, the_row
from sim.metrics.scene import TRUTH
from sim.metrics.table import last_rows
from sim.numerics import SpecificationError
from sim.phases import MEANINGS, siblings, steps_by_stage
from sim.running import editing, stages
from sim.running.build import languages, later_worlds, predicted
from sim.running.identity import without_text
from sim.training.node_record import node_record


def check_number(chosen: Mapping[str, Any], wanted: Named) -> None:
    """Raise SpecificationError if a run with this canonical configuration will not have the one number that is named.

    Nothing is trained. A metric that reads what a probe records, or what this record lacks, cannot be measured here. It
    is accepted, and what is wrong is found after the run.
    """
    record = standin(chosen)
    check_phase((*record.phases, TRUTH), wanted)
    try:
        known = bool(last_rows(record, wanted.metric, wanted.view, wanted.phase)) or not chosen["finetune"]["probes"]
    except SpecificationError:
        known = False
    if known and not is_known(the_row(record, wanted), wanted):
        raise only_bounded(wanted, "one that may be only bounded")


def standin(chosen: Mapping[str, Any]) -> Record:
    """Return the record of a run that never ran: its first model gives every next token the same probability.

    The models of all later phases prefer some tokens to others, so that they differ from the first one.
    """
    p, restricted = languages(chosen)
    best = predicted(chosen)
    after, again = stages.meanings(chosen), siblings(chosen["finetune"].get("siblings", 0))
    phases = ("pretrain", "sft", *chosen["finetune"]["controls"], *again, *after)
    phases += ("recovery", "scratch") if chosen["relearn"]["num_steps"] else ()
    first, later = uniform(p.trie), node_record(_ramp(p.trie), p.trie)
    begun = {name: np.stack([values, values]) for name, values in first.items()}
    moved = {name: np.stack([values, later[name]]) for name, values in first.items()}
    known, number = MEANINGS | again | after, steps_by_stage(chosen)
    steps = {phase: number[known[phase].stage] for phase in phases}
    watches = chosen["finetune"]["kl_every_step"]
    recorded = {
        phase: PhaseRecord(
            np.array([0, steps[phase]]),
            np.array([np.nan, 0.0]),
            dict(begun if phase == "pretrain" else moved),
            *(2 * [np.ones((steps[phase], 2)) if watches and known[phase].tunes else None]),
        )
        for phase in phases
    }
    edited = editing.meanings(chosen["finetune"])
    once = {name: values[1:] for name, values in moved.items()}
    recorded |= {phase: PhaseRecord(np.array([0]), np.array([np.nan]), dict(once)) for phase in edited}
    meanings = {phase: (known | edited)[phase] for phase in recorded}
    facts = {"optimum": "none" if best is None else "predicted"}
    named = (chosen["name"], "", without_text(chosen))
    worlds = later_worlds(chosen)
    return Record(*named, p, restricted, recorded, facts, log_optimum=best, meanings=meanings, stages=worlds)


def _ramp(trie: Trie) -> np.ndarray:
    """Logits that rise with the token, from 0 to 1, the same at every node."""
    return np.tile(np.linspace(0.0, 1.0, trie.vocab_size), (trie.num_nodes, 1))


def uniform(trie: Trie) -> dict[str, np.ndarray]:
    """Return the recorded arrays of the model q(token | node) = 1/V, see `sim.training.node_record`."""
    size = trie.vocab_size
    illegal = size - np.bincount(trie.edge_node, minlength=trie.num_nodes)
    leak = illegal / size
    return {
        "edge_log_q": np.full(len(trie.edge_node), -np.log(size)),
        "leak": leak,
        "leak_plogp": -leak * np.log(size),
        "leak_square": leak / size,
        "leak_max": np.where(illegal > 0, 1.0 / size, 0.0),
    }
