"""C1, entropy reduction: does fine-tuning lower the entropy of a model, or does the model follow its data?"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from experiments.predictions import Amendment, Case, Claim, Need, Prediction, Tables
from experiments.statistics import slope
from experiments.study import Study

NEAR = 0.1
"""Differences between entropies up to this count as none [nat]. Entropies are 4 to 5 nats, effects 0.2 to 1.3 nats."""

FIT = 0.05
"""Largest mean KL(S‖q) at which the fine-tuning on a restriction counts as converged [nat per answer]."""

ROUNDING = 1e-9
"""A difference of exact numbers up to this counts as 0 [nat]."""

SLACKS = ("entropy_continuity", "collision_continuity")
"""The inequalities of C1.3, see `sim.metrics.identities`."""

CONVERGED = f"valid runs of restrictions with a mean KL(S‖q) of at most {FIT} nats per answer"


def tables(study: Study) -> Tables:
    """Return `runs`, a row each with what the verdicts need, and `positions`, curves over the positions of an answer.

    Entropies are entropies of answers to the prompts x ~ S(x) of the fine-tuning [nat]. `positions` holds the branching
    factor, the probability of the likeliest next token, and the size of the 90 % nucleus, over prefixes x ~ S.
    """
    runs = study.runs.select(
        "run", "seed", "claim", "valid", "restriction", targets="objective.targets", kind="restriction.kind"
    )
    runs = study.beside(runs, fit=study.pick("kl", "S||q", "S(x)", "sft"))
    runs = study.beside(
        runs,
        **{f"h_{name}": study.pick("entropy", of, "S(x)") for name, of in (("p", "P"), ("kept", "P_A"), ("s", "S"))},
    )
    models = {"h_q0": "pretrain", "h_q": "sft", "h_control": "identity"}
    runs = study.beside(runs, **{name: study.pick("entropy", "q", "S(x)", phase) for name, phase in models.items()})
    parts = ("conditioning", "narrowing", "learning")
    lost = {part: study.pick(f"waterfall_{part}", "H(P)-H(q)", "S(x)", "sft") for part in parts}
    tops = {f"top_{of}": study.pick("top_one", of, "S(x)") for of in ("P", "S")}
    tops |= {
        f"top_{name}": study.pick("top_one", "q", "S(x)", phase) for name, phase in (("q0", "pretrain"), ("q", "sft"))
    }
    runs = study.beside(runs, **lost, **tops)
    slack = study.numbers.filter(pl.col("metric") == "identity", pl.col("at").is_in(SLACKS))
    runs = runs.join(
        slack.group_by("run").agg(slack=pl.col("lower").min()), on="run", how="left", maintain_order="left"
    )
    exact = ("fit", "h_p", "h_kept", "h_s", "conditioning", "narrowing")
    runs = runs.with_columns(
        **{name: pl.col(f"{name}_lower") for name in exact},
        top_one_truth=pl.col("top_S_lower") - pl.col("top_P_lower"),
        top_one_model=pl.col("top_q_lower") - pl.col("top_q0_lower"),
    )
    return {"runs": runs.sort("targets", "restriction", "seed"), "positions": _positions(study, runs)}


def _positions(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    live = study.pick("live", "S", "S(x)", at=None).select("run", "at", live="lower")
    curves = []
    for name, of, phase in (("P", "P", "truth"), ("S", "S", "truth"), ("q0", "q", "pretrain"), ("q", "q", "sft")):
        branching, top, nucleus = (
            study.pick(metric, of, "S(x)", phase, at=None) for metric in ("branching", "top_one_at", "nucleus")
        )
        curve = branching.select("run", "at", branching="lower")
        curve = curve.join(top.select("run", "at", top_one="lower"), on=["run", "at"])
        curve = curve.join(nucleus.select("run", "at", nucleus_lower="lower", nucleus_upper="upper"), on=["run", "at"])
        curves.append(curve.with_columns(of=pl.lit(name)))
    found = pl.concat(curves).join(live, on=["run", "at"]).with_columns(position=pl.col("at").cast(pl.Int64)).drop("at")
    return found.join(runs.select("run", "seed", "targets", "restriction", "kind"), on="run")


# -- what is measured -------------------------------------------------------------------------------------------------


def converged(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the restrictions that have a mean `fit` within the limit."""
    kept = runs.group_by("restriction").agg(pl.col("fit").mean()).filter(pl.col("fit") <= FIT)["restriction"]
    return runs.filter(pl.col("restriction").is_in(kept.implode()))


def _settled(tables: Tables) -> Iterator[tuple[str, pl.DataFrame]]:
    """Iterate over the valid and converged runs for exact and for sampled targets."""
    for (targets,), own in tables["runs"].filter(pl.col("valid")).group_by("targets", maintain_order=True):
        yield f"{targets} targets", converged(own)


