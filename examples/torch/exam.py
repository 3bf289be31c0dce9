"""Pretrain a plain PyTorch GPT on an exported world, fine-tune it in the announced arms, and write what is judged.

python examples/torch/exam.py WORLD OUT: WORLD is a folder of `python -m sim.export`, OUT a new folder.
"""

import copy
import importlib.util
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "trainers"))

from exam_kit import (
    Arm,
    HandIn,
    Plan,
    Refused,
    World,
    arguments,
    batches,
    evaluations,
    read_arms,
    read_world,
    target,
    truncated,
)


def main() -> None:
    """Read the command line, and do everything."""
    chosen = arguments(__doc__).parse_args()
    try:
        world, plan = read_world(chosen.world), read_arms(chosen.arms)
        if importlib.util.find_spec("torch") is None:
            raise Refused("torch: PyTorch is required, found none; install it with pip install 'torch>=2.13'")
        run(world, plan, chosen.out, chosen.seed)
    except Refused as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)


def run(world: World, plan: Plan, out: Path, seed: int) -> None:
    """Pretrain a model, fine-tune it in every arm, edit what is to be edited, and hand in log q of all documents."""
    import torch
    from gpt import Gpt
    from torch_kit import log_q, pretrained

    hand_in, started = HandIn(out, world, plan, "torch", seed), time.process_time()
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = Gpt(world.vocab_size, world.ids.shape[1])
    size = sum(one.numel() for one in model.parameters())
    reached = pretrained(model, world, plan, seed)
    print(f"{size:,} parameters; pretrained to KL(P‖q0) = {reached:.4f} nats", flush=True)
    hand_in.write("before", {0: log_q(model, world)})
    for arm in plan.arms.values():
        tuned = copy.deepcopy(model)
        hand_in.write(arm.name, finetuned(tuned, world, arm, seed))
        for name, (of, rank) in plan.edits.items():
            if of == arm.name:
                tuned.load_state_dict(cut(model.state_dict(), tuned.state_dict(), rank))
                hand_in.write(name, {arm.steps: log_q(tuned, world)})
    hand_in.close(parameters=size, seconds=time.process_time() - started)


def finetuned(model, world: World, arm: Arm, seed: int) -> dict[int, np.ndarray]:
    """Train on the answers of an arm, and return log q(y|x) of all documents [nat] at its evaluations."""
    from torch_kit import FINE_TUNING, log_q, trained

    found, wanted = {}, set(evaluations(arm))

    def observe(step: int) -> None:
        if step in wanted:
            found[step] = log_q(model, world)

    trained(model, world, arm, batches(target(world, arm, seed), arm, seed), world.scored, FINE_TUNING, observe)
    return found


def cut(before, after, rank: int):
    """Return parameters in which the change of every matrix is cut to a rank, in float32."""
    import torch

    arrays = [{name: one.numpy() for name, one in found.items()} for found in (before, after)]
    return {name: torch.tensor(one, dtype=torch.float32) for name, one in truncated(*arrays, rank).items()}


if __name__ == "__main__":
    main()
