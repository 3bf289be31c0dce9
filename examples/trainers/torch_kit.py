"""What the two examples with PyTorch share: training with AdamW on given batches, and exact scores of all documents."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from exam_kit import Arm, Plan, World, batches, rate_at
from torch import Tensor, nn

PRETRAINING = {"betas": (0.9, 0.99), "weight_decay": 1e-4}
FINE_TUNING = {"betas": (0.9, 0.999), "weight_decay": 0.0}
"""Arguments of AdamW, those of the simulator."""


def each_log_prob(model: nn.Module, ids: Tensor) -> Tensor:
    """Return log q of the ids 1, 2, ... given those before them [nat], [B, L - 1]; in the type of the logits."""
    found = model(ids)
    logits = found if isinstance(found, Tensor) else found.logits
    return logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]


def log_q(model: nn.Module, world: World, chunk: int = 512) -> np.ndarray:
    """Return log q(y|x) of the answer of every document [nat], summed in float64: float64[N].

    Rows are padded on the right, which a causal model does not see before the end of a document.
    """
    ids, was_training = torch.tensor(world.ids), model.training
    model.eval()
    with torch.no_grad():
        parts = [each_log_prob(model, ids[at : at + chunk]).double().numpy() for at in range(0, len(ids), chunk)]
    model.train(was_training)
    return np.where(world.scored, np.concatenate(parts), 0.0).sum(axis=1)


def pretrained(model: nn.Module, world: World, plan: Plan, seed: int, until: float | None = None) -> float:
    """Train on whole documents of P, and return KL(P‖q0) of answers [nat].

    until: end at the first evaluation with a KL(P‖q0) of at most this [nat], every tenth of the steps.
    """
    arm = Arm("pretrain", targets="even", **{key: plan.pretrain[key] for key in ("steps", "batch", "rate", "warmup")})
    rows, tenth = batches(np.exp(world.log_p), arm, seed), max(1, arm.steps // 10)

    def reached(step: int) -> bool:
        return until is not None and step % tenth == 0 and world.kl(log_q(model, world)) <= until

    trained(model, world, arm, rows, world.whole, PRETRAINING, reached)
    return world.kl(log_q(model, world))


def trained(
    model: nn.Module, world: World, arm: Arm, rows: np.ndarray, scored: np.ndarray, how: Mapping[str, Any],
    observe: Callable[[int], bool | None],
) -> None:  # fmt: skip
    """Make the steps of an arm with AdamW, until `observe` is true of a step that is made.

    The loss is the cross-entropy of the scored ids, bool[N, L - 1], summed over a document [nat per document].
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=arm.rate, **how)
    ids, weight = torch.tensor(world.ids), torch.tensor(scored, dtype=torch.float32)
    for step, batch in enumerate(rows):
        for group in optimizer.param_groups:
            group["lr"] = arm.rate * rate_at(step, arm.steps, arm.warmup)
        longest = int(world.length[batch].max())
        each = each_log_prob(model, ids[batch, :longest])
        loss = -(each * weight[batch, : longest - 1]).sum() / len(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if observe(step + 1):
            return