def _control(tables: Tables) -> Iterator[Case]:
    """C1.0, with means over the restrictions, so that each seed counts once."""
    for case, runs in _settled(tables):
        change = runs.group_by("seed", maintain_order=True).agg(
            (pl.col("h_control_lower") - pl.col("h_q0_upper")).mean().alias("lower"),
            (pl.col("h_control_upper") - pl.col("h_q0_lower")).mean().alias("upper"),
        )
        if change.height:
            yield Case(case, change["lower"].to_numpy(), change["upper"].to_numpy(), "nat")


def _slopes(tables: Tables) -> Iterator[Case]:
    for case, runs in _settled(tables):
        seeds = [own for _, own in runs.group_by("seed", maintain_order=True) if own["h_s"].n_unique() > 1]
        found = [slope(*(own[name].to_numpy() for name in ("h_s", "h_q_lower", "h_q_upper"))) for own in seeds]
        if found:
            lower, upper = np.array(found).T
            yield Case(case, lower, upper, note=_counted(runs))
        elif runs.height:
            yield Case(case, np.zeros(0), np.zeros(0), note="one restriction has no slope", undecided=True)


def _offsets(tables: Tables) -> Iterator[Case]:
    for case, runs in _settled(tables):
        gap = {end: (pl.col(f"h_q_{end}") - pl.col("h_s")).mean().alias(end) for end in ("lower", "upper")}
        found = runs.group_by("seed", maintain_order=True).agg(*gap.values())
        if found.height:
            yield Case(case, found["lower"].to_numpy(), found["upper"].to_numpy(), "nat", note=_counted(runs))


def _counted(runs: pl.DataFrame) -> str:
    return f"{runs['restriction'].n_unique()} restrictions"


def _by_restriction(tables: Tables) -> Iterator[tuple[str, pl.DataFrame, float]]:
    """Iterate over the runs of every restriction for which a change is predicted, and this change, H(S) - H(P)."""
    for case, runs in _settled(tables):
        for (name,), own in runs.group_by("restriction", maintain_order=True):
            expected = float((own["h_s"] - own["h_p"]).to_numpy().mean())
            if abs(expected) >= NEAR / 10:  # nothing is predicted for S = P
                yield f"{case}, {name}", own, expected


def _changes(tables: Tables, rises: bool) -> Iterator[Case]:
    for case, own, expected in _by_restriction(tables):
        if (expected > 0) == rises:
            lower = (own["h_q_lower"] - own["h_q0_upper"]).to_numpy()
            upper = (own["h_q_upper"] - own["h_q0_lower"]).to_numpy()
            yield Case(case, lower, upper, "nat", predicted=expected)


def _falls(tables: Tables) -> Iterator[Case]:
    return _changes(tables, rises=False)


def _rises(tables: Tables) -> Iterator[Case]:
    return _changes(tables, rises=True)


def _likeliest(tables: Tables) -> Iterator[Case]:
    for case, own, _ in _by_restriction(tables):
        truth = float(own["top_one_truth"].to_numpy().mean())
        yield Case.exact(case, own["top_one_model"].to_numpy(), predicted=truth)


def _slack(tables: Tables) -> Iterator[Case]:
    yield Case.exact("all runs", tables["runs"]["slack"].to_numpy(), "nat", note="the least slack")


def _narrowing(tables: Tables) -> Iterator[Case]:
    own = tables["runs"].filter(kind="style")
    if own.height:
        yield Case.exact("all runs", -np.abs(own["narrowing"].to_numpy()), "nat")


def _learning(tables: Tables) -> Iterator[Case]:
    for case, runs in _settled(tables):
        own = runs.filter(kind="style")
        if own.height:
            lower, upper = (own["h_s"] - own["h_q_upper"]).to_numpy(), (own["h_s"] - own["h_q_lower"]).to_numpy()
            yield Case(case, lower, upper, "nat")


def _blind(tables: Tables) -> Iterator[Case]:
    """C1.6: a style and a random set that is like it. q0 is the same model in both, so only H(q) differs."""
    for case, runs in _settled(tables):
        style, blind = (runs.filter(kind=kind).sort("seed") for kind in ("style", "style_blind"))
        if style.height and style["seed"].to_list() == blind["seed"].to_list():
            lower = (style["h_q_lower"] - blind["h_q_upper"]).to_numpy()
            upper = (style["h_q_upper"] - blind["h_q_lower"]).to_numpy()
            yield Case(case, lower, upper, "nat")


# -- the claim --------------------------------------------------------------------------------------------------------


