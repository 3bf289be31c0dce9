"""Which method is surely nearer to the frontier than which other: ratios in the same worlds, all pairs at once.

A pair of ways (a method with a strength) is compared by the ratios of their distances in the worlds that both have
reached. Distances of one atlas span factors of hundreds, so logarithms are what varies evenly. If two ways are equal,
the log-ratio is as likely to have either sign in every world, and the signs of all log-ratios of a world can be flipped
together. So the largest of all |t| of the pairs is compared with its law under all flips. In at most ERROR of all
atlases is then any pair of equal ways said to differ, however the pairs depend on each other. Source: P. Westfall & S.
Young 1993, "Resampling-based multiple testing" (maxT in one step).
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from experiments.statistics import interval

ERROR = 0.05
"""The probability that any of the orders that are said at one fit, in one language, is wrong."""

ALL_FLIPS = 13
"""Up to this number of worlds every flip of signs is tried; of more worlds FLIPS random ones."""

FLIPS = 4096

PAIRS = 400
"""Number of pairs that are compared at a time."""

FEWEST = 6
"""Least number of worlds that two ways must share: below it every p-value is above ERROR."""

SHARE = 0.75
"""They must also share this part of all worlds: a pair with few worlds has a large t by chance too often."""

RESOLUTION = 1e-9
"""It is added to distances before their logarithm is taken: they are no better known [nat]."""

TIE = 1e-9
"""Scores closer than this, relatively, are equal."""

COLUMNS = ("language", "level", "place", "method", "strength", "worlds", "tried", "above", "above_lower", "above_upper",
           "ratio", "ratio_lower", "ratio_upper")  # fmt: skip
"""Columns of the table `places`."""


def sign_flips(worlds: int) -> np.ndarray:
    """Return the signs of the worlds in every flip, [F, W]; the first row flips nothing. -1 times a row is no row."""
    if worlds <= ALL_FLIPS:
        others = np.array(list(itertools.product((1.0, -1.0), repeat=worlds - 1))).reshape(-1, worlds - 1)
    else:
        others = np.random.default_rng(0).choice((1.0, -1.0), (FLIPS, worlds - 1))
        others[0] = 1.0
    return np.concatenate([np.ones((len(others), 1)), others], axis=1)


def surely_less(values: np.ndarray) -> np.ndarray:
    """Return p-values of "the mean of way i is less than that of way j", [K, K], adjusted for all pairs.

    values: [W, K], one distance for each world and way; nan where a way has none. A pair counts the worlds that both
    have, if they are enough (FEWEST, SHARE). p is 1 where they are not, and where the mean of i is not below that of j.
    Infinite distances are left out like missing ones.
    """
    worlds, ways = values.shape
    found = np.ones((ways, ways))
    first, second = np.triu_indices(ways, 1)
    there = np.isfinite(values).astype(np.float64)
    counts = (there.T @ there)[first, second].round().astype(np.int64)
    enough = counts >= max(FEWEST, SHARE * worlds)
    first, second, counts = first[enough], second[enough], counts[enough]
    if not len(first):
        return found
    flips = sign_flips(worlds)
    largest = {count: np.zeros(len(flips)) for count in np.unique(counts).tolist()}
    own, sign = np.empty(len(first)), np.empty(len(first))
    for begin in range(0, len(first), PAIRS):
        some = slice(begin, begin + PAIRS)
        with np.errstate(invalid="ignore"):
            difference = values[:, second[some]] - values[:, first[some]]
        share, sign[some] = _shares(np.where(np.isfinite(difference), difference, 0.0), counts[some], flips)
        own[some] = share[0]
        for count, before in largest.items():
            largest[count] = np.maximum(before, share[:, counts[some] == count].max(axis=1, initial=0.0))
    highest = np.max([_score(one, count) for count, one in largest.items()], axis=0)
    score = _score(own, counts)
    p = np.array([(highest >= one * (1.0 - TIE)).mean() for one in score])
    p[own == 0.0] = 1.0
    found[first, second] = np.where(sign > 0.0, p, 1.0)
    found[second, first] = np.where(sign < 0.0, p, 1.0)
    return found


def _shares(difference: np.ndarray, counts: np.ndarray, flips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (Σ d)²/(n Σ d²) of every flip and pair, which is t²/(t² + n - 1), and the signs of the sums."""
    sums, squares = flips @ difference, counts * (difference**2).sum(axis=0)
    share = np.divide(sums**2, squares, out=np.zeros_like(sums), where=squares > 0.0)
    return np.minimum(share, 1.0), np.sign(sums[0])  # above 1 by rounding alone


def _score(share: np.ndarray, count: int | np.ndarray) -> np.ndarray:
    """Return minus the log of the p-value of Student's t, which makes pairs with different numbers comparable."""
    from scipy.special import stdtr  # imported here, because a report without a ranking does not need scipy

    with np.errstate(divide="ignore"):
        t = np.sqrt(share * (count - 1) / (1.0 - share))
        return np.asarray(-np.log(2.0 * stdtr(count - 1, -t)))


