"""The law of a context-free grammar with recursion, such as those of brackets: charts of whole batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.exact import unavailable
from sim.languages.matrices import components
from sim.languages.pcfg.language import ContextFree
from sim.laws._chart import Charts, Form
from sim.laws._given import OfGrammar, is_loop, leads_to
from sim.laws._order import FLOATS
from sim.laws._outside import Outside
from sim.laws._portions import ByPortions, portions
from sim.laws._rewriting import Rewriting
from sim.laws.protocol import Batch, Uses, lengths_of, tokens_of

CHUNK = 1 << 21
"""Number of weights of the charts that are kept at once."""

MOST_CELLS = 1 << 27
"""Largest number of weights of the chart of one string: a gigabyte, or two for a parse."""


@dataclass(frozen=True, eq=False)
class Recursive(OfGrammar, ByPortions):
    """The law of any context-free grammar, a `sim.laws.protocol.Law`, in time O(T^3) and memory O(T^2) for a string.

    Rules may be recursive on both sides, empty, and in cycles; strings may have several derivations, which are summed.
    Weights are divided by those of prefixes. A string whose weights might leave the range of float64 is computed with
    a wider type. Raises `UnavailableError` if that is too narrow, too, and for strings that are too long for the
    memory. Grammars without recursion have a faster law, `sim.laws.nonrecursive.NonRecursive`.
    """

    language: ContextFree

    @cached_property
    def _forms(self) -> tuple[Form, ...]:
        return tuple(Form(self.language.binary, self.language.start, kind) for kind in FLOATS)

    def sample(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Draw `number` independent strings: int32[number, T], each with at least one EOS at its end.

        Raises `SpecificationError` if they become too long for the memory.
        """
        return Rewriting(self.language).strings(rng, number)

    def _portions(self, tokens: np.ndarray) -> Iterator[tuple[np.ndarray, Charts]]:
        lengths, K = lengths_of(tokens), len(self.language.binary.null)
        cells = (lengths + 1) ** 2 * K
        if len(cells) and cells.max() > MOST_CELLS:
            why = f"a string of {lengths.max():,} tokens and {K:,} symbols need a chart of over {MOST_CELLS:,} weights"
            raise unavailable("law", why, "give shorter strings")
        for rows in portions(cells, CHUNK):
            width = int(lengths[rows[-1]])
            for form in self._forms:
                with np.errstate(all="ignore"):  # weights outside the range of floats are found by `sure`
                    charts = Charts(form, tokens[rows, :width])
                    sure = charts.sure
                if sure.all():
                    yield rows, charts
                elif sure.any():
                    yield rows[sure], Charts(form, tokens[rows[sure], :width])
                rows = rows[~sure]
                if not len(rows):
                    break
            else:
                why = "the weights of its parts are beyond the range of floats"
                raise unavailable("law", f"string {int(rows[0])} of the batch: {why}", "give shorter strings")

    def parse(self, batch: Batch) -> Uses:
        """The expected uses of every rule at every span, given the string, in the order of strings and spans."""
        tokens = tokens_of(batch, len(self.vocabulary))
        found = [(np.zeros(0, np.int64),) * 4 + (np.zeros(0),)]
        for rows, charts in self._portions(tokens):
            possible = charts.log_whole > -np.inf
            if not possible.all():
                rows, charts = rows[possible], Charts(charts.form, charts.tokens[possible])
            for expected, i, j in Outside(charts, len(self.parts)).uses() if len(rows) else ():
                string, rule = np.nonzero(expected)
                place = np.full(len(rule), i), np.full(len(rule), j)
                found.append((rows[string], rule, *place, expected[string, rule]))
        string, rule, begin, end, uses = (np.concatenate(column) for column in zip(*found, strict=True))
        order = np.lexsort((rule, -end, begin, string))
        return Uses(*(column[order] for column in (string, rule, begin, end, uses)))


def is_recursive(language: ContextFree) -> bool:
    """Whether some non-terminal occurs in what it derives."""
    graph = leads_to(language)
    return any(is_loop(block, graph) for block in components(graph))
