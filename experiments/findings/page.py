"""docs/findings.md, written from the statements and their numbers, and the same as a short table."""

import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from experiments.board import short
from experiments.citing import entries
from experiments.findings.entries import Statement, statements
from experiments.findings.numbers import Number, Source, number
from experiments.findings.verdicts import Verdict, decided
from sim.numerics import SpecificationError, nearest
from sim.show.blocks import Block, Paragraph, Table

NAME = "findings.md"
"""The file of the page."""

HEAD = Path(__file__).with_name("head.md")
"""What stands above the statements, written by hand. `{summary}` is the number of verdicts, `{table}` the overview."""

FUNCTIONALS = {"same": "the same quantity", "sign": "only the sign", "none": "nothing"}
ORDER: tuple[Verdict, ...] = ("reproduced", "refuted", "undecided", "not tested yet", "not comparable")
"""The verdicts in the order in which they are counted."""

READ = {"text": "the text", "abstract": "the abstract", "no": "nothing"}
WIDTH = 130
"""Characters of a line of prose."""

ROUNDING = 1e-9
"""What is smaller is shown as 0: rounding differs between machines."""

COLUMNS = ("statement", "paper", "compared", "verdict")


def page() -> str:
    """Return the whole page as Markdown."""
    found = statements()
    words = {"summary": summary(found), "table": overview(found), "unread": unread(found)}
    lines = []
    for line in HEAD.read_text(encoding="utf-8").splitlines():
        said = line.format(**words)
        lines.append(_wrapped(said) if "{" in line and not said.startswith("|") else said)
    lines.append("")
    part = ""
    for one in found:
        if one.part != part:
            part = one.part
            lines += [f"## {part}", ""]
        lines += [*section(one), ""]
    return "\n".join(lines)


def blocks() -> list[Block]:
    """Return the overview as a table, for a terminal."""
    found = statements()
    rows = tuple((one.title, works(one), FUNCTIONALS[one.functional], verdict(one)) for one in found)
    return [Table(COLUMNS, rows, 4, "Published findings, checked"), Paragraph(f"{summary(found)}.")]


def summary(found: list[Statement]) -> str:
    """Say how many statements have each verdict."""
    counts = Counter(decided(one)[0] for one in found)
    signs = Counter(sign for one in found if (sign := decided(one)[1]))
    words = [f"{counts[name]} {'is' if counts[name] == 1 else 'are'} {name}" for name in ORDER if counts[name]]
    more = ", ".join(f"{count} with the {sign}" for sign, count in signs.most_common()).replace("the no", "no")
    return f"Of {len(found)} statements {', '.join(words)}" + (f" ({more})" if more else "")


def overview(found: list[Statement]) -> str:
    """Return the table of all statements, in Markdown, with links to their sections."""
    rows = [
        f"| [{one.title}](#{anchor(one)}) | {works(one)} | {FUNCTIONALS[one.functional]} | {verdict(one)} |"
        for one in found
    ]
    return "\n".join([f"| {' | '.join(COLUMNS)} |", "|---|---|---|---|", *rows])


def unread(found: list[Statement]) -> str:
    """Say which papers could not be read at all, and of which only the abstract."""
    known = {level: sorted({work for one in found if one.read == level for work in one.papers}) for level in READ}
    said = [f"{READ[level]} of {', '.join(map(citation, known[level]))}" for level in READ if known[level]]
    return _sentence("; ".join(said))


def anchor(statement: Statement) -> str:
    """Return the anchor of the section of a statement, as code hosts make it."""
    plain = "".join(one for one in statement.title.lower() if one.isalnum() or one in "_- ")
    return plain.replace(" ", "-")


def verdict(statement: Statement) -> str:
    """Return the verdict, with the sign if only the sign can be compared."""
    said, sign = decided(statement)
    return f"{said}; {sign}" if sign else said


def works(statement: Statement) -> str:
    """Cite the papers of a statement in short."""
    return ", ".join(citation(key) for key in statement.papers)


def citation(key: str) -> str:
    """Return author and year of a work, such as "Li et al. 2024". Raises SpecificationError if it has no entry."""
    if key not in entries():
        hint = nearest(key, entries())
        raise SpecificationError(f"statements.toml: a key of references.bib is required, found {key!r}{hint}")
    one = entries()[key]
    names = [name.partition(",")[0] for name in one["author"].split(" and ")]
    few = len(names) < 3 and "others" not in names
    return f"{' & '.join(names) if few else names[0] + ' et al.'} {one['year']}"


def section(statement: Statement) -> Iterator[str]:
    """Iterate over the lines of the section of a statement."""
    yield f"### {statement.title}"
    yield ""
    yield _wrapped(f"**{_sentence(verdict(statement))}.** {statement.because}")
    yield ""
    sources = "; ".join(map(source_of, statement.papers))
    yield _wrapped(f"* **Said.** {statement.said} ({sources}. Read: {statement.where}.)")
    yield _wrapped(f"* **Measured there.** {_sentence(statement.measured)}.")
    yield _wrapped(f"* **Asked here** (compared: {FUNCTIONALS[statement.functional]}). {statement.asked}")
    if statement.awaits:
        yield _wrapped(f"* **Awaits** {statement.awaits}.")
    yield _wrapped(f"* **What it does not say.** {statement.limits}")
    yield ""
    if statement.numbers:
        yield "| number | the statement says | here | how it is known |"
        yield "|---|---|---|---|"
        yield from map(row, statement.numbers)
        yield ""
    yield from (f"    {command}" for command in statement.commands)


def source_of(key: str) -> str:
    """Name a work with its arXiv number and its key in references.bib."""
    eprint = entries()[key].get("eprint")
    return f"{citation(key)}, {f'arXiv {eprint}, ' if eprint else ''}`{key}`"


def row(source: Source) -> str:
    """Return the row of a number."""
    found = number(source)
    said = {"": "–", "within": f"{short(source.than)} ± {short(source.margin)}"}.get(
        source.says, f"{source.says} {short(source.than)}"
    )
    here, how = ("not measured yet", "–") if found is None else (written(found), f"{found.kind}; {found.source}")
    return f"| {source.label} | {said} | {here} | {how} |"


def written(found: Number) -> str:
    """Write a number with its interval and its unit."""
    unit = " nats" if found.unit == "nat" else ""
    if max(abs(found.lower), abs(found.upper)) < ROUNDING:
        return f"0, but for less than 10⁻⁹{unit}"
    if found.lower == found.upper:
        return f"{short(found.value)}{unit}"
    return f"{short(found.value)} [{short(found.lower)}, {short(found.upper)}]{unit}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _wrapped(text: str) -> str:
    indent = "  " if text.startswith("* ") else ""
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
