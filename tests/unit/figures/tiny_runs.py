"""A run that never ran: a small world with prompts and styles, and models that go from P to S by mixing the two."""

import dataclasses
import math
from itertools import product

import numpy as np

from sim.disk.records import PhaseRecord, Record
from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.restricted import Restricted
from sim.languages.vocabulary import Vocabulary
from sim.metrics.table import residuals
from sim.restrictions.style import style

SYMBOLS = ("<eos>", "x", "y", "?", "a", "b", "c", "never")
STEPS = np.array([0, 1, 4, 12])
WEIGHTS = (1.0, 0.5, 0.1, 0.01)
"""Weight of P in the tuned model at each of the steps."""


def world(prompts: bool = True, styles: bool = True) -> FiniteLanguage:
    """Eight answers to each of two prompts, their probabilities never tied; the first word is the style."""
    vocabulary = Vocabulary(SYMBOLS, prompt_end=3 if prompts else None)
    documents, weights, rows = [], [], []
    for x, first, second, third in product("xy", "abc", "ab", "ac"):
        words = [*((x, "?") if prompts else ()), first, second, third]
        if not prompts and x == "y":
            continue
        documents.append([*vocabulary.encode(words), 0])
        weights.append(1.0 / (1 + len(weights)) + (x == "y") * (first == "b"))
        rows.append([0.0 if first == z else -math.inf for z in "abc"])
    named = Styles(("plain", "poetic", "terse"), np.array(rows)) if styles else None
    log_p = np.log(weights) - math.log(math.fsum(weights))
    return FiniteLanguage.from_strings(vocabulary, np.array(documents), log_p, named)


def one_string() -> FiniteLanguage:
    """A language without any entropy."""
    vocabulary = Vocabulary(SYMBOLS)
    return FiniteLanguage.from_strings(vocabulary, np.array([[*vocabulary.encode(["a", "b"]), 0]]), np.zeros(1))


def restrict(p: FiniteLanguage, styles: bool) -> Restricted:
    """The style "poetic", with or without saying so; everything where there is only one string."""
    if p.trie.num_strings == 1:
        return Restricted(p, p, np.ones(1, bool), 0.0)
    restricted = style(p, keep="poetic")
    if styles:
        return restricted
    plain = (dataclasses.replace(one, styles=None) for one in (restricted.s, restricted.kept))
    return Restricted(*plain, restricted.event, restricted.log_mass)


def arrays(p: FiniteLanguage, s: FiniteLanguage, weights: tuple[float, ...], leak: float) -> dict[str, np.ndarray]:
    """Evaluations of weight P + (1 - weight) S, which at every node wastes `leak` on the symbol `never`."""
    with np.errstate(divide="ignore"):
        mixed = [np.logaddexp(np.log(weight) + p.log_p, np.log(1 - weight) + s.log_p) for weight in weights]
    edges = [dataclasses.replace(p, log_p=log_p).edge_log_prob + math.log1p(-leak) for log_p in mixed]
    nodes = np.ones((len(weights), p.trie.num_nodes))
    wasted = {"leak": leak, "leak_plogp": leak * math.log(leak), "leak_square": leak**2, "leak_max": leak}
    return {"edge_log_q": np.stack(edges)} | {name: nodes * value for name, value in wasted.items()}


def run(
    prompts: bool = True,
    styles: bool = True,
    control: bool = True,
    reverse: bool = False,
    replay: bool = False,
    valid: bool = True,
    single: bool = False,
    carried: bool = False,
) -> Record:
    """The record; `reverse` lets SFT widen the model instead of narrowing it, `single` leaves one string, `carried`
    adds the second control.
    """
    p = one_string() if single else world(prompts, styles)
    restricted = restrict(one_string() if single else world(prompts), styles)
    weights = WEIGHTS[::-1] if reverse else WEIGHTS
    base, still = (weights[0],) * 2, (weights[0],) * len(weights)
    losses = np.full(len(STEPS), 2.0)
    phases = {
        "pretrain": PhaseRecord(np.array([0, 20]), losses[:2], arrays(p, restricted.s, base, 1e-3)),
        "sft": PhaseRecord(STEPS, losses, arrays(p, restricted.s, weights, 1e-3)),
        "identity": PhaseRecord(STEPS, losses, arrays(p, restricted.s, still, 2e-3)),
    }
    if carried:
        phases["carried"] = PhaseRecord(STEPS, losses, arrays(p, restricted.s, still, 3e-3))
    if not control:
        del phases["identity"]
    config = {
        "seed": 5,
        "grammar": {"kind": "toy"},
        "restriction": {"kind": "style", "keep": "poetic", "keep_prompts": False},
        "model": {"kind": "mixture"},
        "objective": {"kind": "replay", "weight": 0.1} if replay else {"kind": "sft", "targets": "exact"},
        "optimizer": {"kind": "adam", "learning_rate": 0.1},
        "finetune": {"num_steps": 12, "loss_on": "response"},
    }
    facts = {"pretraining": {"joint_kl": 0.005 if valid else 0.0456, "limit": 0.02, "valid": valid}, "world_notes": {}}
    record = Record("toy", "0123456789ab", config, p, restricted, phases, facts)
    facts["residuals"] = residuals(record)
    return record
