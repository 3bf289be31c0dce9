"""The command of the self-test: every family, exit codes, what a disagreement looks like, and bad arguments."""

import random
import re
from collections.abc import Iterator

import pytest

from sim.selftest import tally
from sim.selftest.checks import REFUSED, Check
from sim.selftest.command import main
from sim.selftest.tally import family_names


@pytest.mark.parametrize("name", family_names())
def test_every_family_agrees(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--n", "3", "--seed", "1"]) == 0
    said = capsys.readouterr().out
    assert said.count(f"\n{name} ") > 3
    assert "on 3 random languages" in said
    assert said.rstrip().endswith("seed 1: all agree to 1e-10")


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A family that is wrong in one case of three, and raises in another."""
    kept = tally.family

    def family(name: str):
        def checks(rng: random.Random) -> Iterator[Check]:
            case = int(str(rng.random())[2:6]) % 3
            yield Check("half", 0.5 + (1e-9 if case == 0 else 0.0), 0.5)
            yield Check("refused", REFUSED, 1.0)
            if case == 1:
                raise ZeroDivisionError("of nothing")

        return checks if name == "listed" else kept(name)

    monkeypatch.setattr(tally, "family", family)


@pytest.mark.usefixtures("planted")
def test_a_disagreement_names_the_command_that_repeats_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["listed", "--n", "20", "--seed", "4"]) == 1
    said = capsys.readouterr().out
    assert "DISAGREES" in said
    wrong = next(line for line in said.splitlines() if "half: relative error 2.0e-09; repeat with" in line)
    assert "ZeroDivisionError: of nothing; repeat with python -m sim.selftest listed --seed 4 --case" in said
    command = wrong.split("python -m sim.selftest ")[1].split()
    for _ in range(2):
        assert main(command) == 1
        assert "half: 2.0e-09\n  product 0.500000001\n  oracle  0.5" in capsys.readouterr().out


def test_a_case_repeats_the_same_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for arguments in (["--seed", "2", "--case", "7"], ["--seed", "2", "--case", "7"], ["--seed", "3", "--case", "7"]):
        assert main(["listed", *arguments]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] != shown[2]
    assert "listed entropy: " in shown[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "FAMILY: one of .*listed.* is required, found nothing"),
        (["--n", "0"], "--n: an integer of at least 1 is required, found 0"),
        (["listed", "--case", "-1"], "--case: an integer of at least 0 is required, found -1"),
        (["--n", "many"], "--n: an integer of at least 1 is required, found 'many'"),
    ],
)
def test_bad_arguments_are_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert re.search(said, capsys.readouterr().err)


def test_only_a_refusal_counts_as_one() -> None:
    """A language that answers nothing at all where there is a number is wrong."""
    assert Check("a", REFUSED, 1.0).refused
    assert Check("a", REFUSED, 1.0).error == 0.0
    assert not Check("a", None, 1.0).refused
    assert Check("a", None, 1.0).error == Check("a", 1.0, None).error == float("inf")
    assert Check("a", None, None).error == 0.0
