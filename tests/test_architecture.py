"""The shape of the project: import floors, sizes, docstrings, annotations, and YAML that means what signatures say."""

import ast
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

from sim.config import PACKAGES, configurable, resolve
from sim.numerics import SpecificationError, expectation

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("sim", "experiments", "figures", "hydra_plugins")
MODULES = sorted(file for package in ROOMS for file in (ROOT / package).rglob("*.py"))
CONF = sorted((ROOT / "conf").rglob("*.yaml"))
MEMBERS = [file for file in CONF if file.parent.name in PACKAGES]
HOST = ("config", "disk", "grammars", "languages", "metrics", "restrictions", "show", "theory", "rows", "status")
HEAVY = ("jax", "flax", "optax", "hydra", "matplotlib")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


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
    for group in PACKAGES:
        assert any(file.parent.name == group for file in MEMBERS), f"conf/{group} holds no YAML"


# -- imports ----------------------------------------------------------------------------------------------------------


def test_imports_go_down_only() -> None:
    lint = run_python("-c", "from importlinter.cli import lint_imports_command as lint; lint(['--no-cache'])")
    assert lint.returncode == 0, lint.stdout + lint.stderr


def test_host_code_never_loads_jax() -> None:
    files = [file for file in MODULES if file.is_relative_to(ROOT / "sim") and file.stem not in ("device", "__init__")]
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
    ("package", "forbidden"),
    [("figures", {"sim", "jax", "flax", "hydra"}), ("experiments", {"jax", "flax", "hydra"})],
)
def test_readers_of_tables_load_no_simulator(package: str, forbidden: set[str]) -> None:
    modules = [file for file in MODULES if file.is_relative_to(ROOT / package) and file.stem != "__main__"]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in modules]
    child = run_python("-X", "importtime", "-c", "; ".join(f"import {name}" for name in names))
    assert child.returncode == 0, child.stderr
    assert package in imported(child.stderr)
    assert not imported(child.stderr) & forbidden


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--cfg", "job", "--resolve"), ("--info", "defaults")], ids=" ".join
)
def test_asking_about_a_run_does_not_load_jax(arguments: tuple[str, ...]) -> None:
    child = run_python("-X", "importtime", "-m", "sim.run", *arguments)
    assert child.returncode == 0, child.stderr
    assert "hydra" in imported(child.stderr)
    assert not imported(child.stderr) & {"jax", "jaxlib", "flax", "optax", "matplotlib"}


# -- sizes ------------------------------------------------------------------------------------------------------------


def test_modules_are_short() -> None:
    lengths = {name_of(file): len(file.read_text(encoding="utf-8").splitlines()) for file in MODULES}
    assert {name: length for name, length in lengths.items() if length > 300} == {}
    assert statistics.median(length for length in lengths.values() if length) <= 120


def test_functions_are_short() -> None:
    lengths = {
        f"{name_of(file)}:{function.lineno} {function.name}": function.end_lineno - function.lineno + 1
        for file in MODULES
        for function in functions_of(ast.parse(file.read_text(encoding="utf-8")))
        if function.end_lineno is not None
    }
    assert {name: length for name, length in lengths.items() if length > 60} == {}
    assert statistics.median(lengths.values()) <= 15


# -- docstrings and annotations ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_public_names_are_described(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    undescribed = [name for name, node in definitions_of(tree) if not ast.get_docstring(node)]
    assert undescribed == []
    assert ast.get_docstring(tree), "the module has no docstring"


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_everything_is_annotated(file: Path) -> None:
    bare = []
    for function in functions_of(ast.parse(file.read_text(encoding="utf-8"))):
        given = function.args
        rest = [parameter for parameter in (given.vararg, given.kwarg) if parameter]
        parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs, *rest]
        bare += [f"{function.name}({p.arg})" for p in parameters if not p.annotation and p.arg not in ("self", "cls")]
        bare += [] if function.returns else [f"{function.name} -> ?"]
    assert bare == []


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_annotations_are_objects(file: Path) -> None:
    # Postponed annotations are strings, which the run-time type check cannot read.
    assert "from __future__ import annotations" not in file.read_text(encoding="utf-8")


# -- configuration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", CONF, ids=name_of)
def test_configuration_cannot_call_python(file: Path) -> None:
    assert "_target_" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", MEMBERS, ids=name_of)
def test_yaml_keys_are_the_arguments_of_the_constructor(file: Path) -> None:
    node = yaml.safe_load(file.read_text(encoding="utf-8"))
    constructor = resolve(PACKAGES[file.parent.name], node.get("kind"), name_of(file))
    unknown = set(node) - {"kind", "defaults"} - set(configurable(constructor))
    assert unknown == set()


@pytest.mark.parametrize(("group", "package"), PACKAGES.items())
def test_every_kind_has_a_yaml(group: str, package: str) -> None:
    written = {
        yaml.safe_load(file.read_text(encoding="utf-8")).get("kind") for file in MEMBERS if file.parent.name == group
    }
    kinds = set()
    for file in (ROOT / "sim" / package).glob("[a-z]*.py"):
        try:
            resolve(package, file.stem, file.stem)
        except SpecificationError:  # a helper of its siblings, not a kind
            continue
        kinds.add(file.stem)
    assert kinds - written == set()
    assert kinds


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
