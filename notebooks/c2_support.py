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
# # C2: are the paths to other styles cut off?
#
# *“Fine-tuning data is a tiny subset; gradient descent forgets what is absent from it: the support shrinks and the
# paths to other styles are cut off.”* (Ten minutes. One run of a few seconds.)
#
# A is what the data S keep, B what they leave out. Forgetting is KL(P‖q). Two very different things are in it:
#
# * **gate**: probability has moved from B to A;
# * **erasure**: the proportions *within* B are wrong, so that reopening the gate would not bring the answers back.
#
# **Predict.** A table with a row for each prefix is fine-tuned on one style by gradient descent. On axes that are both
# logarithmic, q(B) becomes a straight line. What is its slope? And how much of the forgetting will be erasure?

# %%
import numpy as np
import polars as pl

import sim
from sim.lessons import chart, check, line, path, picture, published

guess = None  # the slope that you expect

# %%
result = sim.simulate(
    grammar={"kind": "styles_content", "num_prompts": 2, "answer_length": 2, "shown": 1.0},
    model="tabular_trie",
    restriction={"kind": "style", "keep": "z0", "keep_prompts": True},
    pretrain={"prefixes": "all", "num_steps": 1000, "num_evals": 2, "optimizer": {"learning_rate": 0.2}},
    finetune={"prefixes": "all", "num_steps": 3000, "num_evals": 24, "controls": []},
    optimizer={"kind": "sgd", "learning_rate": 4.0},
    name="lessons",
    progress=False,
)

# %%
mass = path(result, "event_mass", "q(B)")
figure, (left, right) = chart(
    "Mass of what was left out", "What is forgotten [nat]", y="q(B)", last_step=3000, sharey=False
)
line(left, mass, "q(B)")
if guess is not None:
    steps = np.array([100.0, 3000.0])
    start = np.interp(100.0, mass["step"], mass["lower"])
    left.plot(steps, start * (steps / 100.0) ** guess, ":", color="black", label="your slope")
left.set(yscale="log", ylim=(1e-5, 1))
left.legend(fontsize="small")
for index, (name, of) in enumerate({"kl": "P||q", "gate": "A", "erasure": "A"}.items()):
    line(right, path(result, name, of), {"kl": "all: KL(P‖q)"}.get(name, name), index)
right.lines[0].set(linewidth=6, alpha=0.4, marker="")  # it lies under the gate
right.set_ylim(0, 8)
right.legend(fontsize="small")
figure

# %% [markdown]
# q(B) falls for ever, and never is 0: the answers are less and less likely, but all of them are still there. In this
# table nearly nothing is erased, because its rows share no parameter.
#
# ## And in a transformer?
#
# A transformer shares its parameters. How much it erases behind the gate depends on how one trains. `erased` is E, a
# mean over twelve worlds; exp(−E) is the share of a typical lost answer that is kept, given its style. All these runs
# fit S equally well.

# %%
kept = published("c2_support")["kept"]
kept.filter(pl.col("part").is_in(["rates_adam", "erasing_exact", "erasing_adam"])).group_by(
    "part", "targets", "learning_rate"
).agg(pl.col("erased").mean(), worlds=pl.len()).sort("erased")

# %%
picture("c2_support", "split")

# %% [markdown]
# ## Exercises
#
# Write your answer in place of `...`. A cell without an answer shows the question.

# %%
check("c2.1", ...)

# %%
mass.filter(pl.col("step") >= 100)

# %%
check("c2.2", ..., result)

# %%
check("c2.3", ...)

# %%
check("c2.4", ...)

# %%
check("c2.5", ...)

# %% [markdown]
# **What the runs of the claim say**: the paths are not cut by the objective, and not by the gradient as such. With
# small steps a transformer keeps 96 % [94, 99] of a typical lost answer; with large steps on sampled data it keeps
# what you have computed in the last exercise. The page is `docs/claims/c2_support.md`.
