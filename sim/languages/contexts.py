"""The contexts of an n-gram on a trie: the position of a token, and the n - 1 tokens before it."""

import numpy as np

from sim.languages.trie import Trie


def contexts(trie: Trie, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the context of each trie node, int[M], and the context after each token, int32[C + 1, V].

    A context is the depth of a node with the last `order` - 1 tokens that lead to it, or with all of them if they are
    fewer. `order` 1 leaves the position alone, 2 is a table by position and previous token, and from the horizon on the
    contexts are the nodes. The root has the context 0. Contexts that no node has, and what follows EOS, are the dead
    context C, which nothing leaves. Raises ValueError if `order` is below 1.
    """
    if order < 1:
        raise ValueError(f"order: at least 1 is required, found {order!r}")
    kept = min(order - 1, trie.length)
    key = np.full((trie.num_nodes, 1 + kept), -1)
    key[:, 0] = trie.depth
    ancestor = np.arange(trie.num_nodes)
    for back in range(kept):
        reached = ancestor > 0
        key[reached, 1 + back] = trie.token[ancestor[reached]]
        ancestor = np.where(reached, trie.parent[ancestor], 0)
    _, context = np.unique(key, axis=0, return_inverse=True)
    context = context.reshape(-1)
    number = int(context.max()) + 1
    following = np.full((number + 1, trie.vocab_size), number, np.int32)
    inner = np.flatnonzero(trie.edge_child >= 0)
    following[context[trie.edge_node[inner]], trie.edge_token[inner]] = context[trie.edge_child[inner]]
    return context, following
