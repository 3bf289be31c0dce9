"""C2, support contraction and forgetting: does the support shrink, and is what is left out gated or erased?"""

from collections.abc import Sequence

import polars as pl

from experiments import _c2_laws as laws
from experiments import _c2_mass as mass
from experiments._claims import Claim, Prediction, Standing, Verdict, in_order, outcomes, unanswered
from experiments._entropies import FIT
from experiments._kernels import kernel_paths, kernel_points
from experiments._paths import about, size_paths, split_paths
from experiments._race import entrant, race
from experiments._relearning import relearning
from experiments._replays import replayed
from sim.disk.records import Record, invalidity

PAIRED = (
    "part", "restriction", "targets", "model", "width", "optimizer", "learning_rate", "weight", "num_steps", "seed",
)  # fmt: skip
"""What tells the runs of the study apart."""

CLAIM = Claim(
    "C2",
    "c2_support",
    "Support contraction and forgetting",
    "Fine-tuning data is a tiny subset; gradient descent forgets what is absent from it: the support shrinks and the "
    "paths to other styles are cut off.",
    "Supported if sizes of the support never rise (C2.1b refuted) and what is left out is erased (C2.3d refuted in "
    "every case). Refuted if C2.1a is refuted. Holds only if the data are narrower, if C2.1a and C2.1b hold: sizes "
    "follow the data, down and up; then it is said in how many cases what is left out is still known (C2.3d holds) "
    "and in how many it is erased (refuted). Else undecided. Not valid unless the controls C2.0a and C2.0b hold. "
    f"Sizes are judged at convergence, a mean KL(S‖q) of at most {FIT} nats per answer.",
    (
        Prediction(
            "C2.0a", "Fine-tuning on fresh data from P, optimiser state fresh or carried, keeps the entropy.",
            "equality", "0", "H(control) − H(q₀) within the margin [nat]; mean over restrictions.",
            "it is the identity control", 0.1,
        ),
        Prediction(
            "C2.0b", "The same keeps the ε-support.", "equality", "0",
            "(N_ε(control) − N_ε(q₀)) / N_ε(P), mean over ε with N_ε(P) ≥ 1 and restrictions, within the margin.",
            "it is the identity control", 0.1,
        ),
        Prediction(
            "C2.1a", "Where a size of the support is smaller for S than for P, fine-tuning lowers it.", "sign",
            "N(S) − N(P), sizes e^H and N_ε",
            "The share of the way (N(q) − N(q₀)) / (N(S) − N(P)) of the size that goes the least far is above 0. Sizes "
            "of which S and P differ by a tenth of N(P) and by one answer at least.", "C2.0",
        ),
        Prediction(
            "C2.1b", "Where a size of the support is larger for S than for P, fine-tuning raises it.", "sign",
            "N(S) − N(P), sizes e^H and N_ε", "As C2.1a.", "C2.0",
        ),
        Prediction(
            "C2.1c", "The sizes of the support end near those of S.", "equality", "1",
            "The share of the way, mean over sizes as in C2.1a, within the margin.", "C2.0", 0.2,
        ),
        Prediction(
            "C2.1d", "The support itself never shrinks: a softmax gives every answer of P a positive probability.",
            "bound", "0 answers lost", "Answers with q(y|x) = 0, over all runs and evaluations.", "none", 0.5,
        ),
        Prediction(
            "C2.2a", "SGD, flat and trie table: what is left out decays as q_t(B) ~ 1/t.", "exponent", "−1",
            "Slope of log q_t(B) on log t over the last decade of steps.", "the two tables", 0.05,
        ),
        Prediction(
            "C2.2b", "SGD, flat and trie table: KL(P‖q_t) grows by the forgotten mass P(B) per e-fold of steps.",
            "slope", "P(B)", "Slope of KL(P‖q_t) on log t over the last decade.", "the two tables", 0.05,
        ),
        Prediction(
            "C2.2c", "Adam, flat and trie table: q_t(B) decays exponentially at the rate of the law.", "equality",
            "1, in units of adam_rate(lr, β₁, β₂, c = 2)",
            "Slope of −log q_t(B) on t over the last half, over the predicted rate.", "the two tables", 0.05,
        ),
        Prediction(
            "C2.2d", "SGD, transformer: the same power, q_t(B) ~ 1/t.", "exponent", "−1", "As C2.2a.", "the tables",
            0.1,
        ),
        Prediction(
            "C2.2e", "SGD, transformer: the same slope, P(B).", "slope", "P(B)", "As C2.2b.", "the tables", 0.1,
        ),
        Prediction(
            "C2.2f", "Adam, transformer: faster than any step size of SGD, a steeper power than −1.", "sign", "1",
            "−1 minus the slope of log q_t(B) on log t over the last decade is above 0.", "C2.2d",
        ),
        Prediction(
            "C2.2g", "Adam, any model: late decay is no faster than ½ |log β₂| per step, however fast logits move.",
            "bound", "slack ≥ 0", "½ |log β₂| minus the rate over the last half of the steps, every run.", "none", 1e-9,
        ),
        Prediction(
            "C2.3a", "Trie table: what comes after the first token of a lost style stays as it was.", "bound", "0",
            "|erasure(t) − erasure(0)| at every evaluation, styles that a token shows [nat].", "none", 1e-9,
        ),
        Prediction(
            "C2.3b", "Flat table, SGD: lost answers level out, which is erasure.", "sign", "above 0",
            "erasure(T) − erasure(0) above 0.", "C2.3a",
        ),
        Prediction(
            "C2.3c", "Transformer: most of the forgetting is a moved gate.", "sign", "share of the gate above ½",
            "(gate(T) − gate(0)) / (KL(P‖q_T) − KL(P‖q₀)) − ½ above 0.", "the two tables",
        ),
        Prediction(
            "C2.3d", "Transformer: given the first token of a lost style, most of P(y|x, z) is still known.", "sign",
            "above ½",
            "1 − (KL(P_z‖q_z) − that of q₀) / (that of an untrained model − that of q₀), over the lost styles, minus ½ "
            "above 0.", "the two tables",
        ),
        Prediction(
            "C2.3e", "Adam with larger steps erases more of it.", "sign", "above 0",
            "What is known after the smallest learning rate minus after the largest, above 0.", "C2.3d",
        ),
        Prediction(
            "C2.3f", "How much of it the null models still know.", "report", "–", "As C2.3d.", "none",
        ),
        Prediction(
            "C2.4", "What was lost is learnt again in fewer steps than from scratch.", "sign", "savings above 1",
            "log of the ratio of the steps on B until KL(P_B‖q) is back at that of q₀, at its lower bound, above 0.",
            "training from scratch",
        ),
        Prediction(
            "C2.5a", "The kernel at q₀ foretells the first step of unseen answers.", "sign", "R² above 0.9",
            "R² of Δ log q of unseen answers after one step at the smallest learning rate, minus 0.9, above 0.",
            "the linearised model",
        ),
        Prediction(
            "C2.5b", "Later it foretells less: the kernel moves.", "sign", "R² falls",
            "R² after the first step minus R² after the last, at the largest learning rate, above 0.",
            "the linearised model",
        ),
        Prediction(
            "C2.5c", "The Fisher form foretells KL(q₀‖q) to second order.", "equality", "1",
            "½ Δᵀ F Δ / KL(q₀‖q) after one step at the smallest learning rate.", "none", 0.1,
        ),
        Prediction(
            "C2.6a", "Forward KL on the prompts of the fine-tuning foretells forgetting elsewhere best of all.", "sign",
            "R² above that of every rival (RL's Razor, arXiv 2509.04259: 0.96)",
            "R² of forward KL minus that of each other predictor, parabolas over the runs of a seed, above 0.",
            "nine other predictors",
        ),
        Prediction(
            "C2.6b", "R² of every predictor, for forgetting on all prompts and elsewhere.", "report", "–", "Shown.",
            "none",
        ),
        Prediction(
            "C2.7a", "With replay, what is forgotten is KL(P‖(1−λ)S + λP).", "equality", "0",
            "KL(P‖q) − KL(P‖q*) within the margin, runs with KL(q*‖q) of at most 0.02 nats.", "C2.0", 0.03,
        ),
        Prediction(
            "C2.7b", "With replay, KL(P‖q*) is at most −log λ, and its closed form is the sum.", "bound", "slack ≥ 0",
            "The least of −log λ − KL(P‖q*) and −|closed form − sum|.", "none", 1e-9,
        ),
    ),
)  # fmt: skip


