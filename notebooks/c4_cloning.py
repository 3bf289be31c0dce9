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
# # C4: do errors compound, and is fine-tuning a conditioning?
#
# *“[Behaviour cloning has] a well-known theoretical defect: distribution shift and compounding errors. […] SFT
# essentially puts a very strong conditioning on this generator: P_SFT(y|x) ≈ P_pretrain(y|x, style = assistant).”*
# (Ten minutes. One run of about ten seconds.)
#
# ## Conditioning
#
# The world has four prompts and four styles. A small transformer learns it, and then it is fine-tuned on style z0 at a
# random half of the prompts.
#
# **Predict.** Which weight has style z0 in the end at the *other* prompts, which the data never show? (In P it is
# about ¼.)

# %%
import numpy as np

import sim
from sim.lessons import chart, check, line, path, picture, published

held_out = "P(x | S(x) = 0)"  # the law of the prompts that the data never show
guess = None  # a number from 0 to 1

# %%
result = sim.simulate(
    grammar={"kind": "styles_content", "num_prompts": 4, "answer_length": 2, "shown": 1.0},
    model={"width": 24, "depth": 1},
    restriction={
        "kind": "in_turn",
        "steps": [{"kind": "fraction", "share": 0.5, "of": "prompts"}, {"kind": "style", "keep": "z0"}],
    },
    pretrain={"num_steps": 500, "num_evals": 2, "optimizer": {"learning_rate": 1e-2}},
    finetune={"num_steps": 200, "num_evals": 12},
    optimizer={"learning_rate": 5e-3, "warmup": 20, "decay": "cosine"},
    name="lessons",
    progress=False,
)

# %%
figure, (left, right) = chart(
    "Weight of style z0 at other prompts", "KL from the best mixture [nat]", last_step=200, sharey=False
)
for index, (phase, name) in enumerate({"sft": "fine-tuned", "identity": "control"}.items()):
    line(left, path(result, "style_weight", "q", held_out, phase, "z0"), name, index)
    line(right, path(result, "style_residual", "q", held_out, phase), name, index)
line(left, path(result, "style_weight", "P", held_out, "truth", "z0"), "P", 6, truth=True)
if guess is not None:
    left.plot(200, guess, "*k", markersize=12, clip_on=False)
left.set_ylim(0, 1.05)
right.set_ylim(bottom=0)
left.legend(fontsize="small")
figure

# %% [markdown]
# Left: the *style* goes to all prompts, also to those that were never tuned. So it is a strong conditioning. Right: but
# *what* is said in this style is no longer what P says: the best mixture of the styles of P is not reached.
#
# ## Compounding errors
#
# A model leaves the path with probability ε at each step. J(T) is the number of steps that it spends off the path, on
# average. **Predict** before you run the next cell: if T doubles, by which factor does J grow, without ways back, and
# with them?


# %%
def off_path(hazard, recovery, horizon):
    """The expected number of steps off the path up to each T: o_t = o_(t-1) (1 - r) + (1 - o_(t-1)) ε."""
    off, found = 0.0, []
    for _ in range(horizon):
        off = off * (1 - recovery) + (1 - off) * hazard
        found.append(off)
    return np.cumsum(found)


horizons = np.arange(1, 257)
figure, axes = chart("Steps off the path, ε = 0.001", x="horizon T [steps]", y="J(T) [steps]")
axes.loglog(horizons, off_path(0.001, 0.0, 256), "C0", label="no ways back")
axes.loglog(horizons, off_path(0.001, 0.2, 256), "C1", linestyle="--", label="ways back, r = 0.2")
axes.legend(fontsize="small")
figure

# %% [markdown]
# The quadratic growth is arithmetic: it follows from a *constant* error. It is no sign of a distribution shift. In
# models, the claim measured both:

# %%
picture("c4_cloning", "horizons")

# %%
picture("c4_cloning", "returns")

# %% [markdown]
# ## Exercises
#
# Write your answer in place of `...`. A cell without an answer shows the question.

# %%
check("c4.1", ...)

# %%
check("c4.2", ...)

# %%
check("c4.3", ...)

# %%
check("c4.4", ..., result)

# %%
published("c4_cloning")["returns"].filter(part="returns_clean", targets="sampled").head(4)

# %%
check("c4.5", ...)

# %% [markdown]
# **What the runs of the claim say**: errors compound only where nothing is ever repaired, and a tuned model comes
# back from errors more often, not less. The page is `docs/claims/c4_cloning.md`.
