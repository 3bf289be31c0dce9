"""Every command that a document shows is one that works: nobody should copy a command that is refused.

Every `python -m sim.run` builds. Every other command names a module that exists, and options that its `--help` lists.
Every `make` names targets of the Makefile, and variables that it reads.
"""

import functools
import importlib
import importlib.util
import re
import shlex

import pytest
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override

from sim.running.build import build, settings
from sim.running.unlisted.asked import build as build_unlisted
from sim.running.unlisted.asked import is_unlisted
from tests.attack.doors import found as doors
from tests.composed import ROOT, compose

PAGES = ["*.md", "docs/**/*.md", "benchmarks/*.md"]
DOCUMENTS = [*PAGES, "conf/config.yaml", "conf/experiment/*.yaml", "examples/grammars/*"]
FILE = "examples/grammars/markov.yaml"  # for the file that a reader writes


def text_of(patterns: list[str]) -> str:
    """All documents one after the other; a command of several lines is one line."""
    text = "\n".join(file.read_text(encoding="utf-8") for pattern in patterns for file in sorted(ROOT.glob(pattern)))
    return re.sub(r" *\\\n +", " ", text)


def commands() -> list[str]:
    """Arguments of the documented commands that run something, without comments."""
    found = re.findall(r"python -m sim\.run +([^\n`]*)", text_of(DOCUMENTS))
    clean = {re.split(r"\s{2,}|, then|\s+#|\s+\(", line)[0].strip().rstrip(",") for line in found}
    single = {re.sub("^-m +", "", line) for line in clean}
    own = (line for line in single if "my_method" not in line)  # they need a package: tests/laws/test_my_method.py
    whole = (line for line in own if line and "..." not in line and "<" not in line)
    return sorted(line for line in whole if not line.startswith(("-", "[", "…")))


def first_point(arguments: list[str]) -> list[str]:
    """The arguments of the first point of a multirun; those of a single run as they are."""
    ours = [one for one in arguments if not one.startswith(("hydra/sweeper=", "hydra.sweeper."))]
    parsed = OverridesParser.create().parse_overrides(ours)
    return [
        f"{one.get_key_element()}={first_value(one)}" if one.is_sweep_override() else text
        for one, text in zip(parsed, ours, strict=True)
    ]


def first_value(one: Override) -> object:
    """The first value of a sweep; of an interval, in which a sweeper searches, the lower end."""
    value = one.value()
    return value.start if isinstance(value, IntervalSweep) else next(one.sweep_string_iterator())


def test_there_are_commands() -> None:
    assert len(commands()) >= 9
    assert any("range(" in command for command in commands()), "a multirun among them"


@pytest.mark.parametrize("command", commands())
def test_a_documented_command_builds(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    command = command.replace("=days.yaml", f"={FILE}")
    config = settings(compose(*first_point(shlex.split(command))))
    build_unlisted(config) if is_unlisted(config) else build(config)


def code(text: str) -> list[str]:
    """The lines of the code blocks of pages, and their inline code."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    fenced = [block for language, block in blocks if language in ("", "sh", "text")]
    outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    indented = re.findall(r"\n\n((?: {4,}\S.*\n)+)", outside)
    inline = [re.sub(r"\s+", " ", one) for one in re.findall(r"`((?:(?!\n\n)[^`])+)`", outside)]
    return [line.strip() for block in fenced + indented for line in block.splitlines()] + inline


def shown(start: str) -> list[list[str]]:
    """The words of the commands on pages that begin like this, without comments; each once.

    A line with an ellipsis or half a pair of quotes is part of a sentence.
    """
    lines = (line.removeprefix(start) for line in code(text_of(PAGES)) if line.startswith(start))
    found = {re.split(r"\s#|\s{2,}|\s\|\s|, then|;", line)[0] for line in lines}
    return [shlex.split(line) for line in sorted(found) if not re.search("[.]{3}|…", line) and line.count("'") % 2 == 0]


@functools.cache
def flags(module: str) -> set[str]:
    """The flags of a command: those of Hydra, or what the source of the command adds to its parser."""
    if module == "sim.run":
        return {flag for action in get_args_parser()._actions for flag in action.option_strings}
    stem = ROOT.joinpath(*module.split("."))
    files = stem.glob("*.py") if stem.is_dir() else [stem.with_suffix(".py")]
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    return {"-h", "--help", *re.findall(r"\badd(?:_argument)?\(\s*\"(--?[a-z][\w-]*)\"", text)}


WRITTEN = shown("python -m ") + shown(".venv/bin/python -m ")
COMMANDS = sorted({words[0] for words in WRITTEN} & doors() - {"sim.run"})


def test_every_module_exists_and_knows_its_options() -> None:
    assert len(COMMANDS) >= 9
    for module, *words in WRITTEN:
        if module in doors():
            assert {word.partition("=")[0] for word in words if word.startswith("-")} <= flags(module), (module, words)
        else:
            assert importlib.util.find_spec(module), module


@pytest.mark.slow
@pytest.mark.parametrize("module", [module for module in COMMANDS if not module.startswith("benchmarks")])
def test_the_help_lists_these_options(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    loaded = importlib.import_module(module)
    main = importlib.import_module(f"{module}.__main__").main if hasattr(loaded, "__path__") else loaded.main
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert flags(module) <= set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", capsys.readouterr().out))


def test_every_target_and_variable_of_make_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    written = [words for words in shown("make ") if words]
    assert len({word for words in written for word in words}) >= 12
    for words in written:
        for word in words:
            name, given, _ = word.partition("=")
            known = re.search(rf"\b{name}\b", makefile) if given else name in targets
            assert known, f"make {' '.join(words)}"


def test_a_wrong_command_is_found() -> None:
    text = "Say `make  tea`.\n\n    make coffee CUPS=2    # hot\n\n```sh\npython -m sim.rowz --cvs\n```\n"
    assert code(text) == ["python -m sim.rowz --cvs", "make coffee CUPS=2    # hot", "make tea"]
