"""Each command against each bad stream, place and value: one line, a documented status, and nothing left behind.

The quick tests take every command and every bad thing at least once. The slow ones take every pair.
"""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from tests.attack.bad import ENVIRONMENTS, FOR_HYDRA, KEYS, STREAMS, VALUES, places
from tests.attack.client import Client, Said
from tests.attack.doors import COMPUTES, DOORS, GRAMMAR, NOT_ATTACKED, ROOT, RUN, Door, found

STATUSES = (0, 1, 2, 141)
"""What a command may end with that nobody interrupts (README.md, Exit statuses)."""

FULL = (
    "standard output: a stream that can be written is required, found no space left on device; "
    "files that were written before are complete\n"
)
ACCUSING = re.compile(
    r"required|needs a|unknown argument|unknown symbol|unrecognized arguments|expected (one|at least one) argument|"
    r"invalid choice|ambiguous option|not found|ignored explicit argument|already in the configuration|has no '|"
    r"not valid|there is no|not allowed|extraneous|mismatched|could not|cannot|must be|Unsupported"
)
NAMES = [f"{door.module} {door.good.split(' ')[0]}".replace(str(ROOT), "") for door in DOORS]


class World:
    """A server, a folder of results with one run, and a folder that nobody may write to."""

    def __init__(self, folder: Path) -> None:
        self.client = Client(sorted({door.module for door in DOORS}))
        self.folder, self.bad = folder, folder / "bad"
        self.outputs, self.new = folder / "outputs", folder / "new" / "place"
        shutil.copytree(ROOT / "tests" / "archive" / RUN, self.outputs / "demo" / RUN)
        self.bad.mkdir()
        self.places = places(self.bad)
        run = json.loads((self.outputs / "demo" / RUN / "run.json").read_text())["config"]
        task = {"runs": [run | {"outputs": str(folder / "new")}], "execution": {}}
        (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")

    def words(self, written: str, place: str | None = None) -> list[str]:
        known = {
            "{outputs}": str(self.outputs),
            "{runs}": str(self.outputs / "demo"),
            "{task}": str(self.folder / "task.json"),
            "{new}": str(self.new),
        }
        words = []
        for word in written.split():
            for name, value in known.items():
                word = word.replace(name, value)
            words.append(word if place is None else word.replace("{}", place))
        return words

    def do(self, module: str, words: Sequence[str], **how: Any) -> Said:
        return self.client.do(module, words, folder=self.bad / "empty", **how)

    def tree(self) -> set[Path]:
        return set(self.folder.rglob("*"))

    def clear(self) -> None:
        """Remove what commands that succeed leave behind."""
        shutil.rmtree(self.folder / "new", ignore_errors=True)
        shutil.rmtree(self.outputs / "demo" / "reports", ignore_errors=True)
        for file in (self.outputs / "demo").glob("rows.*"):
            file.unlink()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("attacks"))
    yield made
    made.client.close()


def obeys(said: Said, what: str) -> None:
    """The law for everything: no traceback, a status of the table, and one line for what is refused."""
    assert said.status in (*STATUSES, COMPUTES), f"{what}: {said}"
    for sign in ("Traceback", "Exception ignored", "Logging error", "\x1b"):
        assert sign not in said.err, f"{what}: {said.err}"
    if said.status == 2:
        lines = line_of(said)
        assert len(lines) <= 1 or not said.err, f"{what}: {said}"
        assert all(ACCUSING.search(line) for line in lines), f"{what}: {said}"


def line_of(said: Said) -> list[str]:
    """The lines that refuse: without the usage of argparse. In a multirun they are the end of the summary."""
    lines = [line for line in said.err.splitlines() if line and not line.startswith(("usage: ", " "))]
    summary = [line for line in said.out.splitlines() if line.startswith("  not started (")]
    return lines or [line.partition("): ")[2] for line in summary]


# -- the list of commands ---------------------------------------------------------------------------------------------


def test_every_door_is_listed() -> None:
    """A command that is not listed is not attacked. Give a new one a line in tests/attack/doors.py."""
    listed = {door.module for door in DOORS}
    assert found() == listed | set(NOT_ATTACKED)
    assert not listed & set(NOT_ATTACKED)
    assert "scripts" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    folders = {
        file.parent for package in ("sim", "experiments", "figures") for file in (ROOT / package).rglob("__main__.py")
    }
    assert {".".join(folder.relative_to(ROOT).parts) for folder in folders} <= listed


