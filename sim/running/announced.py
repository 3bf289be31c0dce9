"""The key `claim` of a run: it must be what a claim announces, so that its runs test the predictions as they are."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sim.config import members
from sim.disk.records import DESCRIPTION
from sim.numerics import SpecificationError, nearest


def check_claim(claim: str | None) -> None:
    """Raise SpecificationError unless `claim` is null, or the name of a claim with its present digest, name@digest."""
    if claim is None:
        return
    name = claim.partition("@")[0]
    announced = getattr(claim_of(name), "announced", None)
    if announced is None:
        known = {other: one.announced for other in members("experiment") if (one := claim_of(other)) is not None}
        raise SpecificationError(
            f"claim: one of {', '.join(known.values())}, or null, is required, found {claim!r}{nearest(name, known)}"
        )
    if claim != announced:
        raise SpecificationError(
            f"claim: {announced} is required, found {claim!r}; write it into the YAML file of the experiment, because "
            f"the predictions in {members('experiment')[name].file} have this digest"
        )


def claim_of(name: str) -> Any:
    """Return the claim of an experiment, see `experiments.predictions`; None if there is no such claim."""
    found = members("experiment").get(name)
    claim = None if found is None else getattr(found.load(), "CLAIM", None)
    return claim if hasattr(claim, "announced") else None


def kept_for_others(kept: Iterable[tuple[str | None, Path]]) -> list[str]:
    """Return a line that warns of kept runs that were made for other predictions; none if there are no such runs.

    `kept` holds the key `claim` of the configuration, which `check_claim` has accepted, and the folder of the record.
    """
    others: dict[tuple[str, str], list[str]] = {}
    for claim, place in kept:
        if claim is None:
            continue
        before = json.loads((place / DESCRIPTION).read_bytes())["config"].get("claim")
        if claim_of(claim.partition("@")[0]).made_for(before) == "other":
            others.setdefault((claim, before or "no claim"), []).append(place.name)
    return [
        f"WARNING: kept although made for {before}, not for {claim}: {', '.join(names[:3])}"
        f"{f' and {len(names) - 3} more runs' if len(names) > 3 else ''}; these runs do not test the claim: move or "
        "delete their records, and give the command again"
        for (claim, before), names in others.items()
    ]
