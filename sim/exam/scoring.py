"""From what is handed in to a record, so that every metric, table, report and figure of a run applies to it."""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from sim.config import described
from sim.disk.files import FinishedError
from sim.disk.records import RESULTS_VERSION, PhaseRecord, Record, folder, run_hash, write
from sim.exam.sheets import ROUNDING, UNITS, How, Name, Sheet, read_sheets
from sim.exam.tokens import Tokens
from sim.exam.world import ExamWorld
from sim.languages.finite import FiniteLanguage
from sim.languages.trie import Trie
from sim.languages.vocabulary import Vocabulary
from sim.metrics.divergence import kl
from sim.metrics.law_record import ANSWERS_ONLY, given_record
from sim.metrics.scene import World
from sim.metrics.scored import TrieView
from sim.metrics.table import residuals, violations
from sim.numerics import SpecificationError
from sim.phases import MEANINGS
from sim.training.node_record import node_record

Tokenizer = Literal["own", "other"]
"""own: a text has one sequence of tokens, as with the tokenizer of the world; other: it may have several."""

PHASE: Mapping[Name, str] = {"before": "pretrain", "after": "sft", "control": "identity"}
"""The phase of a record in whose place a model stands."""

TITLE: Mapping[Name, str] = {
    "before": "the model that was handed in, before the fine-tuning",
    "after": "the model that was handed in, after the fine-tuning",
    "control": "the model that was handed in, after the same fine-tuning on P",
}


@dataclass(frozen=True)
class Terms:
    """What is declared about the files.

    name: that of the exam, the folder of its record; unit: of log-probabilities; tokenizer: see `Tokenizer`; strings:
    the number R of strings that the models can write at one prompt, +inf if it is not known; rounding: by how much
    log-probabilities may be off [nat].
    """

    name: str = "exam"
    unit: str = "nat"
    tokenizer: str = "own"
    strings: float = math.inf
    rounding: float = ROUNDING

    def check(self) -> None:
        """Raise SpecificationError for a term that cannot hold."""
        if not re.fullmatch("[a-z0-9_]+", self.name):
            raise SpecificationError(
                f"name: a name of lower-case letters, digits and _ is required, found {self.name!r}"
            )
        if self.unit not in UNITS:
            raise SpecificationError(f"unit: one of {', '.join(UNITS)} is required, found {self.unit!r}")
        if self.tokenizer not in get_args(Tokenizer):
            known = ", ".join(get_args(Tokenizer))
            raise SpecificationError(f"tokenizer: one of {known} is required, found {self.tokenizer!r}")
        if not self.strings >= 1.0:
            raise SpecificationError(f"strings: a number of at least 1 is required, found {self.strings!r}")
        if not 0.0 <= self.rounding <= 1.0:
            raise SpecificationError(f"rounding: a number of nats from 0 to 1 is required, found {self.rounding!r}")


def gather(files: Mapping[Name, Sequence[Path]], world: ExamWorld, terms: Terms) -> list[Sheet]:
    """Return the sheets of all files, in the order of models and steps. Models without a step get 1, 2, ... in turn.

    Raises SpecificationError if a model and step is there twice, or if the sheets know different things.
    """
    terms.check()
    how = How(terms.unit, terms.rounding)
    found = [
        sheet for name, places in files.items() for file in places for sheet in read_sheets(file, name, world, how)
    ]
    found = with_steps(found)
    for sheet in found:
        if sheet.said != found[0].said:
            raise SpecificationError(
                f"{sheet.place}: the same columns as in {found[0].place}, for the same documents or prefixes, are "
                "required, found others; hand in one kind of numbers for all models"
            )
        if sheet.laws is not None and found[0].laws is not None and sheet.laws.shape != found[0].laws.shape:
            raise SpecificationError(f"{sheet.place}: as many ids as in {found[0].place} are required, found others")
    if terms.tokenizer == "other" and found[0].laws is not None:
        raise SpecificationError(
            "tokenizer: own is required for next-token laws at prefixes, found other; hand in documents"
        )
    return found


