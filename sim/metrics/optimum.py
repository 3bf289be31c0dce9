"""The optimum that theory predicts for a run, and a record as one of its later stages sees it."""

import re
from dataclasses import replace
from typing import Any

import numpy as np

from sim.config import construct, members
from sim.disk.records import Record
from sim.metrics.law_record import scored_from
from sim.metrics.scored import TrieView
from sim.phases import INHERITED, Stage, entries
from sim.theory.laws import Laws

_OPTIMUM = r"q\*"
_OF_A_STAGE = rf"{_OPTIMUM}|\b(S|A|B|P_A|P_B|restriction)\b"
"""Names of what a later stage may have of its own."""


def optimum(record: Record) -> np.ndarray | None:
    """log q* of whole documents [nat] that theory predicts for the fine-tuning of a run; None if nothing is predicted.

    The record holds it. For older records, which do not, it is computed from the objective.
    """
    chosen = record.config.get("objective", {})
    if "optimum" in record.facts or chosen.get("kind") not in members("objective"):
        return record.log_optimum
    return predicted(construct("objective", chosen, "objective"), laws_of(record))


def predicted(objective: Any, laws: Laws) -> Any:
    """Return what an objective states as its optimum (`sim.running.checks` checks it); None if it predicts none."""
    stated = getattr(objective, "optimum", None)
    return None if stated is None else stated(laws)


def seen_from(record: Record, stage: str) -> Record:
    """Return a record with the S, A, q* and configuration of a later stage in the place of those of the fine-tuning."""
    one, entry = record.stages[stage], entries(record.config)[stage]
    tuning = {**record.config["finetune"], **{key: entry[key] for key in INHERITED}}
    config = {**record.config, **{key: value for key, value in entry.items() if key not in (*INHERITED, "begin")}}
    return replace(
        record, config={**config, "finetune": tuning}, restricted=one.restricted, log_optimum=one.log_optimum
    )


def laws_of(record: Record, before: str = "pretrain", loss_on: str | None = None, index: int = -1) -> Laws:
    """Return what the optimum of a training may depend on: `before` is the phase whose model it begins from.

    loss_on: the tokens that it scores; None for those of the fine-tuning. index: the evaluation of `before` that is
    the model with which it begins: its last one, or the first one of the training itself if that begins from scratch.
    """
    p, restricted = record.p, record.restricted
    view = TrieView.of(p.trie, p.prompts, "joint")
    q0 = scored_from(view, "joint", p.prompts, record.phases[before].at(index))
    scored = loss_on or record.config.get("finetune", {}).get("loss_on")
    prompts = p.prompts if scored == "response" else None
    reach = None if q0.nodes is None else q0.node_log_mass
    return Laws(p.trie, p.log_p, restricted.s.log_p, restricted.event, q0.log_q, prompts, reach)


def in_stage(text: str, stage: Stage, own: bool) -> str:
    """Return a text with the names that a later stage gives to what is its own, such as q*_2, and S_2 if S is `own`."""
    return re.sub(_OF_A_STAGE if own else _OPTIMUM, rf"\g<0>_{stage.rpartition('_')[2]}", text)