CLAIM = Claim(
    identifier="C1",
    file=__file__,
    title="Entropy reduction",
    sentence="Fine-tuning data has a much lower entropy than pretraining data; maximum likelihood takes the model "
    "there, so its entropy falls and its next-token distribution becomes peaky.",
    rule="Supported if the entropy falls for every restriction. Holds only if H(S) < H(P) if C1.1 holds and C1.2 both "
    "ways: the entropy falls where H(S) < H(P) and rises where H(S) > H(P). Refuted if C1.1 is refuted. Else "
    "undecided. Not valid unless the control C1.0 holds. Entropy is judged at convergence: runs count as converged "
    f"where a restriction's mean KL(S‖q) is at most {FIT} nats per answer.",
    predictions=(
        Prediction(
            "C1.0", "Fine-tuning on fresh data from P changes the entropy by nothing.", "equality", _control,
            predicted="0", rule="H(control) − H(q₀) within the margin.", control="it is the identity control",
            value=0.0, margin=NEAR, only=CONVERGED, null=True, figure="entropy",
        ),
        Prediction(
            "C1.1a", "Over restrictions, H(q) against H(S) has slope 1.", "slope", _slopes,
            predicted="1", rule="The least-squares slope of every seed; their mean within the margin.", control="C1.0",
            value=1.0, margin=NEAR, only=CONVERGED, figure="entropy",
        ),
        Prediction(
            "C1.1b", "Over restrictions, H(q) against H(S) has no offset.", "equality", _offsets,
            predicted="0", rule="The mean over restrictions of H(q) − H(S) within the margin.", control="C1.0",
            value=0.0, margin=NEAR, only=CONVERGED, figure="entropy",
        ),
        Prediction(
            "C1.2a", "Where H(S) < H(P), fine-tuning lowers the entropy.", "sign", _falls,
            predicted="H(S) − H(P)", rule="H(q) − H(q₀) below 0, whatever H is between its bounds.", control="C1.0",
            only=CONVERGED, says="same", condition="met", figure="entropy",
        ),
        Prediction(
            "C1.2b", "Where H(S) > H(P), fine-tuning raises the entropy.", "sign", _rises,
            predicted="H(S) − H(P)", rule="H(q) − H(q₀) above 0, whatever H is between its bounds.", control="C1.0",
            only=CONVERGED, says="opposite", condition="not met", figure="entropy",
        ),
        Prediction(
            "C1.3", "|H(S) − H(q)| ≤ TV log(K − 1) + h(TV) and |C(S) − C(q)| ≤ √KL(S‖q), in every model.", "bound",
            _slack, predicted="slack ≥ 0", rule="The least slack over all runs, phases and both views.",
            control="none", margin=ROUNDING, value=0.0, only="all runs, valid or not", instrument=True,
        ),
        Prediction(
            "C1.4a", "On a plain style restriction the data are not narrower than P given the style.", "bound",
            _narrowing, predicted="0", rule="|H(P_A) − H(S)| of every run.", control="none", margin=ROUNDING,
            value=0.0, only="all runs, valid or not", instrument=True, figure="waterfall",
        ),
        Prediction(
            "C1.4b", "On a plain style restriction the learning error H(S) − H(q) is small.", "equality", _learning,
            predicted="0", rule="Mean within the margin.", control="C1.0", value=0.0, margin=0.05, only=CONVERGED,
            figure="waterfall",
        ),
        Prediction(
            "C1.5", "The probability of the likeliest next token moves as it does from P to S.", "sign", _likeliest,
            predicted="mean over positions of max S(·|h) − max P(·|h), x ~ S",
            rule="The same difference between q and q₀ has the predicted sign.", control="C1.0", only=CONVERGED,
            figure="positions",
        ),
        Prediction(
            "C1.6", "A style and a random set of the same mass and entropy lower the entropy equally.", "equality",
            _blind, predicted="0", rule="Difference of H(q) − H(q₀) between the two within the margin.",
            control="style-blind", value=0.0, margin=NEAR, only=CONVERGED, figure="entropy",
        ),
    ),
    needs=(
        Need(("entropy", "top_one", "live", "branching", "top_one_at", "nucleus")),
        Need(("kl", "waterfall_conditioning", "waterfall_narrowing", "waterfall_learning"), phases=("sft",)),
        Need(("identity",), views=("response", "joint")),
    ),
    tables=tables,
    condition="H(S) < H(P)",
    paired=("targets", "restriction", "seed"),
    amendments=(
        Amendment(
            "2026-11-29", "restated as data that judges itself; criteria, margins and windows are as before, and the "
            "verdicts on the archived runs are the same", "b602ef483a03", "holds only if H(S) < H(P)",
        ),
    ),
)  # fmt: skip
