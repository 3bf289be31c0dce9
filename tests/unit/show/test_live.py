"""How runs stand: numbers against sums by hand, the picture at 80 columns, the board of a driver."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sim.disk.ledger import RunState, claim, clear, note
from sim.show.live import SAID, Board, details, headline, lines, percent, standing, view
from sim.show.overview import Overview, Session, progress, session_of
from sim.show.writing import duration
from tests.unit.terminals import on_terminal, shown

OVERRIDES = ["optimizer.learning_rate=0.01", "+model.depth=2", "seed=3"]
NAN = "fine-tuning: the loss is nan at step 120 of 2000; lower optimizer.learning_rate (now 10)"


def run(state: Any, name: str = "0123456789ab", **facts: Any) -> RunState:
    return RunState(name, state, facts)


def many(at: float = 1000.0, session: Session | None = None) -> Overview:
    """200 runs: 80 done, 42 running at 60 %, 7 failed, 71 waiting."""
    states = ["done"] * 80 + ["running"] * 42 + ["failed"] * 7 + ["waiting"] * 71
    facts = {
        "running": {"stage": "finetune", "step": 1200, "num_steps": 2000, "fraction": 0.6, "since": 900.0},
        "failed": {"reason": NAN},
    }
    runs = [
        RunState(f"{number:012x}", state, {"overrides": OVERRIDES, **facts.get(state, {})})  # type: ignore[arg-type]
        for number, state in enumerate(states)
    ]
    return Overview("sweep", tuple(runs), at, session)


def few() -> Overview:
    """One run in every state."""
    facts = {"overrides": OVERRIDES, "stage": "pretrain", "step": 7, "num_steps": 20, "fraction": 0.25}
    states = ("waiting", "done", "interrupted", "failed", "running")
    named = {"failed": {"reason": "killed by SIGKILL"}, "interrupted": {"stage": "finetune"}}
    return Overview(
        "rates", tuple(run(state, state[0] * 12, **(facts | named.get(state, {}))) for state in states), 0.0
    )


def drawn(overview: Overview, width: int = 80, **chosen: Any) -> list[str]:
    console = Console(width=width, force_terminal=True, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(view(overview, **chosen))
    return [line.rstrip() for line in captured.get().splitlines()]


# -- numbers ----------------------------------------------------------------------------------------------------------


def test_counts_and_share() -> None:
    overview = many()
    assert overview.counts == {"done": 80, "running": 42, "failed": 7, "interrupted": 0, "misplaced": 0, "waiting": 71}
    assert overview.fraction == pytest.approx((80 + 42 * 0.6) / 193)
    assert overview.unfinished
    assert not Overview("x", (run("done"), run("failed"), run("interrupted")), 0.0).unfinished
    assert Overview("x", (run("failed"),), 0.0).fraction is None


@pytest.mark.parametrize(
    ("state", "fraction", "value"),
    [
        ("running", 0.25, 0.25),
        ("interrupted", 0.25, 0.25),
        ("done", 0.25, 1.0),
        ("failed", 0.25, 0.0),
        ("waiting", 0.25, 0.0),
        ("running", None, 0.0),
        ("running", "half", 0.0),
        ("running", float("nan"), 0.0),
        ("running", 7, 1.0),
        ("running", -1, 0.0),
    ],
)
def test_progress_of_a_run(state: Any, fraction: Any, value: float) -> None:
    assert progress(run(state, fraction=fraction)) == value


def test_time_left_of_a_session() -> None:
    """30 of the 80 were there before: 50 and 42 times 0.6 took 100 s; the failed neither take nor took any."""
    points = [one.run for one in many().runs]
    session = Session(900.0, frozenset(points), frozenset(points[:30]))
    done, total = 50 + 42 * 0.6, 200 - 30 - 7
    assert many(1000.0, session).seconds_left == pytest.approx((total - done) * 100 / done)
    others = Session(900.0, frozenset(points[:90]), frozenset(points[:30]))
    assert many(1000.0, others).seconds_left == pytest.approx((60 - 56) * 100 / 56), "what is not of it does not count"


def test_time_left_without_a_session() -> None:
    """Each run on its own, the slowest last: 40 s for 80 %, 30 s for half."""
    runs = (run("running", fraction=0.8, since=60.0), run("running", fraction=0.5, since=70.0), run("waiting"))
    assert Overview("x", runs, 100.0).seconds_left == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("runs", "session"),
    [
        ([run("running", fraction=0.0, since=1.0)], None),
        ([run("running", fraction=0.5)], None),
        ([run("running", fraction=0.5, since=200.0)], None),
        ([run("running", fraction=1.0, since=1.0)], None),
        ([run("done"), run("failed"), run("waiting")], None),
        ([run("done", "a"), run("waiting", "b")], Session(1.0, frozenset("ab"), frozenset("a"))),
        ([run("done", "a"), run("running", "b", fraction=0.5)], Session(200.0, frozenset("ab"), frozenset())),
        ([run("done", "a")], Session(1.0, frozenset("a"), frozenset())),
        ([run("failed", "a")], Session(1.0, frozenset("a"), frozenset())),
    ],
)
def test_no_time_left_where_there_is_nothing_to_go_by(runs: list[RunState], session: Session | None) -> None:
    overview = Overview("x", tuple(runs), 100.0, session)
    assert overview.seconds_left is None
    assert "left" not in headline(overview)


@pytest.mark.parametrize(
    "plan", [None, [], {}, {"since": "now", "runs": []}, {"since": 1.0}, {"since": 1.0, "runs": [], "kept": 3}]
)
def test_a_plan_of_another_form_is_no_session(plan: Any) -> None:
    assert session_of(plan) is None
    assert session_of({"since": 1, "runs": ["a"], "more": 2}) == Session(1.0, frozenset("a"), frozenset())


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "1 s"),
        (99.4, "99 s"),
        (100.0, "2 min"),
        (3540.0, "59 min"),
        (3599.0, "1 h 0 min"),
        (7800.0, "2 h 10 min"),
        (172_799.0, "2 d 0 h"),
        (273_600.0, "3 d 4 h"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(("fraction", "said"), [(None, ""), (0.0, "0 %"), (0.999, "99 %"), (1.0, "100 %")])
def test_percent(fraction: float | None, said: str) -> None:
    assert percent(fraction) == said


# -- words ------------------------------------------------------------------------------------------------------------


def test_few_runs_are_all_listed() -> None:
    assert lines(few()) == [
        "rates: 1 done, 1 running, 1 failed, 1 interrupted, 1 waiting of 5, 37 %",
        f"  running rrrrrrrrrrrr: pretraining  7/20  25 %  {' '.join(OVERRIDES)}",
        f"  failed ffffffffffff: killed by SIGKILL ({' '.join(OVERRIDES)})",
        f"  interrupted iiiiiiiiiiii: fine-tuning  7/20  25 %  {' '.join(OVERRIDES)}",
        f"  waiting wwwwwwwwwwww: {' '.join(OVERRIDES)}",
        f"  done dddddddddddd: {' '.join(OVERRIDES)}",
    ]
    assert drawn(few())[1:] == [
        "1 done  1 running  1 failed  1 interrupted  1 waiting  of 5",
        "running      rrrrrrrrrrrr  pretraining  7/20  25 %  learning_rate=0.01 depth=2 …",
        "failed       ffffffffffff  killed by SIGKILL (learning_rate=0.01 depth=2 seed=3)",
        "interrupted  iiiiiiiiiiii  fine-tuning  7/20  25 %  learning_rate=0.01 depth=2 …",
        "waiting      wwwwwwwwwwww  learning_rate=0.01 depth=2 seed=3",
        "done         dddddddddddd  learning_rate=0.01 depth=2 seed=3",
    ]


def test_of_many_runs_those_that_matter_are_listed() -> None:
    points = frozenset(one.run for one in many().runs)
    overview = many(1000.0, Session(900.0, points, frozenset()))
    said = lines(overview)
    assert said[0] == "sweep: 80 done, 42 running, 7 failed, 71 waiting of 200, 54 %, about 83 s left"
    assert said[1] == f"  running {80:012x}: fine-tuning  1200/2000  60 %  {' '.join(OVERRIDES)}"
    assert said[6] == "  and 37 more running"
    assert said[7] == f"  failed {122:012x}: {NAN} ({' '.join(OVERRIDES)})"
    assert said[12:] == ["  and 2 more failed"]
    picture = drawn(overview)
    assert len(picture) == 14
    assert re.fullmatch(r"sweep  [━╸╺ ]+ +54 %  about 83 s left", picture[0])
    assert picture[1] == "80 done  42 running  7 failed  71 waiting  of 200"
    assert picture[2] == f"running  {80:012x}  fine-tuning  1200/2000  60 %  learning_rate=0.01 depth=2…"
    assert picture[7] == " " * 23 + "and 37 more running"
    assert picture[8] == f"failed   {122:012x}  fine-tuning: the loss is nan at step 120 of 2000; lower …"
    assert picture[13] == " " * 23 + "and 2 more failed"


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize(
    "overview", [few(), many(), Overview("x" * 90, (run("failed", "f" * 60, reason="r" * 500),), 0.0)]
)
def test_no_line_is_longer_than_the_terminal(overview: Overview, width: int) -> None:
    for whole in (False, True):
        assert max(map(len, drawn(overview, width, whole=whole))) <= width


def test_whole_reasons_are_wrapped() -> None:
    picture = " ".join(" ".join(line.split()) for line in drawn(many(), whole=True, shown=1))
    assert f"{NAN} ({' '.join(OVERRIDES)})" in picture


def test_what_files_say_cannot_steer_the_terminal() -> None:
    odd = run("failed", reason="[bold]red[/bold] \x1b[2J\nnext\x07", overrides=["a=[1,2]"])
    assert details(odd) == "[bold]red[/bold] [2J next (a=[1,2])"
    assert any("[bold]red[/bold] [2J next (a=[1,2])" in line for line in drawn(Overview("[red]x", (odd,), 0.0)))
    assert drawn(Overview("[red]x", (odd,), 0.0))[0] == "[red]x"


@pytest.mark.parametrize(
    ("state", "facts", "said"),
    [
        ("failed", {}, "no reason was noted"),
        ("running", {}, "0 %"),
        ("running", {"stage": "other", "step": 3, "num_steps": None, "overrides": "x"}, "other  3/None  0 %"),
        ("done", {"reason": "old"}, ""),
    ],
)
def test_facts_that_are_missing_or_odd(state: str, facts: dict[str, Any], said: str) -> None:
    assert details(run(state, **facts)) == said


def test_everything_as_json() -> None:
    plain = json.loads(json.dumps(few().plain()))
    assert plain["counts"] == few().counts
    assert (plain["name"], plain["total"], plain["fraction"], plain["seconds_left"]) == ("rates", 5, 0.375, None)
    assert plain["runs"][3] == {
        "run": "f" * 12, "state": "failed",
        "facts": {"overrides": OVERRIDES, "stage": "pretrain", "step": 7, "num_steps": 20, "fraction": 0.25,
                  "reason": "killed by SIGKILL"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("silent", "said"), [(119.0, ""), (720.0, "no news for 12 min"), (None, ""), (float("nan"), "")]
)
def test_a_worker_without_news_is_called_so(silent: float | None, said: str) -> None:
    overview = Overview("x", (run("running", silent=silent, fraction=0.5), run("failed", silent=9999.0)), 0.0)
    assert details(overview.runs[0]) == f"50 %  {said}".rstrip()
    assert headline(overview).endswith(f", a worker gives {said}" if said else "50 %")
    assert "news" not in standing(overview), "or a line would be printed again and again"


def test_jobs_and_runs_that_wait_for_nobody() -> None:
    jobs = (("17", "running"), ("18", "waiting"), ("19", "unknown"))
    overview = Overview("x", (run("waiting"),), 0.0, None, jobs)
    assert lines(overview)[-1] == "  job 17 is running, job 18 waits in the queue, job 19 is unknown: nobody answers"
    assert drawn(overview)[-1] == lines(overview)[-1].strip()
    assert overview.unfinished
    alone = Overview("x", (run("waiting"),), 0.0, attended=False)
    assert lines(alone)[-1] == "  no process and no job has the waiting runs: give the same command again"
    assert not alone.unfinished


def test_what_jobs_did_before_a_command_waits_for_them_is_no_speed_of_now() -> None:
    runs = (run("running", "a", fraction=0.5), run("running", "b", fraction=0.5))
    session = Session(0.0, frozenset("ab"), frozenset(), 0.8)
    assert Overview("x", runs, 100.0, session).seconds_left == pytest.approx(500.0)
    assert Overview("x", runs, 100.0, Session(0.0, frozenset("ab"), frozenset(), 0.98)).seconds_left is None


# -- the board --------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def publish(target: Path) -> None:
    target.mkdir(parents=True)
    (target / "manifest.json").write_text("{}")


def steps(targets: Sequence[Path]) -> list[Callable[[], Any]]:
    """What happens to three runs, the first of which is there before."""
    _, second, third = targets
    return [
        lambda: note(second, "waiting"),
        lambda: note(third, "waiting"),
        lambda: note(second, "failed", reason="it is wrong"),
        lambda: (publish(third), clear(third)),
    ]


def test_the_board_outside_of_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line at the beginning, one at the end, and between them one at most every ten seconds, if something changed."""
    targets = [tmp_path / "toy" / name for name in "abc"]
    publish(targets[0])
    clock = Clock()
    with Board([*targets, targets[0]], 990.0, clock) as board:
        assert capsys.readouterr().err == "toy: 1 done, 2 waiting of 3, 33 %\n"
        first, *others = steps(targets)
        first()
        clock.now += SAID
        board.update()
        assert capsys.readouterr().err == "", "nothing that is said has changed"
        with claim(targets[1]) as lock:  # type: ignore[union-attr]
            assert lock is not None
            note(targets[1], "running", fraction=0.5)
            board.update()
            assert capsys.readouterr().err == "", "it has just looked"
            clock.now += SAID
            board.update()
            assert capsys.readouterr().err == "toy: 1 done, 1 running, 1 waiting of 3, 50 %, about 90 s left\n"
        for other in others:
            other()
        board.update()
        assert capsys.readouterr().err == ""
    said = capsys.readouterr()
    assert said.err == "toy: 2 done, 1 failed of 3, 100 %\n"
    assert said.out == ""


