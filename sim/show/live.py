"""The states of runs, for people: a view that is redrawn in a terminal, or plain lines elsewhere."""

import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sim.disk.ledger import RunState, state
from sim.disk.news import QUIET, News
from sim.phases import in_words
from sim.show.overview import STATES, Overview, Session, progress, silence
from sim.show.writing import duration

FEW, SHOWN = 12, 5
"""Up to FEW runs are all listed. Of more runs, up to SHOWN are listed in each state but done and waiting."""

DRAWN, SAID = 0.5, 10.0
"""Least time between two pictures in a terminal, and between two plain lines [s]."""

_STYLES = {"done": "green", "running": "cyan", "failed": "red", "interrupted": "yellow", "misplaced": "red",
           "waiting": "dim"}  # fmt: skip


Listed: TypeAlias = tuple[str, list[RunState], int]
"""A state, some of the runs in it, and the number of further runs in it."""


class Board:
    """A context that shows the states of the runs of a multirun on stderr, for the process that drives them.

    `targets` are the folders of the runs. `since` is the time on the clock when the multirun began [s]; None for now.
    Runs that are finished when the board is created count as kept. They are ignored when the time left is estimated.
    """

    def __init__(
        self, targets: Sequence[Path], since: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._targets, self._clock, self._news = list(dict.fromkeys(targets)), clock, News(clock)
        self._title = ", ".join(dict.fromkeys(target.parent.name for target in self._targets))
        self._done: dict[Path, RunState] = {}
        now = self._runs()
        kept = frozenset(run.run for run in now if run.state == "done")
        before = sum((progress(run) for run in now if run.state == "running"), 0.0)  # jobs of a command before
        began = clock() if since is None else since
        self._session = Session(began, frozenset(target.name for target in self._targets), kept, before)
        console = Console(stderr=True)
        self._live = live(console) if sys.stderr.isatty() and not console.is_dumb_terminal else None
        self._said, self._next = "", 0.0

    def __enter__(self) -> "Board":
        if self._live is not None:
            self._live.start()
        self.update()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._next = 0.0
        self.update()
        if self._live is not None:
            self._live.stop()

    def update(self) -> None:
        """Look at the disk and show what has changed. Nothing happens if the last look was a moment ago."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + (SAID if self._live is None else DRAWN)
        overview = Overview(self._title, tuple(self._runs()), now, self._session)
        if self._live is not None:
            self._live.update(view(overview), refresh=True)
        elif (said := standing(overview)) != self._said:
            self._said = said
            print(headline(overview), file=sys.stderr, flush=True)

    def _runs(self) -> list[RunState]:
        """Return the state of every run. A run without any note waits. A run that is done is not looked up again."""
        found: list[tuple[Path, RunState]] = []
        for target in self._targets:
            known = self._done.get(target) or state(target) or RunState(target.name, "waiting")
            if known.state == "done":
                self._done[target] = known
            found.append((target, known))
        return self._news.told(found)


def live(console: Console) -> Live:
    """Return a live display that is redrawn only on request."""
    return Live(console=console, auto_refresh=False, vertical_overflow="ellipsis")


def view(overview: Overview, few: int = FEW, shown: int = SHOWN, whole: bool = False) -> RenderableType:
    """Return the picture: bar, counts, and the runs of `listed`. Long reasons are cut, or wrapped with `whole`."""
    head = Table.grid(padding=(0, 2), expand=True)
    head.add_column(no_wrap=True, overflow="ellipsis", max_width=24)
    head.add_column(ratio=1)
    for _ in range(2):
        head.add_column(no_wrap=True, justify="right")
    bar = ProgressBar(total=1.0, completed=overview.fraction or 0.0)
    head.add_row(Text(overview.title, "bold"), bar, Text(percent(overview.fraction)), Text(_time_left(overview)))
    counts = Text("  ").join(
        Text(f"{number} {name}", _STYLES[name]) for name, number in overview.counts.items() if number
    )
    parts: list[RenderableType] = [head, counts + Text(f"  of {len(overview.runs)}", "dim")]
    parts += _listing(listed(overview, few, shown), whole)
    return Group(*parts, *(Text(line, "dim") for line in _remarks(overview)))


def _listing(runs: Sequence[Listed], whole: bool) -> list[Table]:
    """Return a table of runs with their states, hashes and details; an empty list if there is nothing to list."""
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(no_wrap=True, min_width=max((len(name) for name, listed, _ in runs if listed), default=0))
    table.add_column(no_wrap=True, min_width=max((len(run.run) for _, listed, _ in runs for run in listed), default=0))
    table.add_column(no_wrap=not whole, overflow="fold" if whole else "ellipsis", ratio=1)
    for name, some, more in runs:
        for run in some:
            table.add_row(Text(name, _STYLES[name]), Text(run.run), Text(details(run, short=not whole)))
        if more:
            table.add_row("", "", Text(f"and {more} more {name}", "dim"))
    return [table] if table.row_count else []


def lines(overview: Overview, few: int = FEW, shown: int = SHOWN) -> list[str]:
    """Return the view as plain lines: the headline, then a line for each run of `listed`."""
    found = [headline(overview)]
    for name, runs, more in listed(overview, few, shown):
        found += [f"  {name} {run.run}: {details(run)}".rstrip(": ") for run in runs]
        found += [f"  and {more} more {name}"] if more else []
    return found + [f"  {line}" for line in _remarks(overview)]


def _remarks(overview: Overview) -> list[str]:
    """Return lines about the jobs that have not ended, and about runs that wait for nobody."""
    words = {"waiting": "waits in the queue", "running": "is running", "unknown": "is unknown: nobody answers"}
    jobs = ", ".join(f"job {job} {words.get(state, state)}" for job, state in overview.jobs)
    alone = not overview.attended and overview.counts["waiting"]
    nobody = "no process and no job has the waiting runs: give the same command again"
    return ([jobs] if jobs else []) + ([nobody] if alone else [])


def headline(overview: Overview) -> str:
    """Return one line: the name, the counts, the share of the work that is done, the time left, and missing news."""
    left, silent = _time_left(overview), overview.silent
    quiet = f", a worker gives no news for {duration(silent)}" if silent >= QUIET else ""
    return standing(overview) + (f", {left}" if left else "") + quiet


def standing(overview: Overview) -> str:
    """Return the headline without the times, which change even if nothing else does."""
    counts = [f"{number} {name}" for name, number in overview.counts.items() if number]
    share = [percent(overview.fraction)] if overview.fraction is not None else []
    return f"{overview.title}: {', '.join(counts)} of {len(overview.runs)}" + "".join(f", {part}" for part in share)


def listed(overview: Overview, few: int, shown: int) -> list[Listed]:
    """Return the runs to list, by state: all if they are few, else up to `shown` of each state of interest.

    Runs that are done or waiting are of interest only if all runs are few.
    """
    if len(overview.runs) <= few:
        order = ("running", "failed", "interrupted", "misplaced", "waiting", "done")
        return [(name, overview.of(name), 0) for name in order]
    active = (name for name in STATES if name not in ("done", "waiting"))
    return [(name, overview.of(name)[:shown], max(overview.counts[name] - shown, 0)) for name in active]


def details(run: RunState, short: bool = False) -> str:
    """Describe a run in one line: how far it is or why it failed, and its overrides.

    With `short`, the groups before the name in an override are left out: learning_rate=0.1.
    """
    facts, given = run.facts, run.facts.get("overrides")
    overrides = [_line(override) for override in given] if isinstance(given, list) else []
    if short:
        overrides = [re.sub(r"^[^=]*[.]", "", override) for override in overrides]
    if run.state in ("failed", "misplaced"):
        reason = _line(facts.get("reason") or "no reason was noted")
        return reason + (f" ({' '.join(overrides)})" if overrides else "")
    where = []
    if run.state in ("running", "interrupted"):
        stage, step = _line(facts.get("stage") or ""), facts.get("step")
        counted = "" if step is None else f"{_line(step)}/{_line(facts.get('num_steps'))}"
        quiet = f"no news for {duration(silence(run))}" if silence(run) >= QUIET else ""
        where = [in_words(stage), counted, percent(progress(run)), quiet]
    return "  ".join(part for part in (*where, " ".join(overrides)) if part)


def percent(fraction: float | None) -> str:
    """Write a share of the work in percent. It is 100 % only if all of the work is done."""
    return "" if fraction is None else f"{min(int(100 * fraction), 99) if fraction < 1.0 else 100} %"


def _time_left(overview: Overview) -> str:
    left = overview.seconds_left
    return "" if left is None else f"about {duration(left)} left"


def _line(value: object) -> str:
    """Write a value from a file in one line, without the control characters of a terminal."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in str(value)).split())