def matrix(found: pl.DataFrame) -> tuple[list[tuple[str, str]], np.ndarray]:
    """Return the ways (method, strength) of a table of crossings at one level, and their distances, [W, K]."""
    ways = found.select("method", "strength").unique(maintain_order=True).rows()
    seeds, column = found["seed"].unique().sort().to_list(), {way: at for at, way in enumerate(ways)}
    values = np.full((len(seeds), len(ways)), np.nan)
    for method, strength, seed, above in found.select("method", "strength", "seed", "above").iter_rows():
        values[seeds.index(seed), column[method, strength]] = np.nan if above is None else above
    return ways, values


def logs(distances: np.ndarray) -> np.ndarray:
    """Return the logarithms of distances [nat], with RESOLUTION. Raises ArithmeticError if one is negative."""
    if (distances < -RESOLUTION / 2).any():
        raise ArithmeticError(f"distances of at least 0 are required, found {np.nanmin(distances)!r}")
    return np.asarray(np.log(distances + RESOLUTION))


@dataclass(frozen=True, eq=False)
class Compared:
    """The ways (method, strength) at one level in one language, their distances [W, K], and p of `surely_less`.

    p: of "way i is nearer than way j", [K, K], by the logarithms of the distances.
    """

    language: str
    level: float
    ways: list[tuple[str, str]]
    values: np.ndarray
    p: np.ndarray


def compared(crossed: pl.DataFrame) -> list[Compared]:
    """Compare all ways of a table of crossings, at every level and in every language."""
    return [
        Compared(str(language), float(level), *(sides := matrix(found)), surely_less(logs(sides[1])))
        for (language, level), found in crossed.group_by("language", "level", maintain_order=True)
    ]


def orders(comparisons: Sequence[Compared], error: float = ERROR) -> pl.DataFrame:
    """Return the methods that are surely nearer than another one: language, level, nearer, farther, strength, p.

    A method is surely nearer if one of its strengths, which is named, is surely nearer than every strength of the other
    that reaches the fit. It may be chosen by looking, because all pairs of ways hold at once.
    """
    rows: list[tuple[object, ...]] = []
    for one in comparisons:
        own = np.array([method for method, _ in one.ways])
        for farther in dict.fromkeys(own.tolist()):
            worst = one.p[:, own == farther].max(axis=1)
            for nearer in dict.fromkeys(own.tolist()):
                mine = np.flatnonzero(own == nearer)
                best = int(mine[worst[mine].argmin()])
                if nearer != farther and worst[best] <= error:
                    rows.append((one.language, one.level, nearer, farther, one.ways[best][1], float(worst[best])))
    schema = {"language": pl.String, "level": pl.Float64, "nearer": pl.String, "farther": pl.String}
    return pl.DataFrame(rows, schema=schema | {"strength": pl.String, "p": pl.Float64}, orient="row")


def places(comparisons: Sequence[Compared], last: pl.DataFrame) -> pl.DataFrame:
    """Return the ranking at every level, see COLUMNS, the nearest first by the mean of log-distances.

    place: one more than the number of other methods that are surely nearer at some strength; so ties share a place. It
    is null for a way that reaches the fit in too few worlds to be compared. worlds: in how many it reaches the fit;
    tried: in how many it was run; above: the mean distance [nat]; ratio: the geometric mean of the quotients by the
    distance of the nearest placed way, in the same worlds. Both have 95 % intervals over worlds.
    """
    tried = {key: own["seed"].n_unique() for key, own in last.group_by("language", "method", "strength")}
    rows: list[tuple[object, ...]] = []
    for one in comparisons:
        values, worlds = one.values, len(one.values)
        sure, number = one.p <= ERROR, np.isfinite(values).sum(axis=0)
        reached = (~np.isnan(values)).sum(axis=0)
        log = logs(values)
        means = np.divide(np.nansum(log, axis=0), reached, out=np.full(len(reached), np.nan), where=reached > 0)
        placed = (number >= max(FEWEST, SHARE * worlds)) & (len(one.ways) > 1)
        best = _best(means, placed if placed.any() else number == worlds)
        for at in np.argsort(means, kind="stable").tolist():
            method = one.ways[at][0]
            nearer = {other for (other, _), less in zip(one.ways, sure[:, at], strict=True) if less} - {method}
            ratio = log[:, at] - log[:, best] if best is not None else np.full(worlds, np.nan)
            counts = int(reached[at]), tried.get((one.language, *one.ways[at]))
            place = 1 + len(nearer) if placed[at] else None
            shown = *mean_of(values[:, at]), *(None if one is None else math.exp(one) for one in mean_of(ratio))
            rows.append((one.language, one.level, place, *one.ways[at], *counts, *shown))
    numbers = dict.fromkeys(COLUMNS[7:], pl.Float64) | dict.fromkeys(("place", "worlds", "tried"), pl.Int64)
    schema = {name: numbers.get(name, pl.Float64 if name == "level" else pl.String) for name in COLUMNS}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _best(means: np.ndarray, among: np.ndarray) -> int | None:
    chosen = np.where(among & np.isfinite(means), means, np.inf)
    return int(chosen.argmin()) if np.isfinite(chosen).any() else None


def mean_of(values: np.ndarray) -> tuple[float | None, float | None, float | None]:
    """Return the mean of what is not nan, and its 95 % interval over worlds; none for one world, or for infinities."""
    values = values[~np.isnan(values)]
    if not len(values):
        return None, None, None
    if len(values) < 2 or not np.isfinite(values).all():
        return float(values.mean()), None, None
    found = interval(values)
    return found.estimate, found.lower, found.upper