def test_the_board_of_several_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Board([tmp_path / "one" / "a", tmp_path / "two" / "a"], 0.0):
        pass
    assert capsys.readouterr().err == "one, two: 2 waiting of 2, 0 %\n"


def test_a_run_that_is_done_is_not_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = [tmp_path / "toy" / name for name in "ab"]
    publish(targets[0])
    clock = Clock()
    with Board(targets, 990.0, clock) as board:
        looked: list[Path] = []
        monkeypatch.setattr("sim.show.live.state", lambda target: looked.append(target))
        clock.now += SAID
        board.update()
        assert looked == targets[1:]
    monkeypatch.undo()


BOARD = """
import sys
from pathlib import Path
from sim.disk.ledger import note
from sim.show.live import Board
targets = [Path(sys.argv[1]) / name for name in ("aaaaaaaaaaaa", "bbbbbbbbbbbb")]
class Clock:
    now = 1000.0
    def __call__(self):
        return self.now
clock = Clock()
with Board(targets, 0.0, clock) as board:
    note(targets[0], "failed", reason="it is wrong")
    clock.now += 1
    board.update()
    print("meanwhile", file=sys.stderr)
print("after", file=sys.stderr)
"""


def test_the_board_in_a_terminal(tmp_path: Path) -> None:
    """It draws over itself, what others print stands above it, and the last picture stays."""
    screen = on_terminal("-c", BOARD, tmp_path / "toy")
    assert "\x1b[1A\x1b[2K" in screen.partition("meanwhile")[0], "the picture before is erased"
    assert shown(screen)[-5:-4] == ["toy  " + "━" * 67 + "  0 %"]
    assert shown(screen)[-4:] == [
        "1 failed  1 waiting  of 2",
        "failed   aaaaaaaaaaaa  it is wrong",
        "waiting  bbbbbbbbbbbb",
        "after",
    ]
