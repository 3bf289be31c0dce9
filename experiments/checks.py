"""The words that a claim may use, and what is wrong with a prediction: in one line with requirement, value and fix."""

import re
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias, get_args

from sim.config import members
from sim.numerics import SpecificationError, nearest

Kind: TypeAlias = Literal["sign", "equality", "bound", "slope", "exponent", "ordering", "report"]
Says: TypeAlias = Literal["same", "opposite", "silent"]
Condition: TypeAlias = Literal["", "met", "not met"]
"""Of which cases a prediction speaks: of all, or of those in which the condition of its claim is met, or is not."""

Standing: TypeAlias = Literal["supported", "refuted", "holds only if", "undecided", "not valid"]
"""The verdict on the sentence of the conversation."""

WITH_VALUE = ("equality", "slope", "exponent")
"""Kinds that compare with a predicted value."""

SIDES = {"<": -1.0, "below": -1.0, "negative": -1.0, ">": 1.0, "above": 1.0, "positive": 1.0}
"""Words for a predicted sign, and the sign."""


def mistakes(one: Any, condition: str, study: str) -> Iterator[str]:
    """Iterate over what is wrong with a prediction of a claim with this condition and this folder of figures."""
    kind, margin, figure = one.kind, one.margin, one.figure
    words = (("kind", kind, Kind), ("says", one.says, Says), ("condition", one.condition, Condition))
    for name, found, allowed in ((name, found, get_args(words)) for name, found, words in words):
        if found not in allowed:
            known = ", ".join(word or repr(word) for word in allowed)
            yield f"{name}: one of {known} is required, found {found!r}{nearest(found, allowed)}"
    if one.condition and not condition:
        yield f"condition: a claim with a condition is required, found {one.condition!r}; write Claim(condition=...)"
    wanted = "a positive number" if kind in WITH_VALUE else "a number of at least 0" if kind == "bound" else ""
    if wanted and (margin is None or margin < 0.0 or (margin == 0.0 and kind in WITH_VALUE)):
        yield f"margin: {wanted} is required for the kind {kind}, found {margin!r}; write margin=..."
    names = [one.split("/")[1] for one in members("figure") if one.startswith(f"{study}/")] if figure else []
    if figure and figure not in names:
        files = f"one of {', '.join(names)}, files in figures/{study}," if names else f"a file in figures/{study}"
        near = nearest(figure, names) or "; write that file, or leave figure out"
        yield f"figure: {files} is required, found {figure!r}{near}"


def check_value(kind: str, words: str, predicted: float | None) -> None:
    """Raise SpecificationError if a value is not predicted that has to be, or if its sign is not that of the words."""
    if kind in WITH_VALUE and predicted is None:
        raise SpecificationError(
            f"value: a number is required for the kind {kind}, found None; write value= in the Prediction, or "
            "predicted= in the Case"
        )
    signs = [SIDES[word] for word in re.findall("|".join(SIDES), words)]
    tested = 1.0 if predicted is None or predicted > 0 else -1.0
    if kind == "sign" and signs and signs[0] != tested:
        raise SpecificationError(
            f"predicted: a number in the Case with the sign of {words!r} is required, found {predicted!r}, with which "
            f"the prediction holds {'above' if tested > 0 else 'below'} 0; write predicted={signs[0]:g}"
        )
