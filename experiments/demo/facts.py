"""Facts about a run in words: the world, the restriction, and whether pretraining came near enough to P."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from experiments.demo.lines import BEST, target
from sim.config import GROUPS
from sim.disk.records import Record
from sim.metrics.frames import in_words
from sim.quantity import Quantity
from sim.show.blocks import Block, Paragraph
from sim.show.writing import bare, counted, percent, text, written

NO_VERDICT = "the numbers are exact facts about this q₀, but no verdict may rest on them"
"""The report says this if pretraining missed its limit."""


def facts(record: Record, metrics: pl.DataFrame) -> pl.DataFrame:
    """Return one row: what was run, whether pretraining reached P, and the predicted target of q ("S", "q*" or "")."""
    config, reached, prompts = record.config, record.facts["pretraining"], record.p.prompts
    words = {group: in_words(record, group) for group in GROUPS}
    row = {
        "run": record.hash,
        "name": record.name,
        "seed": config["seed"],
        "world": words["grammar"] + _digest(record),
        "restriction": words["restriction"],
        "model": words["model"],
        "objective": words["objective"],
        "targets": config["objective"].get("targets", ""),
        "optimizer": f"{words['optimizer']} at a rate of {config['optimizer'].get('learning_rate'):g}",
        "num_steps": config["finetune"]["num_steps"],
        "num_strings": record.p.support_size,
        "num_prompts": prompts.num_groups if prompts.length.any() else 0,
        "horizon": record.p.trie.length,
        "target": target(metrics),
        "joint_kl": reached["joint_kl"],
        "limit": reached["limit"],
        "valid": reached["valid"],
        "notes": " ".join([*world_notes(record), *restriction_notes(record)]),
    }
    return pl.DataFrame([row])


def _digest(record: Record) -> str:
    """Write the beginning of the SHA-256 of the grammar file, if the record has one."""
    content: Mapping[str, str] | None = record.facts.get("grammar_file")
    return f" (sha256 {content['sha256'][:12]})" if content else ""


def world_notes(record: Record) -> list[str]:
    """Return the notes of the construction of the world as sentences."""
    said = []
    for name, value in record.facts["world_notes"].items():
        if name != "dropped_mass":
            said.append(f"{name.replace('_', ' ').capitalize()}: {written(float(value))}.")
        elif float(value) > 0.0:
            most = (record.config["grammar"].get("length") or record.p.trie.length) - 1
            said.append(
                f"{written(float(value))} of the mass lies in strings that are longer than the horizon. They were cut: "
                f"P is P(· | |x| ≤ {most}), renormalised."
            )
    return said


def restriction_notes(record: Record) -> list[str]:
    """Return the notes of the restriction as sentences. Masses of styles are in the table of styles instead."""
    notes = {name: float(value) for name, value in record.restricted.notes.items() if name[:5] != "mass_"}
    mass, entropy = notes.pop("max_mass_mismatch", None), notes.pop("max_entropy_mismatch", None)
    said = []
    if mass is not None and entropy is not None:
        said.append(
            f"The kept set matches its style at every prompt: its mass P(A|x) is off by at most {percent(mass)} "
            f"(relative), its entropy H(P_A) by at most {written(entropy)} nats."
        )
    gap, needed = notes.pop("entropy_gap", None), notes.pop("entropy_needed", None)
    if gap is not None and needed is not None:
        sign, verdict = (">", "higher than") if gap > needed else ("≤", "not higher than")
        said.append(
            f"H(P_A) − H(P_B) = {written(gap)} {sign} h(b)/b = {written(needed)} nats, so the entropy of what is left "
            f"is {verdict} H(P)."
        )
    rest = [f"{name.replace('_', ' ')} {written(value)}" for name, value in notes.items()]
    return [*said, *([f"The restriction reports: {', '.join(rest)}."] if rest else [])]


def validity(run: Mapping[str, Any]) -> Paragraph:
    """Say whether pretraining came near enough to P, so that the results of the run count."""
    reached, limit = Quantity.of(run["joint_kl"]), Quantity.of(run["limit"])
    sign, verdict = ("≤", "The run is VALID") if run["valid"] else (">", "The run is NOT VALID")
    close = "" if run["valid"] else f"; {NO_VERDICT}"
    return Paragraph(
        f"{verdict}: the joint KL(P‖q₀) {text(reached)} {sign} {bare(limit)} nats per string, the limit on "
        f"pretraining{close}."
    )


def setting(run: Mapping[str, Any]) -> Block:
    """Describe what was run."""
    prompts = f"{counted(run['num_prompts'], 'prompt')}, " if run["num_prompts"] else ""
    return Paragraph(
        f"World: {run['world']} ({prompts}{counted(run['num_strings'], 'string')}). Data of the fine-tuning: "
        f"{run['restriction']}. Training: {run['model']}, {run['objective']} for {counted(run['num_steps'], 'step')}, "
        f"{run['optimizer']}. Seed {run['seed']}.{' ' * bool(run['notes'])}{run['notes']}"
    )


def predictions(run: Mapping[str, Any]) -> str:
    """Explain which column predicts which, and over which prompts a row is averaged."""
    start = "A target is what theory predicts from the truths alone: P for q₀ and the control"
    optimum = {
        BEST: f"{start}; for q it is q*, the optimum of {run['objective']}, and not the data S that it trains on.",
        "": f"{start}. No closed form of the optimum of {run['objective']} is known, so none is claimed for q.",
    }
    said = optimum.get(run["target"], f"{start}, S for q after SFT.")
    laws = " Every row averages over one law of prompts x, which its section or its label names."
    return said + (laws if run["num_prompts"] else "")


def sample_space(run: Mapping[str, Any]) -> str:
    """Explain the sample space of the entropy of a model."""
    horizon = run["horizon"]
    return (
        f"H(q), e^H and N₂ are for the first L = {horizon} tokens that the model writes. L is the horizon, and it "
        "counts the end of the string. A string that is unfinished by then counts as a string too."
    )
