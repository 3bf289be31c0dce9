"""C2: what is predicted about sizes of the support, laws of decay, gate and erasure, learning again, and the kernel."""

import math

from experiments.c2_support import laws, mass, savings
from experiments.c2_support.tables import FITTED
from experiments.predictions import Prediction
from sim.theory.memory import WINDOW

ROUNDING = 1e-9
"""A difference of exact numbers up to this counts as 0."""

LATE, LATER = (0.1, 1.0), (0.5, 1.0)
"""Windows for laws that hold late: the last decade of the steps, and their last half."""

ALL = "all runs, valid or not"

NO_EFFECT = mass.FEW / 4
"""Margin where no effect is predicted: a quarter of the smallest change of a size that is asked about (C2.1)."""

SETTLED = (
    f"valid runs in which lr t m_t changed by less than {100 * laws.SETTLED:g} % from half of the steps to the end"
)

FIT = f"valid runs with KL(S‖q) ≤ {FITTED:g} nats in the end"

MEMORY = "0.5 <= ρ t <= 5, ρ = ½ |log β₂|"

SIZES = (
    Prediction(
        "C2.0a", "Fine-tuning on fresh data from P, optimiser state fresh or carried, keeps the entropy.", "equality",
        mass.control_entropy, predicted="0", rule="H(control) − H(q₀) within the margin [nat]; mean over restrictions.",
        control="it is the identity control", value=0.0, margin=NO_EFFECT, only="valid runs, exact targets", null=True,
        figure="sizes",
    ),
    Prediction(
        "C2.0b", "The same keeps the ε-support.", "equality", mass.control_counts, predicted="0",
        rule="(N_ε(control) − N_ε(q₀)) / N_ε(P), mean over ε with N_ε(P) ≥ 1 and restrictions, within the margin.",
        control="it is the identity control", value=0.0, margin=NO_EFFECT, only="valid runs, exact targets", null=True,
        figure="sizes",
    ),
    Prediction(
        "C2.0c", "The noise floor: what sampled targets do to the entropy by themselves.", "report", mass.noise_floor,
        predicted="–", rule="As C2.0a.", control="C2.0a", only="valid runs, sampled targets", figure="sizes",
    ),
    Prediction(
        "C2.1a", "Where a size of the support is smaller for S than for P, fine-tuning lowers it.", "sign", mass.falls,
        predicted="N(S) − N(P), sizes e^H and N_ε",
        rule="The share of the way (N(q) − N(identity control)) / (N(S) − N(P)) of the size that goes the least far is "
        "above 0. Sizes of which S and P differ by a tenth of N(P) and by one answer at least.", control="C2.0",
        only="valid and converged runs", says="same", condition="met", figure="sizes",
    ),
    Prediction(
        "C2.1b", "Where a size of the support is larger for S than for P, fine-tuning raises it.", "sign", mass.rises,
        predicted="N(S) − N(P), sizes e^H and N_ε", rule="As C2.1a.", control="C2.0",
        only="valid and converged runs", says="opposite", condition="not met", figure="sizes",
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
        "C2.2c", "Adam at a small rate, flat and trie table: q_t(B) decays exponentially at the rate of the law.",
        "equality", laws.table_rates, predicted="1, in units of adam_rate(lr, β₁, β₂, c = 2)",
        rule="Slope of −log q_t(B) on t over the last half, over the predicted rate.", control="the two tables",
        value=1.0, margin=0.05, only="valid runs with lr <= ρ = ½ |log β₂|", window=LATER, figure="decay",
    ),
    Prediction(
        "C2.2d", "SGD, transformer: the power of q_t(B), which any model has.", "report", laws.net_exponents,
        predicted="–", rule="As C2.2a.", control="the tables", window=LATE, figure="decay",
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
        "C2.2g", "Adam, tables: while √v remembers the first gradients, q_t(B) falls as 1/(e^(ρt) − 1).", "bound",
        laws.memory_of_tables, predicted=f"log q_t(B) + log(e^(ρt) − 1) spreads by at most {laws.SPREAD} nats",
        rule=f"{laws.SPREAD} minus the spread over {MEMORY}, every run.", control="the two tables", margin=0.0,
        only="valid runs with β₂ >= 0.99, ρ <= 0.1 (1 − β₁), 3 ρ <= lr <= 0.1 and 1/4 <= P(A) <= 0.9", window=WINDOW,
        figure="decay",
    ),
    Prediction(
        "C2.2h", "Adam, transformer: the same law.", "bound", laws.memory_of_nets,
        predicted="as C2.2g", rule="As C2.2g.", control="C2.2g", margin=0.0, window=WINDOW, figure="decay",
    ),
    Prediction(
        "C2.2i", "Adam, tables, lr ≫ ρ: with the bias correction it is 1/(u − arctan u), u = √(e^(2ρt) − 1).", "bound",
        laws.corrected_memory, predicted=f"log q_t(B) + log(u − arctan u) spreads by at most {laws.NEARLY} nats",
        rule=f"{laws.NEARLY} minus the spread over {MEMORY}, every run.", control="C2.2g", margin=0.0,
        only="as C2.2g, and β₂ >= 0.999", window=WINDOW, figure="decay",
    ),
    Prediction(
        "C2.2j", "SGD, tables: the prefactor, lr t m_t → 1/κ, from the kernel at the last q.", "equality",
        laws.table_prefactors, predicted="1, κ = min (u−w)ᵀK(u−w) over u on A, w >= 0 on B, each with sum 1",
        rule="κ lr T m_T within the margin, m_t the lost mass under the prompts of S.", control="the two tables",
        value=1.0, margin=0.1, only=SETTLED, figure="decay",
    ),
    Prediction(
        "C2.2k", "SGD, transformer: the same prefactor.", "equality", laws.net_prefactors, predicted="as C2.2j",
        rule="As C2.2j.", control="C2.2j", value=1.0, margin=0.1, only=SETTLED, figure="decay",
    ),
    Prediction(
        "C2.2l", "The speed of 1/m_t is the one that the kernel gives at the same q.", "equality", laws.speeds,
        predicted="1, d(1/m)/d(lr t) = −wᵀK(S − q)/m, w = q_B/m",
        rule="d(1/m)/d(lr t) between the last two evaluations over the mean of the kernel's at both.", control="none",
        value=1.0, margin=0.05, instrument=True, figure="decay",
    ),
    Prediction(
        "C2.2m", "How much of the prefactor the kernel at q₀ knows already.", "report", laws.foreseen, predicted="–",
        rule="1/κ at q₀ over lr T m_T.", control="C2.2k", only=SETTLED, figure="decay",
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
        "C2.3d", "Transformer: given a lost style, most of P(y|x, z) is kept behind the gate.", "sign", mass.known,
        predicted="above ½",
        rule="exp(−E) above ½, that is E below log 2: E = Σ P(z)/P(B) [KL(P_z‖q_z) − that of q₀] over the lost styles.",
        control="the two tables", threshold=-math.log(2.0), only=FIT, says="opposite", worlds=12, figure="split",
    ),
    Prediction(
        "C2.3e", "Adam with larger steps erases more of it.", "sign", mass.faster, predicted="above 0",
        rule="E after the largest learning rate minus E after the smallest, equal steps, above 0.", control="C2.3d",
        only=FIT,
        worlds=12, figure="split",
    ),
    Prediction(
        "C2.3f", "How much of it tables keep, and transformers under exact gradients.", "report", mass.known_by_others,
        predicted="–", rule="exp(−E).", control="none", figure="split",
    ),
    Prediction(
        "C2.4", "What was lost is learnt again in fewer steps than from scratch.", "sign", savings.savings,
        predicted="savings above 1",
        rule="log of the ratio of the steps on P_B until KL(P_B‖q(·|B)) is at 0.3, 0.1, 0.03 and 0.01 nats, at its "
        "lower bound, above 0. A recovery that begins below counts one step.",
        control="training from scratch", says="opposite", figure="recovery",
    ),
    Prediction(
        "C2.4b", "On the whole way it is nearer to P_B.", "sign", savings.areas, predicted="above 0",
        rule="Mean of log KL(P_B‖q(·|B)) over log(1 + t), from scratch minus recovery, above 0.",
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
        control="nine other predictors", instrument=True,
        figure="race",
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
