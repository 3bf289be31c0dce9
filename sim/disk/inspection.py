"""Find out what is wrong below a folder of outputs. Nothing is written, and a running process is not disturbed."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from sim.disk import archives, checkpoints, records, store
from sim.disk.files import DRAFT, MANIFEST, abandoned, complaint, read_json
from sim.disk.ledger import FAILED, LOCK, WORK
from sim.disk.locks import holder
from sim.numerics import SpecificationError, in_one_line
from sim.places import check_folder, reason

Kind: TypeAlias = Literal[
    "record", "pretraining", "checkpoint", "archive", "failed", "damaged", "unfinished", "draft", "unreadable"
]
"""What a folder is: a record; an entry of the store; a checkpoint; an archive; a record that violates an identity; an
entry of the store that was set aside; the work folder of an unfinished run or pretraining; the draft of a folder; or a
folder into which this process may not look."""

_HASH = re.compile("[0-9a-f]{12}")
_ASIDE = re.compile(r".+\.damaged(-[0-9]+)?")
_CACHE, _REPORTS = ".cache", "reports"


@dataclass(frozen=True)
class Fault:
    """Something that is wrong. `line` names the place and says what is wrong and what to do about it."""

    place: Path
    kind: Kind
    line: str


@dataclass
class Inspection:
    """How many folders of each kind there are, and what is wrong with them."""

    counts: Counter[Kind] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)


_WANTED, _MEND = "the folder of the results (outputs)", "correct the path, or run an experiment first"


def inspected(outputs: Path) -> Inspection:
    """Inspect everything below a folder. It raises SpecificationError if there is no run or other result in it.

    A fault counts only if two looks in a row find it: a process may publish or remove something between the looks.
    """
    check_folder(outputs, _WANTED, _MEND)
    root = outputs if outputs.name not in ("", "..") else outputs.resolve()
    found = Inspection()
    for place, kind in _places(root):
        line = _wrong(place, kind, root)
        if line is not None and line == _wrong(place, kind, root) and os.path.lexists(place):
            found.faults.append(Fault(place, kind, line))
        found.counts[kind] += 1
    if not found.counts:
        raise SpecificationError(f"{outputs}: {_WANTED} is required, found no result in it; {_MEND}")
    return found


# -- what there is ----------------------------------------------------------------------------------------------------


def _places(place: Path) -> Iterator[tuple[Path, Kind]]:
    """Iterate over everything below a folder that is a result or belongs to one, sorted; links are not followed."""
    kind = _kind(place)
    if kind is not None:
        yield place, kind
    for name in _names(place) if kind != "draft" else ():
        below = place / name
        if below.is_symlink():
            linked = _kind(below)
            yield from () if linked is None else [(below, linked)]
        elif below.is_dir() and name != _CACHE:
            yield from _places(below)
        elif name.startswith(".") and name.endswith(f"{DRAFT}.lock") and not below.with_suffix("").exists():
            yield below, "draft"  # only its lock is left


def _kind(place: Path) -> Kind | None:
    """Return what a folder is, from its name and its files; None if it is no result, such as the folder of a report."""
    if place.is_dir() and not os.access(place, os.R_OK | os.X_OK):
        return "unreadable"
    name, names = place.name, set(_names(place))
    if name.startswith(".") and name.endswith(DRAFT):
        return "draft"
    if place.parent.name == WORK:
        return "unfinished"
    if _ASIDE.fullmatch(name) and (store.FACTS in names or place.parent.name == store.STORE):
        return "damaged"
    if name.startswith(checkpoints.PREFIX) and (MANIFEST in names or place.parent.parent.name == WORK):
        return "checkpoint"
    if archives.ARCHIVE in names:
        return "archive"
    described = records.DESCRIPTION in names
    if store.FACTS in names or (place.parent.name == store.STORE and name != WORK and not described):
        return "pretraining"
    if name.endswith(FAILED) and (described or MANIFEST in names):
        return "failed"
    named = bool(_HASH.fullmatch(name)) and place.parent.name != _REPORTS
    return "record" if named or described or MANIFEST in names else None


def _names(place: Path) -> list[str]:
    try:
        return sorted(os.listdir(place))
    except OSError:
        return []


# -- what is wrong ----------------------------------------------------------------------------------------------------


def _wrong(place: Path, kind: Kind, root: Path) -> str | None:
    """Return one line that says what is wrong with a folder and what to do; None if nothing is."""
    try:
        line = _misplaced(place, kind, root) or _CHECKS[kind](place)
    except OSError as problem:
        line = _unreadable(place, reason(problem))
    return None if line is None else in_one_line(line)


def _misplaced(place: Path, kind: Kind, root: Path) -> str | None:
    """Return one line if a folder is not where the program looks for it; None if it is, or if it is the root."""
    above = list(place.parents)[: len(place.relative_to(root).parts)]
    names = {one.name for one in above}
    inside = next((one for one in above if _kind(one) in ("record", "pretraining", "checkpoint")), None)
    if inside is not None:
        return f"{place}: a place outside of other results is required, found it in {inside}; move it out of there"
    top = place.parent == root and (root / store.STORE).is_dir()
    if kind == "record" and (top or names & {store.STORE, WORK, _REPORTS}):
        return f"{place}: the folder of a name (outputs/<name>) is required, found {place.parent}; move it there"
    if kind == "pretraining" and place.parent.name != store.STORE:
        return f"{place}: the folder {store.STORE} is required for a pretraining, found {place.parent}; delete it"
    if kind == "checkpoint" and place.parent.parent.name != WORK:
        return f"{place}: a folder below {WORK} is required for a checkpoint, found {place.parent}; delete it"
    return None


def _record(place: Path) -> str | None:
    try:
        about = read_json(place / records.DESCRIPTION)
        if isinstance(about, dict) and about.get("kind") == records.UNLISTED:
            records.check(place)
        else:
            records.read(place, identified=True)
    except SpecificationError as problem:
        return str(problem)
    return None


def _pretraining(place: Path) -> str | None:
    try:
        store.read(place)
    except SpecificationError as problem:
        return f"{complaint(place, problem)}; delete it: a pretraining is done again when it is needed"
    return None


def _checkpoint(place: Path) -> str | None:
    try:
        checkpoints.read(place)
    except SpecificationError as problem:
        return f"{complaint(place, problem)}; delete it: the training continues without it"
    return None


def _archive(place: Path) -> str | None:
    try:
        archives.contents(place)
    except SpecificationError as problem:
        return str(problem)
    return None


def _failed(place: Path) -> str:
    return (
        f"{place}: a record without violated identities is required, found one that violates them; this is a mistake "
        "in the program: report it, then delete the folder"
    )


def _damaged(place: Path) -> str:
    return f"{place}: an intact pretraining is required, found one that was set aside as damaged; delete it"


def _unfinished(place: Path) -> str | None:
    """Return one line if a result was published and its work folder remains: the process was killed in between."""
    target = place.parent.parent / place.name
    if not (target / MANIFEST).is_file() or holder(place / LOCK) is not None:
        return None
    return f"{place}: the work folder of an unfinished run is required, found {target} finished; delete it"


def _unreadable(place: Path, found: str | None = None) -> str:
    return f"{place}: a folder that can be read is required, found {found or 'no permission'}; correct its permissions"


def _draft(place: Path) -> str | None:
    if not abandoned(place):
        return None
    return f"{place}: a draft that a process is writing is required, found one of a killed process; delete it"


_CHECKS: Mapping[Kind, Callable[[Path], str | None]] = {
    "record": _record,
    "pretraining": _pretraining,
    "checkpoint": _checkpoint,
    "archive": _archive,
    "failed": _failed,
    "damaged": _damaged,
    "unfinished": _unfinished,
    "draft": _draft,
    "unreadable": _unreadable,
}
