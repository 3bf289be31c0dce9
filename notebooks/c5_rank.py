# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # C5: does the low rank of the update limit diversity?
#
# *“The update ΔW of fine-tuning has a very low rank, and this low rank limits how diverse a distribution the model can
# express.”* (Ten minutes. One run of about ten seconds.)
#
# The world has 128 documents. A small transformer learns it, and is fine-tuned on one style. The **control** is the
# same training with fresh data of P: it narrows nothing.
#
# **Predict.** The *stable rank* Σσ²/σ₁² of ΔW counts directions by their weight. For a random matrix of 24 × 96 it is
# about 10. What is it for the fine-tuning, and what for the control?

# %%
import numpy as np
import polars as pl

import sim
from sim.lessons import chart, check, picture, published

guess = {"sft": None, "identity": None}

# %%
result = sim.simulate(
    grammar={"kind": "styles_content", "num_prompts": 2, "answer_length": 2, "shown": 1.0},
    model={"width": 24, "depth": 1},
    restriction={"kind": "style", "keep": "z0", "keep_prompts": True},
    pretrain={"num_steps": 500, "num_evals": 2, "optimizer": {"learning_rate": 1e-2}},
    finetune={"num_steps": 300, "num_evals": 4},
    optimizer={"learning_rate": 5e-3, "warmup": 20, "decay": "cosine"},
    name="lessons",
    progress=False,
)

# %%
params = result.record.params  # the parameters at the end of each phase


def singular_values(phase, matrix):
    """The singular values of the change of a matrix from the pretrained model to the end of a phase, in float64."""
    after, before = (np.asarray(params[one][matrix], np.float64) for one in (phase, "pretrain"))
    return np.linalg.svd(after - before, compute_uv=False)


figure, panels = chart("Fine-tuning on one style", "Control: goes on with P", x="direction", y="share of ‖ΔW‖²")
for axes, phase in zip(panels, ("sft", "identity")):
    for matrix, look in {"blocks.0.qkv.kernel": "o-", "blocks.0.up.kernel": "s--", "head.kernel": "D:"}.items():
        values = singular_values(phase, matrix)
        stable = (values**2).sum() / values[0] ** 2
        shares = values**2 / (values**2).sum()
        axes.plot(np.arange(1, len(values) + 1), shares, look, markersize=4, label=f"{matrix}: {stable:.1f}")
    if guess[phase] is not None:
        axes.axhline(1 / guess[phase], color="black", linestyle=":", label="your first direction")
    axes.legend(title="stable rank", fontsize="small")
figure

# %% [markdown]
# The update of the fine-tuning is far lower in rank than a random matrix. But look at the output matrix (`head`) of the
# control: it is as low there. One small run is an example. In twelve worlds, with a larger transformer, the claim found
# this (`identity` is the control, `random_update` are random matrices as long as the update):

# %%
published("c5_rank")["spectra_updates"].group_by("targets", "phase").agg(
    pl.col("stable", "effective", "share_1").mean(), worlds=pl.len()
).sort("targets", "phase")

# %%
picture("c5_rank", "spectra")

# %% [markdown]
# ## Does a low rank cost diversity?
#
# Adapters (LoRA) train an update of a given rank. Each rank has a learning rate of its own here, chosen in other
# worlds.

# %%
picture("c5_rank", "ranks")

# %% [markdown]
# ## Exercises
#
# Write your answer in place of `...`. A cell without an answer shows the question.

# %%
check("c5.1", ...)

# %%
check("c5.2", ..., result)

# %%
check("c5.3", ..., result)

# %%
check("c5.4", ...)

# %%
check("c5.5", ...)

# %% [markdown]
# **What the runs of the claim say**: the update has a low rank, but so has that of training on with the old data.
# Whether a low rank costs diversity is open: the learning rate matters far more. The page is
# `docs/claims/c5_rank.md`.
