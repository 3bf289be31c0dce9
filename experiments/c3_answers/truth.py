"""What is known of the data of a run before any training: what they lose on prompts that they never show, and bits."""

import math

import numpy as np
import polars as pl

from experiments.study import Study
from sim.disk.records import Record
from sim.theory.answers import entropy_loss


def truth(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return for every run: loss b [nat], topics without data, the number of parameters, and bits per parameter.

    bits: n m H(P_x) / log 2 over the number of parameters, the information in independent answers to n prompts; null
    for infinitely many answers.
    """
    rows = []
    for run, m, annotator in runs.select("run", "m", "annotator").iter_rows():
        record = study.record(run)
        number = sum(leaf.size for leaf in record.params["sft"].values()) if "sft" in record.params else None
        finite = m is not None and annotator == "sampled"
        loss, empty, bits = held_out_loss(record, m) if finite else (None, None, None)
        per = bits / number if bits is not None and number else None
        rows.append({"run": run, "loss": loss, "empty_topics": empty, "parameters": number, "bits": per})
    kinds = ("run", pl.String), ("loss", pl.Float64), ("empty_topics", pl.Int64), ("parameters", pl.Int64)
    return pl.DataFrame(rows, schema=[*kinds, ("bits", pl.Float64)])


def held_out_loss(record: Record, m: int) -> tuple[float, int, float]:
    """Return b [nat], the number of topics of held-out prompts without any data, and the bits of the data.

    b = H − E H(N draws) of the law of a topic, the mean of P(·|x) over its prompts x in the data, with N = m times the
    number of these prompts; the mean over held-out prompts. It is what a law of the topic loses that is fitted exactly
    to all answers of the topic. A topic without data counts as b = 0: nothing is known that could sharpen it.
    """
    p, s = record.p, record.restricted.s
    group, topic = p.prompts.group, topics_of(record)
    shown = s.prompts.log_p > -np.inf
    laws = {x: np.exp(p.answers[group == x]) for x in range(p.prompts.num_groups)}
    losses, empty = {}, 0
    for t in np.unique(topic[~shown]).tolist():
        own = [laws[x] for x in np.flatnonzero((topic == t) & shown).tolist()]
        losses[t] = entropy_loss(np.mean(own, axis=0), m * len(own)) if own else 0.0
        empty += not own
    weight = np.where(shown, 0.0, np.exp(p.prompts.log_p))
    b = sum(weight[x] * losses[topic[x]] for x in np.flatnonzero(~shown).tolist()) / weight.sum() if losses else 0.0
    bits = sum(-float(laws[x] @ np.log(laws[x])) for x in np.flatnonzero(shown).tolist()) * m / math.log(2.0)
    return float(b), empty, bits


def topics_of(record: Record) -> np.ndarray:
    """The topic of every prompt, int[G]: x mod `num_topics`, where x is the number in the prompt's name."""
    p = record.p
    number = int(record.config["grammar"]["num_topics"])
    first = {int(x): row for row, x in reversed(list(enumerate(p.prompts.group.tolist())))}
    names = [p.vocabulary.decode(p.trie.strings[first[x]][: p.prompts.length[first[x]]]) for x in sorted(first)]
    found = [next(word for word in name.split() if word.startswith("x")) for name in names]
    return np.array([int(one[1:]) % number for one in found], np.int64)
