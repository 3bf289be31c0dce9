"""C3.8: do held-out prompts copy the answers of few trained prompts, or follow a sharper law of their topic?

Held-out prompts lost more entropy than finite data explain (C3.4a, worlds of seeds 0 to 11). That they copy was found
by looking at these worlds. So it is announced here, and judged in worlds that no run had seen. The rivals are told
apart by drawing all answers anew, for the same prompts and the same q0:

* one law for the whole topic, however sharp: held-out prompts of a topic agree with each other;
* each prompt sharpens its own law: its answer stays, whatever the data say;
* each prompt copies few trained prompts: its answer goes, and the prompts that it copies stay;
* a late effect of many epochs: little is lost beyond b when the data are fitted.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from experiments.c3_answers.measured import counted
from experiments.c3_answers.truth import held_out_loss, topics_of
from experiments.predictions import Case, Prediction, Tables
from experiments.study import Study
from sim.disk.records import Record
from sim.metrics.scene import World
from sim.theory.answers import expected_entropy

PART = "copies"
FIRST, AGAIN, FEW, MANY = (f"{PART}_{name}" for name in ("first", "again", "few", "many"))
"""One answer to each of 16 prompts, and other answers to the same prompts; 4 answers to 12 prompts, and 2 to 24."""

DIFFER = 0.16
"""A quarter of what held-out prompts of a topic differed by at m = 1 in the worlds of seeds 0 to 11, 0.64 nats."""

QUARTER = 0.25
"""A quarter of the correlation 1 that copying predicts for the prompts, and the sharpening of own laws for answers."""

BEYOND = 0.22
"""A quarter of what was lost beyond b at m = 1 in the worlds of seeds 0 to 11, 0.89 nats."""

FITTED = 0.1
"""KL(S‖q) at which the data count as fitted [nat per answer]."""


def tables(study: Study, runs: pl.DataFrame) -> Tables:
    """Return `donors`, a row for each world with two sets of answers, with the columns of `compared`, and with b [nat].

    And `drawn`, a row for each of the other runs: told, E H(S_x) of m answers to a held-out prompt [nat].
    """
    own = runs.filter(pl.col("part").str.starts_with(PART), "valid").sort("seed")
    first, again = (own.filter(part=part).select("seed", "run") for part in (FIRST, AGAIN))
    pairs = first.join(again, on="seed", suffix="_again", maintain_order="left")
    donors = []
    for seed, one, other in pairs.iter_rows():
        first_record = study.record(one)
        b = held_out_loss(first_record, 1)[0]
        donors.append({"seed": seed, **compared(first_record, study.record(other)), "loss": b})
    others = own.filter(pl.col("part").is_in([FEW, MANY])).select("run", "m")
    drawn = [{"run": run, "told": told(study.record(run), m)} for run, m in others.iter_rows()]
    return {"donors": pl.DataFrame(donors), "drawn": pl.DataFrame(drawn)}


def compared(first: Record, again: Record) -> dict[str, float | None]:
    """Return what two fine-tunings of one q0 on other answers to the same prompts have in common, see `in_common`.

    Raises ValueError if they do not show the same prompts.
    """
    shown = [one.restricted.s.prompts.log_p > -np.inf for one in (first, again)]
    if (shown[0] != shown[1]).any():
        raise ValueError("copies: two data sets on the same prompts are required, found different prompts")
    laws = [_laws(one) for one in (first, again)]
    data = [np.exp(one.restricted.s.log_p).reshape(law.shape) for one, law in zip((first, again), laws, strict=True)]
    p = np.exp(first.p.answers).reshape(laws[0].shape)
    return in_common(laws, data, p, topics_of(first), shown[0])


def _laws(record: Record) -> np.ndarray:
    """The tuned model given a valid answer, float64[G, K]. All prompts have the same answers in the same order."""
    q = np.exp(World(record, "response").scored("sft", -1).log_q).reshape(record.p.prompts.num_groups, -1)
    return np.asarray(q / q.sum(axis=1, keepdims=True))


def in_common(
    laws: list[np.ndarray], data: list[np.ndarray], p: np.ndarray, topic: np.ndarray, shown: np.ndarray
) -> dict[str, float | None]:
    """Return what is left of a prompt's behaviour if all answers are drawn anew.

    laws: q of both models, float64[G, K]; data: S of both, which says one answer to every shown prompt, float64[G, K];
    p: float64[G, K]; topic: int[G]; shown: bool[G]. Topics with less than two held-out or two shown prompts are left
    out. donors: the correlation of the weights of `donated` between both models; answers: that of q(y|x). Both are over
    the held-out prompts of each topic, less the mean of the topic; so what all prompts of a topic do is no correlation.
    differ, differ_p: by how much the held-out prompts of a topic differ, H of their mean law less their mean H, in the
    first model and in P [nat]; the mean over topics. None if nothing varies or if no topic is left.
    """
    donors, answers, differ = [], [], []
    for t in np.unique(topic).tolist():
        held, own = (np.flatnonzero((topic == t) & side) for side in (~shown, shown))
        if min(len(held), len(own)) >= 2:
            weights = [donated(q[held], s[own]) for q, s in zip(laws, data, strict=True)]
            donors.append([_centred(one) for one in weights])
            answers.append([_centred(q[held]) for q in laws])
            differ.append([_apart(q[held]) for q in (laws[0], p)])
    apart = np.mean(differ, axis=0).tolist() if differ else [None, None]
    return {
        "donors": _correlation(donors), "answers": _correlation(answers), "differ": apart[0], "differ_p": apart[1],
    }  # fmt: skip


def donated(q: np.ndarray, data: np.ndarray) -> np.ndarray:
    """The weight of every shown prompt in what a held-out prompt says: float64[H, D], rows sum to 1.

    q: float64[H, K]; data: S of the shown prompts, with one answer each, float64[D, K]. The mass of an answer is
    divided among all shown prompts that have it. So prompts with equal answers cannot be told apart: their weights are
    equal.
    """
    has = (data > 0.0).astype(np.float64)
    weights = (q / np.maximum(has.sum(axis=0), 1.0)) @ has.T
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _centred(values: np.ndarray) -> np.ndarray:
    return np.asarray(values - values.mean(axis=0))


def _correlation(pairs: list[list[np.ndarray]]) -> float | None:
    """The correlation of centred arrays over all topics; None if one of them does not vary."""
    if not pairs:
        return None
    one, other = (np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1))
    size = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / size if size > 0.0 else None


def _apart(laws: np.ndarray) -> float:
    """H of the mean of laws less their mean H [nat]."""
    every = np.vstack([laws, laws.mean(axis=0)])
    entropies = -(every * np.log(np.where(every > 0.0, every, 1.0))).sum(axis=1)
    return float(entropies[-1] - entropies[:-1].mean())


def told(record: Record, m: int) -> float:
    """E H(S_x) of m answers to a held-out prompt, the mean over them under P(x) [nat]."""
    p = record.p
    weight = np.where(record.restricted.s.prompts.log_p > -np.inf, 0.0, np.exp(p.prompts.log_p))
    laws = np.exp(p.answers)
    each = {x: expected_entropy(laws[p.prompts.group == x], m) for x in np.flatnonzero(weight).tolist()}
    return sum(weight[x] * value for x, value in each.items()) / float(weight.sum())


# -- what is measured -------------------------------------------------------------------------------------------------


def differ(tables: Tables) -> Iterator[Case]:
    """How much held-out prompts of a topic differ, less the same of P."""
    found = tables["donors"]
    if found.height:
        known = found.drop_nulls(["differ", "differ_p"])
        note = f"in P {known['differ_p'].to_numpy().mean():.3g} nats" if known.height else ""
        yield Case.exact("m = 1", (known["differ"] - known["differ_p"]).to_numpy(), "nat", note=note)


def prompts_stay(tables: Tables) -> Iterator[Case]:
    """The correlation of the weights of the trained prompts between two sets of answers."""
    if tables["donors"].height:
        yield Case.exact("m = 1", tables["donors"]["donors"].drop_nulls().to_numpy())


def answers_stay(tables: Tables) -> Iterator[Case]:
    """The correlation of the probabilities of answers between two sets of answers."""
    if tables["donors"].height:
        yield Case.exact("m = 1", tables["donors"]["answers"].drop_nulls().to_numpy())


def more_prompts(tables: Tables) -> Iterator[Case]:
    """H(q) − H(P) + b on held-out prompts: 12 prompts of 4 answers minus 24 of 2, less a quarter of E H(4) − E H(2)."""
    runs = counted(tables, PART)
    if not runs.height or not tables["drawn"].height:
        return
    runs = runs.join(tables["drawn"], on="run", maintain_order="left")
    few, many = (runs.filter(part=part) for part in (FEW, MANY))
    both = few.join(many, on="seed", suffix="_many").sort("seed")
    if both.height:
        truth = (both["loss"] - both["h_p_held"]) - (both["loss_many"] - both["h_p_held_many"])
        apart = both["told"] - both["told_many"]
        rest = (truth - QUARTER * apart).to_numpy()
        lower = (both["h_q_held_lower"] - both["h_q_held_upper_many"]).to_numpy() + rest
        upper = (both["h_q_held_upper"] - both["h_q_held_lower_many"]).to_numpy() + rest
        note = f"E H(4) − E H(2) {apart.to_numpy().mean():.3g} nats"
        yield Case("48 answers", lower, upper, "nat", note=note)


def early(tables: Tables) -> Iterator[Case]:
    """What is lost beyond b on held-out prompts when KL(S‖q) first is at most 0.1, m = 1, middles of bounds."""
    runs, paths = counted(tables, FIRST), counted(tables, FIRST, name="paths")
    if runs.height and paths.height and tables["donors"].height:
        known = runs.select("run", "seed", "h_p_held").join(tables["donors"].select("seed", "loss"), on="seed")
        own = paths.join(known.drop("seed"), on="run", maintain_order="left").filter(pl.col("fit") <= FITTED)
        first = own.sort("seed", "step").group_by("seed", maintain_order=True).first()
        if first.height:
            lost = -(first["h_held"] - first["h_p_held"] + first["loss"])
            note = f"median step {float(np.median(first['step'].to_numpy())):g}"
            yield Case.exact("m = 1", lost.to_numpy(), "nat", note=note)


ONLY = "valid runs in fresh worlds"

COPIES = (
    Prediction(
        "C3.8a", "Held-out prompts of one topic come to say different things.", "sign", differ,
        predicted=f"above {DIFFER} nats", rule="H of the mean of q_x over the held-out prompts of a topic, less their "
        f"mean H, minus the same of P, above {DIFFER} nats; one law for a topic gives 0 or less.",
        control="the same of P", threshold=DIFFER, only=ONLY, worlds=12, figure="copies",
    ),
    Prediction(
        "C3.8b", "If all answers are drawn anew, a held-out prompt copies the same trained prompts.", "sign",
        prompts_stay, predicted=f"correlation above {QUARTER}", rule="The correlation of the weights of the trained "
        f"prompts of the topic between two data sets above {QUARTER}; for one law of a topic, or own laws, it is 0.",
        control="C3.8c", threshold=QUARTER, only=ONLY, worlds=12, figure="copies",
    ),
    Prediction(
        "C3.8c", "And its answer does not stay.", "equality", answers_stay, predicted="0", rule="The correlation of "
        "q(y|x) between the two data sets within the margin; if each prompt sharpens its own law it is 1.",
        control="C3.8b", value=0.0, margin=QUARTER, only=ONLY, worlds=12, figure="copies",
    ),
    Prediction(
        "C3.8d", "More trained prompts with fewer answers each sharpen held-out prompts more.", "sign", more_prompts,
        predicted="above 0", rule="H(q) − H(P) + b on held-out prompts, 12 prompts of 4 answers minus 24 prompts of 2, "
        "less a quarter of E H(4) − E H(2), above 0, whatever H is between its bounds; a law of the topic gives 0.",
        control="equal steps and number of answers", only=ONLY, worlds=12,
    ),
    Prediction(
        "C3.8e", "What is lost beyond b is lost when the data are fitted, and not by later epochs.", "sign", early,
        predicted=f"above {BEYOND} nats", rule="H(P) − b − H(q) on held-out prompts at the first evaluation with "
        f"KL(S‖q) ≤ {FITTED:g} above {BEYOND} nats.", control="C3.4a in the end", threshold=BEYOND, only=ONLY,
        worlds=12, figure="entropy",
    ),
)  # fmt: skip
"""The conversation says nothing about them."""
