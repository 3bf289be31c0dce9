"""L, languages too large to list: do entropy, gate and erasure behave there as they do where all strings are listed?"""

from experiments.l_unlisted import measured
from experiments.l_unlisted.measured import FIT, HALF, QUARTER
from experiments.l_unlisted.tables import SETUP, runs_of, tables
from experiments.predictions import Claim, Prediction

FITTED = f"valid runs of restrictions with a mean KL(S‖q) of at most {FIT} nats per token"
CONTROL = "L.0: the same fine-tuning on fresh data from P, same world, targets and rate"
RULE = (
    "Every number is estimated from strings, and its interval is over seeds. A seed is a world of its own; where the "
    "language is a published file, it is a model."
)
UNIT = "in units of the smallest mean |H(S) − H(P)| of a restriction of the language"

ENTROPY = (
    Prediction(
        "L.0", "Fine-tuning on fresh data from P changes the entropy by nothing, under exact targets.", "equality",
        measured.control, predicted="0",
        rule=f"H(control) − H(q₀), {UNIT}, within the margin.",
        control="it is the identity control", value=0.0, margin=QUARTER, only=FITTED, null=True, figure="entropy",
    ),
    Prediction(
        "L.1a", "Over restrictions, H(q) against H(S) has slope 1.", "slope", measured.slopes, predicted="1",
        rule="As C1.1a: the least-squares slope of every world, over its restrictions and its control; their mean "
        "within the margin.",
        control=CONTROL, value=1.0, margin=0.1, only=FITTED, figure="entropy",
    ),
    Prediction(
        "L.1b", "Over restrictions, H(q) against H(S) has no offset, under exact targets.", "equality",
        measured.offsets, predicted="0", rule=f"As C1.1b: the mean of H(q) − H(S), {UNIT}, within the margin.",
        control=CONTROL, value=0.0, margin=QUARTER, only=FITTED, figure="entropy",
    ),
    Prediction(
        "L.2a", "Where H(S) < H(P), fine-tuning lowers the entropy.", "sign", measured.falls,
        predicted="H(S) − H(P)", rule="As C1.2a: H(q) − H(control) below 0.", control=CONTROL, only=FITTED,
        says="same", condition="met", figure="entropy",
    ),
    Prediction(
        "L.2b", "Where H(S) > H(P), fine-tuning raises the entropy.", "sign", measured.rises,
        predicted="H(S) − H(P)", rule="As C1.2b: H(q) − H(control) above 0.", control=CONTROL, only=FITTED,
        says="opposite", condition="not met", figure="entropy",
    ),
)  # fmt: skip

ABSENT = (
    Prediction(
        "L.3a", "What is absent from the data of the fine-tuning is forgotten.", "sign", measured.forgotten,
        predicted="above 0", rule="KL(P‖q) − KL(P‖control) above 0.", control=CONTROL, only=FITTED, says="same",
        figure="forgetting",
    ),
    Prediction(
        "L.3b", "Most of it is a moved gate.", "sign", measured.gates, predicted="share of the gate above ½",
        rule="As C2.3c: what the gate gains over what gate and erasure gain, above ½; q(B) from twisted draws.",
        control=CONTROL, threshold=0.5, only=FITTED, figure="forgetting",
    ),
    Prediction(
        "L.3c", "Given that a lost string is written, most of its probability is kept behind the gate.", "sign",
        measured.kept, predicted="above ½", rule="As C2.3d: exp(−E) above ½, E = KL(P_B‖q_B) less that of q₀.",
        control=CONTROL, threshold=HALF, only=FITTED, says="opposite", figure="forgetting",
    ),
    Prediction(
        "L.3d", "Adam with larger steps erases more of it.", "sign", measured.faster, predicted="above 0",
        rule="As C2.3e: E at the largest rate minus E at the smallest, equal steps and targets, above 0.",
        control=CONTROL, only=FITTED, figure="forgetting",
    ),
    Prediction(
        "L.3e", "Sampled targets erase more of it than exact ones.", "sign", measured.sampled, predicted="above 0",
        rule="E under sampled targets minus E under exact ones, equal rate and steps, above 0.",
        control=CONTROL, only=FITTED, figure="forgetting",
    ),
    Prediction(
        "L.4a", "Strings that the model makes ten times rarer.", "report", measured.covered, predicted="–",
        rule="P(P/q ≥ 10) of the model minus that of the control.", control=CONTROL, only=FITTED,
    ),
    Prediction(
        "L.4b", "Strings that are not of the language.", "report", measured.leaving, predicted="–",
        rule="q(outside of P) of the model minus that of the control.", control=CONTROL, only=FITTED,
    ),
)  # fmt: skip

CLAIM = Claim(
    identifier="L",
    file=__file__,
    title="Languages too large to list",
    sentence="Fine-tuning lowers the entropy of a model, and what is absent from its data is forgotten: also in "
    "languages that nobody can list.",
    rule=RULE,
    predictions=(*ENTROPY, *ABSENT),
    needs=(),
    tables=tables,
    read=runs_of,
    paired=(*SETUP, "restriction", "seed"),
    condition="H(S) < H(P)",
    tier="paper",
)
