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
# # C1: does fine-tuning lower the entropy of a model?
#
# *“Fine-tuning data have a much lower entropy than pretraining data; maximum likelihood takes the model there, so its
# entropy falls.”* (Ten minutes. One run of a few seconds.)
#
# The world: 128 documents, with prompts, styles and answers. The model is a table of next-token laws, and P is known
# exactly. It is fine-tuned on four kinds of data S.

# %%
import numpy as np
import polars as pl

import sim
from sim.lessons import chart, check, last, line, path, picture, published

result = sim.simulate(
    grammar={"kind": "styles_content", "num_prompts": 2, "answer_length": 2, "shown": 1.0, "zipf": 1.5},
    model="tabular_trie",
    restriction={"kind": "style", "keep": "z0", "keep_prompts": True},
    pretrain={"prefixes": "all", "num_steps": 1000, "num_evals": 2, "optimizer": {"learning_rate": 0.2}},
    finetune={"prefixes": "all", "num_steps": 400, "num_evals": 12},
    optimizer={"learning_rate": 0.1, "warmup": 20, "decay": "cosine"},
    name="lessons",
    progress=False,
)
print(f"H(P) = {last(result, 'entropy', 'P', phase='truth').lower:.3f} nats: exact")

# %% [markdown]
# **Predict.** The model starts at H(P). Where does H(q) end if it is fine-tuned on S?
#
# * *one style*: only the answers of style z0;
# * *sharpened*: all answers, with probabilities squared and normalised;
# * *flattened*: all answers, with the square roots of their probabilities, normalised;
# * *without the likeliest*: the likeliest answers to each prompt are left out, up to a fifth of the mass.
#
# Write your four numbers, in nats. The picture shows them as stars.

# %%
guess = {"one style": None, "sharpened": None, "flattened": None, "without the likeliest": None}

# %%
data = {
    "sharpened": {"kind": "sharpen", "temperature": 0.5, "keep_prompts": True},
    "flattened": {"kind": "sharpen", "temperature": 2.0, "keep_prompts": True},
    "without the likeliest": {"kind": "drop_mode", "mass": 0.2, "of": "answer", "keep_prompts": True},
}
results = {"one style": result} | {name: result.finetune(restriction=one) for name, one in data.items()}

# %%
figure, axes = chart("Entropy of the model, and of its data (dashed)", y="H [nat per answer]", last_step=400)
for index, (name, one) in enumerate(results.items()):
    line(axes, path(one, "entropy", "q"), name, index)
    line(axes, path(one, "entropy", "S", phase="truth"), "_H(S)", index, truth=True)
    if guess[name] is not None:
        axes.plot(400, guess[name], "*", markersize=12, color=axes.lines[-1].get_color(), clip_on=False)
axes.legend(fontsize="small")
figure

# %% [markdown]
# The entropy goes where the entropy of the data is: down *and up*. Bands are certified bounds: a model also writes
# strings that P does not have. They are too narrow to be seen where the model has learnt not to.
#
# ## How often does a random subset have less entropy?
#
# No model is needed for this question. The published table counts random subsets of nine languages.

# %%
picture("c1_entropy", "subsets")

# %%
subsets = published("c1_entropy")["subsets"].filter(rule="string", view="texts", mass=0.5)
subsets.group_by("law").agg(pl.col("draws", "rises").sum()).sort("law")

# %% [markdown]
# ## Exercises
#
# Write your answer in place of `...`. A cell without an answer shows the question.

# %%
p = np.array([1 / 2, 1 / 6, 1 / 6, 1 / 6])
check("c1.1", ...)

# %%
check("c1.2", ..., result)

# %%
check("c1.3", ...)

# %%
check("c1.4", ...)

# %% [markdown]
# **What the runs of the claim say** (five worlds, a transformer): the slope of H(q) on H(S) is 0.999 [0.998, 1.000].
# The sentence holds only if H(S) < H(P). The page is `docs/claims/c1_entropy.md`.
