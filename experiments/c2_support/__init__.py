"""C2, support contraction and forgetting: does the support shrink, and is what is left out gated or erased?"""

import polars as pl

from experiments.c2_support import arms, crossed, laws, mass
from experiments.c2_support.crossed import RACE
from experiments.c2_support.erasing import ERASING
from experiments.c2_support.tables import NEEDS
from experiments.c2_support.tables import tables as tables_of_laws
from experiments.predictions import Amendment, Claim, Prediction, Standing, Tables, verdicts_of
from experiments.study import Study

ROUNDING = 1e-9
"""A difference of exact numbers up to this counts as 0."""

LATE, LATER = (0.1, 1.0), (0.5, 1.0)
"""Windows for laws that hold late: the last decade of the steps, and their last half."""

ALL = "all runs, valid or not"


def tables(study: Study) -> Tables:
    """Return the tables of all parts of the study."""
    found = tables_of_laws(study)
    return {**found, **arms.tables(study, found["runs"]), **crossed.tables(study, found["runs"])}


def standing(findings: pl.DataFrame) -> tuple[Standing, str]:
    """Return the verdict on the sentence by the rule of the claim, and its reason."""
    found = verdicts_of(findings)
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
        cases = findings.filter(prediction="C2.3d")["verdict"].to_list()
        kept, gone = (cases.count(verdict) for verdict in ("holds", "refuted"))
        split = f"most of what it leaves out is still known in {kept} of {len(cases)} cases, and erased in {gone}"
        return "holds only if", f"S is narrower than P: sizes follow the data, down and up; {split}"
    open_ = findings.filter(pl.col("prediction").is_in(["C2.0a", "C2.0b", "C2.1a", "C2.1b"]), verdict="undecided")
    where = "; ".join(f"{row['prediction']} for {row['case']}" for row in open_.iter_rows(named=True))
    return "undecided", f"some intervals are too wide ({where})" if where else "the parts of the sentence disagree"


SIZES = (
    Prediction(
        "C2.0a", "Fine-tuning on fresh data from P, optimiser state fresh or carried, keeps the entropy.", "equality",
        mass.control_entropy, predicted="0", rule="H(control) − H(q₀) within the margin [nat]; mean over restrictions.",
        control="it is the identity control", value=0.0, margin=0.1, figure="sizes",
    ),
    Prediction(
        "C2.0b", "The same keeps the ε-support.", "equality", mass.control_counts, predicted="0",
        rule="(N_ε(control) − N_ε(q₀)) / N_ε(P), mean over ε with N_ε(P) ≥ 1 and restrictions, within the margin.",
        control="it is the identity control", value=0.0, margin=0.1, figure="sizes",
    ),
    Prediction(
        "C2.1a", "Where a size of the support is smaller for S than for P, fine-tuning lowers it.", "sign", mass.falls,
        predicted="N(S) − N(P), sizes e^H and N_ε",
        rule="The share of the way (N(q) − N(q₀)) / (N(S) − N(P)) of the size that goes the least far is above 0. "
        "Sizes of which S and P differ by a tenth of N(P) and by one answer at least.", control="C2.0",
        only="valid and converged runs", says="same", figure="sizes",
    ),
    Prediction(
        "C2.1b", "Where a size of the support is larger for S than for P, fine-tuning raises it.", "sign", mass.rises,
        predicted="N(S) − N(P), sizes e^H and N_ε", rule="As C2.1a.", control="C2.0",
        only="valid and converged runs", says="opposite", figure="sizes",
    ),
    Prediction(
        "C2.1c", "The sizes of the support end near those of S.", "equality", mass.arrives, predicted="1",
        rule="The share of the way, mean over sizes as in C2.1a, within the margin.", control="C2.0", value=1.0,
        margin=0.2, only="valid and converged runs", figure="sizes",
    ),
    Prediction(
        "C2.1d", "The support itself never shrinks: a softmax gives every answer of P a positive probability.", "bound",
        mass.zeros, predicted="0 answers lost", rule="Answers with q(y|x) = 0, over all runs and evaluations.",
        control="none", value=0.0, margin=0.5, only=ALL, instrument=True, figure="sizes",
    ),
)  # fmt: skip

