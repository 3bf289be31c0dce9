"""The one rule by which predictions decide a sentence of the conversation, with Holm's correction within a claim."""

from dataclasses import dataclass

import polars as pl

from experiments.checks import Condition, Says, Standing
from experiments.significance import holm

RULE = (
    "Refuted if a prediction for which the conversation says the same is refuted in some case, or if one for which it "
    "says the opposite holds in all its cases (at 5 % for the claim as a whole, by Holm's correction). Supported if "
    "every one of the first kind holds, every one of the second kind is refuted, and the controls are null. It holds "
    "only under a condition if the sentence is right wherever the condition is met and wrong wherever it is not. Not "
    "valid if a control is not null, or if no run counts. Else undecided. What is true by construction, what the "
    "conversation does not speak of, and a case without any estimate (refused) decide nothing."
)
"""The rule in words."""

LEVEL = 0.05
"""Largest adjusted p-value at which a claim counts as refuted."""

NEEDED = ("null", "condition", "p_holds", "p_refuted")
"""Columns of the findings without which nothing can be decided; earlier versions did not write them."""


@dataclass(frozen=True)
class Evidence:
    """What one prediction says of the sentence: for it, against it, or nothing yet.

    sure: whether it is still against the sentence after Holm's correction.
    """

    name: str
    condition: Condition
    verdict: str
    stands: bool | None
    sure: bool


def standing(findings: pl.DataFrame, condition: str) -> tuple[Standing, str]:
    """Return what becomes of the sentence of a claim by `RULE`, and the reason. `findings`: see `predictions.table`."""
    findings = counting(findings)
    for name, verdict in _of_predictions(findings.filter("null")).items():
        if verdict == "not valid":
            return "not valid", f"{name}: no run counts, because none has come near enough to P before the fine-tuning"
        if verdict == "refuted":
            return "not valid", f"{name} is refuted: the control is not null"
    seen = evidence(findings)
    met, unmet = ([one for one in seen if one.condition == side] for side in ("met", "not met"))
    free = [one for one in seen if not one.condition]
    open_ = _open(findings, seen)
    split = met and unmet and all(one.stands for one in met) and all(one.stands is False and one.sure for one in unmet)
    against = [one for one in (*met, *free) if one.stands is False and one.sure]
    if against:
        return "refuted", "; ".join(f"{one.name} {one.verdict}" for one in against)
    if split and not open_:
        return "holds only if", f"{condition}: {_sided(met, unmet)}"
    if seen and not open_ and all(one.stands for one in seen):
        return "supported", f"{_listed([one.name for one in seen])} say so, and no control speaks against it"
    if seen and not open_:
        return "undecided", "the parts of the sentence disagree"
    return "undecided", f"open: {_listed(open_)}" if open_ else "no prediction speaks of the sentence"


def counting(findings: pl.DataFrame) -> pl.DataFrame:
    """Return the findings without the cases that are refused, because nothing was measured in these."""
    return findings.filter(pl.col("verdict") != "refused")


def evidence(findings: pl.DataFrame) -> list[Evidence]:
    """Return what each prediction of which the conversation speaks says of the sentence, in the order of findings.

    One that the conversation shares is for the sentence if it holds in all cases, and against it if it is refuted in
    one. One that it denies is against the sentence if it holds in all cases, and for it if it is refuted in one.
    """
    spoken = counting(findings).filter(pl.col("says") != "silent", ~pl.col("instrument"), pl.col("kind") != "report")
    groups = [(str(name), own) for (name,), own in spoken.group_by("prediction", maintain_order=True)]
    family = [(name, p) for name, own in groups for p in _against(own)]
    adjusted = holm([p for _, p in family])
    least: dict[str, float] = {}
    for (name, _), p in zip(family, adjusted, strict=True):
        least[name] = min(p, least.get(name, 1.0))
    found = []
    for name, own in groups:
        verdict, says = _verdict(own), own["says"][0]
        stands = {"holds": says == "same", "refuted": says == "opposite"}.get(verdict)
        found.append(Evidence(name, own["condition"][0], verdict, stands, least[name] <= LEVEL))
    return found


def _against(own: pl.DataFrame) -> list[float]:
    """The p-values of the tests that speak against the sentence: one for each case, or one for the whole prediction."""
    says: Says = own["says"][0]
    if says == "same":
        return [_p(row, "refuted") for row in own.iter_rows(named=True)]
    return [max(_p(row, "holds") for row in own.iter_rows(named=True))]


def _p(row: dict[str, object], verdict: str) -> float:
    """The p-value of a verdict on a case; without one, 0 if this is the verdict, else 1."""
    p = row[f"p_{verdict}"]
    if row["verdict"] != verdict:
        return 1.0
    return 0.0 if p is None else float(p)  # type: ignore[arg-type]


def _verdict(own: pl.DataFrame) -> str:
    """The verdict on a prediction: it holds in all cases, is refuted in one, was tested in none, or is undecided."""
    found = set(own["verdict"].to_list())
    return next(iter(found)) if len(found) == 1 else "refuted" if "refuted" in found else "undecided"


def _of_predictions(findings: pl.DataFrame) -> dict[str, str]:
    groups = findings.group_by("prediction", maintain_order=True)
    return {str(name): _verdict(own) for (name,), own in groups}


def _open(findings: pl.DataFrame, seen: list[Evidence]) -> list[str]:
    """Return the names of the controls and predictions that decide nothing yet, in the order of the findings."""
    unsure = {one.name for one in seen if one.stands is None or (one.stands is False and not one.sure)}
    controls = _of_predictions(findings.filter(pl.col("null"), pl.col("kind") != "report"))
    unsure |= {name for name, verdict in controls.items() if verdict != "holds"}
    return [name for name in findings["prediction"].unique(maintain_order=True) if name in unsure]


def _sided(met: list[Evidence], unmet: list[Evidence]) -> str:
    inside, outside = (_listed([one.name for one in side]) for side in (met, unmet))
    return f"right where it is met ({inside}), wrong where it is not ({outside})"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
