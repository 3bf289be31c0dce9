"""A handful of prompts with their most likely answers before and after fine-tuning."""

import polars as pl

from experiments._numbers import percent
from experiments._report import Table

NUM_PROMPTS, NUM_ANSWERS, MAX_CHARACTERS = 4, 3, 42
"""Prompts shown (the most frequent ones), answers shown of each model, and how much of an answer is shown."""


def examples(documents: pl.DataFrame, strings: pl.DataFrame) -> pl.DataFrame:
    """Tidy: prompt, answer, style, p, s, a probability per model and the rank before and after, for a few prompts.

    Columns of the models: q0 (before), q (after), and a control's name. `chosen` says why an answer is listed.
    """
    last = strings.filter(pl.col("step") == pl.col("step").max().over("phase"))
    wide = last.pivot("phase", index="index", values="q").rename({"pretrain": "q0", "sft": "q"})
    wide = documents.join(wide, on="index", maintain_order="left")
    prompts = wide.select("prompt", "prompt_mass").unique().sort("prompt_mass", "prompt", descending=[True, False])
    parts = []
    for prompt in prompts["prompt"].head(NUM_PROMPTS):
        of_prompt = wide.filter(pl.col("prompt") == prompt)
        before = of_prompt.sort("q0", "index", descending=[True, False]).head(NUM_ANSWERS)
        after = of_prompt.sort("q", "index", descending=[True, False]).head(NUM_ANSWERS)
        parts.append(before.with_columns(chosen=pl.lit("before")))
        parts.append(
            after.filter(~pl.col("index").is_in(before["index"].implode())).with_columns(chosen=pl.lit("after"))
        )
    return pl.concat(parts)


def example_tables(table: pl.DataFrame, controls: list[str]) -> list[Table]:
    """A table per prompt (one of strings where there are none): what q₀ prefers, then what q prefers."""
    styled = bool((table["style"] != "").any())
    models = {"P": "p", "q₀ before": "q0", "q after": "q"} | {name: name for name in controls}
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


def _row(row: dict[str, object], styled: bool, models: list[str]) -> list[str]:
    answer = str(row["answer"])
    short = answer if len(answer) <= MAX_CHARACTERS else answer[: MAX_CHARACTERS - 1] + "…"
    return [short] + ([str(row["style"])] if styled else []) + [probability(float(str(row[name]))) for name in models]


def probability(value: float) -> str:
    """A probability as a student reads it: percent, or "< 0.1 %"."""
    if value in (0.0, 1.0) or value >= 0.9995:
        return percent(value)
    return f"{100 * value:.1f} %" if value >= 0.0005 else "< 0.1 %"