# -- streams and environments -----------------------------------------------------------------------------------------


def streamed(world: World, door: Door, kind: str) -> None:
    """Try what succeeds and what is refused. A refusal is written to the errors, all else to the output."""
    what = f"{door.module} with {kind}"
    good = world.do(door.module, world.words(door.good), streams=STREAMS[kind])
    obeys(good, what)
    if "-m" not in door.good:
        assert good.status == expected(kind, door.status, "output"), f"{what}: {good}"
        assert good.err == (FULL if kind == "output full" else ""), what
    world.clear()
    before = world.tree()
    wrong = world.do(door.module, world.words(door.wrong), streams=STREAMS[kind])
    obeys(wrong, what)
    if "-m" not in door.wrong and not (door.status and "output" in kind):
        assert wrong.status == expected(kind, 2, "errors"), f"{what}: {wrong}"
        assert wrong.err.count("\n") >= (STREAMS[kind][2] == "kept"), what
    assert world.tree() == before, what


def expected(kind: str, status: int, stream: str) -> int:
    """The exit status with a bad stream, if a command that would end with `status` writes to one stream only."""
    if kind in (f"{stream} full", "both full"):
        return 1
    return 141 if kind == f"reader of the {stream} gone" else status


QUICK_STREAMS = list(zip(itertools.cycle(DOORS[2:]), STREAMS, strict=False))