def with_steps(sheets: Sequence[Sheet]) -> list[Sheet]:
    """Return sheets in the order of models and steps; those without a step get 1, 2, ... in turn, and before gets 0.

    Raises SpecificationError if a model and step is there twice.
    """
    found: dict[tuple[str, int], Sheet] = {}
    for name in get_args(Name):
        own, alone = [sheet for sheet in sheets if sheet.name == name], 0
        for sheet in own:
            alone += sheet.step is None
            step = (0 if name == "before" else alone) if sheet.step is None else sheet.step
            if (name, step) in found:
                raise SpecificationError(
                    f"{sheet.place}: one {name!r} at step {step} is required, found a second one besides that of "
                    f"{found[name, step].place}; add a column step, or name the models in a column model"
                )
            found[name, step] = replace(sheet, step=step)
    return [found[key] for key in sorted(found, key=lambda key: (get_args(Name).index(key[0]), key[1]))]


def scored(sheets: Sequence[Sheet], world: ExamWorld, terms: Terms) -> Record:
    """Return the record of an exam. Its world has no prompts if whole documents alone are known.

    Without a model before the fine-tuning, what is handed in stands in its place, and nothing is compared with it. A
    series begins with the model before: its evaluations are those of the phase of the fine-tuning. Raises
    SpecificationError if there is nothing to judge.
    """
    answers, documents, laws, _ = sheets[0].said
    ignored = world.has_prompts and documents and not answers
    world = world.without_prompts() if ignored else world
    if laws and sheets[0].laws is not None:
        world = _with_tokens(world, sheets[0].laws.shape[1])
    evaluations = [_arrays(sheet, world, terms) for sheet in sheets]
    by_name: dict[str, list[tuple[int, dict[str, np.ndarray]]]] = {}
    for sheet, arrays in zip(sheets, evaluations, strict=True):
        by_name.setdefault(sheet.name, []).append((sheet.step or 0, arrays))
    phases = _phases(by_name)
    config = _config(sheets, world, terms)
    facts = _facts(sheets, world, terms)
    named = terms.name, run_hash(config), config
    meanings = {phase: replace(MEANINGS[phase], title=TITLE[name]) for name, phase in PHASE.items() if phase in phases}
    record = Record(*named, world.p, world.restricted, phases, facts, meanings=meanings)
    record.facts["exam"]["prompts_ignored"] = ignored
    record.facts["pretraining"] = _reached(record)
    if laws:
        record.facts["residuals"] = found = residuals(record)
        if wrong := violations(found):
            raise ArithmeticError("; ".join(wrong))
    return record


def _phases(by_name: Mapping[str, Sequence[tuple[int, dict[str, np.ndarray]]]]) -> dict[str, PhaseRecord]:
    """Return the phases. A tuning begins with the model before it, and without one it is no tuning but a model."""
    before = by_name.get("before", ())
    if not before:
        if "control" in by_name:
            raise SpecificationError(
                "control: the model before the fine-tuning is required too, found none; add --before"
            )
        return {"pretrain": _phase(by_name["after"])}
    phases = {"pretrain": _phase(before)}
    for name in ("after", "control"):
        if name in by_name:
            later = [(step, arrays) for step, arrays in by_name[name] if step > 0]
            if len(later) < len(by_name[name]):
                raise SpecificationError(f"{name}: steps above 0 are required, found 0; step 0 is the model before")
            phases[PHASE[name]] = _phase([(0, before[-1][1]), *later])
    return phases


def _phase(evaluations: Sequence[tuple[int, dict[str, np.ndarray]]]) -> PhaseRecord:
    steps = np.array([step for step, _ in evaluations], np.int64)
    names = evaluations[0][1]
    arrays = {name: np.stack([one[name] for _, one in evaluations]) for name in names}
    return PhaseRecord(steps, np.full(len(steps), math.nan), arrays)


def _arrays(sheet: Sheet, world: ExamWorld, terms: Terms) -> dict[str, np.ndarray]:
    """Return what a record holds of a model."""
    if sheet.laws is not None:
        found = node_record(sheet.laws, world.p.trie)
        return found if sheet.whole else found | {ANSWERS_ONLY: np.ones(1)}
    views = {view: TrieView.of(world.p.trie, world.p.prompts, view) for view in ("response", "joint")}
    room = math.log(terms.strings)
    found = {}
    if sheet.answers is not None:
        found |= given_record(views["response"], "response", sheet.answers, room)
    if sheet.documents is not None:
        found |= given_record(views["joint"], "joint", sheet.documents, room)
        if not world.has_prompts:
            found |= given_record(views["response"], "response", sheet.documents, room)
    return found


