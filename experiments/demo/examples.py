"""A handful of prompts with their most likely answers before and after fine-tuning, and with sampled answers."""

import numpy as np
import polars as pl

from experiments.demo.lines import BASE, TUNED, named
from sim.show.blocks import Table
from sim.show.writing import percent

NUM_PROMPTS, NUM_ANSWERS, MAX_CHARACTERS, NUM_SAMPLES = 4, 3, 42, 5
"""Prompts shown (the most frequent ones), answers shown of each model, how much of an answer is shown, and samples."""


def examples(documents: pl.DataFrame, strings: pl.DataFrame, phases: pl.DataFrame) -> pl.DataFrame:
    """Tidy: prompt, answer, style, p, s, a probability per model and the rank before and after, for a few prompts.

    Columns of the models: q₀ (before), q (after), and a control's name. `chosen` says why an answer is listed.
    """
    wide = documents.join(_last(strings, phases), on="index", maintain_order="left")
    parts = []
    for prompt in _prompts(documents).head(NUM_PROMPTS):
        of_prompt = wide.filter(pl.col("prompt") == prompt)
        before = of_prompt.sort(BASE, "index", descending=[True, False]).head(NUM_ANSWERS)
        after = of_prompt.sort(TUNED, "index", descending=[True, False]).head(NUM_ANSWERS)
        parts.append(before.with_columns(chosen=pl.lit("before")))
        parts.append(
            after.filter(~pl.col("index").is_in(before["index"].implode())).with_columns(chosen=pl.lit("after"))
        )
    return pl.concat(parts)


def samples(documents: pl.DataFrame, strings: pl.DataFrame, phases: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Answers to the most frequent prompt, drawn from the base and from the fine-tuned model: number, model, answer.

    Drawn from the recorded probabilities, so that every answer is one of P; what leaves the support is named.
    """
    wide = documents.join(_last(strings, phases), on="index", maintain_order="left")
    own = wide.filter(pl.col("prompt") == _prompts(documents)[0])
    dice = np.random.default_rng(seed)
    rows = []
    for model in (BASE, TUNED):
        places = np.searchsorted(np.cumsum(own[model].to_numpy()), dice.random(NUM_SAMPLES), side="right")
        for number, drawn in enumerate(places):
            inside = drawn < own.height
            answer = own["answer"][int(drawn)] if inside else "(an answer that P never gives)"
            style = own["style"][int(drawn)] if inside else ""
            rows.append(
                {"number": number, "model": model, "prompt": own["prompt"][0], "answer": answer, "style": style}
            )
    return pl.DataFrame(rows)


def _last(strings: pl.DataFrame, phases: pl.DataFrame) -> pl.DataFrame:
    """Probability of every document under every model in the end: a column for each."""
    last = strings.filter(pl.col("step") == pl.col("step").max().over("phase"))
    wide = last.pivot("phase", index="index", values="q")
    return wide.rename({phase: column for column, phase in named(phases).items()})


def _prompts(documents: pl.DataFrame) -> pl.Series:
    """The prompts, the most frequent first."""
    once = documents.select("prompt", "prompt_mass").unique()
    return once.sort("prompt_mass", "prompt", descending=[True, False])["prompt"]


def example_tables(table: pl.DataFrame, phases: pl.DataFrame) -> list[Table]:
    """A table per prompt (one of strings where there are none): what q₀ prefers, then what q prefers."""
    styled = bool((table["style"] != "").any())
    controls = [column for column in named(phases) if column not in (BASE, TUNED)]
    models = {"P": "p", "q₀ before": BASE, "q after": TUNED} | {name: name for name in controls}
    first = "answer" if (table["prompt"] != "").any() else "string"
    words = [first, "style"] if styled else [first]
    return [
        Table(
            tuple(words) + tuple(models),
            tuple(tuple(_row(row, styled, list(models.values()))) for row in part.iter_rows(named=True)),
            len(words),
            str(prompt) or "most likely strings",
        )
        for (prompt,), part in table.group_by("prompt", maintain_order=True)
    ]


def sample_table(table: pl.DataFrame) -> Table:
    """The samples side by side."""
    before, after = (table.filter(model=model)["answer"].to_list() for model in (BASE, TUNED))
    prompt = table["prompt"][0]
    title = f"sampled answers to “{prompt}”" if prompt else "sampled strings"
    return Table(("before (q₀)", "after (q)"), tuple(zip(before, after, strict=True)), 2, title)


def _row(row: dict[str, object], styled: bool, models: list[str]) -> list[str]:
    answer = str(row["answer"])
    short = answer if len(answer) <= MAX_CHARACTERS else answer[: MAX_CHARACTERS - 1] + "…"
    return [short] + ([str(row["style"])] if styled else []) + [probability(float(str(row[name]))) for name in models]


def probability(value: float) -> str:
    """A probability as a student reads it: percent, or "< 0.1 %"."""
    if value in (0.0, 1.0) or value >= 0.9995:
        return percent(value)
    return f"{100 * value:.1f} %" if value >= 0.0005 else "< 0.1 %"
