"""The tables of every study that has figures, from runs that never ran: the study's own code makes them of records."""

import dataclasses
import functools
import importlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
import yaml

from experiments.c2_support.arms import ARMS, BASE
from experiments.g_levels.tables import tables as level_tables
from experiments.l_unlisted.tables import tables as large_tables
from experiments.study import Study
from experiments.unlisted.tables import over_seeds, rows, runs
from figures.c2_support.steps import ARMS as WAYS
from sim.config import conf_folder, construct, members
from sim.disk.records import PhaseRecord, Record
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.metrics.table import residuals
from sim.phases import MEANINGS, of_edit
from sim.restrictions.style import style
from tests.unit import imitated, imitated_atlas, imitated_consequences, imitated_rank, imitated_unlisted
from tests.unit.experiments import method_tables
from tests.unit.figures.tiny_runs import arrays, run, world
from tests.unit.imitated_large import large
from tests.unit.imitated_levels import levelled

Tables = dict[str, pl.DataFrame]
Node = Mapping[str, Any]

SEEDS = (0, 1)
STEPS = np.array([0, 1, 2, 4, 8, 20, 60, 120])
FALLING = tuple(1.0 / (1.0 + STEPS))
"""Weight of P in the tuned model at each of the steps; the rest is S."""

POETIC: Node = {"kind": "style", "keep": "poetic"}
BLIND: Node = {"kind": "style_blind", "like": "poetic", "seed": 0}
FLAT: Node = {"kind": "sharpen", "temperature": 1.5}
ONE_PROMPT: Node = {"kind": "fraction", "share": 0.3, "of": "prompts", "seed": 0}

TRANSFORMER: Node = {"kind": "transformer", "width": 64}
ADAM: Node = {"kind": "adam", "learning_rate": 0.002, "b1": 0.9, "b2": 0.99}
SGD: Node = {"kind": "sgd", "learning_rate": 0.01}


RUNS: dict[str, dict[str, bool]] = {
    "": {},
    "not valid": {"valid": False, "reverse": True},
    "no prompts": {"styles": False, "prompts": False},
    "two controls": {"carried": True},
    "replay": {"replay": True, "control": False},
}
"""Runs of a study that looks at one run at a time, by what is special about them."""


def variants(study: str) -> list[str]:
    """What can be special about the tables of a study; nothing of a claim whose runs nobody has imitated here.

    A study that no experiment reports on shows theory alone, and has no tables.
    """
    if study not in members("experiment"):
        return [""]
    module = members("experiment")[study].load()
    if hasattr(module, "ALONE"):
        return [""]
    if hasattr(module, "CLAIM") or hasattr(module, "TOGETHER"):
        return ["", "not valid"] if study in (*RECORDS, *TABLED) else []
    return list(RUNS)


def tables(study: str, variant: str = "") -> Tables:
    """The tables of a study by its name; they are the same objects at every call and not to be changed."""
    return _tables(study, variant)


@functools.cache
def _tables(study: str, variant: str) -> Tables:
    if study not in members("experiment"):
        return {}
    module = members("experiment")[study].load()
    if study not in (*RECORDS, *TABLED):
        return module.analyse(run(**RUNS[variant]))
    if variant == "not valid":
        found = tables(study)
        return {**found, "runs": found["runs"].with_columns(valid=pl.lit(False))}
    if study in TABLED:
        return TABLED[study]()
    records = {record.hash: record for record in _claimed(study)}
    found = {"finished": lambda _: [Path(run) for run in records], "read": lambda place: records[place.name]}
    found["FEW"] = len(records)  # other processes would not see what is imitated here
    if hasattr(module, "TOGETHER"):
        with ExitStack() as stack:
            for place in (module, importlib.import_module("experiments.study")):
                for one in filter(functools.partial(hasattr, place), found):
                    stack.enter_context(mock.patch.object(place, one, found[one]))
            return module.analyse(Path(study))
    with mock.patch.multiple("experiments.study", **found):  # as if they lay in a folder
        return module.CLAIM.tables(Study.of(Path(study), module.CLAIM.needs))


def _claimed(study: str) -> Iterator[Record]:
    """The records of a claim, each with a hash of its own."""
    for number, record in enumerate(RECORDS[study]()):
        yield dataclasses.replace(record, hash=f"{number:012x}")