DECAY = (
    Prediction(
        "C2.2a", "SGD, flat and trie table: what is left out decays as q_t(B) ~ 1/t.", "exponent", laws.table_exponents,
        predicted="−1", rule="Slope of log q_t(B) on log t over the last decade of steps.", control="the two tables",
        value=-1.0, margin=0.05, window=LATE, figure="decay",
    ),
    Prediction(
        "C2.2b", "SGD, flat and trie table: KL(P‖q_t) grows by the forgotten mass P(B) per e-fold of steps.", "slope",
        laws.table_growths, predicted="P(B)", rule="Slope of KL(P‖q_t) on log t over the last decade.",
        control="the two tables", margin=0.05, window=LATE, figure="decay",
    ),
    Prediction(
        "C2.2c", "Adam, flat and trie table: q_t(B) decays exponentially at the rate of the law.", "equality",
        laws.table_rates, predicted="1, in units of adam_rate(lr, β₁, β₂, c = 2)",
        rule="Slope of −log q_t(B) on t over the last half, over the predicted rate.", control="the two tables",
        value=1.0, margin=0.05, window=LATER, figure="decay",
    ),
    Prediction(
        "C2.2d", "SGD, transformer: the same power, q_t(B) ~ 1/t.", "exponent", laws.net_exponents, predicted="−1",
        rule="As C2.2a.", control="the tables", value=-1.0, margin=0.1, window=LATE, figure="decay",
    ),
    Prediction(
        "C2.2e", "SGD, transformer: the same slope, P(B).", "slope", laws.net_growths, predicted="P(B)",
        rule="As C2.2b.", control="the tables", margin=0.1, window=LATE, instrument=True, figure="decay",
    ),
    Prediction(
        "C2.2f", "Adam, transformer: faster than any step size of SGD, a steeper power than −1.", "sign",
        laws.net_steeper, predicted="1",
        rule="−1 minus the slope of log q_t(B) on log t over the last decade is above 0.",
        control="C2.2d", window=LATE, figure="decay",
    ),
    Prediction(
        "C2.2g", "Adam, any model: late decay is no faster than ½ |log β₂| per step, however fast logits move.",
        "bound", laws.ceiling, predicted="slack ≥ 0",
        rule="½ |log β₂| minus the rate over the last half of the steps, every run.", control="none", value=0.0,
        margin=ROUNDING, only=ALL, window=LATER, figure="decay",
    ),
)  # fmt: skip

ERASURE = (
    Prediction(
        "C2.3a", "Trie table: what comes after the first token of a lost style stays as it was.", "bound",
        mass.trie_erasure, predicted="0",
        rule="|erasure(t) − erasure(0)| at every evaluation, styles that a token shows [nat].", control="none",
        value=0.0, margin=ROUNDING, only=ALL, instrument=True, figure="split",
    ),
    Prediction(
        "C2.3b", "Flat table, SGD: lost answers level out, which is erasure.", "sign", mass.flat_erasure,
        predicted="above 0", rule="erasure(T) − erasure(0) above 0.", control="C2.3a", figure="split",
    ),
    Prediction(
        "C2.3c", "Transformer: most of the forgetting is a moved gate.", "sign", mass.shares,
        predicted="share of the gate above ½", rule="(gate(T) − gate(0)) / (KL(P‖q_T) − KL(P‖q₀)) − ½ above 0.",
        control="the two tables", threshold=0.5, figure="split",
    ),
    Prediction(
        "C2.3d", "Transformer: given the first token of a lost style, most of P(y|x, z) is still known.", "sign",
        mass.known, predicted="above ½",
        rule="1 − (KL(P_z‖q_z) − that of q₀) / (that of an untrained model − that of q₀), over the lost styles, minus "
        "½ above 0.", control="the two tables", threshold=0.5, says="opposite", figure="split",
    ),
    Prediction(
        "C2.3e", "Adam with larger steps erases more of it.", "sign", mass.faster, predicted="above 0",
        rule="What is known after the smallest learning rate minus after the largest, above 0.", control="C2.3d",
        figure="split",
    ),
    Prediction(
        "C2.3f", "How much of it the null models still know.", "report", mass.known_by_tables, predicted="–",
        rule="As C2.3d.", control="none", figure="split",
    ),
    Prediction(
        "C2.4", "What was lost is learnt again in fewer steps than from scratch.", "sign", mass.savings,
        predicted="savings above 1",
        rule="log of the ratio of the steps on B until KL(P_B‖q) is back at that of q₀, at its lower bound, above 0.",
        control="training from scratch", says="opposite", figure="recovery",
    ),
)  # fmt: skip

