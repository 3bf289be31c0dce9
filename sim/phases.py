"""The phases of a run and their meanings. Every record holds this table, and reports and figures read it there."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

Stage: TypeAlias = Literal["pretrain", "finetune", "relearn"]
Role: TypeAlias = Literal["pretraining", "fine-tuning", "control", "linearisation", "edit", "relearning"]

STAGES: dict[Stage, str] = {
    "pretrain": "pretraining",
    "finetune": "fine-tuning",
    "relearn": "relearning",
}
"""The stages of a run in their order, in words. A stage is a key of the configuration; its phases train together."""


@dataclass(frozen=True)
class Meaning:
    """What a phase is: one training, or an edit of its result, and what it is compared with.

    stage: the key of the configuration that holds its number of steps; role: how reports and figures use it; data: the
    language that it is trained on, "P", "S" or "P_B" (what S leaves out); model: the name of the model that it ends
    with; title: the phase in words. An edit has the stage and the data of the training whose result it changes.
    """

    stage: Stage
    role: Role
    data: str
    model: str
    title: str


MEANINGS: dict[str, Meaning] = {
    "pretrain": Meaning("pretrain", "pretraining", "P", "pretrained", "pretraining on P"),
    "sft": Meaning("finetune", "fine-tuning", "S", "finetuned", "fine-tuning on S"),
    "identity": Meaning("finetune", "control", "P", "identity", "control: the same fine-tuning on fresh data from P"),
    "carried": Meaning(
        "finetune", "control", "P", "carried", "control: the same on P with the optimiser state of the pretraining"
    ),
    "linearised": Meaning(
        "finetune", "linearisation", "S", "linearised", "the same fine-tuning of the model linearised at q0"
    ),
    "recovery": Meaning("relearn", "relearning", "P_B", "relearned", "learning again what S left out"),
    "scratch": Meaning("relearn", "relearning", "P_B", "scratch", "learning what S left out from fresh parameters"),
}
"""Every phase that trains, by the name that it has in a record. Edits have names of their own, see `of_edit`."""


def of_edit(name: str, of: str, words: str) -> Meaning:
    """Return the meaning of the phase `name`: an edit, described by `words`, of the result of the phase `of`."""
    edited = MEANINGS[of]
    return Meaning(edited.stage, "edit", edited.data, name, f"edit of the model {edited.model}: {words}")


def stored(meanings: Mapping[str, Meaning], phases: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the meanings of some phases as JSON, for a record."""
    return {name: asdict(meanings[name]) for name in phases}


def restored(phases: Iterable[str], content: Mapping[str, Mapping[str, str]] | None) -> dict[str, Meaning]:
    """Return the meanings that a record holds. Older records, which hold none, get the meanings of this table."""
    if content is None:
        return {name: MEANINGS[name] for name in phases}
    return {name: Meaning(**content[name]) for name in phases}  # type: ignore[arg-type]
