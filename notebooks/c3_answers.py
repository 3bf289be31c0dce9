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
# # C3: does maximum likelihood collapse on one answer?
#
# *“With little, homogeneous data, and one reference answer per prompt, the model collapses on a single mode.”* (Ten
# minutes. One run of about ten seconds.)
#
# The world: eight prompts in two topics, each with sixteen answers. A small transformer knows all of them. Then it is
# fine-tuned on four of the prompts, with 1, 4 or infinitely many answers to each. The other four are *held out*.
#
# **Predict.** How much entropy is left in the end, at the prompts that were tuned, and at those that were held out?
# Write your numbers for one answer per prompt, in nats. The start is about 2.6.

# %%
import polars as pl

import sim
from sim.lessons import chart, check, line, path, picture, published

guess = {"tuned": None, "held out": None}

# %%
result = sim.simulate(
    grammar={"kind": "topics", "num_prompts": 8, "num_topics": 2, "answers_per_prompt": 16},
    model={"width": 24, "depth": 1},
    restriction={"kind": "answers", "num_answers": 1, "num_prompts": 4},
    objective={"targets": "sampled"},  # as in practice
    pretrain={"num_steps": 500, "num_evals": 2, "optimizer": {"learning_rate": 1e-2}},
    finetune={"num_steps": 300, "num_evals": 12, "controls": []},
    optimizer={"learning_rate": 5e-3, "warmup": 20, "decay": "cosine"},
    name="lessons",
    progress=False,
)
results = {"1 answer": result, "4 answers": result.finetune(restriction={"num_answers": 4})}
results["infinitely many"] = result.finetune(restriction={"num_answers": None})

# %%
places = {"tuned": ("entropy", "S(x)"), "held out": ("entropy_held_out", "P(x | S(x) = 0)")}
figure, panels = chart("Tuned prompts", "Held-out prompts", y="H(q) [nat per answer]", last_step=300)
for axes, (place, (metric, law)) in zip(panels, places.items()):
    for index, (name, one) in enumerate(results.items()):
        line(axes, path(one, metric, "q", law), name, index)
        if place == "tuned":
            line(axes, path(one, "entropy", "S", law, "truth"), "_H(S)", index, truth=True)
    if guess[place] is not None:
        axes.plot(300, guess[place], "*k", markersize=12, clip_on=False)
panels[0].legend(fontsize="small")
figure

# %% [markdown]
# Dashed: H(S), the entropy of the data, known before any training. With infinitely many answers nothing collapses: the
# objective is not to blame. With few answers the model goes where its data are.
#
# The held-out prompts have no data. What happens there is not in the objective: it is how the model generalises.
# Bands are certified bounds; they are wide where the model says things that P does not have.
#
# ## Twelve worlds
#
# The runs of the claim have 32 prompts, and a larger transformer.

# %%
picture("c3_answers", "entropy")

# %%
picture("c3_answers", "annotators")

# %%
published("c3_answers")["runs"].filter(pl.col("part").is_in(["cells", "annotators"]), width=64).group_by(
    "part", "m"
).agg(pl.col("h_q_trained_lower", "h_q_held_lower", "h_p_held").mean(), worlds=pl.len()).sort("part", "m")

# %% [markdown]
# ## Exercises
#
# Write your answer in place of `...`. A cell without an answer shows the question. Use the run with four answers for
# c3.4.

# %%
check("c3.1", ...)

# %%
check("c3.2", ...)

# %%
check("c3.3", ...)

# %%
check("c3.4", ..., results["4 answers"])

# %%
check("c3.5", ...)

# %% [markdown]
# **What the runs of the claim say**: one answer per prompt makes a model sure of one answer, but not of the same answer
# everywhere. Held-out prompts lose 0.9 nats [0.8, 1.0] more than finite data explain. The page is
# `docs/claims/c3_answers.md`.
