"""The README of an archive, which a reader needs who has nothing but the archive."""

from collections.abc import Mapping
from typing import Any

EXAMPLE = """\
import numpy as np, pyarrow.parquet as pq

models = pq.read_table("models.parquet").to_pylist()
worlds = {name: np.load(f"world-{name}.npz") for name in {one["world"] for one in models}}
for one in models:
    world = worlds[one["world"]]
    q = np.exp(world["log_q"][one["row"]])  # q(y|x) of every listed answer
    number = -np.bincount(world["prompt"], q * np.log(np.where(q > 0, q, 1.0)))  # your metric, for every prompt
    print(one["run"], one["phase"], one["step"], number @ np.exp(world["log_prompt"]))
"""
"""A program that scores a metric on every model of an archive."""

_TEXT = """\
# An archive of language models whose laws are known exactly

Every model here is a small language model that was trained on an exactly known language P and fine-tuned on a
language S. There are no parameters: a model is the list of the probabilities that it gives to all strings of P. So any
measure of diversity, fit or forgetting can be computed exactly, without training and without sampling.

{runs} runs in {worlds} worlds, {models} evaluations of models. Format: {format}, version {version}.

## Files

`runs.parquet` has a row for each run, `models.parquet` one for each evaluation of a model, and `world-<world>.npz` the
arrays of a world (numpy's format, without compression). `archive.json` says what was kept, and `manifest.json` has the
SHA-256 of every other file. All logarithms are natural, and -inf is log 0.

| models.parquet | |
|---|---|
| run, world | the run, and the world whose file has its arrays |
| phase, role, model | the training of the evaluation (pretrain, sft, a control, an edit, ...), and its meaning |
| step, last | optimiser steps before the evaluation, and whether it is the last one of its phase |
| loss | mean loss since the evaluation before, in the training [nat per string] |
| row | the row of this model in log_q, log_q_prompt, exits and exits_joint of its world; equal models share a row |

| runs.parquet | |
|---|---|
| run, name, seed, world | the hash of the run, its name, its seed, its world |
| valid | whether the pretraining came near enough to P |
| claim, part | the predictions for which it was made, and the part of the experiment |
| grammar, restriction, model, objective, optimizer | what was chosen, in words |
| log_s, log_kept, log_optimum | rows of S, of P given A, and of the predicted optimum in `laws`; may be empty |
| description | JSON: the whole configuration, facts about the run, and the places of its other arrays |

| world-<world>.npz | |
|---|---|
| strings [N, L] | every string of P as numbers of symbols; 0 ends a string and fills the row |
| symbols [V] | the symbols; the first is the end of a string |
| prompt [N], prompt_length [N] | the number of each string's prompt, and the number of tokens of the prompt |
| log_p [N], log_prompt [G] | log P(x y), and log P(x) of every prompt |
| styles, log_style [N, Z] | names of the styles, and log P(style given string), if the world has styles |
| log_q [R, N] | log q(y given x) of R models: the probability of each listed answer, given its prompt |
| log_q_prompt [R, G] | log q(x): the probability of each prompt under the model |
| exits [R, 5, G] | five numbers about the answers to each prompt that P cannot write, see below |
| exits_joint [R, 5, 1] | the same for whole documents |
| laws [K, N], events [J, N] | log laws of whole documents (S and others), and sets of strings |
| more/... | what else was kept |

A model also writes answers that P cannot. So the sum of exp(log_q) over the answers to a prompt is 1 - q(off). An exit
is a prefix with an illegal token; its probability is q_e, and it has R_e completions. The five numbers of `exits` are
q(off) = sum q_e, sum -q_e log q_e, sum q_e log R_e, sum q_e^2, and the largest q_e. The entropy of all answers lies
between that of the listed ones plus the second number, and this plus the third.

## A metric of your own

```python
{example}```

## What was left out

{left_out}

`python -m sim.archive ARCHIVE --unpack --out DIR`, of the program that made it, makes records of it again.
"""


def readme(about: Mapping[str, Any]) -> str:
    """Return the README of an archive with a description."""
    left_out = "\n".join(f"* {one}" for one in about["left_out"])
    return _TEXT.format(**{**about, "left_out": left_out, "example": EXAMPLE})
