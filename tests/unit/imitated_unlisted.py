"""Records of runs on a language that is not listed, which never ran: a small language, and models made of tables."""

from collections.abc import Iterator

import numpy as np

from sim.disk.phase_record import PhaseRecord
from sim.phases import MEANINGS
from sim.unlisted.looks import log_prob, look
from sim.unlisted.record import UnlistedRecord, judged_by
from tests.unit.unlisted.small_laws import laws_of_a_model, small

SEEDS = (0, 1)
STEPS = (0, 10, 100)
ROWS = 60


def unlisted(valid: bool = True) -> Iterator[UnlistedRecord]:
    """Two runs of one way."""
    for seed in SEEDS:
        yield made(seed, valid)


def made(seed: int, valid: bool = True) -> UnlistedRecord:
    """A run whose models are mixtures of P, or of S, with a table: the nearer, the later."""
    world, rng = small(), np.random.default_rng(seed)
    rows, laws = judged_by(world, ROWS, rng)

    def law_of(own: np.ndarray, exact: np.ndarray, weight: float) -> np.ndarray:
        return np.log((1.0 - weight) * exact + weight * np.exp(laws_of_a_model(own, world.vocab_size, seed)))

    phases = {}
    for phase, weights in {"pretrain": (0.9, 0.3, 0.05), "sft": (0.05, 0.1, 0.2), "identity": (0.05,) * 3}.items():
        looks = []
        for weight in weights:
            found = {}
            for name in ("p", "s")[: 1 if phase == "pretrain" else 2]:
                own = rows[f"{name}_rows"]
                log_q = law_of(own, world.p.next_token(own), weight)
                found |= {f"{name}_{key}": values for key, values in look(log_q, laws[name], own).items()}
            if phase != "pretrain":
                own = world.p.sample(rng, ROWS)
                found["own_log_q"] = log_prob(law_of(own, world.p.next_token(own), weight), own)
                found["own_log_p"], found["own_log_s"] = world.p.log_prob(own), world.s.log_prob(own)
            looks.append(found)
        ends = [looks[0], looks[-1]]
        arrays = {key: np.stack([one[key] for one in (ends if key.startswith("own") else looks)]) for key in looks[0]}
        phases[phase] = PhaseRecord(np.array(STEPS), np.array([np.nan, 2.0, 1.0]), arrays)
    described = {"grammar": "cfg3", "restriction": "without S → A B", "objective": "SFT", "model": "transformer"}
    facts = {
        "world": world.facts(), "described": described, "parameters": 1000, "vocabulary": list("$abc"),
        "pretraining": {"joint_kl": 0.01 if valid else 0.5, "limit": 0.02, "valid": valid, "per": "token"},
        "speed": {"pretrain": {"seconds": 10.0, "waited": 0.1, "steps": 100}},
    }  # fmt: skip
    config = {
        "grammar": {"kind": "cfg3", "seed": 0}, "seed": seed, "judged": {"rows": ROWS, "own": ROWS},
        "pretrain": {"num_steps": 100, "batch_size": 8}, "finetune": {"num_steps": 100},
    }  # fmt: skip
    return UnlistedRecord("cfg3", f"{seed:012d}", config, rows, phases, facts, {}, MEANINGS)
