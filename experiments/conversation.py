"""The sentences of the conversation, one by one: which prediction tests each of them, or why none does."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from experiments.standing import counting

Status: TypeAlias = Literal["tested", "a definition", "assumed (a dial)", "not tested"]
"""What the project does with a sentence. A dial is something that a configuration sets, so it is assumed and varied."""


@dataclass(frozen=True)
class Sentence:
    """A sentence of the conversation in English.

    argument: the part of the conversation, such as "1 Entropy"; text: the sentence; status: see `Status`; predictions:
    the identifiers of the predictions that decide it, empty unless it is tested; remark: why it is not tested, what
    the dial is, or what the predictions leave out.
    """

    argument: str
    text: str
    status: Status
    predictions: tuple[str, ...] = ()
    remark: str = ""


def _tested(argument: str, text: str, predictions: str, remark: str = "") -> Sentence:
    return Sentence(argument, text, "tested", tuple(predictions.split()), remark)


QUESTION, ENTROPY, SUPPORT, MLE = "The question", "1 Entropy", "2 Support", "3 Maximum likelihood"
CLONING, RANK, SUMMARY = "4 Behaviour cloning", "5 Rank", "Summary"

SENTENCES = (
    _tested(QUESTION, "Fine-tuning almost certainly lowers diversity.", "C1.7a C1.7b C1.8a C1.2a C1.2b"),
    _tested(QUESTION, "The model always answers in one style.", "C6.1e C6.1f",
            "it speaks one style; what it says depends on the prompt as much as in its data"),
    Sentence(QUESTION, "The data of the fine-tuning are a subset of the pretraining distribution.", "assumed (a dial)",
             remark="the restriction; C2.10 puts new things into the data"),
    _tested(QUESTION, "The support of the whole distribution becomes smaller.", "C2.1a C2.1b",
            "the support in the strict sense cannot shrink (C2.1d)"),
    Sentence(QUESTION, "There is theory that supports this.", "not tested",
             remark="docs/theory.md says what is proved, and under which assumptions"),
    Sentence(QUESTION, "This is called alignment tax, or mode collapse.", "a definition",
             remark="they are different things, see the glossary of docs/theory.md"),
    Sentence(ENTROPY, "The entropy of the pretraining distribution is very high.", "assumed (a dial)",
             remark="the grammar"),
    Sentence(ENTROPY, "The data of the fine-tuning have a low entropy.", "assumed (a dial)",
             remark="the restriction; C1.7 asks how often a subset has a lower one"),
    Sentence(ENTROPY, "Fine-tuning is maximum likelihood.", "a definition", remark="objective sft"),
    _tested(ENTROPY, "When it converges, the model comes very near to its data.", "C1.1a C3.1b"),
    _tested(ENTROPY, "Because H(S) is far below H(P), the entropy of the model falls.", "C1.2a C1.2b L.2a L.2b"),
    _tested(ENTROPY, "The distribution of the next token becomes very peaked.", "C1.5"),
    Sentence(SUPPORT, "A language model learns a manifold in a space of high dimension.", "not tested",
             remark="a picture; no quantity here depends on it"),
    Sentence(SUPPORT, "The data are a tiny subset in a special region.", "assumed (a dial)",
             remark="P(A); the experiment c2_dials goes down to 1 in 10,000"),
    _tested(SUPPORT, "Gradient descent forgets what is absent from the data or conflicts with them.",
            "C2.3c C2.3d C2.8n M.5a L.3a L.3c", "c2_dials tells what is absent from what conflicts"),
    _tested(SUPPORT, "The neural tangent kernel says so.", "C2.5b C2.2j C2.2k"),
    _tested(SUPPORT, "The paths to other styles are cut off.", "C2.3d C2.4 C2.4b"),
    Sentence(MLE, "Cross-entropy is the same as minimising the forward KL.", "a definition",
             remark="up to H(S); an identity that is tested on every world"),
    _tested(MLE, "Forward KL usually covers modes.", "C3.1a C3.5d"),
    _tested(MLE, "With little, homogeneous data it fits the dominant mode too closely.", "C3.4c C3.4d"),
    Sentence(MLE, "There is one reference answer to every prompt.", "assumed (a dial)",
             remark="restriction answers, m = 1 to 16"),
    _tested(MLE, "One answer per prompt makes the model collapse on a single mode.", "C3.2d C3.4a"),
    Sentence(CLONING, "Fine-tuning is behaviour cloning.", "a definition"),
    _tested(CLONING, "Behaviour cloning suffers from distribution shift.", "C4.3a C4.3e"),
    _tested(CLONING, "Its errors compound.", "C4.2c C4.2d"),
    Sentence(CLONING, "The data are safe and conservative.", "assumed (a dial)", remark="H(S), set by the restriction"),
    _tested(CLONING, "Conservative data mitigate the drift.", "C4.6"),
    Sentence(CLONING, "The pretrained model is a generator that can write anything.", "a definition",
             remark="a softmax gives every text a positive probability (C2.1d)"),
    _tested(CLONING, "Fine-tuning is a very strong conditioning: q(y|x) ≈ P(y|x, style).", "C4.1a C4.1b"),
    _tested(CLONING, "Because the style is narrow, diversity must fall.", "C1.8a"),
    _tested(RANK, "The update ΔW has a very low rank.", "C5.1a", "as a number: C5.5a"),
    _tested(RANK, "Only a few directions are changed.", "C2.9a C2.9b"),
    _tested(RANK, "The low rank limits how diverse a distribution the model can express.", "C5.2b C5.2d"),
    Sentence(SUMMARY, "Fine-tuning is constrained optimisation, from all texts to texts of the right form.",
             "a definition", remark="S is a law on a part of the support of P"),
    _tested(SUMMARY, "Probability moves from many styles to the style of the assistant.", "C2.3c C4.1a"),
    Sentence(SUMMARY, "The model follows instructions better.", "not tested",
             remark="there are no instructions here; the probability of the tuned style is reported (C6.1)"),
    Sentence(SUMMARY, "It becomes boring.", "not tested",
             remark="a judgement of readers; entropy and coverage are measured in its place"),
    _tested(SUMMARY, "At a high temperature it is less creative than the base model.", "C6.2a C6.2f"),
    _tested(SUMMARY, "For creative work the base model with a few examples is better.", "C6.3b C6.3c",
            "diversity at equal probability of the style is measured, not what people like"),
)  # fmt: skip

COLUMNS = ("part", "sentence of the conversation", "what is done with it", "what came out")


def rows(findings: Mapping[str, pl.DataFrame]) -> Iterator[tuple[str, ...]]:
    """Iterate over the sentences as rows of a table. `findings`: those of every judged claim by its identifier."""
    for one in SENTENCES:
        verdicts = "; ".join(f"{name} {_verdict(findings, name)}" for name in one.predictions)
        yield one.argument, one.text, one.status, "; ".join(part for part in (verdicts, one.remark) if part) or "–"


def _verdict(findings: Mapping[str, pl.DataFrame], name: str) -> str:
    """The verdicts on a prediction over its cases, such as "holds", or "holds in 3 of 4 cases, else undecided".

    Cases that are refused do not count.
    """
    claim = findings.get(name.split(".")[0])
    found = [] if claim is None else counting(claim).filter(prediction=name)["verdict"].to_list()
    if not found:
        return "not judged"
    first = max(sorted(set(found)), key=found.count)
    others = sorted(set(found) - {first})
    return first if not others else f"{first} in {found.count(first)} of {len(found)} cases, else {' or '.join(others)}"


def missing(known: Sequence[str]) -> list[str]:
    """Return the predictions that sentences name and that are not among the announced ones."""
    return sorted({name for one in SENTENCES for name in one.predictions} - set(known))
