"""The world of a record as arrays and JSON: P, and the restrictions of its stages, on one trie."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.restricted import Restricted
from sim.languages.trie import Trie
from sim.languages.vocabulary import Vocabulary


def language_arrays(p: FiniteLanguage) -> dict[str, np.ndarray]:
    """Return the arrays of P."""
    styles = {} if p.styles is None else {"world/log_style_posterior": p.styles.log_posterior}
    return {"world/strings": p.trie.strings, "world/log_p": p.log_p, **styles}


def language_description(p: FiniteLanguage) -> dict[str, Any]:
    """Return what is needed of P besides its arrays, as JSON."""
    words = p.vocabulary
    vocabulary = {"symbols": list(words.symbols), "prompt_end": words.prompt_end, "joiner": words.joiner}
    return {"vocabulary": vocabulary, "styles": None if p.styles is None else list(p.styles.names)}


def language(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> FiniteLanguage:
    """Return P."""
    words, names = about["vocabulary"], about["styles"]
    vocabulary = Vocabulary(tuple(words["symbols"]), words["prompt_end"], words["joiner"])
    trie = Trie(arrays["world/strings"], len(vocabulary))
    styles = None if names is None else Styles(tuple(names), arrays["world/log_style_posterior"])
    return FiniteLanguage(vocabulary, trie, arrays["world/log_p"], styles)


def restricted_arrays(restricted: Restricted, place: str) -> dict[str, np.ndarray]:
    """Return the arrays of a restriction; their names begin with `place` and a slash."""
    arrays = {"log_s": restricted.s.log_p, "log_kept": restricted.kept.log_p, "event": restricted.event}
    if restricted.log_member is not None:
        arrays["log_member"] = restricted.log_member
    return {f"{place}/{name}": values for name, values in arrays.items()}


def restricted_description(restricted: Restricted) -> dict[str, Any]:
    """Return what is needed of a restriction besides its arrays, as JSON."""
    return {"log_mass": restricted.log_mass, "notes": dict(restricted.notes)}


def restricted(p: FiniteLanguage, said: Mapping[str, Any], arrays: Mapping[str, np.ndarray], place: str) -> Restricted:
    """Return a restriction of P from its arrays and its description."""
    s, kept = (
        FiniteLanguage(p.vocabulary, p.trie, arrays[f"{place}/{name}"], p.styles) for name in ("log_s", "log_kept")
    )
    member = arrays.get(f"{place}/log_member")
    return Restricted(s, kept, arrays[f"{place}/event"], said["log_mass"], said["notes"], member)
