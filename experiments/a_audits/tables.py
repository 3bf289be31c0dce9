"""From records to the models of each world, and to the table of errors. Nothing is trained."""

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
from sim.show.counting import counted

ERRORS = {
    "world": pl.String, "seed": pl.Int64, "language": pl.String, "pairs": pl.String, "size": pl.String,
    "proxy": pl.String, "k": pl.Int64, "exact": pl.Boolean, "number": pl.Int64, "wrong": pl.Int64, "blind": pl.Int64,
    "open": pl.Int64, "sampling": pl.Float64, "total": pl.Float64,
}  # fmt: skip
WORLDS = {
    "world": pl.String, "seed": pl.Int64, "language": pl.String, "runs": pl.Int64, "models": pl.Int64,
    "never_valid": pl.Int64, "pairs": pl.Int64, "all_pairs": pl.Int64, "answers": pl.Int64,
}  # fmt: skip


class Gathered:
    """The different models of one world, as laws of answers: nothing else of the records is kept."""

    def __init__(self, record: Record) -> None:
        self.p, self.seed = record.p, int(record.config["seed"])
        self.language = str(record.config["grammar"]["kind"])
        self.runs = self.never_valid = 0
        self._found: dict[str, tuple[np.ndarray, np.ndarray, bool]] = {}

    def add(self, record: Record) -> None:
        """Add the models of a run. One that has no valid answer to some prompt is counted and left out."""
        self.runs += 1
        for log_q, off, before in _models(record):
            if (off >= 1.0).any():
                self.never_valid += 1
            else:
                self._found.setdefault(digest(log_q), (log_q, off, before))

    def models(self, world: str) -> Models:
        """Return the models. Laws are renormalised on answers that P can write, for every prompt."""
        law = np.exp(self.p.prompts.log_p)
        logs, off, before = (np.stack(one) for one in zip(*self._found.values(), strict=True))
        q = np.exp(logs)
        prompts = [
            Prompt(float(weight), texts, q[:, rows] / q[:, rows].sum(axis=1, keepdims=True))
            for weight, (rows, texts) in zip(law, _texts(self.p), strict=True)
            if weight > 0
        ]
        weights = np.array([one.weight for one in prompts])

        def mean(values: Sequence[np.ndarray]) -> np.ndarray:
            return np.asarray(weights @ np.stack(values))

        lengths = mean([one.q @ one.texts.lengths for one in prompts])
        entropies = mean([entropy(one.q) for one in prompts])
        return Models(world, self.seed, self.language, prompts, entropies, off @ law, lengths, before)


def tables(study: Study) -> Tables:
    """Return `runs` (all, and their worlds), `worlds` (how many models and pairs), and `errors` (see `pairs.errors`).

    Only valid runs count. Worlds are told apart by their strings and probabilities.
    """
    worlds: dict[str, Gathered] = {}
    named = {}
    valid = study.runs.filter("valid")["run"].sort()
    for run in counted(valid, len(valid), f"{{:,}} of {len(valid):,} runs are read for their models".format):
        record = study.record(run)
        named[run] = world = world_name(record.p)
        worlds.setdefault(world, Gathered(record)).add(record)
    rows, sizes = [], []
    order = sorted(worlds, key=lambda name: (worlds[name].language, worlds[name].seed, name))
    for world in counted(order, len(order), f"{{:,}} of {len(order):,} worlds are audited".format):
        own = worlds[world]
        models = own.models(world)
        pairs = Pairs.of(models)
        sizes.append(
            {"world": world, "seed": own.seed, "language": own.language, "runs": own.runs,
             "models": len(models.entropy), "never_valid": own.never_valid, "pairs": len(pairs.one),
             "all_pairs": pairs.total, "answers": own.p.trie.num_strings}
        )  # fmt: skip
        rows += list(errors(models))
    runs = study.runs.select("run", "seed", "valid", "part", language="grammar.kind").with_columns(
        world=pl.col("run").replace_strict(named, default="", return_dtype=pl.String)
    )
    return {"runs": runs, "worlds": pl.DataFrame(sizes, WORLDS), "errors": pl.DataFrame(rows, ERRORS)}


def _models(record: Record) -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
    """Iterate over log q(y|x), float64[N], q(⊥|x), float64[G], and whether it is the model before the fine-tuning.

    They are the models before the fine-tuning, and the last one of every phase that tunes: methods, controls, edits,
    later stages. Evaluations in between are left out, because a run would count as often as it was looked at.
    """
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
