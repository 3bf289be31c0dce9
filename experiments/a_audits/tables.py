"""From records to the models of each world, and to the table of errors. Nothing is trained."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from experiments.a_audits.expected import entropy
from experiments.a_audits.pairs import Models, Pairs, errors
from experiments.a_audits.proxies import Prompt
from experiments.a_audits.texts import Texts, texts_of
from experiments.predictions import Tables
from experiments.study import Study
from sim.archive.tables import digest, world_name
from sim.disk.records import Record
from sim.languages.finite import FiniteLanguage
from sim.metrics.scene import World

ERRORS = {
    "world": pl.String, "seed": pl.Int64, "language": pl.String, "pairs": pl.String, "size": pl.String,
    "proxy": pl.String, "k": pl.Int64, "exact": pl.Boolean, "number": pl.Int64, "wrong": pl.Int64, "blind": pl.Int64,
    "open": pl.Int64, "sampling": pl.Float64, "total": pl.Float64,
}  # fmt: skip
WORLDS = {
    "world": pl.String, "seed": pl.Int64, "language": pl.String, "runs": pl.Int64, "models": pl.Int64,
    "never_valid": pl.Int64, "pairs": pl.Int64, "all_pairs": pl.Int64, "answers": pl.Int64,
}  # fmt: skip


def tables(study: Study) -> Tables:
    """Return `runs` (all, and their worlds), `worlds` (how many models and pairs), and `errors` (see `pairs.errors`).

    Only valid runs count. Worlds are told apart by their strings and probabilities.
    """
    named: dict[str, str] = {}
    rows, counted = [], []
    for world, records in _by_world(study):
        named |= dict.fromkeys((record.hash for record in records), world)
        models, missing = models_of(world, records)
        pairs = Pairs.of(models)
        counted.append(
            {"world": world, "seed": models.seed, "language": models.language, "runs": len(records),
             "models": len(models.entropy), "never_valid": missing, "pairs": len(pairs.one), "all_pairs": pairs.total,
             "answers": sum(len(one.texts.answers) for one in models.prompts)}
        )  # fmt: skip
        rows += list(errors(models))
    runs = study.runs.select("run", "seed", "valid", "part", language="grammar.kind").with_columns(
        world=pl.col("run").replace_strict(named, default="", return_dtype=pl.String)
    )
    return {"runs": runs, "worlds": pl.DataFrame(counted, WORLDS), "errors": pl.DataFrame(rows, ERRORS)}


def _by_world(study: Study) -> Iterator[tuple[str, list[Record]]]:
    """Iterate over the worlds of valid runs, in the order of their language, seed and name, with the records of each.

    The records of one seed are in the memory at a time.
    """
    valid = study.runs.filter("valid").sort("grammar.kind", "seed", "run")
    for _, own in valid.group_by("grammar.kind", "seed", maintain_order=True):
        records = [study.record(run) for run in own["run"]]
        by_name = sorted(((world_name(record.p), record) for record in records), key=lambda one: one[0])
        for world, group in itertools.groupby(by_name, key=lambda one: one[0]):
            yield world, [record for _, record in group]


def models_of(world: str, records: Sequence[Record]) -> tuple[Models, int]:
    """Return the different models of one world, and how many were left out because some prompt has no valid answer.

    They are the models before the fine-tuning, and the last one of every phase that tunes: methods, controls, edits,
    later stages. Evaluations in between are left out, because a run would count as often as it was looked at.
    """
    p, found = records[0].p, dict[str, tuple[np.ndarray, np.ndarray, bool]]()
    missing = 0
    for record in records:
        for log_q, off, before in _models(record):
            if (off >= 1.0).any():
                missing += 1
                continue
            found.setdefault(digest(log_q), (log_q, off, before))
    q = np.exp(np.stack([log_q for log_q, _, _ in found.values()]))
    law = np.exp(p.prompts.log_p)
    prompts = [
        Prompt(float(weight), texts, q[:, rows] / q[:, rows].sum(axis=1, keepdims=True))
        for weight, (rows, texts) in zip(law, _texts(p), strict=True)
        if weight > 0
    ]
    grammar = records[0].config["grammar"]["kind"]
    weights = np.array([one.weight for one in prompts])
    return Models(
        world, int(records[0].config["seed"]), str(grammar), prompts,
        entropy=_mean(weights, [entropy(one.q) for one in prompts]),
        off=np.stack([off for _, off, _ in found.values()]) @ law,
        length=_mean(weights, [one.q @ one.texts.lengths for one in prompts]),
        before=np.array([before for _, _, before in found.values()]),
    ), missing  # fmt: skip


def _models(record: Record) -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
    """Iterate over log q(y|x), float64[N], q(⊥|x), float64[G], and whether it is the model before the fine-tuning."""
    world = World(record, "response")
    for phase, meaning in record.meanings.items():
        if phase not in record.phases or not meaning.tunes:
            continue
        if meaning.role == "fine-tuning":
            first = world.scored(phase, 0)
            yield first.log_q, first.off, True
        last = world.scored(phase, -1)
        yield last.log_q, last.off, False


_known: dict[bytes, list[tuple[np.ndarray, Texts]]] = {}
"""Texts by the strings of a world, because worlds of all seeds have the same ones."""


def _texts(p: FiniteLanguage) -> list[tuple[np.ndarray, Texts]]:
    key = p.trie.strings.tobytes()
    if key not in _known:
        _known.clear()
        _known[key] = texts_of(p)
    return _known[key]


def _mean(weights: np.ndarray, values: Sequence[np.ndarray]) -> np.ndarray:
    return np.asarray(weights @ np.stack(values))
