"""The schemas of a configuration: its top-level keys, and the keys of the groups that are not constructors."""

import re
from typing import Annotated, Any, Literal

from sim.config import AtLeast, Check, Folder, Name, NonNegative, Positive
from sim.languages.tilting import Per

Spacing = Literal["linear", "log"]
LossOn = Literal["response", "document"]
Prefixes = Literal["sampled", "all"]
Recorded = Literal["full", "laws"]
Begin = Literal["previous", "scratch"]
Control = Literal["identity", "carried", "linearised"]
Seed = Check("an integer from 0 to 2^32 - 1", lambda value: 0 <= value < 2**32)  # jax silently drops higher bits
Announced = Check(
    "the predictions of a claim, as name@12 hexadecimal digits,",
    lambda value: value is None or re.fullmatch("[a-z0-9_]+@[0-9a-f]{12}", value) is not None,
)
Seeds = Check(
    "seeds to sweep, such as range(5) or 0,1,2,",
    lambda value: re.fullmatch(r"range\(\d+(,\d+)?\)|\d+(,\d+)*", value) is not None,
)
Rates = Check(
    "learning rates to sweep, such as 2e-3,1e-4,",
    lambda value: re.fullmatch(r"[0-9.]+(e-?\d+)?(,[0-9.]+(e-?\d+)?)*", value) is not None,
)
Part = Check(
    "the name of a part of an experiment in lower-case letters, digits and _,",
    lambda value: value is None or re.fullmatch("[a-z][a-z0-9_]*", value) is not None,
)
Matrices = Literal["all", "inner", "attention", "mlp", "output", "embedding"]
Distinct = Check("a list without repeats", lambda values: len(set(values)) == len(values))


def run(
    *,
    name: Annotated[str, Name],
    seed: Annotated[int, Seed],
    outputs: Annotated[str, Folder],
    grammar: dict[str, Any],
    restriction: dict[str, Any],
    model: dict[str, Any],
    objective: dict[str, Any],
    optimizer: dict[str, Any],
    pretrain: dict[str, Any],
    finetune: dict[str, Any],
    dial: dict[str, Any] = {},  # noqa: B006, a schema is never called
    stages: list[dict[str, Any]] = [],  # noqa: B006
    relearn: dict[str, Any] = {},  # noqa: B006
    record: Recorded = "full",
    claim: Annotated[str | None, Announced] = None,
    study: dict[str, Any] = {},  # noqa: B006
    judged: dict[str, Any] = {},  # noqa: B006
) -> None:
    """The schema of a run: its top-level keys. `objective` and `optimizer` belong to the fine-tuning.

    stages: what is trained after the fine-tuning, one entry for each later stage, see `stage`.
    record: what an evaluation records. `full`: what is known at every prefix; `laws`: the same at the first and the
    last evaluation of a phase, and only probabilities of strings between them. `claim` names the predictions for which
    the run was made, as name@digest. `study` holds the sizes that a scale offers; experiments refer to them. Neither
    decides a number. So the hash of a run leaves them out, like name and outputs.
    """


def judged(
    *,
    rows: Annotated[int, AtLeast(2)] = 256,
    own: Annotated[int, AtLeast(2)] = 256,
    lost: Annotated[int, AtLeast(0)] = 256,
) -> None:
    """The schema of `judged`: by how many strings a model is judged, if the strings of the grammar are not listed.

    rows: independent strings of P, and as many of S; own: strings that the model itself draws; lost: strings drawn from
    the model among those that S leaves out (`sim.unlisted.twisted`), if it leaves some out; with 0 none are drawn, and
    only its own strings say what it writes of them. Intervals shrink with the square root of them. A run whose strings
    are listed sums over all strings, and has no such key.
    """


def study(
    *,
    seeds: Annotated[str, Seeds] = "range(5)",
    worlds: Annotated[str, Seeds] = "range(12)",
    fresh_worlds: Annotated[str, Seeds] = "range(12,24)",
    choosing: Annotated[str, Seeds] = "range(6)",
    rates: Annotated[str, Rates] = "2e-3",
    pretrain_steps: Annotated[int, Positive] = 2000,
    finetune_steps: Annotated[int, Positive] = 1000,
    decay_steps: Annotated[int, Positive] = 10_000,
    kernel_steps: Annotated[int, Positive] = 100,
    slow_steps: Annotated[int, Positive] = 5000,
    long_steps: Annotated[int, Positive] = 4000,
    switch_step: Annotated[int, Positive] = 200,
    evals: Annotated[int, Positive] = 40,
    part: Annotated[str | None, Part] = None,
) -> None:
    """The schema of `study`: the size of an experiment with several runs. `seeds` is the sweep over seeds.

    worlds: the sweep over seeds where medians, sign tests or skewed numbers decide, which need 12 worlds or more;
    fresh_worlds: as many other worlds, for what is announced after runs in `worlds` were seen; choosing: worlds in
    which a number is chosen by looking, such as the best rate, which is judged in fresh_worlds;
    rates: the sweep over learning rates of the fine-tuning; pretrain_steps, finetune_steps: optimiser steps of the two
    stages; decay_steps: steps of tables if their late laws are measured; kernel_steps: steps of fine-tunings that are
    linearised; slow_steps: steps of fine-tunings with a small learning rate; long_steps: four times finetune_steps;
    switch_step: the step after which targets change to the other kind; evals: evaluations of a fine-tuning if its path
    is measured; part: the part of the experiment to which a run belongs, set by `hydra/sweeper=studies`.
    """


