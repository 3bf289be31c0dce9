"""What was run, in words: the world, the restriction, and whether pretraining came near enough to P."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from experiments._numbers import Number, counted, percent, written
from experiments._report import Block, Paragraph
from experiments._summary import BEST, target
from sim.disk.records import Record

DEFAULTS = {"of": "document", "max_restarts": 20, "tolerance": 1e-3, "keep_prompts": False}
"""Arguments of restrictions that are not worth a word as they are."""

NO_VERDICT = "the numbers are exact facts about this q₀, but no verdict may rest on them"
"""Said wherever pretraining missed its limit."""


def about(record: Record, metrics: pl.DataFrame) -> pl.DataFrame:
    """One row: what was run, whether pretraining reached the truth, and what predicts q ("S", "q*" or "")."""
    config, reached, prompts = record.config, record.facts["pretraining"], record.p.prompts
    optimizer = config["optimizer"]
    row = {
        "run": record.hash,
        "name": record.name,
        "seed": config["seed"],
        "world": world(config["grammar"], record.facts.get("grammar_file")),
        "restriction": restriction(config["restriction"]),
        "model": config["model"]["kind"],
        "objective": objective(config["objective"]),
        "targets": config["objective"].get("targets", ""),
        "optimizer": f"{optimizer['kind']}, learning rate {optimizer.get('learning_rate')}",
        "num_steps": config["finetune"]["num_steps"],
        "num_strings": record.p.support_size,
        "num_prompts": prompts.num_groups if prompts.length.any() else 0,
        "horizon": record.p.trie.length,
        "target": target(metrics),
        "joint_kl": reached["joint_kl"],
        "limit": reached["limit"],
        "valid": reached["valid"],
        "notes": " ".join([*world_notes(record), *restriction_notes(config["restriction"], metrics)]),
    }
    return pl.DataFrame([row])


def world(grammar: Mapping[str, Any], content: Mapping[str, str] | None) -> str:
    """The grammar's kind; of a file also its name, and the start of its SHA-256 where the record has it."""
    if "path" not in grammar:
        return str(grammar["kind"])
    digest = f", sha256 {content['sha256'][:12]}" if content else ""
    return f"{grammar['kind']} {Path(grammar['path']).name}{digest}"


def objective(chosen: Mapping[str, Any]) -> str:
    """The objective of the fine-tuning with its weight, if it has one."""
    weight = f" (weight {chosen['weight']:g})" if "weight" in chosen else ""
    return f"{chosen['kind']}{weight}"


def restriction(chosen: Mapping[str, Any]) -> str:
    """A restriction as a reader says it; arguments at their default are left out."""
    rest = {key: value for key, value in chosen.items() if value is not None and DEFAULTS.get(key, ...) != value}
    kind = str(rest.pop("kind"))
    match kind:
        case "style":
            keep = rest.pop("keep")
            weights = [f"{name} {share:g}" for name, share in keep.items()] if isinstance(keep, Mapping) else []
            names = [keep] if isinstance(keep, str) else list(keep)
            said = f"mixture of styles {', '.join(weights)}" if weights else f"style {', '.join(names)}"
        case "style_blind":
            said = f"random event like style {rest.pop('like')} (style_blind)"
        case "regular":
            whole = f"{rest.pop('of', 'document')}s"
            pattern = f'that match "{rest.pop("pattern")}"' if "pattern" in rest else "that a listed DFA accepts"
            rest.pop("dfa", None)
            said = f"{whole} {pattern}"
        case "everything":
            said = "everything (S = P)"
        case _:
            said = kind
    if rest.pop("keep_prompts", False):
        said += ", prompts keep P(x)"
    return said + "".join(f", {key.replace('_', ' ')} {value}" for key, value in rest.items())