KERNEL = (
    Prediction(
        "C2.5a", "The kernel at q₀ foretells the first step of unseen answers.", "sign", laws.first_step,
        predicted="R² above 0.9",
        rule="R² of Δ log q of unseen answers after one step at the smallest learning rate, minus 0.9, above 0.",
        control="the linearised model", threshold=0.9, instrument=True, figure="kernel",
    ),
    Prediction(
        "C2.5b", "Later it foretells less: the kernel moves.", "sign", laws.kernel_moves, predicted="R² falls",
        rule="R² after the first step minus R² after the last, at the largest learning rate, above 0.",
        control="the linearised model", figure="kernel",
    ),
    Prediction(
        "C2.5c", "The Fisher form foretells KL(q₀‖q) to second order.", "equality", laws.fisher, predicted="1",
        rule="½ Δᵀ F Δ / KL(q₀‖q) after one step at the smallest learning rate.", control="none", value=1.0,
        margin=0.1, instrument=True, figure="kernel",
    ),
    Prediction(
        "C2.6a", "Forward KL on the prompts of the fine-tuning foretells forgetting elsewhere best of all.", "sign",
        laws.rivals, predicted="R² above that of every rival (RL's Razor, arXiv 2509.04259: 0.96)",
        rule="R² of forward KL minus that of each other predictor, parabolas over the runs of a seed, above 0.",
        control="nine other predictors", figure="race",
    ),
    Prediction(
        "C2.6b", "R² of every predictor, for forgetting on all prompts and elsewhere.", "report", laws.predictors,
        predicted="–", rule="Shown.", control="none", figure="race",
    ),
    Prediction(
        "C2.7a", "With replay, what is forgotten is KL(P‖(1−λ)S + λP).", "equality", laws.replay_gaps, predicted="0",
        rule="KL(P‖q) − KL(P‖q*) within the margin.", control="C2.0", value=0.0, margin=0.03,
        only="valid runs with KL(q*‖q) of at most 0.02 nats", figure="replay",
    ),
    Prediction(
        "C2.7b", "With replay, KL(P‖q*) is at most −log λ, and its closed form is the sum.", "bound",
        laws.replay_bounds, predicted="slack ≥ 0",
        rule="The least of −log λ − KL(P‖q*) and −|closed form − sum|.", control="none", value=0.0, margin=ROUNDING,
        only=ALL, instrument=True, figure="replay",
    ),
)  # fmt: skip

CLAIM = Claim(
    identifier="C2",
    file=__file__,
    title="Support contraction and forgetting",
    sentence="Fine-tuning data is a tiny subset; gradient descent forgets what is absent from it: the support shrinks "
    "and the paths to other styles are cut off.",
    rule="Supported if sizes of the support never rise (C2.1b refuted) and what is left out is erased (C2.3d refuted "
    "in every case). Refuted if C2.1a is refuted. Holds only if the data are narrower, if C2.1a and C2.1b hold: sizes "
    "follow the data, down and up; then it is said in how many cases what is left out is still known (C2.3d holds) "
    "and in how many it is erased (refuted). Else undecided. Not valid unless the controls C2.0a and C2.0b hold. "
    f"Sizes are judged at convergence, a mean KL(S‖q) of at most {mass.FIT} nats per answer.",
    predictions=(*SIZES, *DECAY, *ERASURE, *KERNEL, *RACE, *ERASING),
    needs=(*NEEDS, *crossed.NEEDS, *arms.NEEDS),
    tables=tables,
    standing=standing,
    paired=("part", "restriction", "targets", "model", "width", "optimizer", "learning_rate", "weight", "num_steps",
            "seed"),
    amendments=(
        Amendment(
            "2026-11-29", "restated as data that judges itself; criteria, margins and windows are as before, and the "
            "verdicts on the archived runs are the same", "8780409d13dd", "holds only if S is narrower than P",
        ),
    ),
)  # fmt: skip
