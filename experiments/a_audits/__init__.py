"""A, audits: how often does a measure of diversity on samples have the wrong sign, and would more samples help?"""

from experiments.a_audits import measured
from experiments.a_audits.measured import ALL_PAIRS, GROUPS, LIMIT, MATCHED_PAIRS, NEAR
from experiments.a_audits.pairs import SAME_LENGTH, SAME_OFF, SURE
from experiments.a_audits.proxies import CHAO_SHEN, DISTINCT, PROXIES, SELF_BLEU
from experiments.a_audits.tables import tables
from experiments.predictions import Claim, Prediction

ONLY = "different models of valid runs, in worlds of styles and content; pairs of one world"
WORLDS = 12
"""Shares of pairs are skewed, so that twelve worlds decide."""

SHARE = (
    f"Of all pairs of models of a world with |ΔH| above {SURE:g} nats, the share in which the exact expectation of the "
    "proxy over k samples per prompt and the exact entropy of answers that P can write change in opposite directions. "
)
MATCHING = (
    f"Pairs whose q(⊥) differ by at most {SAME_OFF:g} and whose mean lengths differ by at most {SAME_LENGTH:.0%}."
)
AUDITED = (*DISTINCT, SELF_BLEU)
OTHERS = tuple(name for name in PROXIES[:-1] if name not in AUDITED)

CONTROLS = (
    Prediction(
        "A.0a", "The entropy of frequencies has nearly no construct error if there are many samples.", "equality",
        measured.control, predicted="0", rule=SHARE + "Within the margin, a quarter of the predicted effect.",
        control="it is the control: a function of the law that comes near to the entropy", value=0.0, margin=NEAR,
        only=ONLY, null=True, worlds=WORLDS, figure="errors",
    ),
    Prediction(
        "A.0b", "Exact N₁ has no construct error.", "bound", measured.exact, predicted="0",
        rule="Minus the share of pairs.", control="none", margin=0.0, value=0.0, only=ONLY, instrument=True,
        figure="errors",
    ),
)  # fmt: skip

JUDGED = (
    Prediction(
        "A.1", "Distinct-n has construct errors in more than 5 % of pairs, at every number of samples.", "sign",
        measured.construct(DISTINCT, ALL_PAIRS), predicted="a share above 5 %",
        rule=SHARE + "Its mean over worlds is above 0.05, for n = 1, 2, 3 and k = 10 to 10,000 each.",
        control="A.0a", threshold=LIMIT, only=ONLY, worlds=WORLDS, figure="errors",
    ),
    Prediction(
        "A.2", "Self-BLEU has construct errors in more than 5 % of pairs, at every number of samples.", "sign",
        measured.construct((SELF_BLEU,), ALL_PAIRS), predicted="a share above 5 %", rule="As A.1.", control="A.0a",
        threshold=LIMIT, only=ONLY, worlds=WORLDS, figure="errors",
    ),
    Prediction(
        "A.3", "This is no matter of length or of invalid answers: matched pairs have them too.", "sign",
        measured.construct(AUDITED, MATCHED_PAIRS), predicted="a share above 5 %", rule=f"As A.1. {MATCHING}",
        control="A.0a", threshold=LIMIT, only=ONLY, worlds=WORLDS, figure="errors",
    ),
)  # fmt: skip

REPORTS = (
    Prediction(
        "A.4", "Construct errors of the other proxies.", "report", measured.construct(OTHERS, ALL_PAIRS),
        predicted="–", rule=SHARE + f"The expectation of {CHAO_SHEN} is estimated.", control="A.0a", only=ONLY,
        figure="errors",
    ),
    Prediction(
        "A.5", "Sampling errors: how often samples have another sign than their expectation.", "report",
        measured.sampling, predicted="–",
        rule="Mean probability over pairs whose expectation has a sign; a tie counts half. Estimated by drawing.",
        control="none", only=ONLY, figure="errors",
    ),
    Prediction(
        "A.6", "Construct errors of distinct-n and self-BLEU by the size of the change.", "report",
        measured.by_size(AUDITED), predicted="–", rule=SHARE + "Pairs by |ΔH|.", control="A.0a", only=ONLY,
    ),
    Prediction(
        "A.7", "Before against after the fine-tuning, and between methods.", "report",
        measured.construct(AUDITED, GROUPS), predicted="–", rule=SHARE, control="A.0a", only=ONLY,
    ),
    Prediction(
        "A.8", "Construct errors in other kinds of language.", "report", measured.elsewhere, predicted="–",
        rule=SHARE + "Self-BLEU of longer answers, and distinct-n of answers of several lengths, are estimated.",
        control="none", only="different models of valid runs in other kinds of language",
    ),
)  # fmt: skip

CLAIM = Claim(
    identifier="A",
    file=__file__,
    title="Audits of proxies",
    sentence="The conversation does not say how diversity is measured. Papers measure it on samples: with distinct-n, "
    "self-BLEU, or entropies of frequencies.",
    rule="Every model is compared with every other one of its world. An error of the construct stays however many sets "
    "of k samples are drawn; a sampling error does not.",
    predictions=(*CONTROLS, *JUDGED, *REPORTS),
    needs=(),
    tables=tables,
    paired=("run",),
    tier="paper",
    trains=False,
)
