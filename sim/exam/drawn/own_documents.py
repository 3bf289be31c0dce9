"""Documents that a model wrote itself: the only ones that show what it writes outside of the language."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from sim.estimators._one_sided import lower_mean
from sim.exam.drawn.estimating import Found
from sim.exam.drawn.masses import Masses, counted
from sim.exam.drawn.means import ERROR, LITTLE, Mean, bounded, floored, unknown
from sim.exam.drawn.world import DrawnWorld
from sim.exam.sheets import UNITS, How, Name
from sim.exam.tables import DOCUMENT, MODEL, read_table
from sim.numerics import EOS, SpecificationError, nearest
from sim.quantity import Quantity

TEXT, ENDED = "text", "ended"
"""Columns of a file of own documents: the words with one space between them, and whether the model ended it."""


@dataclass(frozen=True, eq=False)
class Own:
    """n documents that a model wrote, independent draws from q. log_p: -inf where P cannot write them [nat].

    kept: whether S can write each. cut: those that were cut off before their end, and could still become documents of
    P; nothing else is known of them. log_q: log q(x) [nat], if it is known.
    """

    place: Path
    log_p: np.ndarray  # float64[n]
    kept: np.ndarray  # bool[n]
    cut: np.ndarray  # bool[n]
    log_q: np.ndarray | None

    def masses(self, of_strings: bool, error: float = ERROR) -> Masses:
        """Return q(A), q(B) and q(⊥) by counting; all three intervals hold together. A and B need an event of strings.

        A document that was cut off counts as any of the three.
        """
        n, unknown_ = len(self.log_p), int(self.cut.sum())
        inside = (self.log_p > -math.inf) & ~self.cut
        off = int((~inside & ~self.cut).sum())
        if not of_strings:
            none = Mean(Quantity(0.0, 1.0, "estimated", None, 1.0, n, "none"))
            return Masses(none, none, counted(off, unknown_, n, error))
        held = int((inside & self.kept).sum()), int((inside & ~self.kept).sum()), off
        a, b, rest = (counted(one, unknown_, n, error / 3.0) for one in held)
        return Masses(a, b, rest)

    def numbers(self) -> Iterator[Found]:
        """Iterate over what own documents alone tell: how rare they are under P, H(q), and KL(q‖P) inside of P.

        The last two need log q. None of them is known if documents were cut off: those that end are the short ones.
        """
        inside = self.log_p > -math.inf
        if self.cut.any() or not inside.any():
            return
        yield Found("own_surprise", _positive(-self.log_p[inside]))
        if self.log_q is not None:
            yield Found("entropy", _positive(-self.log_q))
            yield Found("reverse", self._reverse(inside))

    def _reverse(self, inside: np.ndarray) -> Mean:
        """KL(q'‖P) = E_q'[log q/P] - log q(supp P), where q' is q given that P can write the document [nat].

        P(log q/P < -c | supp) <= e^-c / q(supp), so cutting below -c raises the mean by at most that.
        """
        assert self.log_q is not None
        n, held = len(inside), int(inside.sum())
        share = counted(held, 0, n, ERROR / 2.0).number
        ratio = self.log_q[inside] - self.log_p[inside]
        mean = bounded(ratio, floored(ratio), None, (-LITTLE / share.lower, 0.0), error=ERROR / 2.0)
        value = float(ratio.mean()) - math.log(held / n)
        low = max(0.0, mean.number.lower - math.log(share.upper))
        return Mean(Quantity(low, math.inf, "estimated", value, 1.0 - ERROR, held, "proved"))


def _positive(values: np.ndarray) -> Mean:
    """Estimate a mean of numbers of at least 0 without a known limit: it has a lower end alone."""
    low = lower_mean(values, 0.0, ERROR)
    return Mean(Quantity(low, math.inf, "estimated", float(values.mean()), 1.0 - ERROR, len(values), "proved"),
                unknown(values).usual)  # fmt: skip


def read_own(files: Sequence[Path], world: DrawnWorld, how: How) -> dict[str, Own]:
    """Return the documents of each model. Raises SpecificationError for a wrong file, and for a model there twice."""
    found: dict[str, Own] = {}
    for file in files:
        table = read_table(file)
        if TEXT not in table:
            raise SpecificationError(
                f"{file}: the column {TEXT} is required in documents that the model wrote, found "
                f"{', '.join(table) or 'none'}{nearest(TEXT, table)}"
            )
        names = [str(one) for one in table.get(MODEL, ["after"] * len(table[TEXT]))]
        for name in dict.fromkeys(names):
            if name not in get_args(Name) or name in found:
                wanted = ", ".join(get_args(Name))
                raise SpecificationError(
                    f"{file}: {MODEL}: one of {wanted}, each in one file, is required, found {name!r}"
                )
            rows = [row for row, one in enumerate(names) if one == name]
            found[name] = _own(file, {key: [column[row] for row in rows] for key, column in table.items()}, world, how)
    return found


def _own(file: Path, table: Mapping[str, Sequence[Any]], world: DrawnWorld, how: How) -> Own:
    texts = [str(one) for one in table[TEXT]]
    ended = np.array([_truth(one, file) for one in table.get(ENDED, [True] * len(texts))], bool)
    words = {symbol: token for token, symbol in enumerate(world.laws.p.vocabulary.symbols) if token != EOS}
    tokens = [[words.get(word, EOS) for word in text.split()] for text in texts]
    known = np.array([EOS not in row for row in tokens], bool)
    log_p, log_s = np.full(len(texts), -math.inf), np.full(len(texts), -math.inf)
    whole, part = np.flatnonzero(known & ended), np.flatnonzero(known & ~ended)
    if len(whole):
        log_p[whole], log_s[whole] = world.laws.scores(_filled([tokens[row] for row in whole]))
    cut = np.zeros(len(texts), bool)
    if len(part):
        cut[part] = world.laws.possible(_filled([tokens[row] for row in part]))
    log_q = (
        None if DOCUMENT not in table else np.array([_number(one, file) for one in table[DOCUMENT]]) * UNITS[how.unit]
    )
    if log_q is not None and not ((log_q <= how.rounding) & (log_q > -math.inf)).all():
        raise SpecificationError(
            f"{file}: {DOCUMENT}: finite logarithms of probabilities, at most 0, are required for documents that the "
            f"model wrote, found {log_q[~((log_q <= how.rounding) & (log_q > -math.inf))][0] / UNITS[how.unit]:g}"
        )
    return Own(file, log_p, log_s > -math.inf, cut, log_q)


def _filled(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Rows of tokens as int32[n, T], filled up with EOS."""
    found = np.zeros((len(rows), max(map(len, rows)) + 1), np.int32)
    for row, tokens in zip(found, rows, strict=True):
        row[: len(tokens)] = tokens
    return found


def _number(value: Any, file: Path) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise SpecificationError(f"{file}: {DOCUMENT}: a number is required in every row, found {value!r}") from None


def _truth(value: Any, file: Path) -> bool:
    if str(value).lower() not in ("true", "false"):
        raise SpecificationError(f"{file}: {ENDED}: true or false is required in every row, found {value!r}")
    return str(value).lower() == "true"