def world_notes(record: Record) -> list[str]:
    """What the construction of the world wants said, as sentences."""
    said = []
    for name, value in record.facts["world_notes"].items():
        if name != "dropped_mass":
            said.append(f"{name.replace('_', ' ').capitalize()}: {written(float(value))}.")
        elif float(value) > 0.0:
            most = (record.config["grammar"].get("length") or record.p.trie.length) - 1
            said.append(
                f"{written(float(value))} of the mass lies in strings longer than the horizon and was cut: P is "
                f"P(· | |x| ≤ {most}), renormalised."
            )
    return said


def restriction_notes(chosen: Mapping[str, Any], metrics: pl.DataFrame) -> list[str]:
    """What the restriction wants said; shares of styles are in the table of the styles."""
    rows = metrics.filter(phase="truth", view="response", metric="restriction_note")
    notes = {str(of): float(value) for of, value in rows.select("of", "value").iter_rows() if value is not None}
    mass, entropy = notes.pop("max_mass_mismatch", None), notes.pop("max_entropy_mismatch", None)
    said = []
    if mass is not None and entropy is not None:
        said.append(
            f"The event is matched to style {chosen.get('like')} at every prompt: its mass P(A|x) is off by at most "
            f"{percent(mass)} (relative), its entropy H(P_A) by at most {written(entropy)} nats."
        )
    gap, needed = notes.pop("entropy_gap", None), notes.pop("entropy_needed", None)
    if gap is not None and needed is not None:
        sign, verdict = (
            (">", "so the entropy of what is left is higher") if gap > needed else ("≤", "so it is not higher")
        )
        said.append(f"H(P_A) − H(P_B) = {written(gap)} {sign} h(b)/b = {written(needed)} nats, {verdict} than H(P).")
    rest = [f"{name.replace('_', ' ')} {written(value)}" for name, value in notes.items() if name[:5] != "mass_"]
    return [*said, *([f"Restriction: {', '.join(rest)}."] if rest else [])]


def validity(run: Mapping[str, Any], warnings: list[str]) -> list[Block]:
    """What was run, whether pretraining came near enough to P for anything after it to count, and warnings."""
    prompts = f"{counted(run['num_prompts'], 'prompt')}, " if run["num_prompts"] else ""
    reached, limit = Number.of(run["joint_kl"]), Number.of(run["limit"])
    sign, verdict = ("≤", "The run is VALID") if run["valid"] else (">", "The run is NOT VALID")
    close = "" if run["valid"] else f"; {NO_VERDICT}"
    return [
        *(Paragraph(f"WARNING: {warning}") for warning in warnings),
        Paragraph(
            f"World {run['world']} ({prompts}{counted(run['num_strings'], 'string')}), restriction: "
            f"{run['restriction']}; {run['model']}, {run['objective']} for {counted(run['num_steps'], 'step')}, "
            f"{run['optimizer']}.{' ' * bool(run['notes'])}{run['notes']}"
        ),
        Paragraph(
            f"{verdict}: joint KL(P‖q₀) {reached.text} {sign} {limit.bare} nats per string, the limit on "
            f"pretraining{close}."
        ),
    ]


def predictions(run: Mapping[str, Any]) -> str:
    """Which column predicts which, and over which prompts a row averages."""
    start = "A target is what theory predicts from the truths alone: P for q₀ and the control"
    optimum = {
        BEST: f"{start}; for q it is q*, the optimum of {run['objective']}, not the data S that it trains on.",
        "": f"{start}. No closed form of the optimum of {run['objective']} is known, so none is claimed for q.",
    }
    said = optimum.get(run["target"], f"{start}, S for q after SFT.")
    laws = " Every row averages over one law of prompts x, which its section or its label names."
    return said + (laws if run["num_prompts"] else "")


def sample_space(run: Mapping[str, Any]) -> str:
    """What the entropy of a model is the entropy of."""
    horizon = run["horizon"]
    return (
        f"H(q), e^H and N₂ are of the first L = {horizon} tokens of what the model writes (L is the horizon, the end "
        "of string included): a string unfinished by then counts as an atom of its own."
    )