def analyse(records: Sequence[Record]) -> dict[str, pl.DataFrame]:
    """`runs` and a table for every part of the study, see the modules that make them."""
    parts: dict[str, list[Record]] = {}
    for record in records:
        parts.setdefault(str(about(record)["part"]).partition("_")[0], []).append(record)

    def rows(part: str) -> list[Record]:
        return parts.get(part, [])

    entered = pl.DataFrame([entrant(record) for record in rows("race")])
    scattered = [one for one in rows("kernel") if one.config["seed"] == 0]
    splits = _joined(
        [split_paths(record) for part in ("support", "decay", "recovery", "rates") for record in rows(part)]
    )
    return {
        "runs": pl.DataFrame([{**about(record), "valid": invalidity(record) is None} for record in records]),
        "sizes": _joined([size_paths(record) for record in [*rows("support"), *rows("recovery")]]),
        "splits": splits,
        "laws": laws.late(splits),
        "relearning": pl.DataFrame([relearning(record) for record in rows("recovery")]),
        "kernels": _joined([kernel_paths(record) for record in rows("kernel")]),
        "points": _joined([kernel_points(record) for record in scattered]),
        "entrants": entered,
        "race": race(entered) if entered.height else entered,
        "replays": pl.DataFrame([replayed(record) for record in rows("replay")]),
    }


