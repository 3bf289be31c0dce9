"""The laws of a model after decoding rules: temperature, top-k, top-p and min-p, exact on the strings of P."""

from collections.abc import Sequence

import numpy as np

from sim.languages.decoding import KINDS, Rule
from sim.languages.device import prompt_length
from sim.languages.finite import Prompts, prompts_of
from sim.languages.trie import Trie
from sim.metrics.law_record import law_record
from sim.metrics.scored import VIEWS, TrieView
from sim.numerics import log_softmax
from sim.training.job import Job
from sim.training.node_record import node_record
from sim.training.sweep import at_ends
from sim.training.trie_logits import trie_logits, trie_plan
from sim.typing import Params

TEMPERATURES = (
    0.3, 0.5, 0.7, 0.85, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.3, 2.6, 3.0, 3.5, 4.0, 5.0, 6.5, 9.0, 14.0, 30.0,
)  # fmt: skip
"""The temperatures that are recorded."""

RULES: tuple[Rule, ...] = (
    *(("temperature", number) for number in TEMPERATURES),
    ("top_k", 2.0), ("top_k", 4.0), ("top_p", 0.9), ("top_p", 0.99), ("min_p", 0.1), ("min_p", 0.01),
)  # fmt: skip
"""The rules that are recorded. At T = 1 nothing changes."""


@at_ends
def decoded(job: Job, params: Params) -> dict[str, np.ndarray]:
    """Return the law of the model after each rule of RULES, float64; see `decoded_arrays`.

    The record of the model itself does not decide these laws: q_T(a | h) ∝ q(a | h)^(1/T) is normalised over the whole
    vocabulary, and the record holds only sums over the illegal tokens. Both ends of the fine-tuning are recorded, so
    q0 and the tuned model can be compared.
    """
    base = job.phase.base
    trie = Trie(np.asarray(base.strings), base.vocab_size)
    length = np.asarray(prompt_length(base.strings, base.prompt_end), np.int64)
    prompts = prompts_of(trie, length, np.zeros(trie.num_strings))  # the groups alone are used, and no law
    logits = trie_logits(job.model, params, trie_plan(trie))
    return decoded_arrays(log_softmax(np.asarray(logits, np.float64)), trie, prompts)


def decoded_arrays(
    log_q: np.ndarray, trie: Trie, prompts: Prompts, rules: Sequence[Rule] = RULES
) -> dict[str, np.ndarray]:
    """Return what is recorded of a model, given log q(a | node) of the whole vocabulary, float64[M, V], for K rules.

    decoded_rule [K, 2]: the place of the kind in `KINDS`, and its number. decoded_law_* [K, ...]: the arrays of
    `sim.metrics.law_record` after each rule, with log q(y|x) of every string and the sums over exits. decoded_first
    [K, F]: log q(a | x) of the legal first tokens of answers, in the order of the edges; decoded_first_leak [K, G]: the
    mass of the other tokens there, in the order of the nodes. These numbers are N + 8 G + F + 5 for each rule.
    """
    views = {view: TrieView.of(trie, prompts, view) for view in VIEWS}
    begins = views["response"].node_position == 0
    each = []
    for kind, number in rules:
        arrays = node_record(KINDS[kind](number)(log_q), trie)
        first = {"first": arrays["edge_log_q"][begins[trie.edge_node]], "first_leak": arrays["leak"][begins]}
        each.append(law_record(views, prompts, arrays) | first)
    named = np.array([[float(list(KINDS).index(kind)), number] for kind, number in rules])
    return {"decoded_rule": named} | {f"decoded_{name}": np.stack([one[name] for one in each]) for name in each[0]}
