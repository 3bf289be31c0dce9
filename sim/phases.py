"""The phases of a run and their meanings. Every record holds this table, and reports and figures read it there."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

Stage: TypeAlias = str
"""`pretrain`, `finetune`, a later stage (`stage_2`, `stage_3`, ...), or `relearn`. Its phases train together."""

Role: TypeAlias = Literal[
    "pretraining", "fine-tuning", "sibling", "control", "linearisation", "edit", "relearning", "later stage",
    "later control",
]  # fmt: skip

TITLES: dict[Stage, str] = {"pretrain": "pretraining", "finetune": "fine-tuning", "relearn": "relearning"}
"""The stages that are keys of the configuration, in words. Later stages are entries of its list `stages`."""

_LATER = re.compile(r"stage_([2-9]|[1-9][0-9]+)")
_CONTROL = "_identity"
_SIBLING = re.compile(r"sibling_[1-9][0-9]*")


@dataclass(frozen=True)
class Meaning:
    """What a phase is: one training, or an edit of its result, and what it is compared with.

    stage: the stage to which it belongs; role: how reports and figures use it; data: the language that it is trained
    on: "P", "S", "P_B" (what S leaves out), or "S_2" for a second stage with data of its own; model: the name of the
    model that it ends with; title: the phase in words. An edit has the stage and the data of the training whose result
    it changes. parts: if the parameters of the phase are a weighted mean of those of other phases, these phases with
    their weights, which sum to 1.
    """

    stage: Stage
    role: Role
    data: str
    model: str
    title: str
    parts: tuple[tuple[str, float], ...] = ()

    @property
    def tunes(self) -> bool:
        """Whether the phase belongs to the fine-tuning or to a later stage."""
        return self.stage not in ("pretrain", "relearn")

    @property
    def on_s(self) -> bool:
        """Whether the phase is trained on the S of its stage."""
        return self.data not in ("P", "P_B")


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
"""Every phase that trains, by the name that it has in a record.

Edits, siblings and later stages have names of their own, see `of_edit`, `siblings` and `of_later`.
"""


def siblings(number: int) -> dict[str, Meaning]:
    """Return the meanings of the siblings of a fine-tuning, by name, in their order: sibling_1, sibling_2, ...

    A sibling is the same fine-tuning once more: the same q0, S and recipe, with other random draws.
    """
    return {
        (name := f"sibling_{one}"): Meaning(
            "finetune", "sibling", "S", name, f"sibling {one}: the same fine-tuning on S with other random draws"
        )
        for one in range(1, number + 1)
    }


def is_sibling(phase: str) -> bool:
    """Return whether a name is that of a sibling of a fine-tuning. Only a run says which of them it has."""
    return _SIBLING.fullmatch(phase) is not None


def later(number: int) -> Stage:
    """Return the name of the stage with a number, which counts from 2; it is also the name of its phase."""
    return f"stage_{number}"


def control_of(stage: Stage) -> str:
    """Return the name of the identity control of a later stage."""
    return f"{stage}{_CONTROL}"


def is_later(phase: str) -> bool:
    """Return whether a name is that of a later stage or of its control. Only a run says which of them it has."""
    return _LATER.fullmatch(phase.removesuffix(_CONTROL)) is not None


def later_stage(phase: str) -> Stage:
    """Return the later stage to which a phase belongs, a training or its control; "" for all other phases."""
    return phase.removesuffix(_CONTROL) if is_later(phase) else ""


def in_words(stage: Stage) -> str:
    """Return the name of a stage for people, such as "pretraining" or "stage 2"."""
    return TITLES.get(stage, stage.replace("_", " "))


def of_later(stage: Stage, before: str | None, data: str, words: str) -> dict[str, Meaning]:
    """Return the meanings of a later stage and of its identity control, by name.

    before: the phase from whose model it begins, None for fresh parameters; data: the name of its S; words: its
    objective in words.
    """
    name, control = in_words(stage), control_of(stage)
    begun = "fresh parameters" if before is None else f"the model of {before}"
    return {
        stage: Meaning(stage, "later stage", data, stage, f"{name}: {words} on {data}, from {begun}"),
        control: Meaning(stage, "later control", "P", control, f"control of {name}: the same on fresh data from P"),
    }


INHERITED = ("num_steps", "batch_size", "num_evals", "loss_on", "prefixes", "spacing")
"""Keys that a later stage takes from `finetune` where it does not name them."""


def entries(config: Mapping[str, Any]) -> dict[Stage, dict[str, Any]]:
    """Return the entry of every later stage of a canonical configuration, by name, with what the fine-tuning gives.

    In the configuration an entry holds only what differs from the fine-tuning. Here it has all keys.
    """
    given = {key: config[key] for key in ("objective", "optimizer", "restriction") if key in config}
    given |= {"begin": "previous"} | {
        key: value for key, value in config.get("finetune", {}).items() if key in INHERITED
    }
    return {later(number): {**given, **entry} for number, entry in enumerate(config.get("stages", ()), 2)}


def steps_by_stage(config: Mapping[str, Any]) -> dict[Stage, int]:
    """Return the number of optimiser steps of every stage of a canonical configuration, in the order of the stages."""
    after = {stage: entry["num_steps"] for stage, entry in entries(config).items()}
    first, tuning, again = (config[stage]["num_steps"] for stage in TITLES)
    return {"pretrain": first, "finetune": tuning, **after, "relearn": again}


def of_edit(name: str, of: str, words: str, parts: tuple[tuple[str, float], ...] = ()) -> Meaning:
    """Return the meaning of the phase `name`: an edit, described by `words`, of the result of the phase `of`."""
    edited = MEANINGS[of]
    return Meaning(edited.stage, "edit", edited.data, name, f"edit of the model {edited.model}: {words}", parts)


def stored(meanings: Mapping[str, Meaning], phases: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the meanings of some phases as JSON, for a record. What has no parts has no such key."""
    whole = {name: asdict(meanings[name]) for name in phases}
    return {name: {key: value for key, value in one.items() if key != "parts" or value} for name, one in whole.items()}


def restored(phases: Iterable[str], content: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Meaning]:
    """Return the meanings that a record holds. Older records, which hold none, get the meanings of this table."""
    if content is None:
        return {name: MEANINGS[name] for name in phases}
    parts = {name: tuple((str(part), float(w)) for part, w in content[name].get("parts", ())) for name in phases}
    return {name: Meaning(**{**content[name], "parts": parts[name]}) for name in phases}
