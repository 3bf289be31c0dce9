"""How a fine-tuning moves mass, step by step: effective sizes of the support, and the split of what is forgotten."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from experiments._entropies import label
from sim.disk.records import Record
from sim.metrics.divergence import kl
from sim.metrics.entropy import entropy_interval
from sim.metrics.forgetting import GateErasure, gate_erasure_of, log_event, style_split_of
from sim.metrics.positions import kl_by_node
from sim.metrics.scored import Scored, average
from sim.metrics.support import epsilon_support
from sim.metrics.table import Truths
from sim.quantity import Quantity, exponential

EPSILONS = (1e-4, 1e-3, 3e-3, 1e-2, 2e-2, 5e-2)
"""Thresholds of the eps-support [probability per answer]: from far below every answer of P to above most of them."""

ENTROPY_SIZE = "e^H"
"""Name of the effective number of answers e^H among the sizes of the support."""


def about(record: Record) -> dict[str, Any]:
    """What tells the runs of a study apart."""
    chosen = record.config
    model, optimizer, objective = chosen["model"], chosen["optimizer"], chosen["objective"]
    return {
        "run": record.hash,
        "seed": chosen["seed"],
        "part": chosen.get("study", {}).get("part") or "",
        "restriction": label(chosen["restriction"]),
        "targets": objective["targets"],
        "model": model["kind"],
        "width": model.get("width", 0),
        "optimizer": optimizer["kind"],
        "learning_rate": optimizer["learning_rate"],
        "b1": optimizer.get("b1", 0.0),
        "b2": optimizer.get("b2", 0.0),
        "weight": objective.get("weight", 0.0),
        "num_steps": chosen["finetune"]["num_steps"],
    }


def sizes(q: Scored, law: np.ndarray) -> dict[str, Quantity]:
    """Effective sizes of the support [answers]: e^H, and the number of answers with q(y|x) >= eps for every eps."""
    counts = epsilon_support(q, EPSILONS, law)
    named = {f"ε = {epsilon:g}": count for epsilon, count in zip(EPSILONS, counts, strict=True)}
    return {ENTROPY_SIZE: entropy_interval(q, law).increasing(exponential)} | named


def size_paths(record: Record) -> pl.DataFrame:
    """Sizes of the support of every phase at every evaluation, beside those of P and S; under the prompts x ~ S(x).

    fit: KL(S‖q) of the fine-tuned model in the end [nat per answer].
    """
    truths = Truths(record, "response")
    law, tags = truths.s_law, about(record)
    tuned = truths.scored("sft", -1)
    tags["fit"] = kl(truths.s.log_q, tuned.log_q, tuned.weights(law))
    p, s = sizes(truths.p, law), sizes(truths.s, law)
    rows = [
        {
            **tags, "phase": phase, "step": int(step), "size": name, "p": p[name].lower, "s": s[name].lower,
            "lower": found.lower, "upper": found.upper,
        }
        for phase, recorded in record.phases.items()
        if phase in ("sft", "identity", "carried")
        for index, step in enumerate(recorded.steps)
        for name, found in sizes(truths.scored(phase, index), law).items()
    ]  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"lower": pl.Float64, "upper": pl.Float64})


@dataclass(frozen=True, eq=False)
class Splitter:
    """Splits KL(P‖q) of a run: by style where one style is kept and the string tells it, else by the kept event."""

    truths: Truths
    style: int | None  # which is kept

    @classmethod
    def of(cls, record: Record) -> "Splitter":
        """The splitter of a run."""
        styles, restriction = record.p.styles, record.config["restriction"]
        kept = restriction.get("keep") if restriction["kind"] == "style" else None
        named = styles is not None and isinstance(kept, str)
        return cls(Truths(record, "response"), styles.names.index(kept) if styles is not None and named else None)

    @property
    def law(self) -> np.ndarray:
        """P(x)."""
        return self.truths.p_law

    def split(self, q: Scored) -> GateErasure:
        """Gate, what is off within the kept part, and erasure: what is off within the lost parts [nat]."""
        if self.style is None:
            return gate_erasure_of(self.truths.event_parts, q)
        found = style_split_of(self.truths.style_parts, q)
        kept = float(found.within[self.style])
        return GateErasure(found.gate, kept, float(found.within.sum()) - kept)

    def behind(self, q: Scored) -> float:
        """What is off behind the first token that S never takes [nat per lost answer].

        KL of next-token laws over the nodes that S does not visit, P(x) P(node | x) each, over P(B). Where one token
        shows what is lost this is erasure; where many do, at different places, erasure also has what their gates differ
        in, and this has not: the trie table leaves it as it was, whatever the world.
        """
        truths = self.truths
        unvisited = (truths.s.node_log_mass == -np.inf) & (truths.s.node_group >= 0)
        total = float(kl_by_node(truths.p, q, self.law)[unvisited].sum())
        return total / self.lost(truths.p)

    def lost(self, q: Scored) -> float:
        """q(B), the mass of what was left out."""
        outside = (self.truths.p.log_q > -np.inf) & ~self.truths.record.restricted.event
        return average(self.law, np.exp(log_event(q, outside)))


def split_paths(record: Record) -> pl.DataFrame:
    """The fine-tuning on S at every evaluation: KL(P‖q), its split, q(B), what is off behind the first lost token.

    untrained, unlearnt: erasure, and what is off behind that token, of the model before any training.
    """
    splitter, tags = Splitter.of(record), about(record)
    mass, begun = splitter.lost(splitter.truths.p), splitter.truths.scored("pretrain", 0)
    untrained, unlearnt = splitter.split(begun).erasure, splitter.behind(begun) if mass > 0.0 else 0.0
    steps = record.phases["sft"].steps
    return pl.DataFrame(
        [
            {**tags, "step": int(step), "p_lost": mass, "untrained": untrained, "unlearnt": unlearnt, **one}
            for step, one in zip(steps, _splits(splitter, len(steps)), strict=True)
        ]
    )


def _splits(splitter: Splitter, count: int) -> Iterator[dict[str, float]]:
    p, law = splitter.truths.p, splitter.law
    for index in range(count):
        q = splitter.truths.scored("sft", index)
        found = splitter.split(q)
        yield {
            "kl": kl(p.log_q, q.log_q, q.weights(law)),
            "gate": found.gate,
            "kept": found.kept,
            "erasure": found.erasure,
            "lost": splitter.lost(q),
            "behind": splitter.behind(q) if splitter.lost(p) > 0.0 else 0.0,
            "zeros": float(((p.log_q > -np.inf) & (q.log_q == -np.inf)).sum()),
        }
