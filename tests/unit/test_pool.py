"""Processes that share a task: every result in its place, exceptions and killed processes in one line."""

import os
import signal
import time
from collections.abc import Callable
from multiprocessing import active_children

import pytest

from sim import pool
from sim.numerics import SpecificationError


def squared(number: int) -> tuple[int, int]:
    """The square, and who has computed it."""
    if number < 0:
        raise SpecificationError(f"number: at least 0 is required, found {number}")
    return number * number, os.getpid()


def killed(number: int) -> int:
    """Kill the process that computes it; the process of the test, which has this number, waits for that."""
    if os.getpid() != number:
        os.kill(os.getpid(), signal.SIGKILL)
    while active_children():
        time.sleep(0.01)
    return number


def listed(function: Callable, numbers: list[int], what: str) -> list:
    return list(pool.in_processes(function, numbers, what))


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "cores", lambda: 2)


def test_results_come_in_the_order_of_the_tasks() -> None:
    found = pool.shared(squared, [3, 1, 2, 0, 5], "squares")
    assert [square for square, _ in found] == [9, 1, 4, 0, 25]
    assert found[0][1] == os.getpid(), "the first task is done here"
    assert pool.shared(squared, [], "squares") == []


def test_what_is_wrong_with_a_task_is_raised_here() -> None:
    for numbers in ([-1, 2, 3], [1, -2, 3, 4]):
        with pytest.raises(SpecificationError, match=f"number: at least 0 is required, found {min(numbers)}"):
            pool.shared(squared, numbers, "squares")


@pytest.mark.parametrize("through", [pool.shared, listed])
def test_a_killed_process_is_said_in_one_line(through: Callable) -> None:
    with pytest.raises(SpecificationError) as refusal:
        through(killed, [os.getpid()] * 3, "squares")
    assert str(refusal.value).startswith("squares: ")
    assert "processes are required, found that one was killed" in str(refusal.value)
