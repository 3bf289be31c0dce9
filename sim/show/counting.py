"""How far long bookkeeping is: one line that is redrawn in a terminal, or a line every few seconds elsewhere."""

import sys
import time
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

from rich.console import Console
from rich.live import Live
from rich.text import Text

MANY = 50
"""Up to this number of items nothing is said, because they take no time."""

DRAWN, SAID = 0.1, 2.0
"""Least time between two pictures in a terminal, and between two plain lines [s]."""

Item = TypeVar("Item")


class Counting:
    """It says on stderr how many items are done. `said` turns this number into a line.

    The first line comes at once when there are more than MANY items, and not after some time. `stop` must be called at
    the end: it removes the line from a terminal.
    """

    def __init__(self, said: Callable[[int], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._said, self._clock, self._next = said, clock, 0.0
        self._live: Live | None = None
        self._begun = False

    def tell(self, number: int) -> None:
        """Say that `number` items are done, unless something was said a moment ago."""
        now = self._clock()
        if self._begun and now < self._next:
            return
        if not self._begun:
            self._begin()
        self._next = now + (SAID if self._live is None else DRAWN)
        if self._live is not None:
            self._live.update(Text(self._said(number), no_wrap=True, overflow="ellipsis"), refresh=True)
        else:
            print(self._said(number), file=sys.stderr, flush=True)

    def stop(self) -> None:
        """Remove the line from the terminal. Nothing happens if nothing was said."""
        if self._live is not None:
            self._live.stop()
        self._live, self._begun = None, False

    def _begin(self) -> None:
        self._begun = True
        console = Console(stderr=True)
        if sys.stderr.isatty() and not console.is_dumb_terminal:
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()


def counted(items: Iterable[Item], total: int, said: Callable[[int], str]) -> Generator[Item, None, None]:
    """Iterate over `total` items and say how many of them are done, if there are more than MANY; see `Counting`."""
    counting = Counting(said)
    try:
        if total > MANY:
            counting.tell(0)
        for number, item in enumerate(items, 1):
            yield item
            if total > MANY:
                counting.tell(number)
    finally:
        counting.stop()
