"""The shape of the project: what is loaded when, sizes, docstrings, and YAML that means what signatures say.

Directions of imports, annotations and the docstrings of public modules are for `make check`: import-linter, mypy, ruff.
"""

import ast
import functools
import importlib
import os
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from jaxtyping import TypeCheckError

from sim.config import GROUPS, configurable, members, resolve
from sim.config.discovery import KINDS
from sim.numerics import expectation

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("sim", "experiments", "figures", "classroom", "hydra_plugins")
MODULES = sorted(file for package in ROOMS for file in (ROOT / package).rglob("*.py"))
CONF = sorted((ROOT / "conf").rglob("*.yaml"))
MEMBERS = [file for file in CONF if file.parent.name in GROUPS]
ROOMS_OF_THE_HOST = (
    "config",
    "disk",
    "estimators",
    "grammars",
    "languages",
    "laws",
    "metrics",
    "restrictions",
    "show",
    "theory",
)
HOST = (*ROOMS_OF_THE_HOST, "rows", "status", "verify")
HEAVY = ("jax", "flax", "optax", "hydra", "matplotlib")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


@functools.cache
def text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8")


@functools.cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(text_of(file))


def functions_of(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def definitions_of(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """Public classes and functions, and the public methods of public classes; inner functions are left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef) and not child.name.startswith("_"):
            yield prefix + child.name, child
            if isinstance(child, ast.ClassDef):
                yield from definitions_of(child, f"{prefix}{child.name}.")


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    # The child sees the checkout even where the project is not installed.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )


def imported(trace: str) -> set[str]:
    """Top-level packages named in the trace of `python -X importtime`."""
    return {match[1] for match in re.finditer(r"^import time:.*\|\s+(\w+)[\w.]*$", trace, re.MULTILINE)}


def test_there_is_something_to_check() -> None:
    for package in ROOMS:
        assert any(file.is_relative_to(ROOT / package) for file in MODULES), package
    for group in GROUPS:
        assert any(file.parent.name == group for file in MEMBERS), f"conf/{group} holds no YAML"
    for kind in KINDS:
        assert members(kind), kind


# -- imports ----------------------------------------------------------------------------------------------------------


def test_host_code_never_loads_jax() -> None:
    own = [file for file in MODULES if file.is_relative_to(ROOT / "sim") and file.stem != "__init__"]
    files = [file for file in own if "device" not in (file.stem, file.parent.name)]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    host = [name for name in names if name.split(".")[1] in HOST]
    assert len(host) > len(HOST)
    code = (
        "import importlib, sys\n"
        f"for name in {host}:\n"
        "    importlib.import_module(name)\n"
        f"    found = sorted(set({HEAVY}) & set(sys.modules))\n"
        "    if found: sys.exit(f'{name} loads {found}')\n"
    )
    child = run_python("-c", code)
    assert child.returncode == 0, child.stderr


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--cfg", "job", "--resolve"), ("--info", "defaults")], ids=" ".join
)
def test_asking_about_a_run_does_not_load_jax(arguments: tuple[str, ...]) -> None:
    child = run_python("-X", "importtime", "-m", "sim.run", *arguments)
    assert child.returncode == 0, child.stderr
    loaded = imported(child.stderr)
    assert "hydra" in loaded
    assert not loaded & {"jax", "jaxlib", "flax", "optax", "matplotlib", "polars", "numba"}
    assert ("kind: english" in child.stdout) == (arguments[0] != "--info")


# -- sizes ------------------------------------------------------------------------------------------------------------


def test_modules_are_short() -> None:
    lengths = {name_of(file): len(text_of(file).splitlines()) for file in MODULES}
    assert {name: length for name, length in lengths.items() if length > 300} == {}
    assert statistics.median(length for length in lengths.values() if length) <= 120


def test_functions_are_short() -> None:
    lengths = {
        f"{name_of(file)}:{function.lineno} {function.name}": function.end_lineno - function.lineno + 1
        for file in MODULES
        for function in functions_of(tree_of(file))
        if function.end_lineno is not None
    }
    assert {name: length for name, length in lengths.items() if length > 60} == {}
    assert statistics.median(lengths.values()) <= 15


# -- docstrings -------------------------------------------------------------------------------------------------------


def test_what_is_shared_within_a_room_is_described() -> None:
    """Modules whose names begin with an underscore, which ruff takes for private: D1 asks nothing of them."""
    shared = [file for file in MODULES if any(part.startswith("_") for part in file.relative_to(ROOT).parts)]
    assert len(shared) >= 5
    undescribed = [name_of(file) for file in shared if not ast.get_docstring(tree_of(file))]
    for file in shared:
        nodes = definitions_of(tree_of(file))
        undescribed += [f"{name_of(file)} {name}" for name, node in nodes if not ast.get_docstring(node)]
    assert undescribed == []


# -- configuration ----------------------------------------------------------------------------------------------------


def test_configuration_cannot_call_python() -> None:
    assert [name_of(file) for file in CONF if "_target_" in text_of(file)] == []


def test_yaml_keys_are_the_arguments_of_the_constructor() -> None:
    unknown = {}
    for file in MEMBERS:
        node = yaml.safe_load(text_of(file))
        constructor = resolve(file.parent.name, node.get("kind"), name_of(file))
        unknown[name_of(file)] = set(node) - {"kind", "defaults"} - set(configurable(constructor))
    assert {name: keys for name, keys in unknown.items() if keys} == {}


@pytest.mark.parametrize("group", GROUPS)
def test_every_kind_has_a_yaml(group: str) -> None:
    written = {yaml.safe_load(text_of(file)).get("kind") for file in MEMBERS if file.parent.name == group}
    assert set(members(group)) - written == set()


# -- packaging --------------------------------------------------------------------------------------------------------


def normal(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")


def test_locks_pin_everything_and_name_no_source() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locks = {path.name: path.read_text(encoding="utf-8").splitlines() for path in (ROOT / "locks").glob("*.txt")}
    for name, lines in locks.items():
        odd = [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*( ; [^/@]+)?", line)]
        assert odd == [], name
    assert {normal(line) for line in project["dependencies"]} <= {normal(line) for line in locks["core.txt"]}
    extras = project["optional-dependencies"]
    assert {normal(line) for line in extras["test"] + extras["lint"]} <= {normal(line) for line in locks["test.txt"]}
    assert set(locks["core.txt"]) <= set(locks["test.txt"])


def test_one_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert importlib.import_module("sim").__version__ == version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == version


# -- the checks on types really run -----------------------------------------------------------------------------------


def test_types_are_checked_at_run_time() -> None:
    with pytest.raises(TypeCheckError):
        expectation([0.0], np.zeros(1))  # type: ignore[arg-type]
