"""Which runs of a multirun go to the same worker, and what they share. This is read from configurations alone.

The structure of a program is decided by texts, switches and sizes. Most numbers are traced. A hint is enough here,
because a worker groups its runs by their exact structure. So runs that were separated wrongly are still trained
together if they come to the same worker, and runs that were put together wrongly are separated.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sim.config import construct, is_late
from sim.phases import entries
from sim.running.identity import pretraining_key, world_parts

Chosen: TypeAlias = Mapping[str, Any]
"""A canonical configuration, see `sim.running.build.settings`."""

_PHASES = ("pretrain", "finetune")
_SIZES_OF_A_PHASE = ("batch_size", "prefixes")
_TRACED = ("objective", "optimizer")


def common_parts(chosen: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Return the parts of a training that are one object for all runs of a group, from their canonical configurations.

    They are decided for the whole group and for all stages, so that all its cohorts use the same compiled programs, and
    the fine-tuning the program of the pretraining.
    """

    def same(*groups: str) -> bool:
        return all(one[group] == chosen[0][group] for one in chosen for group in groups)

    listed = all(world_parts(one) == world_parts(chosen[0]) for one in chosen)
    restricted = listed and same("restriction") and all(_languages(one) == _languages(chosen[0]) for one in chosen)
    restricted = restricted and not any(map(_is_late, chosen))
    found = {"plan", "base"} if listed else set()
    found |= {"model"} if listed and same("model") else set()
    alone = not any(one["finetune"]["controls"] for one in chosen)  # controls have other data, and another reward
    found |= {"watched"} if restricted else set()
    found |= {"event"} if restricted and (alone or not any(map(_takes_reward, chosen))) else set()
    found |= {"data"} if restricted and alone else set()
    return frozenset(found)


def _languages(chosen: Chosen) -> list[Any]:
    """Return the restrictions of the later stages."""
    return [entry["restriction"] for entry in entries(chosen).values()]


def _is_late(chosen: Chosen) -> bool:
    """Return whether an S depends on the model of the run, so that no two runs have it in common."""
    return any(is_late("restriction", node) for node in (chosen["restriction"], *_languages(chosen)))


def _takes_reward(chosen: Chosen) -> bool:
    """Return whether an objective after the pretraining has a reward, see `sim.objectives._enumerated.TakesReward`."""
    nodes = [chosen["objective"], *(entry["objective"] for entry in entries(chosen).values())]
    return any(hasattr(construct("objective", node, "objective"), "takes_reward") for node in nodes)


def hint(chosen: Chosen) -> str:
    """Return a text that is equal for runs that can probably share a program.

    Such runs differ only in the seed, in the numbers of steps, and in rates and probabilities.
    """
    world = {group: _without(chosen[group], float) for group in ("grammar", "dial", "restriction", "model")}
    rules = {group: _without(chosen[group], int | float) for group in _TRACED}
    phases = {name: {key: chosen[name][key] for key in _SIZES_OF_A_PHASE} for name in _PHASES}
    first = {group: _without(chosen["pretrain"][group], int | float) for group in _TRACED}
    tuning = chosen["finetune"]
    beside = [tuning["controls"], tuning["probes"], tuning["kl_every_step"], bool(chosen["relearn"]["num_steps"])]
    beside += [tuning.get("siblings", 0), _without(tuning.get("adapter"), float)]
    beside += [_hint_of_stage(entry) for entry in entries(chosen).values()]
    return json.dumps([world, rules, phases, first, beside], sort_keys=True)


def _hint_of_stage(entry: Mapping[str, Any]) -> list[Any]:
    rules = [_without(entry[group], int | float) for group in _TRACED]
    return [*rules, _without(entry["restriction"], float), *(entry[key] for key in _SIZES_OF_A_PHASE)]


def groups(runs: Sequence[Chosen]) -> list[list[int]]:
    """Group the indices of runs with equal hints. Within a group, runs with the same pretraining are neighbours."""
    found: dict[str, list[int]] = {}
    for index, chosen in enumerate(runs):
        found.setdefault(hint(chosen), []).append(index)
    return [sorted(group, key=lambda index: (pretraining_key(runs[index]), index)) for group in found.values()]


def shares(runs: Sequence[Chosen], workers: int) -> list[list[int]]:
    """Return the indices of the runs for each worker: about equal work, with groups cut as little as possible.

    There are at most `workers` shares. The largest pieces are given away first, each to the worker with the least work.
    """
    costs = [cost(chosen) for chosen in runs]
    limit = sum(costs) / workers
    pieces = [piece for group in groups(runs) for piece in _pieces(group, costs, limit)]
    loads, given = [0.0] * workers, [list[int]() for _ in range(workers)]
    for piece in sorted(pieces, key=lambda piece: -sum(costs[index] for index in piece)):
        least = loads.index(min(loads))
        loads[least] += sum(costs[index] for index in piece)
        given[least] += piece
    return [share for share in given if share]


def cost(chosen: Chosen) -> float:
    """Return the number of strings that a run trains on: steps times batch size, summed over its phases."""
    first, second = (chosen[name]["num_steps"] * chosen[name]["batch_size"] for name in _PHASES)
    again = 2 * chosen["relearn"]["num_steps"] * chosen["finetune"]["batch_size"]
    controls, tunings = chosen["finetune"]["controls"], 1 + chosen["finetune"].get("siblings", 0)
    later = sum(entry["num_steps"] * entry["batch_size"] for entry in entries(chosen).values())
    return float(first + second * (tunings + len(controls)) + later * (1 + ("identity" in controls)) + again)


def _pieces(group: Sequence[int], costs: Sequence[float], limit: float) -> list[list[int]]:
    """Cut a group into consecutive pieces of about equal cost. No piece is much above the limit."""
    total = sum(costs[index] for index in group)
    number = max(1, math.ceil(total / limit - 1e-9))
    pieces, done = [list[int]() for _ in range(number)], 0.0
    for index in group:
        pieces[min(number - 1, int(number * done / total))].append(index)
        done += costs[index]
    return [piece for piece in pieces if piece]


def _without(node: Any, numbers: Any) -> Any:
    """Return the node with None in place of leaves of these types. True and False do not count as numbers."""
    if isinstance(node, Mapping):
        return {key: _without(value, numbers) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_without(value, numbers) for value in node]
    return None if isinstance(node, numbers) and not isinstance(node, bool) else node