def dial(
    *,
    entropy: Annotated[float | None, NonNegative] = None,
    per: Per = "string",
    keep_prompts: bool = False,
) -> None:
    """The schema of `dial`, which tilts the pretraining language to an entropy, see `sim.languages.dial`.

    entropy: the entropy of P [nat]; null leaves P as the grammar defines it. per: string or token. keep_prompts: tilt
    the answers of every prompt and keep P(x); then the entropy is the entropy of the answers given the prompt.
    """


def pretrain(
    *,
    num_steps: Annotated[int, Positive],
    batch_size: Annotated[int, Positive],
    num_evals: Annotated[int, Positive],
    objective: dict[str, Any],
    optimizer: dict[str, Any],
    loss_on: LossOn = "document",
    spacing: Spacing = "linear",
    prefixes: Prefixes = "sampled",
    limit: Annotated[float, Positive] = 0.02,
) -> None:
    """The schema of `pretrain`: optimiser steps, strings per step, evaluations, and when it counts as converged.

    prefixes: `sampled` draws a batch of strings at each step, `all` uses the whole support with its probabilities.
    limit: the largest joint KL(P||q0) [nat per string] of a valid run.
    """


def finetune(
    *,
    num_steps: Annotated[int, Positive],
    batch_size: Annotated[int, Positive],
    num_evals: Annotated[int, Positive],
    loss_on: LossOn = "response",
    spacing: Spacing = "log",
    prefixes: Prefixes = "sampled",
    controls: Annotated[list[Control], Distinct],
    probes: Annotated[list[str], Distinct] = [],  # noqa: B006
    kl_every_step: bool = True,
    siblings: Annotated[int, NonNegative] = 0,
    edits: list[dict[str, Any]] = [],  # noqa: B006
    adapter: dict[str, Any] = {},  # noqa: B006
) -> None:
    """The schema of `finetune`; its objective and its optimiser are top-level keys.

    controls: the trainings beside it, see `sim.training.simulation.finetunings`; probes: what else is recorded of the
    model at every evaluation, see `sim.probes`; kl_every_step: whether KL(S||q) is recorded after every step; siblings:
    how many more fine-tunings there are from the same q0, with the same recipe and other random draws; edits: what is
    done to the parameters afterwards, without training, see `sim.running.editing`; adapter: which parameters are
    trained, and in which coordinates.
    """


def adapter(
    *,
    rank: Annotated[int | None, Positive] = None,
    alpha: Annotated[float, Positive] = 8.0,
    matrices: Matrices = "all",
) -> None:
    """The schema of `finetune.adapter`: which parameters the fine-tuning, its controls and later stages train.

    rank: the rank r of the change of each chosen matrix, W = W0 + (alpha / r) B A (LoRA, see `sim.training.adapter`);
    null trains the matrices themselves. matrices: all matrices; `inner`, those of attention and perceptrons; or one
    part of the model. All other parameters are frozen. With rank null and all matrices, nothing is frozen: vectors are
    trained too. A later stage has a fresh adapter on the model of the stage before. Learning again trains all
    parameters. Probes differentiate by all parameters.
    """


def stage(
    *,
    objective: dict[str, Any],
    optimizer: dict[str, Any],
    restriction: dict[str, Any],
    num_steps: Annotated[int, Positive],
    batch_size: Annotated[int, Positive],
    num_evals: Annotated[int, Positive],
    loss_on: LossOn,
    prefixes: Prefixes,
    spacing: Spacing,
    begin: Begin = "previous",
) -> None:
    """The schema of an entry of `stages`, a later stage: a fine-tuning from the model of the stage before.

    What an entry does not name is as in the fine-tuning. objective, optimizer, restriction: `kind: <name>` plus
    arguments, the name of an option in conf/<group>/, or a mapping without `kind`, which changes only the arguments
    that it names. restriction: the S of this stage, a part of the P of the run. begin: `scratch` begins from fresh
    parameters; the model of the stage before still makes the S of a late restriction.
    """


def relearn(
    *,
    num_steps: Annotated[int, NonNegative] = 0,
    num_evals: Annotated[int, Positive] = 30,
) -> None:
    """The schema of `relearn`: learning again what the restriction of the run left out, from the last stage's model.

    With num_steps = 0 there is no such stage. The objective, the optimiser, the batch size and the scored tokens are
    those of the fine-tuning. Evaluations are spaced logarithmically; several that fall on one step are done once.
    """
