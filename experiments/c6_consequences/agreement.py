"""C6.1: is one style the same answer? Styles over all prompts, I(prompt; answer), and models of other seeds.

Two models of one world differ by the key `seed` alone: initial parameters and batches. The seeds of the grammar and of
the restriction are those of the world. S shows a half of the prompts, in the style z0.
"""

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from experiments.predictions import Case, Need, Prediction, Tables
from experiments.study import Study
from sim.disk.records import Record
from sim.metrics.agreement import collision_between, overlap
from sim.metrics.divergence import unshown
from sim.metrics.diversity import collision
from sim.metrics.scene import World
from sim.metrics.scored import conditional
from sim.numerics import SpecificationError

PART = "agreement"
STYLE = "z0"

PHASES = {"before": "pretrain", "control": "identity", "tuned": "sft"}
"""The models that are compared, at the end of these phases."""

NEEDS = (
    Need(("style_mass", "prompt_information", "marginal_entropy", "kl"), phases=("truth", *PHASES.values()), part=PART),
)


def tables(study: Study) -> dict[str, pl.DataFrame]:
    """Return `agreement_paths`, the evaluations of every model, and `agreement_pairs`, two models of each world."""
    runs = study.runs.filter(pl.col("part").str.starts_with(PART))
    if not runs.height:
        return {"agreement_paths": pl.DataFrame(), "agreement_pairs": pl.DataFrame()}
    targets = pl.col("objective.targets").fill_null("exact").alias("targets")
    runs = runs.select("run", "seed", "valid", "part", targets, pl.col("grammar.seed").alias("world"))
    runs = runs.sort("targets", "world", "seed", maintain_order=True)
    return {"agreement_paths": _paths(study, runs), "agreement_pairs": _pairs(study, runs)}