def made(
    restriction: Node = POETIC,
    part: str = "",
    seed: int = 0,
    targets: str = "exact",
    model: Node = TRANSFORMER,
    optimizer: Node = ADAM,
    weight: float = 0.0,
    falling: Sequence[float] = FALLING,
    end_leak: float = 1e-3,
    others: Mapping[str, Sequence[float]] | None = None,
    tangent: bool = False,
    batch: int = 64,
    excursion: float = 0.0,
    sharper: float = 0.0,
) -> Record:
    """A run that goes from P to S, with the weight of P at every step in `falling` and in the `others` phases.

    weight: share of P in a replay; end_leak: what the model wastes at every node in the end of the fine-tuning, 0.001
    before; tangent: whether the probe ran; excursion: KL(S‖q) of an answer halfway, 0 if it is not recorded;
    sharper: in the end P is replaced by P^(1 + sharper) in the tuned model.
    """
    p = world()
    restricted = restricting(p, restriction)
    base = (falling[0],) * 2
    phases = {"pretrain": PhaseRecord(np.array([0, 20]), np.ones(2), arrays(p, restricted.s, base, 2e-3))}
    for name, weights in {"sft": falling, **(others or {})}.items():
        again = name in ("recovery", "scratch")  # the answers of B are learnt again too, not only their mass
        steps = [arrays(tempered(p, 1.0 - one) if again else p, restricted.s, (one,), 1e-3) for one in weights]
        if name == "sft":
            steps[-1] = arrays(tempered(p, sharper), restricted.s, (weights[-1],), end_leak)
        found = {key: np.concatenate([one[key] for one in steps]) for key in steps[0]}
        phases[name] = PhaseRecord(STEPS[: len(weights)], np.ones(len(weights)), found)
    meanings = {name: MEANINGS[name] if name in MEANINGS else of_edit(name, "sft", name) for name in phases}
    if excursion:
        by_step = np.full((int(STEPS[len(falling) - 1]), 2), [0.0, 0.01])
        by_step[len(by_step) // 2, 1] = excursion
        phases["sft"] = dataclasses.replace(phases["sft"], kl_every_step=by_step)
    if tangent:
        phases["sft"].arrays.update(_tangents(p, restricted, falling))  # type: ignore[attr-defined]
    objective = {"kind": "replay", "weight": weight} if weight else {"kind": "sft"}
    config = {
        "seed": seed, "study": {"part": part}, "grammar": {"kind": "styles_content"}, "restriction": restriction,
        "model": model, "objective": {**objective, "targets": targets}, "optimizer": optimizer,
        "finetune": {"num_steps": int(STEPS[len(falling) - 1]), "batch_size": batch, "loss_on": "response"},
    }  # fmt: skip
    pretraining = {"joint_kl": 0.005, "limit": 0.02, "valid": True}
    facts = {"pretraining": pretraining, "world_notes": {}}
    return Record("tiny", "", config, p, restricted, phases, facts, meanings=meanings)


def tempered(p: FiniteLanguage, sharper: float) -> FiniteLanguage:
    """P^(1 + sharper), normalised."""
    log_p = (1.0 + sharper) * p.log_p
    return p.with_law(log_p - np.log(np.exp(log_p).sum()))


def restricting(p: FiniteLanguage, node: Node) -> Restricted:
    """A restriction of the tiny world; where it has no such style, or no set that is like it, another style stands in.

    What the figures say of the restriction comes from the node, so that their words are those of the real study.
    """
    if node["kind"] == "style_blind":
        return style(p, keep="terse")
    if node["kind"] == "style":
        return style(p, keep="poetic")
    found: Restricted = construct("restriction", node, "restriction", p)
    return found


def _tangents(p: FiniteLanguage, restricted: Restricted, falling: Sequence[float]) -> dict[str, np.ndarray]:
    """Some derivatives along a path: nothing but their shapes and their growth is like those of a model."""
    towards = np.where(restricted.s.log_p > -np.inf, 1.0, -1.0)
    moved = 1.0 - np.array(falling)[:, None]
    return {
        "tangent_displacement": moved * towards,
        "tangent_velocity": np.ones_like(moved) * towards,
        "weight_distance": moved,
    }


# -- C1 ---------------------------------------------------------------------------------------------------------------


def _c1() -> Iterator[Record]:
    """Every restriction of the experiment, both targets; with sampled targets less is learnt. And the noise floor."""
    swept = yaml.safe_load((conf_folder() / "experiment" / "c1_entropy.yaml").read_text(encoding="utf-8"))
    names = swept["hydra"]["sweeper"]["studies"]["arms"]["restriction"].split(",")
    nodes = [yaml.safe_load((conf_folder() / "restriction" / f"{name}.yaml").read_text("utf-8")) for name in names]
    nodes.append({"kind": "style", "keep": "z2"})
    for node, targets, seed in itertools.product(nodes, ("exact", "sampled"), SEEDS):
        end = (0.01 if targets == "exact" else 0.1) * (1 + seed)
        record = made(node, "", seed, targets, falling=(1.0, end))  # the run on everything is the control of all
        record.facts["residuals"] = residuals(record)  # the study looks at the slacks of the bounds
        yield record
    for rate, batch, seed in itertools.product((5e-4, 2e-3), (128, 256), SEEDS):
        slow = {**ADAM, "learning_rate": rate}
        yield made({"kind": "everything"}, "", seed, "sampled", optimizer=slow, falling=(1.0, 1.0), batch=batch)


# -- C2 ---------------------------------------------------------------------------------------------------------------


def _c2() -> Iterator[Record]:
    """A few runs of every part of the study."""
    for seed in SEEDS:
        yield from _supports(seed)
        yield from _decays(seed)
        yield from _kernels(seed)
        yield from _racers(seed)
        yield from _arms(seed)
        yield from _steps(seed)
        for weight, targets in itertools.product((0.01, 0.1), ("exact", "sampled")):
            made_of = (1.0, weight * (1.0 if targets == "exact" else 1.2))
            yield made(part="replay", seed=seed, targets=targets, weight=weight, falling=made_of)


def _supports(seed: int) -> Iterator[Record]:
    """One run comes back at once, and one never does."""
    still = {"identity": (1.0,) * len(STEPS), "carried": (1.0,) * len(STEPS)}
    yield made(FLAT, "support", seed, others=still)
    for node, targets in itertools.product((POETIC, BLIND), ("exact", "sampled")):
        near = 0.999  # a model that is P_B has no finite log KL
        slow = (0.01, 0.02, 0.1, 0.5, 0.9) if seed == 0 else (0.01, 0.5, near, near)
        back = {"recovery": slow if targets == "exact" else (near, near), "scratch": (1e-6, 1e-3, 0.01, 0.1, near)}
        yield made(node, "recovery", seed, targets, others={**still, **back})


def _decays(seed: int) -> Iterator[Record]:
    for name, faster in (("tabular_strings", 1.0), ("tabular_trie", 3.0), ("transformer", 9.0)):
        for optimizer in (SGD, ADAM):
            speed = faster if name == "transformer" or optimizer is SGD else 1.0  # under Adam the tables do the same
            law = 1.0 / (1.0 + speed * STEPS) if optimizer is SGD else np.exp(-0.3 * np.sqrt(speed * STEPS))
            path = tuple(law ** (1.0 + 0.05 * seed))
            node = {**TRANSFORMER, "kind": name} if name == "transformer" else {"kind": name}
            quick = optimizer if name == "transformer" or optimizer is SGD else {**optimizer, "learning_rate": 0.03}
            yield made(part=f"decay_{optimizer['kind']}", seed=seed, model=node, optimizer=quick, falling=path)


def _kernels(seed: int) -> Iterator[Record]:
    """The narrow model does not follow its line at all where the rate is large: there R² is far below 0."""
    for width, rate in itertools.product((32, 64, 128), (0.001, 0.003)):
        far = 0.3 * (rate / 0.003) ** 2
        line = {"linearised": tuple(weight ** (1.0 + far * 32 / width + far * (width == 32)) for weight in FALLING[:5])}
        yield made(
            part="kernel", seed=seed, model={**TRANSFORMER, "width": width}, optimizer={**SGD, "learning_rate": rate},
            falling=FALLING[:5], others=line, tangent=True,
        )  # fmt: skip


def _racers(seed: int) -> Iterator[Record]:
    for optimizer, speed in itertools.product((ADAM, SGD), (0.1, 0.3, 0.5, 0.7)):
        speed += 0.05 * (optimizer is SGD)
        leak = 1e-3 + 0.1 * speed**2 + 0.01 * seed  # on prompts that S never has nothing else changes
        yield made(
            {"kind": "in_turn", "steps": [ONE_PROMPT, FLAT]}, f"race_{optimizer['kind']}", seed, tangent=True,
            optimizer={**optimizer, "learning_rate": speed / 100}, falling=(1.0, 1.0 - speed), end_leak=leak,
        )  # fmt: skip


def _arms(seed: int) -> Iterator[Record]:
    """Every arm, with more erased where the excursion is larger; the base arm with some of its edits."""
    for place, part in enumerate(ARMS):
        weights = {f"truncate_{rank}": 0.01 + 0.02 * rank for rank in (1, 4, 16)} | {"interpolate_0.5": 0.1}
        edits = {f"random_directions_{rank}": (0.9,) for rank in (1, 4, 16)} | {"random_step_2": (0.8,)}
        edits |= {name: (weight,) for name, weight in weights.items()} | {"identity": (1.0,) * len(STEPS)}
        edits |= {f"truncate_{rank}_of_identity": (1.0,) for rank in (1, 4, 16)}
        yield made(
            part=part, seed=seed, targets="sampled", others=edits if part == BASE else None,
            falling=(*FALLING[:-1], 0.001 * (1 + place)), excursion=0.05 * 1.4**place * (1 + 0.1 * seed),
            sharper=0.1 * place,
        )  # fmt: skip


def _steps(seed: int) -> Iterator[Record]:
    """Every way to train of the second attempt, with more erased where the steps are longer."""
    for place, part in enumerate(WAYS):
        record = made(
            part=part, seed=seed, targets="sampled", falling=(*FALLING[:-1], 0.001), excursion=0.1,
            sharper=0.05 * (1 + place),
        )  # fmt: skip
        sft = record.phases["sft"]
        squares = np.full((int(STEPS[-1]), 2), 1e-3 * 1.5**place) * [1.0 - 1e-6, 1.0 + 1e-6]
        yield dataclasses.replace(
            record, phases={**record.phases, "sft": dataclasses.replace(sft, squared_steps=squares)}
        )


# -- collapse ---------------------------------------------------------------------------------------------------------


def _collapse() -> Iterator[Record]:
    """A run with SFT and one with replay, on the same language and data."""
    yield from (run(replay=replay, control=False) for replay in (True, False))


def _audits() -> Iterator[Record]:
    """Some models of two worlds, which have the same strings and laws here."""
    for seed, share in itertools.product(SEEDS, (0.7, 0.3, 0.1, 0.01)):
        yield made(seed=seed, falling=(1.0, share), sharper=0.3 * share)


RECORDS: dict[str, Callable[[], Iterator[Record]]] = {
    "a_audits": _audits, "collapse": _collapse, "c1_entropy": _c1, "c2_support": _c2, "c3_answers": imitated.c3,
    "c4_cloning": imitated.c4, "c5_rank": imitated_rank.c5, "c6_consequences": imitated_consequences.c6,
    "atlas": imitated_atlas.atlas, "atlas_languages": imitated_atlas.atlas,
}  # fmt: skip
"""The runs of claims. The figures of a claim without an entry are only drawn from real runs, by the laws of claims."""


def _methods() -> Tables:
    """All methods in twelve worlds, as announced."""
    found = method_tables.frames()
    return {"runs": found["ends"].select("run", "seed", "valid", "part"), **found}


def _estimators() -> Tables:
    """The recorded tables, because to draw the samples again takes a minute."""
    folder = Path(__file__).resolve().parents[3] / "experiments" / "reference" / "estimators"
    return {name: pl.read_parquet(folder / f"{name}.parquet") for name in ("cells", "worlds")}


def _unlisted() -> Tables:
    """Two runs on a small language, seen as one that is not listed."""
    records = list(imitated_unlisted.unlisted())
    return {"runs": runs(records), "numbers": (found := rows(records)), "seeds": over_seeds(found)}


TABLED: dict[str, Callable[[], Tables]] = {
    "m_methods": _methods, "estimators": _estimators, "unlisted": _unlisted,
    "l_unlisted": lambda: large_tables(large()), "g_levels": lambda: level_tables(levelled()),
}  # fmt: skip
"""Tables of claims whose runs are not imitated here. The tests of the claim look at how its runs become these."""
