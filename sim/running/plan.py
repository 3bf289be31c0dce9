"""Which points of a multirun are worked on together: read off their canonical configurations, nothing is built.

What decides the structure of a program are texts, switches and sizes; most numbers are traced. A hint is enough here:
whoever trains decides by the exact structure, so points that are kept apart wrongly meet again if they come to the
same worker, and points that are put together wrongly are told apart.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sim.running.identity import pretraining_key

Chosen: TypeAlias = Mapping[str, Any]
"""A canonical configuration, see `sim.running.build.settings`."""

_PHASES = ("pretrain", "finetune")
_SIZES_OF_A_PHASE = ("batch_size", "loss_on", "prefixes")
_TRACED = ("objective", "optimizer")


def hint(chosen: Chosen) -> str:
    """Equal for points that probably run in one program: all the same but seeds, lengths, rates and probabilities."""
    world = {group: _without(chosen[group], float) for group in ("grammar", "dial", "restriction", "model")}
    rules = {group: _without(chosen[group], int | float) for group in _TRACED}
    phases = {name: {key: chosen[name][key] for key in _SIZES_OF_A_PHASE} for name in _PHASES}
    first = {group: _without(chosen["pretrain"][group], int | float) for group in _TRACED}
    beside = [chosen["finetune"]["controls"], chosen["finetune"]["probes"], bool(chosen["relearn"]["num_steps"])]
    return json.dumps([world, rules, phases, first, beside], sort_keys=True)


def groups(points: Sequence[Chosen]) -> list[list[int]]:
    """Indices of points with equal hints, together; in a group, points with the same pretraining are neighbours."""
    found: dict[str, list[int]] = {}
    for index, chosen in enumerate(points):
        found.setdefault(hint(chosen), []).append(index)
    return [sorted(group, key=lambda index: (pretraining_key(points[index]), index)) for group in found.values()]


def shares(points: Sequence[Chosen], workers: int) -> list[list[int]]:
    """Indices of the points for each of at most `workers` workers: about equal work, groups cut as little as possible.

    The largest pieces are given away first, each to the worker with the least to do.
    """
    costs = [cost(chosen) for chosen in points]
    limit = sum(costs) / workers
    pieces = [piece for group in groups(points) for piece in _pieces(group, costs, limit)]
    loads, given = [0.0] * workers, [list[int]() for _ in range(workers)]
    for piece in sorted(pieces, key=lambda piece: -sum(costs[index] for index in piece)):
        least = loads.index(min(loads))
        loads[least] += sum(costs[index] for index in piece)
        given[least] += piece
    return [share for share in given if share]


def cost(chosen: Chosen) -> float:
    """Strings that a run trains on: steps times batch size, over its phases and controls."""
    first, second = (chosen[name]["num_steps"] * chosen[name]["batch_size"] for name in _PHASES)
    again = 2 * chosen["relearn"]["num_steps"] * chosen["finetune"]["batch_size"]
    return float(first + second * (1 + len(chosen["finetune"]["controls"])) + again)


def _pieces(group: Sequence[int], costs: Sequence[float], limit: float) -> list[list[int]]:
    """A group, cut into consecutive pieces of about equal cost, none much above the limit."""
    total = sum(costs[index] for index in group)
    number = max(1, math.ceil(total / limit - 1e-9))
    pieces, done = [list[int]() for _ in range(number)], 0.0
    for index in group:
        pieces[min(number - 1, int(number * done / total))].append(index)
        done += costs[index]
    return [piece for piece in pieces if piece]


def _without(node: Any, numbers: Any) -> Any:
    """The node without its leaves of these types; true and false are no numbers."""
    if isinstance(node, Mapping):
        return {key: _without(value, numbers) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_without(value, numbers) for value in node]
    return None if isinstance(node, numbers) and not isinstance(node, bool) else node