def _joined(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames) if frames else pl.DataFrame()


def check(tables: dict[str, pl.DataFrame]) -> list[Verdict]:
    """The verdicts; only valid runs count, but for what holds for every model."""
    valid = tables["runs"].filter(pl.col("valid"))["run"]
    counted = {
        name: table.filter(pl.col("run").is_in(valid.implode())) if "run" in table.columns else table
        for name, table in tables.items()
    }
    counted["race"] = race(counted["entrants"]) if counted["entrants"].height else counted["entrants"]
    found = [*mass.bounds(CLAIM, tables), *laws.bounds(CLAIM, tables)]
    found += [*mass.verdicts(CLAIM, counted), *laws.verdicts(CLAIM, counted)]
    return in_order(CLAIM, [*found, *unanswered(CLAIM, found)])


def standing(verdicts: pl.DataFrame) -> tuple[Standing, str]:
    """What becomes of the seed's sentence, by the rule of the claim."""
    found = outcomes(verdicts)
    controls = found["C2.0a"] | found["C2.0b"]
    if "not valid" in controls:
        return "not valid", "no run has come near enough to P before it was fine-tuned"
    if "refuted" in controls:
        return "not valid", "the identity control does not stay where it is"
    falls, rises, known = (found[name] for name in ("C2.1a", "C2.1b", "C2.3d"))
    if "refuted" in falls:
        return "refuted", "the effective support does not follow that of the data"
    if falls == {"holds"} and rises == known == {"refuted"}:
        return "supported", "the effective support always shrinks, and what is left out is erased"
    if controls == falls == rises == {"holds"}:
        cases = verdicts.filter(prediction="C2.3d")["outcome"].to_list()
        kept, gone = (cases.count(outcome) for outcome in ("holds", "refuted"))
        split = f"most of what it leaves out is still known in {kept} of {len(cases)} cases, and erased in {gone}"
        return "holds only if", f"S is narrower than P: sizes follow the data, down and up; {split}"
    open_ = verdicts.filter(pl.col("prediction").is_in(["C2.0a", "C2.0b", "C2.1a", "C2.1b"]), outcome="undecided")
    where = "; ".join(f"{row['prediction']} for {row['case']}" for row in open_.iter_rows(named=True))
    return "undecided", f"some intervals are too wide ({where})" if where else "the parts of the sentence disagree"
