"""What kind of method each method of the atlas is, and its name in words. Both follow from its runs and its file.

Nothing here lists methods: a method that is added has its kind from what its runs say.
"""

import dataclasses
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from experiments.atlas.naming import PLAIN
from experiments.study import Study
from sim.config import conf_folder, construct, described, members
from sim.config.discovery import packages
from sim.disk.records import Record
from sim.metrics.optimum import laws_of, optimum, predicted
from sim.numerics import SpecificationError, expectation, log_sum_exp
from sim.theory.laws import Laws

FAMILIES = ("cross-entropy", "reward", "start", "flatter", "sharper", "same", "weights", "other")
"""The kinds: cross-entropy on S, with any steps; a reward; an optimum that depends on P or on the model at the start;
one with more entropy than S, with less, and S itself under another loss; a limit on the change of the weights, or an
edit of it; and what has no predicted optimum. The file of an objective without one may state its kind: FAMILY."""

EVEN = 0.05
"""Entropies that differ by less count as equal [nat]: data smoothed by 0.001 differ from S by about 0.01."""

CAPITALS = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
"""A word that may have a spelling of its own, such as GEM, MixCE or WiSE-FT."""


def methods(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each method: method, words (its name for people) and family (one of FAMILIES).

    The runs of the first world decide. If the strengths of a method are of different kinds, the one whose optimum
    differs most from S in its entropy decides.
    """
    rows = []
    for (method,), own in runs.sort("seed", "run").group_by("method", maintain_order=True):
        first = own.filter(pl.col("seed") == pl.col("seed").min())["run"]
        found = [study.record(str(run)) for run in first]
        kinds = [kind_of(record) for record in found]
        family = max(kinds, key=lambda kind: abs(kind[1]))[0]
        rows.append({"method": method, "words": words(str(method), found[0].config), "family": family})
    return pl.DataFrame(rows, schema={"method": pl.String, "words": pl.String, "family": pl.String})


def kind_of(record: Record) -> tuple[str, float]:
    """Return the family of a run, and the entropy of its optimum less that of S [nat per answer]; 0 if not used."""
    config = record.config
    tuning, chosen = config.get("finetune", {}), config.get("objective", {})
    if tuning.get("edits") or tuning.get("adapter"):
        return "weights", 0.0
    if chosen.get("kind") == PLAIN:
        return "cross-entropy", 0.0
    if chosen.get("kind") not in members("objective"):
        return "other", 0.0
    objective, laws, best = construct("objective", chosen, "objective"), laws_of(record), optimum(record)
    if hasattr(objective, "takes_reward"):
        return "reward", 0.0
    if best is None:
        return _stated(objective), 0.0
    if depends_on_start(objective, laws):
        return "start", 0.0
    more = _entropy(laws, best) - _entropy(laws, laws.log_s)
    return ("same" if abs(more) < EVEN else "flatter" if more > 0.0 else "sharper"), more


def _stated(objective: Any) -> str:
    """The family that the file of an objective states. Raises SpecificationError for one that does not exist."""
    module = sys.modules[type(objective).__module__]
    found = getattr(module, "FAMILY", FAMILIES[-1])
    if found not in FAMILIES:
        raise SpecificationError(
            f"{module.__file__}: FAMILY: one of {', '.join(FAMILIES)} is required, found {found!r}"
        )
    return str(found)


def depends_on_start(objective: Any, laws: Laws) -> bool:
    """Return whether an optimum is drawn to P or to the model at the start.

    It is if its answers in A are others when both are flatter there, P^½ and q0^½ at every prompt; or if it keeps more
    than half of the mass that the start has outside of A. (A law on tokens keeps the proportions of the start behind
    every token that S never has. This alone does not count.)
    """
    listed = dataclasses.replace(laws, log_reach=None)
    flat = dataclasses.replace(listed, log_p=_flattened(laws, laws.log_p), log_q0=_flattened(laws, laws.log_q0))
    best, other = (predicted(objective, one) for one in (listed, flat))
    if best is None or other is None:
        return True
    (kept, inside), (_, again), (lost, _) = (_parts(laws, law) for law in (best, other, laws.log_q0))
    return kept > 0.5 * lost > 0.0 or not np.allclose(inside, again, rtol=0.0, atol=1e-9)


def _parts(laws: Laws, log_law: np.ndarray) -> tuple[float, np.ndarray]:
    """The mass outside of A of the listed answers of a law, and the probabilities of its answers given A."""
    listed = np.exp(log_law - log_sum_exp(log_law))
    inside = np.where(laws.event, laws.answers(np.where(laws.event, log_law, -np.inf)), -np.inf)
    return float(listed[~laws.event].sum()), np.exp(inside)


def _flattened(laws: Laws, log_law: np.ndarray) -> np.ndarray:
    """The law with the square roots of its answers, normalised at every prompt; prompts keep their law."""
    answers = laws.answers(log_law)
    prompts = np.where(log_law > -np.inf, log_law - np.where(log_law > -np.inf, answers, 0.0), 0.0)
    return np.asarray(laws.answers(0.5 * answers) + prompts)


def _entropy(laws: Laws, log_law: np.ndarray) -> float:
    """H of the listed answers given the prompt, under the prompts of the law [nat]."""
    listed = np.asarray(log_law - log_sum_exp(log_law))
    return -expectation(listed, laws.answers(listed))


# -- names ------------------------------------------------------------------------------------------------------------


def words(method: str, config: Mapping[str, Any]) -> str:
    """Return the name of a method for people: "GEM log-sigmoid" for gem_log_sigmoid.

    Its words are those of its file. A word that its file, or the label of its objective, optimiser or edits, spells
    with capitals inside or with a hyphen has this spelling.
    """
    found = method.replace("_", " ")
    for spelled in sorted(set(_spellings(method, config)), key=lambda one: (-len(one), one)):
        plain = spelled.replace("-", " ").lower()
        found = re.sub(rf"(?<!\w){re.escape(plain)}(?!\w)", spelled, found)
    return found


def _spellings(method: str, config: Mapping[str, Any]) -> Iterator[str]:
    for text in (_comment(method), *_labels(config)):
        for word in CAPITALS.findall(text):
            if word[1:] != word[1:].lower():
                yield word
            elif "-" in word:
                yield word.lower()


def _labels(config: Mapping[str, Any]) -> Iterator[str]:
    """The labels of the members that make a method."""
    nodes = [(group, config.get(group, {})) for group in ("objective", "optimizer")]
    edits = config.get("finetune", {}).get("edits") or []
    # A record says of every edit which phase it changes. That is no argument of the edit.
    nodes += [("edit", {key: value for key, value in node.items() if key != "of"}) for node in edits]
    for group, node in nodes:
        if node.get("kind") in members(group):
            yield described(group, node)


def _comment(method: str) -> str:
    """The first sentence of the method's file; "" if there is no such file."""
    for folder in (conf_folder(), *(package.folder / "conf" for package in packages())):
        file = folder / "method" / f"{method}.yaml"
        if file.is_file():
            lines = [line[2:] for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("# ")]
            return next((line for line in lines if not line.startswith("@package")), "")
    return ""
