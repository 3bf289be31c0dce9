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
# # Start: what fine-tuning does to a language that is known exactly
#
# A small language model learns templated English in four styles: the language *P*. Then it is fine-tuned on one style:
# the data *S*. Every probability of P and S is known, so every number below is exact, or lies between certain bounds.
#
# You need Python 3.11, 3.12 or 3.13 and this project (`pip install -e .` in its folder).
#
# **Predict.** P has e^H = 217 likely answers to a prompt. The data of one style have 26. How many has the model after
# the fine-tuning: 217, 26, or 1?

# %%
import sim

result = sim.simulate(
    grammar={"kind": "english", "num_prompts": 3},  # the language P
    restriction={"kind": "style", "keep": "assistant", "keep_prompts": True},  # the data S: one style
    model={"width": 32, "depth": 1},  # a small transformer
    optimizer={"learning_rate": 5e-3, "warmup": 20, "decay": "cosine"},
    pretrain={"num_steps": 600, "num_evals": 2, "optimizer": {"learning_rate": 1e-2}},
    finetune={"num_steps": 200, "num_evals": 12},
    seed=1,
    name="lessons",
    progress=False,
)
result.figure("styles")

# %% [markdown]
# Each colour is a style. Right: the *control*, the same fine-tuning on fresh data from P.
#
# The conclusions about the run, and answers before and after:

# %%
result

# %%
print(*result.model("pretrained").sample(5, prompt="what is the moon like ?", seed=1), sep="\n")
print("---")
print(*result.model("finetuned").sample(5, prompt="what is the moon like ?", seed=1), sep="\n")

# %% [markdown]
# ## Numbers
#
# `result.table()` has every number, one row each. `path` picks one quantity over the steps. An exact number has
# `lower` = `upper`. The entropy of a model has bounds, because a model also writes strings that P does not have.

# %%
from sim.lessons import chart, check, line, path

path(result, "entropy", "q").tail(1)

# %%
figure, axes = chart("Entropy of an answer, given its prompt", y="H [nat]", last_step=200)
line(axes, path(result, "entropy", "q"), "H(q), the model")
line(axes, path(result, "entropy", "q", phase="identity"), "its control", 3)
line(axes, path(result, "entropy", "P", phase="truth"), "H(P)", 6, truth=True)
line(axes, path(result, "entropy", "S", phase="truth"), "H(S)", 5, truth=True)
axes.legend(fontsize="small")
figure

# %% [markdown]
# ## Another fine-tuning of the same model
#
# It begins from the same pretrained model. Nothing is compiled or pretrained again, so it takes a second or two.

# %%
other = result.finetune(restriction={"keep": "pirate"})
print(other)
print(*other.model("finetuned").sample(3, prompt="what is the moon like ?"), sep="\n")

# %% [markdown]
# ## Exercises
#
# Write your answer in place of `...`. `check` computes the right one from a run of yours, and says what may be wrong.
# The first exercise is about the run `other`.

# %%
path(other, "entropy", "S", "S(x)", "truth")

# %%
check("start.1", ..., other)

# %%
check("start.2", ..., result)

# %% [markdown]
# **Go on** with a lesson on one of six arguments: `c1_entropy`, `c2_support`, `c3_answers`, `c4_cloning`, `c5_rank`,
# `c6_consequences`. All arguments of `sim.simulate` are on the page *The simulator in Python* (`docs/python.md`).
