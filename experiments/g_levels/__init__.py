"""G, the levels of a grammar: does a model forget more where the data differ high in the hierarchy, or low?"""

from experiments.g_levels import measured
from experiments.g_levels.amendments import AMENDMENTS
from experiments.g_levels.tables import FIT, runs_of, tables
from experiments.predictions import Claim, Prediction

SHIFT = 0.3
"""KL(S||P) of every run on changed data [nat per string]."""

QUARTER = SHIFT / 4
"""A number up to this counts as none [nat]: a quarter of the shift."""

FITTED = f"valid runs with |E_S[log S/q − log P/control]| of at most {FIT} nats per string"
CONTROL = "G.0: the same fine-tuning on fresh data from P, same world and targets"
EVENT = "a random event of the same mass and the same KL(S‖P), which no rule makes, beside the root's rule 0"
BOTH_RULES = "Exact targets: the mean over both rules of the symbol; sampled targets: rule 0."

PREDICTIONS = (
    Prediction(
        "G.0", "Fine-tuning on fresh data from P forgets nothing, under exact targets.", "equality", measured.control,
        predicted="0", rule="KL(P‖control) − KL(P‖q₀) within the margin.", control="it is the identity control",
        value=0.0, margin=QUARTER, null=True,
    ),
    Prediction(
        "G.1", "At every level the rule is followed.", "sign", measured.followed, predicted="above ½",
        rule="(u − p)/(s − p) above ½, with the share u of the rule among the uses of its symbol in what the model "
        f"writes and P can write. {BOTH_RULES}",
        control=CONTROL, threshold=0.5, only=FITTED, figure="levels",
    ),
    Prediction(
        "G.2", "What is forgotten beside the rule is the same at every level.", "slope", measured.slopes, predicted="0",
        rule="Excess = KL(P‖q) − KL(P‖control) − n KL(p‖u). Its least-squares slope over the four levels of a world, "
        f"their mean within the margin [nat a level]. {BOTH_RULES}",
        control=CONTROL, value=0.0, margin=QUARTER, only=FITTED, figure="levels",
    ),
    Prediction(
        "G.3", "What the rarer rule derives becomes worse than what the other rules of its symbol derive.", "sign",
        measured.worse, predicted="above 0",
        rule="Over the tokens of the second half of a rule's spans in strings of P, KL(P_t‖q_t) − KL(P_t‖S_t) less the "
        f"same of the control, which has S = P; the rarer rule less its siblings, above 0. {BOTH_RULES}",
        control=CONTROL, only=FITTED, figure="levels",
    ),
    Prediction(
        "G.4", "Sampled targets forget more beside the rule than exact ones.", "sign", measured.sampled,
        predicted="above 0",
        rule="Excess under sampled targets minus excess under exact ones, of rule 0 of every level; the mean over the "
        "levels of a world, above 0.",
        control=CONTROL, only=FITTED, figure="levels",
    ),
    Prediction(
        "G.5a", "An event that no rule makes is followed less than a rule of the root.", "sign",
        measured.event_followed, predicted="below 0", rule=f"Followed, less the same of the root: {EVENT}.",
        control=CONTROL, only=FITTED, figure="levels",
    ),
    Prediction(
        "G.5b", "More is forgotten beside an event that no rule makes than beside a rule of the root.", "sign",
        measured.event_excess, predicted="above 0", rule=f"Excess, less the same of the root: {EVENT}.",
        control=CONTROL, only=FITTED, figure="levels",
    ),
    Prediction(
        "G.6a", "How often the changed symbol is used in a string.", "report", measured.used, predicted="–",
        rule="n, exact.", control="none",
    ),
    Prediction(
        "G.6b", "Strings that are not of the language.", "report", measured.leaving, predicted="–",
        rule="q(outside of P) of the model minus that of the control.", control=CONTROL, only=FITTED,
    ),
)  # fmt: skip

CLAIM = Claim(
    identifier="G",
    file=__file__,
    title="The level of a grammar",
    sentence="The conversation does not speak of levels. In a grammar of several levels, is more forgotten where the "
    "data differ at a high level, or at a low one?",
    rule="Every run changes P by the same KL(S‖P). Numbers of models are estimated from strings, and their intervals "
    "are over worlds: every seed has a grammar and an event of its own. The conversation says nothing of levels, so no "
    "verdict on a sentence of it follows.",
    predictions=PREDICTIONS,
    needs=(),
    tables=tables,
    read=runs_of,
    paired=("targets", "arm", "number", "seed"),
    amendments=AMENDMENTS,
    tier="paper",
)
