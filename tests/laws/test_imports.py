"""What a command imports: nothing that is slow to import and that most of its uses do not need.

All modules are imported in one process, so that a new module is covered without further work.
"""

import subprocess
import sys

from tests.unit.faults import ROOT

LISTED = """
import importlib, pkgutil, sys

names = [one.name for package in sys.argv[1].split(",")
         for one in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")]
for name in names:
    importlib.import_module(name)
print(len(names), *sorted(name for name in sys.modules if name in sys.argv[2].split(",")))
"""

SLOW = ("scipy.stats", "torch", "pandas", "matplotlib", "wandb", "tensorboardX", "mlflow", "submitit")
"""Packages that only some uses of a command need. They are imported in functions."""

DRAWING = ("scipy.stats", "torch", "pandas", "matplotlib.pyplot", "jax", "hydra", "flax")


def loaded(packages: str, slow: tuple[str, ...]) -> tuple[int, list[str]]:
    """The number of modules in packages, and which slow packages are there when all of them have been imported."""
    command = [sys.executable, "-c", LISTED, packages, ",".join(slow)]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert child.returncode == 0, child.stderr
    count, *found = child.stdout.split()
    return int(count), found


def test_no_module_imports_what_few_uses_need() -> None:
    count, found = loaded("sim,experiments,hydra_plugins", SLOW)
    assert count > 250
    assert not found, f"{found}: import it in the function that needs it"


def test_figures_import_matplotlib_alone() -> None:
    count, found = loaded("figures", DRAWING)
    assert count > 20
    assert not found


def test_a_slow_import_is_noticed() -> None:
    """Else the tests above would hold of nothing."""
    assert loaded("email", ("email.mime.text", "matplotlib"))[1] == ["email.mime.text"]
