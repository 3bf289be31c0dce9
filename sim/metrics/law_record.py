"""What is recorded of a model between the ends of a phase if `record: laws`: probabilities of strings, not of nodes.

For N strings and G prompts these are N + 6 G numbers. The full record has one for every edge of the trie and four for
every node: 15 times as many in the demo, 7 times as many in a world of 10^6 strings of six symbols.
"""

from collections.abc import Mapping

import numpy as np

from sim.languages.finite import Prompts
from sim.metrics.scored import EXITS, Scored, TrieView, View

Views = Mapping[View, TrieView]
"""A trie in both views."""

LOG_Q, LOG_PROMPT, EXITS_OF_PROMPTS, EXITS_OF_ALL = "law_log_q", "law_log_prompt", "law_exits", "law_exits_joint"
"""Names of the recorded arrays: log q(y|x) [N]; log q(x) [G]; the fields `EXITS` [5, G], and for documents [5, 1]."""


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


def scored_from(trie: TrieView, view: View, prompts: Prompts, arrays: Mapping[str, np.ndarray]) -> Scored:
    """Return the model of an evaluation from its recorded arrays, full or not."""
    if LOG_Q not in arrays:
        return trie.score(arrays)
    if view == "response":
        return trie.of_law(arrays[LOG_Q], arrays[EXITS_OF_PROMPTS])
    return trie.of_law(arrays[LOG_PROMPT][prompts.group] + arrays[LOG_Q], arrays[EXITS_OF_ALL])