@pytest.mark.parametrize(
    ("door", "kind"), QUICK_STREAMS, ids=[f"{door.module}, {kind}" for door, kind in QUICK_STREAMS]
)
def test_a_bad_stream(door: Door, kind: str, world: World) -> None:
    streamed(world, door, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("door", DOORS, ids=NAMES)
def test_every_bad_stream(door: Door, kind: str, world: World) -> None:
    streamed(world, door, kind)


def in_environment(world: World, door: Door, kind: str) -> None:
    for written, status in ((door.good, door.status), (door.wrong, 2), ("--help", 0)):
        said = world.do(door.module, world.words(written), environment=ENVIRONMENTS[kind])
        assert said.status == status, f"{door.module} {written} with {kind}: {said}"
        assert "Traceback" not in said.err
        assert kind != "ASCII" or (said.out + said.err).isascii()
        world.clear()


QUICK_ENVIRONMENTS = list(zip(itertools.cycle(DOORS[2:]), ENVIRONMENTS, strict=False))


@pytest.mark.parametrize(("door", "kind"), QUICK_ENVIRONMENTS, ids=[kind for _, kind in QUICK_ENVIRONMENTS])
def test_a_bad_environment(door: Door, kind: str, world: World) -> None:
    in_environment(world, door, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENVIRONMENTS)
@pytest.mark.parametrize("door", DOORS, ids=NAMES)
def test_every_bad_environment(door: Door, kind: str, world: World) -> None:
    in_environment(world, door, kind)


# -- places -----------------------------------------------------------------------------------------------------------

SPOTS = [(door, place) for door in DOORS for place in door.places]
BAD_PLACES = [
    "a folder below a file", "a file", "a folder of the kernel", "a place below a device", "a device", "a pipe",
    "a long name", "a long path", "a line end", "no characters", "a NUL", "an escape", "nothing", "a loop",
    "a link that leads nowhere", "a home of nobody",
]  # fmt: skip


def placed(world: World, door: Door, written: str, kind: str) -> Said:
    """A bad place is refused before anything is made, and the line names it. Some are good where a stem is wanted."""
    before = world.tree()
    place = world.places[kind]
    said = world.do(door.module, world.words(written, place))
    what = f"{door.module} {written} with {kind}"
    obeys(said, what)
    if "--out" in written and said.status == 0:
        for file in world.tree() - before:
            assert file.suffix in (".parquet", ".csv")
            file.unlink()
    elif "grammar.path" not in written or said.status != COMPUTES:
        assert said.status == 2, f"{what}: {said}"
        (line,) = line_of(said)
        assert "required" in line, what
    assert world.tree() == before, what
    return said


QUICK_PLACES = list(zip(itertools.cycle(SPOTS[3:]), BAD_PLACES, strict=False))


@pytest.mark.parametrize(
    ("spot", "kind"), QUICK_PLACES, ids=[f"{spot[0].module}, {kind}" for spot, kind in QUICK_PLACES]
)
def test_a_bad_place(spot: tuple[Door, str], kind: str, world: World) -> None:
    assert set(BAD_PLACES) == set(world.places)
    placed(world, *spot, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", BAD_PLACES)
@pytest.mark.parametrize("spot", SPOTS, ids=[f"{door.module} {place}".replace(str(ROOT), "") for door, place in SPOTS])
def test_every_bad_place(spot: tuple[Door, str], kind: str, world: World) -> None:
    placed(world, *spot, kind)


ROOM = 1000
"""Size of the largest file [byte] on a disk that is full."""


@pytest.mark.parametrize(
    ("module", "written"),
    [("sim.rows", "{runs}"), ("experiments", "demo {runs}"), ("sim.run", "-m seed=1,2 outputs={new}")],
    ids=["rows", "experiments", "multirun"],
)
def test_a_full_disk_leaves_no_half_of_a_file(module: str, written: str, world: World) -> None:
    before = world.tree()
    said = world.do(module, world.words(written), room=ROOM)
    obeys(said, module)
    assert said.status in (1, 2)
    assert "required, found file too large" in said.err
    assert not [file for file in world.tree() - before if file.is_file()]
    bytecode = [file for folder in ("sim", "experiments", "figures") for file in (ROOT / folder).rglob("*.pyc")]
    assert not [file for file in bytecode if file.stat().st_size == ROOM], "half of its own bytecode"
    world.clear()


GONE = [*DOORS, Door("experiments", "demo", ""), Door("figures", "demo", ""), Door("sim.verify", "", "")]


@pytest.mark.slow
@pytest.mark.parametrize("door", GONE, ids=[f"{door.module} {door.good[:9]}" for door in GONE])
def test_a_current_directory_that_was_deleted(door: Door, world: World) -> None:
    (world.folder / "gone").mkdir()
    said = world.client.do(door.module, world.words(door.good), folder=world.folder / "gone", deleted=True)
    obeys(said, door.module)
    assert said.status == door.status or "required, found" in said.err
    world.clear()


# -- values ------------------------------------------------------------------------------------------------------------

FLAG = re.compile(r"^  (?:-\w, )?(--[\w-]+)(?: ([A-Z{]))?", re.MULTILINE)
WITH_FLAGS = [door for door in DOORS if door.module != "sim.run"]


def flags(world: World, door: Door) -> dict[str, bool]:
    """The flags of a command, from its help; whether each takes a value."""
    said = world.do(door.module, ["--help"])
    assert said.status == 0
    return {name: bool(value) for name, value in FLAG.findall(said.out) if name != "--help"}


def valued(world: World, door: Door, flag: str, value: str) -> None:
    """A bad value is refused before anything is made, or it is a good one."""
    before = world.tree()
    said = world.do(door.module, [*world.words(door.wrong), f"{flag}={value}"])
    what = f"{door.module} {flag}={value[:60]!r}"
    obeys(said, what)
    assert said.status in (2, door.status), f"{what}: {said}"
    assert world.tree() == before, what


@pytest.mark.parametrize("door", WITH_FLAGS, ids=[door.module for door in WITH_FLAGS])
def test_flags_without_sense(door: Door, world: World) -> None:
    """Unknown flags, flags without their value, values for flags that take none, and too many words."""
    known = flags(world, door)
    cases = [["--nonsense"], ["a"] * 9]
    cases += [[name] if value else [f"{name}=1"] for name, value in known.items()][:1]
    for words in cases:
        said = world.do(door.module, words)
        obeys(said, f"{door.module} {words}")
        assert said.status == 2, f"{door.module} {words}: {said}"


@pytest.mark.slow
@pytest.mark.parametrize("door", WITH_FLAGS, ids=[door.module for door in WITH_FLAGS])
def test_every_bad_value_of_a_flag(door: Door, world: World) -> None:
    for flag, value in flags(world, door).items():
        for bad in VALUES if value else ():
            if (door.module, flag) != ("sim.selftest", "--n"):
                valued(world, door, flag, bad)


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--top", "--counts", "--positions", "--length", "--restrict", "--tilt", "--string"])
def test_every_bad_value_for_a_language(flag: str, world: World) -> None:
    """The same for a grammar file that is right, so that the value itself is met."""
    for bad in VALUES:
        said = world.do("sim.describe", [GRAMMAR, f"{flag}={bad}"])
        obeys(said, f"{flag}={bad!r}")


def overridden(world: World, override: str) -> None:
    """An override means the same in a single run and in a multirun: the same status, and the same line."""
    before = world.tree()
    heard = []
    for more in ([], ["-m"]):
        said = world.do("sim.run", [*more, f"outputs={world.new}", override])
        where = f"{more} {override!r}"
        obeys(said, where)
        assert said.status in (2, COMPUTES), f"{where}: {said}"
        left = world.tree() - before - {world.new.parent / ".cache"}
        assert said.status == COMPUTES or not left, f"{where}: {left}"
        heard.append(said)
        world.clear()
    single, many = heard
    if "found several" in single.err or override.startswith("hydra"):  # a sweep, and what only a multirun reads
        return
    assert single.status == many.status, f"{override!r}: {single} {many}"
    if single.status == 2:
        assert set(line_of(single)) == set(line_of(many)), f"{override!r}: {single} {many}"


@pytest.mark.parametrize("override", ["finetune.probes=gradient", "outputs="])
def test_an_override_means_the_same_in_a_multirun(override: str, world: World) -> None:
    overridden(world, override)


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS)
def test_every_bad_override_means_the_same_in_a_multirun(key: str, world: World) -> None:
    for value in FOR_HYDRA:
        overridden(world, f"{key}={value}")


@pytest.mark.parametrize("value", ["a\n'b\"", "ö\\"])
def test_the_argument_that_is_printed_works_in_a_shell(value: str, world: World) -> None:
    said = world.do("sim.run", [f"outputs={value}=1"])
    printed = said.err.rstrip("\n").partition("quote the value: ")[2]
    shown = subprocess.run(["bash", "-c", f"printf %s {printed}"], capture_output=True, text=True, check=True)
    (override,) = OverridesParser.create().parse_overrides([shown.stdout])
    assert (override.key_or_group, override.value()) == ("outputs", f"{value}=1")


# -- what only a process of its own can show ---------------------------------------------------------------------------

SMALL = ("scale=smoke", "model=tabular_trie", "pretrain.num_steps=4", "finetune.num_steps=4")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("JAX_PLATFORMS", "cuda", "JAX_PLATFORMS: a platform of this machine is required, found 'cuda'"),
        ("JAX_PLATFORMS", "nonsense", "JAX_PLATFORMS: a platform of this machine is required, found 'nonsense'"),
        ("JAX_NUM_CPU_DEVICES", "many", "JAX_NUM_CPU_DEVICES: a positive integer is required, found 'many'"),
        ("JAX_NUM_CPU_DEVICES", "0", "JAX_NUM_CPU_DEVICES: a positive integer is required, found '0'"),
        (
            "JAX_ENABLE_X64",
            "perhaps",
            "environment: variables that jax can read are required, found this: invalid truth",
        ),
    ],
)
def test_an_environment_that_jax_cannot_use(variable: str, value: str, line: str, tmp_path: Path) -> None:
    """The same line and status in a single run and in a multirun."""
    for more in ((), ("-m",)):
        command = [sys.executable, "-m", "sim.run", *more, *SMALL, f"outputs={tmp_path}"]
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | {variable: value}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert "Traceback" not in done.stdout + done.stderr
        assert more or done.stderr.count("\n") == 1  # a multirun also shows how far it is
        assert line in (done.stdout + done.stderr)
        assert variable != "JAX_PLATFORMS" or "; there: cpu" in (done.stdout + done.stderr)
        assert not list(tmp_path.rglob("manifest.json"))


@pytest.mark.slow
@pytest.mark.parametrize("door", DOORS, ids=NAMES)
def test_a_process_of_its_own_agrees_with_the_server(door: Door, world: World) -> None:
    """The server imitates how Python begins and ends. For each kind of stream, a real process does the same."""
    signs = {"closed": "&-", "/dev/full": "/dev/full"}
    for kind, streams in STREAMS.items():
        if "broken" in streams or "{new}" in door.good:
            continue
        bad = [f"{sign}{signs[one]}" for sign, one in zip(("<", ">", "2>"), streams, strict=True) if one in signs]
        words = world.words(door.wrong)
        shell = ["bash", "-c", f'exec "$@" {" ".join(bad)}', "bash", sys.executable, "-m", door.module, *words]
        done = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True, check=False)
        here = world.do(door.module, words, streams=streams)
        assert (done.returncode, done.stderr) == (here.status, here.err), f"{door.module} with {kind}"
