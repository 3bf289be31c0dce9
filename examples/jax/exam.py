"""Train the simulator's own transformer on an exported world in the announced arms, and write what is judged.

python examples/jax/exam.py WORLD OUT: WORLD is a folder of `python -m sim.export`, OUT a new folder. The runs are those
of `sim.simulate`; this program hands in of them what a stranger's trainer would hand in, and no more.
"""

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "trainers"))

from exam_kit import Arm, HandIn, Plan, Refused, World, arguments, read_arms, read_world, target

import sim
from sim.metrics.scene import World as Scene

MODEL = {"kind": "transformer", "width": 64, "depth": 2, "heads": 2}


@dataclass(frozen=True, eq=False)
class Given:
    """A restriction to a law of documents, float64[N], that is given as it is."""

    law: np.ndarray

    def __call__(self, p: sim.FiniteLanguage) -> sim.Restricted:
        """Return the law on the strings of P."""
        with np.errstate(divide="ignore"):
            s = p.with_law(np.log(self.law))
        event = self.law > 0
        kept, log_mass = p.condition(event)
        return sim.Restricted(s, kept, event, log_mass)


def main() -> None:
    """Read the command line, and do everything."""
    parser = arguments(__doc__)
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="the folder of records (default outputs)")
    chosen = parser.parse_args()
    try:
        run(read_world(chosen.world), read_arms(chosen.arms), chosen.out, chosen.seed, chosen.outputs)
    except (Refused, sim.SpecificationError) as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)


def run(world: World, plan: Plan, out: Path, seed: int, outputs: Path) -> None:
    """Pretrain a model, fine-tune it in every arm, edit what is to be edited, and hand in log q of all documents."""
    started, handed = time.process_time(), False
    hand_in, size = HandIn(out, world, plan, "jax", seed), 0
    for arm in plan.arms.values():
        cuts = {name: rank for name, (of, rank) in plan.edits.items() if of == arm.name}
        result = sim.simulate(**settings(world, plan, arm, seed, outputs, cuts.values()), seed=seed, progress=False)
        scene = Scene(result.record, "response")
        check_documents(scene, world)
        phase = result.record.phases["sft"]
        if not handed:
            hand_in.write("before", {0: scene.scored("sft", 0).log_q})
            size, handed = parameters(result), True
        hand_in.write(arm.name, {int(step): scene.scored("sft", at).log_q for at, step in enumerate(phase.steps) if at})
        for name, rank in cuts.items():
            hand_in.write(name, {arm.steps: scene.scored(f"truncate_{rank}", 0).log_q})
    hand_in.close(parameters=size, seconds=time.process_time() - started)


def parameters(result: sim.Result) -> int:
    """Return the number of parameters of the model."""
    return sum(one.size for one in jax.tree.leaves(result.model("pretrained").bound.params))


def settings(world: World, plan: Plan, arm: Arm, seed: int, outputs: Path, ranks: Iterable[int]) -> dict[str, Any]:
    """Return the arguments of `sim.simulate` for an arm: exact targets where the arm has even batches."""
    targets = {"even": "exact", "sampled": "sampled"}[arm.targets]
    objective: dict[str, Any] = {"kind": "sft", "targets": targets, "switch": arm.switch}
    if arm.replay:
        objective = {"kind": "replay", "weight": arm.replay, "targets": targets}
    law = target(world, replace(arm, replay=0.0), seed)
    config, begin = world.about["world"]["config"], plan.pretrain
    return {
        "grammar": config["grammar"], "dial": config.get("dial"), "model": MODEL, "objective": objective,
        "restriction": Given(law) if arm.prompts == "half" else config["restriction"],
        "optimizer": {"kind": "adam", "learning_rate": arm.rate, "warmup": arm.warmup, "decay": "cosine"},
        "pretrain": {
            "num_steps": begin["steps"], "batch_size": begin["batch"], "num_evals": 2, "limit": begin["limit"],
            "optimizer": {"learning_rate": begin["rate"], "warmup": begin["warmup"]},
        },
        "finetune": {
            "num_steps": arm.steps, "batch_size": arm.batch, "num_evals": arm.steps // arm.every + 1,
            "spacing": "linear", "controls": [], "edits": [{"kind": "truncate", "rank": rank} for rank in ranks],
        },
        "name": "trainers", "outputs": outputs,
    }  # fmt: skip


def check_documents(scene: Scene, world: World) -> None:
    """Raise Refused unless the documents of a run are those of the exported world, in their order."""
    log_p = scene.record.p.log_p
    if log_p.shape != world.log_p.shape or not np.allclose(np.exp(log_p), np.exp(world.log_p), rtol=0, atol=1e-9):
        raise Refused(
            f"{world.folder}: the world of this version of the simulator is required, found another; export it again"
        )


if __name__ == "__main__":
    main()
