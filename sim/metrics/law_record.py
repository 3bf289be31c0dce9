"""What is recorded of a model if its laws at nodes are not: probabilities of strings.

With `record: laws` this is so between the ends of a phase. For N strings and G prompts these are N + 6 G numbers. The
full record has one for every edge of the trie and four for every node: 15 times as many in the demo, 7 times as many in
a world of 10^6 strings of six symbols. Of a model that somebody hands in (`sim.exam`), log-probabilities of strings are
all that is known. Then all that a prompt has off the list is one exit, with an unknown number of strings behind it.
"""

import math
from collections.abc import Collection, Mapping

import numpy as np

from sim.languages.finite import Prompts
from sim.metrics.scored import EXITS, Scored, TrieView, View

Views = Mapping[View, TrieView]
"""A trie in both views."""

LOG_Q, LOG_PROMPT, EXITS_OF_PROMPTS, EXITS_OF_ALL = "law_log_q", "law_log_prompt", "law_exits", "law_exits_joint"
"""Names of the recorded arrays: log q(y|x) [N]; log q(x) [G]; the fields `EXITS` [5, G], and for documents [5, 1]."""

GIVEN: Mapping[View, tuple[str, str]] = {
    "response": ("given_log_q", "given_exits"),
    "joint": ("given_log_document", "given_exits_joint"),
}
"""Names of the arrays of a model that was handed in: log q(y|x) or log q(xy) [N], and the fields `EXITS` [5, G]."""

ANSWERS_ONLY = "answers_only"
"""An array of this name says that nodes inside prompts are not known, although those of answers are."""


def law_record(views: Views, prompts: Prompts, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what `record: laws` keeps of the recorded arrays of a full evaluation, float64."""
    response, joint = views["response"].score(arrays), views["joint"].score(arrays)
    length = prompts.length[prompts.first]
    last = np.where(length > 0, joint.trie.node[prompts.first, length], 0)  # the node at which the answer begins
    return {
        LOG_Q: response.log_q,
        LOG_PROMPT: joint.node_log_mass[last],
        EXITS_OF_PROMPTS: np.stack([getattr(response, name) for name in EXITS]),
        EXITS_OF_ALL: np.stack([getattr(joint, name) for name in EXITS]),
    }


def given_record(trie: TrieView, view: View, log_q: np.ndarray, log_strings: float = math.inf) -> dict[str, np.ndarray]:
    """Return the arrays of a model of which the log-probabilities of all listed strings are known, float64[N] [nat].

    log_strings: log R, where R is the number of strings that the model can write off the list at one prompt; +inf if it
    is not known. With l = q(⊥|x) the entropy of what is off the list lies between -l log l and l log(R/l), sum q^2
    between 0 and l^2. A mass above 1, which rounding of the numbers can give, counts as l = 0.
    """
    listed = np.bincount(trie.group, np.exp(log_q), trie.num_groups)
    off = np.maximum(0.0, 1.0 - listed)
    surprise = np.where(off > 0.0, -off * np.log(np.where(off > 0.0, off, 1.0)), 0.0)
    room = np.where(off > 0.0, log_strings, 0.0) * np.where(off > 0.0, off, 1.0)
    law, exits = GIVEN[view]
    return {law: log_q, exits: np.stack([off, surprise, room, off**2, off])}


def knows(arrays: Collection[str], view: View) -> bool:
    """Whether arrays of these names say what the model is in a view."""
    if GIVEN["response"][0] in arrays or GIVEN["joint"][0] in arrays:
        return GIVEN[view][0] in arrays
    return view == "response" or ANSWERS_ONLY not in arrays


def scored_from(trie: TrieView, view: View, prompts: Prompts, arrays: Mapping[str, np.ndarray]) -> Scored:
    """Return the model of an evaluation from its recorded arrays, full or not."""
    law, exits = GIVEN[view]
    if law in arrays:
        return trie.of_law(arrays[law], arrays[exits])
    if LOG_Q not in arrays:
        return trie.score(arrays)
    if view == "response":
        return trie.of_law(arrays[LOG_Q], arrays[EXITS_OF_PROMPTS])
    return trie.of_law(arrays[LOG_PROMPT][prompts.group] + arrays[LOG_Q], arrays[EXITS_OF_ALL])