def _with_tokens(world: ExamWorld, size: int) -> ExamWorld:
    """Return the world with the further tokens of its tokenizer, to which P and S give no probability."""
    words = world.p.vocabulary
    if size == len(words):
        return world
    more = Vocabulary((*words.symbols, *Tokens.of(words).extra), words.prompt_end, words.joiner)
    trie = Trie(world.p.trie.strings, size)

    def wider(one: FiniteLanguage) -> FiniteLanguage:
        return FiniteLanguage(more, trie, one.log_p, one.styles)

    restricted = replace(world.restricted, s=wider(world.s), kept=wider(world.restricted.kept))
    found = replace(world, p=wider(world.p), restricted=restricted)
    found.__dict__.update({name: getattr(world, name) for name in ("hash", "document_ids", "prefix_ids")})
    return found


def _config(sheets: Sequence[Sheet], world: ExamWorld, terms: Terms) -> dict[str, Any]:
    """Return the configuration of an exam: the world, what was handed in, and the terms. It decides the hash."""
    files: dict[str, str] = {}
    for sheet in sheets:
        values = [one for one in (sheet.answers, sheet.documents, sheet.laws) if one is not None]
        digest = hashlib.sha256(b"".join(one.tobytes() for one in values)).hexdigest()
        files[f"{sheet.name} {sheet.step}"] = digest
    exam = {
        "world": world.name,
        "world_hash": world.hash,
        "models": files,
        "tokenizer": terms.tokenizer,
        "log_strings": math.log(terms.strings) if math.isfinite(terms.strings) else None,
        "rounding": terms.rounding,
    }
    return {"name": terms.name, "seed": 0, "exam": exam, **{key: world.config[key] for key in world.config}}


def _facts(sheets: Sequence[Sheet], world: ExamWorld, terms: Terms) -> dict[str, Any]:
    answers, documents, laws, whole = sheets[0].said
    said = {
        "grammar": described("grammar", world.config["grammar"]) if "grammar" in world.config else world.name,
        "restriction": described("restriction", world.config["restriction"]) if "restriction" in world.config else "",
        **dict.fromkeys(("model", "objective", "optimizer"), "not known"),
    }
    exam = {
        "answers": answers, "documents": documents, "laws": laws, "whole": whole,
        "files": {f"{sheet.name} {sheet.step}": sheet.place.name for sheet in sheets},
        "mass": {f"{sheet.name} {sheet.step}": _largest_mass(sheet, world) for sheet in sheets},
    }  # fmt: skip
    return {
        "identity": {"results_version": RESULTS_VERSION, "content": {}},
        "exam": exam,
        "canonical_only": terms.tokenizer == "other",
        "described": said,
        "world_notes": dict(world.notes),
        "optimum": "none",
        "residuals": {},
        "members": {},
    }


def _largest_mass(sheet: Sheet, world: ExamWorld) -> float:
    """The largest total probability of listed strings at a prompt; above 1 it is rounding."""
    values = sheet.answers if sheet.answers is not None else sheet.documents
    if values is None:
        return 1.0
    prompts = world.p.prompts
    return float(np.bincount(prompts.group, np.exp(values), prompts.num_groups).max())


def _reached(record: Record) -> dict[str, Any]:
    """Say how near the model before the fine-tuning is to P: KL(P‖q0) of answers, or of whole documents."""
    world = World(record, "response")
    q = world.scored("pretrain", -1)
    return {"joint_kl": kl(world.p.log_q, q.log_q, world.p.log_weights(world.p_law)), "limit": math.inf, "valid": True}


def publish(record: Record, outputs: Path) -> Path:
    """Write a record to outputs/<name>/<hash>, and return its folder. The same exam again leaves it as it is."""
    target = folder(str(outputs), record.name, record.hash)
    try:
        return write(record, target)
    except FinishedError:
        return target
