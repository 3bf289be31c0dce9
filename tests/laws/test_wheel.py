"""The built wheel in an environment of its own, far from the checkout: every command and the Python interface work."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.composed import ROOT

NOTEBOOK = """
import experiments, figures, sim
from sim.lessons import check, picture
r = sim.simulate(grammar="english", model="tabular_trie", scale="smoke", progress=False)
print(r)
assert r.figure("styles")._repr_png_()
assert check("c1.4", 0.3899) and not check("c1.4", 0.61)
assert picture("c5_rank", "ranks")._repr_png_()
assert r.model("finetuned").sample(2, prompt="what is the moon like ?")
"""


@pytest.mark.slow
def test_a_fresh_environment_needs_nothing_but_the_wheel(tmp_path: Path) -> None:
    dist, home = tmp_path / "dist", tmp_path / "home"
    home.mkdir()
    build = [sys.executable, "-c", f"import hatchling.build as b; b.build_wheel({str(dist)!r})"]
    dist.mkdir()
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    venv.create(tmp_path / "env", with_pip=True)
    python = str(tmp_path / "env" / "bin" / "python")
    (wheel,) = dist.glob("*.whl")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", str(ROOT / "locks/core.txt")]
    subprocess.run([*pip, str(wheel)], check=True)
    (home / "notebook.py").write_text(NOTEBOOK, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "JAX"))}
    for words in (
        ["-m", "sim.run", "experiment=demo", "model=tabular_trie", "scale=smoke"],
        ["-m", "experiments", "demo"],
        ["-m", "figures", "demo"],
        ["-m", "sim.rows", "outputs/demo"],
        ["-m", "sim.status", "outputs"],
        ["-m", "sim.verify"],
        ["-m", "experiments", "--help"],
        ["notebook.py"],
    ):
        done = subprocess.run([python, *words], cwd=home, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    assert (home / "outputs" / "demo" / "rows.parquet").is_file()
    assert list(home.glob("outputs/demo/reports/*/figures/styles.png"))
