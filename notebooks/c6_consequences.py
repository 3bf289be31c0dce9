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
# # C6: can a temperature bring the other styles back?
#
# *“[The tuned model] follows instructions better and is more boring; at a high temperature it is less creative than
# the base model.”* (Ten minutes. One run of about ten seconds.)
#
# A small transformer learns a world of four styles, and is fine-tuned on style z0. A temperature T raises all
# next-token probabilities to the power 1/T. So what is unlikely becomes likelier: the lost styles, and impossible
# tokens as well.
#
# **Predict.** P gives three quarters of the mass to the lost styles. Take the temperature at which the tuned model
# speaks them most. How much mass have they there?

# %%
import numpy as np

import sim
from sim.lessons import chart, check, picture, published

guess = None  # a number from 0 to 0.75

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
p = result.record.p
texts = [p.vocabulary.decode(row) for row in p.trie.strings]
prompt = "x0 :"
answers = [text.removeprefix(prompt).strip() for text in texts if text.startswith(prompt)]
lost = np.array([not answer.startswith("z0") for answer in answers])


def masses(model, temperature):
    """The mass of the lost styles, and of all answers that P has, to the first prompt at a temperature: exact sums."""
    q = np.exp(result.model(model).decoded(temperature=temperature).log_prob(answers, prompt))
    return q[lost].sum(), q.sum()


temperatures = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0]
figure, panels = chart("Tuned on z0", "Before the fine-tuning", x="temperature T", y="probability")
for axes, model in zip(panels, ("finetuned", "pretrained")):
    reopened, valid = np.transpose([masses(model, one) for one in temperatures])
    axes.plot(temperatures, reopened, "o-", label="lost styles")
    axes.plot(temperatures, valid, "s--", label="all possible answers")
    axes.axhline(0.75, color="black", linestyle=":", label="lost styles in P, about")
if guess is not None:
    panels[0].axhline(guess, color="C3", linestyle="-.", label="your prediction")
panels[0].legend(fontsize="small")
figure

# %% [markdown]
# The lost styles come back a little, and impossible answers come with them. The model before the fine-tuning loses
# valid answers too, but it has all styles.
#
# ## Twelve worlds
#
# The published runs compare models at *equal validity*: each has its own temperature.

# %%
picture("c6_consequences", "temperature")

# %%
best = published("c6_consequences")["temperature_best"]
best.select("part", "arm", "model", "seed", "p_lost", "most_lost").head(4)

# %% [markdown]
# ## Exercises
#
# Write your answer in place of `...`. A cell without an answer shows the question.

# %%
check("c6.1", ...)

# %%
tokens = np.array([0.9989] + [0.001 / 3] * 3 + [0.0001 / 12] * 12)
check("c6.2", ...)

# %%
check("c6.3", ..., result)

# %%
check("c6.4", ...)

# %% [markdown]
# **What the runs of the claim say**: a tuned model speaks one style everywhere, and no temperature brings the others
# back. The page is `docs/claims/c6_consequences.md`.
