"""How far long bookkeeping is: nothing of what is short, the first line before the first item, not a line for each."""

from typing import Any

import pytest

from sim.show import counting
from sim.show.counting import MANY, Counting, counted


def line(number: int) -> str:
    return f"{number} are done"


def test_the_first_line_comes_before_the_first_item(capsys: pytest.CaptureFixture[str]) -> None:
    items = counted(range(MANY + 1), MANY + 1, line)
    assert capsys.readouterr().err == "", "nothing has been asked for"
    assert next(items) == 0
    assert capsys.readouterr().err == "0 are done\n"
    assert list(items) == [*range(1, MANY + 1)]


def test_nothing_is_said_of_what_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(counted(range(MANY), MANY, line)) == [*range(MANY)]
    assert capsys.readouterr().err == ""


def test_lines_have_a_distance(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([5.0, 6.9, 7.0, 7.1, 9.0])
    told = Counting(line, lambda: next(times))
    for number in range(5):
        told.tell(number)
    assert capsys.readouterr().err == "0 are done\n2 are done\n4 are done\n"


class Live:
    events: list[str] = []  # noqa: RUF012

    def __init__(self, **options: Any) -> None:
        assert options["transient"]

    def start(self) -> None:
        self.events.append("start")

    def stop(self) -> None:
        self.events.append("stop")

    def update(self, text: Any, refresh: bool) -> None:
        assert refresh
        self.events.append(str(text))


def test_in_a_terminal_the_line_goes_away(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "Live", Live)
    monkeypatch.setattr(counting.sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    items = counted(range(100), 100, line)
    next(items)
    assert Live.events == ["start", "0 are done"]
    items.close()  # as an error in the loop does
    assert Live.events[-1] == "stop"
    assert Live.events.count("stop") == 1
    assert capsys.readouterr().err == ""
