"""A few prompts with their likeliest answers before and after fine-tuning, and sampled answers to one prompt."""

import numpy as np
import polars as pl

from experiments.demo.lines import BASE, TUNED, named
from sim.show.blocks import Table
from sim.show.width import shortened
from sim.show.writing import percent

NUM_PROMPTS, NUM_ANSWERS, MAX_CELLS, NUM_SAMPLES = 4, 3, 42, 5
"""Numbers of prompts (the most frequent ones), of answers per model, of cells of a terminal, and of samples."""


def examples(documents: pl.DataFrame, strings: pl.DataFrame, phases: pl.DataFrame) -> pl.DataFrame:
    """Return a tidy table of the likeliest answers to a few prompts, a row per answer.

    Columns: those of the documents (prompt, answer, style, p, s, ...), the probability under each model (q₀ before, q
    after, and each control by its name), and `chosen`: whether the answer is likely before or only after.
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
    """Sample answers to the most frequent prompt from the base model and from the fine-tuned model.

    Columns: number, model, prompt, answer, style. Answers are drawn from the recorded probabilities, so only answers of
    P appear; a sample off the support is marked as such.
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
    """Return the probability of every document under every model in the end, with a column for each model."""
    last = strings.filter(pl.col("step") == pl.col("step").max().over("phase"))
    wide = last.pivot("phase", index="index", values="q")
    return wide.rename({phase: column for column, phase in named(phases).items()})


def _prompts(documents: pl.DataFrame) -> pl.Series:
    """Return the prompts, the most frequent ones first."""
    once = documents.select("prompt", "prompt_mass").unique()
    return once.sort("prompt_mass", "prompt", descending=[True, False])["prompt"]


def example_tables(table: pl.DataFrame, phases: pl.DataFrame) -> list[Table]:
    """Return a table per prompt: what q₀ prefers, then what q prefers. Without prompts, there is one for strings."""
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
    """Return the samples of both models side by side."""
    before, after = (table.filter(model=model)["answer"].to_list() for model in (BASE, TUNED))
    prompt = table["prompt"][0]
    title = f"sampled answers to “{prompt}”" if prompt else "sampled strings"
    return Table(("before (q₀)", "after (q)"), tuple(zip(before, after, strict=True)), 2, title)


def _row(row: dict[str, object], styled: bool, models: list[str]) -> list[str]:
    answer = str(row["answer"])
    return (
        [shortened(answer, MAX_CELLS)]
        + ([str(row["style"])] if styled else [])
        + [probability(float(str(row[name]))) for name in models]
    )


def probability(value: float) -> str:
    """Write a probability in percent with one decimal place, or "< 0.1 %"."""
    if value in (0.0, 1.0) or value >= 0.9995:
        return percent(value)
    return f"{100 * value:.1f} %" if value >= 0.0005 else "< 0.1 %"
