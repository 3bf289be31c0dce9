"""Exact targets of languages that are not listed: a step of a training against drawing its batch with all its laws."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import Result, alternate, ratios
from benchmarks.laws import seconds
from sim.grammars._levels import level_grammar
from sim.grammars.file import read
from sim.languages.exact import ExactLanguage
from sim.languages.trie import Trie
from sim.laws.reading import law
from sim.models.transformer import transformer
from sim.objectives.sft import Sft
from sim.optimizers.adam import Adam
from sim.training.fed import Task, advance, begin
from sim.training.parts import Fed
from sim.unlisted.world import Seen

CFG3B = Path(__file__).parents[1] / "examples" / "grammars" / "cfg3b.json"

LEAST = 20.0
"""Goal for a model of a million parameters: a step takes 20 times as long as its targets, so these are 5 % of it."""

SIZES = {"30 thousand": (32, 2), "150 thousand": (64, 3), "0.8 million": (128, 4)}
"""Widths and depths of transformers, by their parameters."""


def against_step(name: str, language: ExactLanguage, length: int, batch: int, size: str, rounds: int) -> Result:
    """The time of all cores for a step, against that for its batch: drawn strings, and the law of every token."""
    own, (width, depth) = Seen(law(language), length), SIZES[size]
    shape = Trie(np.zeros((1, length), np.int32), len(language.vocabulary))
    model = transformer(shape, width=width, depth=depth, heads=4)
    task = Task(jax.random.key(0), model.init(jax.random.key(1)), model, Sft("exact"), Adam(1e-3), 100.0)
    dice = np.random.default_rng(0)

    def prepared() -> Fed:
        rows = own.sample(dice, batch)
        with np.errstate(divide="ignore"):
            laws = np.log(own.next_token(rows)).astype(np.float32)
        return Fed(jnp.asarray(rows), jnp.full(batch, 1.0 / batch), jnp.asarray(laws))

    given, state = prepared(), begin(task)
    jax.block_until_ready(advance(task, state, given))
    found = alternate(
        {
            "step": lambda: seconds(lambda: jax.block_until_ready(advance(task, state, given))),
            "batch": lambda: seconds(prepared),
        },
        rounds,
    )
    number = sum(int(leaf.size) for leaf in jax.tree.leaves(task.init))
    return Result(
        "fed",
        f"step of a transformer of {size} parameters against its exact targets, {name}",
        **ratios(found["step"], found["batch"]),
        reach=LEAST if number > 500_000 else None,
        note=f"{batch} strings of up to {length} tokens, {number:,} parameters",
        measured={f"{key} ms": 1e3 * float(np.median(values)) for key, values in found.items()},
    )


def run(quick: bool = False) -> list[Result]:
    """Measure a grammar of four levels with three sizes of models, and cfg3b with the largest."""
    four = level_grammar(2 if quick else 4, seed=0)
    length = int(four.longest) + 1
    if quick:
        return [against_step("two levels", four, length, 4, "30 thousand", 1)]
    found = [against_step("four levels", four, length, 32, size, 7) for size in SIZES]
    return [*found, against_step("cfg3b", read(str(CFG3B)), 320, 12, "0.8 million", 5)]