def _paths(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """A row for each evaluation: mass = q(z0) under P(x), I(x; y) and the entropy of the marginal under S(x), and fit.

    prior, information_p and information_s are P(z0) and I(x; y) of P and of S, all exact.
    """
    truths = {
        "prior": study.pick("style_mass", "P", "P(x)", at=STYLE),
        "information_p": study.pick("prompt_information", "P", "S(x)"),
        "information_s": study.pick("prompt_information", "S", "S(x)"),
    }
    columns = {"mass": ("style_mass", "q", "P(x)", STYLE), "information": ("prompt_information", "q", "S(x)", ""),
               "marginal": ("marginal_entropy", "q", "S(x)", ""), "fit": ("kl", "S||q", "S(x)", "")}  # fmt: skip
    parts = []
    for phase in ("sft", "identity"):
        found = runs.select("run")
        for name, (metric, of, law, at) in columns.items():
            one = study.pick(metric, of, law, phase, "every", at=at)
            one = one.select(
                "run", "step", pl.col("lower").alias(f"{name}_lower"), pl.col("upper").alias(f"{name}_upper")
            )
            keys = ["run"] if name == "mass" else ["run", "step"]
            found = found.join(one, on=keys, how="inner" if name == "mass" else "left", maintain_order="left")
        parts.append(found.with_columns(phase=pl.lit(phase)))
    found = runs.join(pl.concat(parts), on="run")
    for name, one in truths.items():
        found = found.join(one.select("run", pl.col("lower").alias(name)), on="run", how="left", maintain_order="left")
    return found.sort("run", "phase", "step", maintain_order=True)


def _pairs(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """A row for each world with two models, for each phase of `PHASES` and for the prompts that S shows or not.

    together = E_x Σ q q', overlap = E_x Σ √(q q'), alone: the mean of C(q) and C(q'), each between two bounds; repeats:
    C of the law that both should have (S, P given z0 at prompts that S lacks, or P), widest: C(P), both exact.
    """
    rows = []
    for (targets, world), own in runs.group_by("targets", "world", maintain_order=True):
        if own.height != 2:
            continue
        pair = [study.record(run) for run in own["run"]]
        for row in compared(pair[0], pair[1]):
            rows.append({"world": world, "targets": targets, "valid": all(own["valid"]), **row})
    return pl.DataFrame(rows)


def compared(first: Record, second: Record) -> Iterator[dict[str, str | float]]:
    """Iterate over the rows of two runs of one world. Raises SpecificationError if their P or their S differ."""
    one, other = World(first, "response"), World(second, "response")
    for name, mine, theirs in (("P", one.p, other.p), ("S", one.s, other.s)):
        if not np.array_equal(mine.log_q, theirs.log_q) or not np.array_equal(one.s_law, other.s_law):
            raise SpecificationError(
                f"runs {first.hash} and {second.hash}: one world is required, found two laws {name}; "
                "give the grammar and the restriction the seed of the world"
            )
    for where, log_law, tuned in prompts(one):
        widest = collision(one.p.log_q, one.p.log_weights(log_law))
        narrow = collision(tuned, one.p.log_weights(log_law))
        for phase, recorded in PHASES.items():
            q, r = one.scored(recorded, -1), other.scored(recorded, -1)
            row: dict[str, str | float] = {"phase": phase, "where": where, "widest": widest, "narrow": narrow}
            row["repeats"] = narrow if phase == "tuned" else widest
            own = (collision_between(q, q, log_law) + collision_between(r, r, log_law)).scaled(0.5)
            numbers = {"together": collision_between(q, r, log_law), "overlap": overlap(q, r, log_law), "alone": own}
            for name, number in numbers.items():
                row |= {f"{name}_lower": number.lower, f"{name}_upper": number.upper}
            yield row


def prompts(world: World) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Iterate over "shown" and "unshown": the name, the log law of these prompts, and log of the law of S there.

    At prompts that S lacks, it is P(y | x, z0). Without such prompts there is one item.
    """
    yield "shown", world.s_law, world.s.log_q
    styles = world.record.p.styles
    if styles is not None:
        inside = world.p.log_q + styles.log_posterior[:, styles.names.index(STYLE)]
        for log_law in unshown(world).values():
            yield "unshown", log_law, conditional(inside, world.p.group, world.p.num_groups)


# -- what is measured -------------------------------------------------------------------------------------------------


def agrees(phase: str, where: str) -> Callable[[Tables], Iterator[Case]]:
    """E_x Σ q q' minus C of the law that both should have. The margin is a quarter of C(S) − C(P), mean over worlds."""

    def measure(tables: Tables) -> Iterator[Case]:
        found = tables["agreement_pairs"]
        found = found.filter("valid", phase=phase, where=where) if found.height else found
        for (targets,), own in found.group_by("targets", maintain_order=True) if found.height else ():
            lower, upper = (own[f"together_{end}"].to_numpy() - own["repeats"].to_numpy() for end in ("lower", "upper"))
            margin = float((own["narrow"] - own["widest"]).to_numpy().mean()) / 4
            alone = float(own["alone_lower"].to_numpy().mean())
            note = f"C(q) {alone:.4f}, C(S) {own['narrow'].to_numpy().mean():.4f}, "
            note += f"C(P) {own['widest'].to_numpy().mean():.4f}"
            yield Case(f"{targets} targets", lower, upper, margin=margin, note=note)

    return measure


def _ends(tables: Tables, phase: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """The last evaluation of each run, the mean over the models of a world: the worlds are what is counted."""
    found = tables["agreement_paths"]
    found = found.filter("valid", phase=phase) if found.height else found
    if not found.height:
        return
    last = found.filter(pl.col("step") == pl.col("step").max().over("run"))
    for (targets,), own in last.group_by("targets", maintain_order=True):
        numbers = own.select("world", pl.selectors.numeric().exclude("world", "seed", "step"))
        yield str(targets), numbers.group_by("world", maintain_order=True).mean()


def one_style(tables: Tables) -> Iterator[Case]:
    """q(z0) over all prompts of P in the end. The margin is a quarter of 1 − P(z0)."""
    for targets, own in _ends(tables, "sft"):
        prior = float(own["prior"].to_numpy().mean())
        yield Case(f"{targets} targets", own["mass_lower"].to_numpy(), own["mass_upper"].to_numpy(), predicted=1.0,
                   margin=(1.0 - prior) / 4, note=f"P(z0) = {prior:.3f}")  # fmt: skip


def informed(tables: Tables) -> Iterator[Case]:
    """I(x; y) of the model minus that of S. The margin is a quarter of |I of P − I of S|, mean over worlds."""
    for targets, own in _ends(tables, "sft"):
        s, p = own["information_s"].to_numpy(), own["information_p"].to_numpy()
        lower, upper = (own[f"information_{end}"].to_numpy() - s for end in ("lower", "upper"))
        note = f"I of S {s.mean():.3f}, I of P {p.mean():.3f} nats"
        margin = float(np.abs(p - s).mean()) / 4
        yield Case(f"{targets} targets", lower, upper, "nat", margin=margin, note=note)


def overlaps(tables: Tables) -> Iterator[Case]:
    """E_x Σ √(q q') of all phases, at shown and at unshown prompts."""
    found = tables["agreement_pairs"]
    found = found.filter("valid") if found.height else found
    keys = ("targets", "phase", "where")
    for (targets, phase, where), own in found.group_by(keys, maintain_order=True) if found.height else ():
        lower, upper = (own[f"overlap_{end}"].to_numpy() for end in ("lower", "upper"))
        yield Case(f"{targets} targets, {phase}, {where} prompts", lower, upper)


ALIKE = "E_x Σ q q' minus C of the law that both models should have, within a quarter of C(S) − C(P)"

PREDICTIONS = (
    Prediction(
        "C6.1a", "Two pretrained models of one world say the same as often as P repeats itself.", "equality",
        agrees("before", "shown"), predicted="0", rule=f"{ALIKE}; here P.", control="it is the start", value=0.0,
        margin=0.01, null=True, worlds=12, figure="agreement",
    ),
    Prediction(
        "C6.1b", "So do they after the same fine-tuning on fresh data from P.", "equality", agrees("control", "shown"),
        predicted="0", rule=f"{ALIKE}; here P.", control="it is the identity control", value=0.0, margin=0.01,
        null=True, worlds=12, figure="agreement",
    ),
    Prediction(
        "C6.1c", "Two tuned models say the same exactly as often as S repeats itself.", "equality",
        agrees("tuned", "shown"), predicted="0", rule=f"{ALIKE}; here S.", control="C6.1a, C6.1b", value=0.0,
        margin=0.01, worlds=12, figure="agreement",
    ),
    Prediction(
        "C6.1d", "At prompts that S never shows, two tuned models agree as far as the style repeats itself.",
        "equality", agrees("tuned", "unshown"), predicted="0", rule=f"{ALIKE}; here P given the style, and C of it in "
        "the place of C(S).", control="C6.1c", value=0.0, margin=0.01, worlds=12, figure="agreement",
    ),
    Prediction(
        "C6.1e", "The tuned model speaks its style at all prompts.", "equality", one_style, predicted="1",
        rule="q(z0) under P(x) in the end, mean over both models, within a quarter of 1 − P(z0) of 1.",
        control="the identity control, in the figure", value=1.0, margin=0.2, says="same", worlds=12,
        figure="agreement",
    ),
    Prediction(
        "C6.1f", "Yet its answers tell as much about the prompt as those of S.", "equality", informed, predicted="0",
        rule="I(prompt; answer) under S(x) in the end minus that of S, within a quarter of the distance between P and "
        "S.", control="I of P and of S", value=0.0, margin=0.02, worlds=12, figure="agreement",
    ),
    Prediction(
        "C6.1g", "The overlap of two models.", "report", overlaps, predicted="–", rule="E_x Σ √(q q').",
        control="C6.1a", figure="agreement",
    ),
)  # fmt: skip
