"""Restrictions by their texts. The text of a late one says which model, and which stage, its S depends on."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from sim.config import construct, is_late
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.languages.starting import StartingModel
from sim.numerics import SpecificationError
from sim.running import checks
from sim.training.late import stand_in
from sim.training.recipes import Make

BASE = "base"
"""What a text holds beside the node of a late restriction. It is no argument, because the program gives it."""


def text(node: Mapping[str, Any], model: Mapping[str, Any], stage: int) -> str:
    """Return the text that stands for a restriction. Equal texts are one object, also in different stages.

    A late restriction belongs to one model and one stage, whose number is 1 for the fine-tuning.
    """
    if not is_late("restriction", node):
        return json.dumps(node, sort_keys=True)
    return json.dumps({**node, BASE: {"model": model, "stage": stage}}, sort_keys=True)


def restricted(written: str, place: str, p: FiniteLanguage) -> Restricted:
    """Return the restriction of a text. A late one is made of P in place of the model, so that mistakes show early."""
    node = json.loads(written)
    if not is_late("restriction", node):
        return checks.restricted(construct("restriction", node, place, p), p, node)
    base = node.pop(BASE)
    model = checks.model(construct("model", base["model"], "model", p.trie), p.trie, base["model"])
    return _made(node, place, p, stand_in(model, p, base["stage"]))


def make(node: Mapping[str, Any], place: str, p: FiniteLanguage) -> Make | None:
    """Return what makes a late restriction of the model with which its stage begins; None for another one."""
    return partial(_made, node, place, p) if is_late("restriction", node) else None


def _made(node: Mapping[str, Any], place: str, p: FiniteLanguage, base: StartingModel) -> Restricted:
    found = checks.restricted(construct("restriction", node, place, p, base=base), p, node)
    if found.p is not None:
        raise SpecificationError(
            f"{place}: a late restriction that adds no strings to P is required, found {node['kind']}; return p=None"
        )
    return found
