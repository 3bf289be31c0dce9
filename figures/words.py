"""Words and digits in figures: titles, names, percentages, and the mark of a run that is not valid."""

from typing import Any

from matplotlib.figure import Figure

from figures.colours import RED
from figures.curves import Tables, is_control, phases
from figures.language import say

SHORT = 30
"""Longest name of the data that fits above a panel [characters]."""

MINUS = "\N{MINUS SIGN}"


def about(tables: Tables) -> dict[str, Any]:
    """Return the single row of the table `run`."""
    return tables["run"].row(0, named=True)


def has_prompts(tables: Tables) -> bool:
    """Return whether strings consist of a prompt and an answer."""
    return bool(about(tables)["num_prompts"])


def strings(tables: Tables) -> str:
    """Return the noun for what a model gives probabilities to: answers, or strings in a world without prompts."""
    return "answers" if has_prompts(tables) else "strings"


def averaged(tables: Tables, law: str) -> str:
    """Return 'x ~ P(x)' for the law "P(x)"; "" in a world without prompts."""
    return rf"$x \sim {law}$" if has_prompts(tables) else ""


def under(words: str, law: str) -> str:
    """Return the label of an axis with the law of the prompts, if there is one."""
    return say("{words}, {law}", words=words, law=law) if law else words


def method(tables: Tables) -> str:
    """Return the name of the fine-tuning: SFT, or another objective."""
    return say(str(about(tables)["objective"]))


def title(tables: Tables, phase: str) -> str:
    """Return what a phase was trained on, as the title of a panel."""
    if is_control(tables, phase):
        if len(phases(tables, "control")) == 1:
            return say("Control: {method} on P", method=method(tables))
        return say("Control ({phase}): {method} on P", phase=phase, method=method(tables))
    data = str(about(tables)["restriction"])
    return say("{method} on {data}", method=method(tables), data=plain(data) if len(data) <= SHORT else "S")


def control_name(tables: Tables, phase: str) -> str:
    """The short name of a control, for a line; with the name of its phase where there are several."""
    return say("control") if len(phases(tables, "control")) == 1 else say("control ({phase})", phase=phase)


def plain(name: str) -> str:
    """A name out of the data, in which a dollar is a dollar and begins no formula."""
    return name.replace("$", r"\$")


def capital(words: str) -> str:
    """Return words that begin with a capital letter; the other letters stay as they are."""
    return words[:1].upper() + words[1:]


def data(tables: Tables) -> str:
    """Describe S, the world and the seed for a caption."""
    run = about(tables)
    return say("S: {data}; world: {world}; seed {seed}", data=run["restriction"], world=run["world"], seed=run["seed"])


def percent(share: float) -> str:
    """Write a share in percent with few digits. It is "100 %" only if the share is 1, and "0 %" only if it is 0."""
    if share >= 0.9995:
        return "100 %" if share >= 1.0 - 1e-12 else "> 99.99 %" if share >= 0.9999 else f"{100 * share:.2f} %"
    if 0.0 < share < 0.01:
        return "< 0.0001 %" if share < 1e-6 else f"{100 * share:.1g} %"
    return f"{100 * share:.1f} %" if share >= 0.99 else f"{100 * share:.0f} %"


def three(value: float) -> str:
    """Write a number >= 0 with three significant digits; without powers of ten below 1000."""
    return "< 0.0001" if 0.0 < value < 1e-4 else "0" if value == 0.0 else f"{value:#.3g}".rstrip(".")


def change(lower: float, upper: float) -> str:
    """Write a signed change of entropy, or its certified bounds, with two decimals or one significant digit."""
    if max(abs(lower), abs(upper)) < 1e-6:
        return "0"
    digits = ".2f" if max(abs(lower), abs(upper)) >= 0.005 else ".1g"
    low, high = format(lower, f"+{digits}"), format(upper, f"+{digits}")
    return (low if low == high else say("{low} to {high}", low=low, high=high)).replace("-", MINUS)


def mark(drawn: Figure, tables: Tables) -> None:
    """Write a red line above a figure if its run, or all its runs, did not come near enough to P: it is no result.

    A figure that has neither table shows what is known without any run.
    """
    if "run" not in tables:
        if "runs" in tables and not tables["runs"]["valid"].any():
            drawn.suptitle(say("NOT VALID: no run came near enough to P"), color=RED, fontweight="bold")
        return
    run = about(tables)
    if not run["valid"]:
        reached = f"KL(P‖q₀) = {three(run['joint_kl'])} > {run['limit']:g} nat"
        drawn.suptitle(say("NOT VALID: {reached}", reached=reached), color=RED, fontweight="bold")
