"""Checks of the frozen worlds: are they what the grammars say, and does log q0 come out?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from classroom.training import log_probs
from classroom.worlds import LARGEST, LIMIT, digest, forgetting, language_of, model_of, parameters, read, stored, truth

CLOSE = 1e-12
"""Largest difference of a log-probability of P [nat]."""

SAME = 1e-4
"""Largest difference of a log-probability of q0 [nat]; machines round float32 differently."""


def mistakes(name: str, folder: Path) -> Iterator[str]:
    """Yield one line for everything that is wrong with a frozen world."""
    world, file = read(name, folder), folder / f"{name}.json"
    if file.stat().st_size > LARGEST:
        yield f"{file}: at most {LARGEST} bytes are required, found {file.stat().st_size}; make the world smaller"
    if world["hash"] != digest(world):
        yield f"{file}: the hash {digest(world)} of its content is required, found {world['hash']}; freeze it again"
    p = language_of(name)
    for key, wanted in truth(name, p).items():
        found = world.get(key)
        equal = _close(found, wanted) if key in ("logP", "posterior") else found == wanted
        if not equal:
            yield f"{file}: the {key} of the grammar is required, found another; freeze it again"
            return
    model = model_of(p)
    answer, document = log_probs(p, model, parameters(model, stored(world)))
    far = np.abs(np.array(world["logQ0"]) - answer).max()
    if not far <= SAME:
        yield f"{file}: log q0 of its parameters within {SAME:g} nat is required, found {far:.2g}; freeze it again"
    lost = forgetting(p, document)
    if not lost <= LIMIT:
        yield f"{file}: KL(P||q0) <= {LIMIT:g} nat is required, found {lost:.3g}; freeze it again"


def _close(found: Any, wanted: Any) -> bool:
    """Return whether two lists of numbers are equal up to rounding, or both None."""
    if found is None or wanted is None:
        return found is wanted
    one, other = np.array(found, float), np.array(wanted, float)
    return one.shape == other.shape and bool(np.abs(one - other).max() <= CLOSE)
