"""The marimo app: its cells as a program, and once in a browser without a network."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.composed import ROOT

pytestmark = [pytest.mark.optional, pytest.mark.filterwarnings("default")]
APP = ROOT / "notebooks" / "app.py"
PAGE = Path(__file__).parent / "app_page.cjs"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("marimo", reason="needs the extra marimo")
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("app_of_the_notebooks", APP)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def values(table: list[dict[str, str]]) -> dict[str, list[float]]:
    """The ends of each number of the app, by the beginning of its name."""
    found = {}
    for row in table:
        ends = [float(end) for end in row["value"].strip("[]").split(",")]
        assert row["known"] == ("exact" if len(ends) == 1 else "bounded")
        assert ends == sorted(ends)
        found[row["quantity"].split(",")[0]] = ends
    return found


def test_its_cells_run_as_a_program(module: Any) -> None:
    """The first picture, and another one after a change of every control."""
    _, names = module.app.run()
    first = values(names["table"])
    controls = {"kind": "all answers", "temperature": 2.0, "replay": 0.1, "seed": 0}
    _, changed = module.app.run(defs={name: SimpleNamespace(value=one) for name, one in controls.items()})
    then = values(changed["table"])
    assert first["H(P)"] == then["H(P)"]
    assert first["H(S)"][0] < first["H(P)"][0] < then["H(S)"][0]
    assert first["H(q)"][-1] < first["H(P)"][0] < then["H(q)"][0]
    assert first["mass of style z0"][0] > 0.95 > 0.5 > then["mass of style z0"][0]
    assert names["figure"]._repr_png_() != changed["figure"]._repr_png_()
    p = names["result"].record.p
    prompts = np.bincount(p.prompts.group, np.exp(p.log_p))
    own = -(np.exp(p.log_p) * p.log_p).sum() + (prompts * np.log(prompts)).sum()
    assert first["H(P)"][0] == pytest.approx(own, rel=1e-3)


def test_numbers_say_how_they_are_known(module: Any) -> None:
    import sim

    assert module.shown(sim.Quantity.of(0.5)) == "0.5"
    assert module.shown(sim.Quantity(1.00001, 1.00002)) == "[1.00001, 1.00002]"


def browser() -> str:
    """What is missing for the browser, or nothing."""
    if shutil.which("node") is None:
        return "needs node"
    if not Path(os.environ.get("CHROMIUM", "/usr/bin/chromium")).exists():
        return "needs Chromium (CHROMIUM=<path>)"
    asked = subprocess.run(["node", "-e", "require('playwright-core')"], capture_output=True, cwd=ROOT, check=False)
    return "" if asked.returncode == 0 else "needs playwright-core (NODE_PATH=<folder with it>)"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    pytest.importorskip("marimo", reason="needs the extra marimo")
    if missing := browser():
        pytest.skip(missing)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["run", str(APP), "--headless", "--no-token", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen([sys.executable, "-m", "marimo", *words], cwd=tmp_path, env=environment)
    try:
        url = f"http://127.0.0.1:{port}/"
        for _ in range(600):
            try:
                urllib.request.urlopen(url, timeout=5)
                break
            except (urllib.error.URLError, TimeoutError):
                time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait()


def test_a_slider_fine_tunes_again_in_a_browser_without_a_network(address: str, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    done = subprocess.run(["node", str(PAGE), address, str(picture)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["headings"] == ["What fine-tuning does to a known language", "Choose", "See", "Ask"]
    assert seen["before"] != seen["after"]
    assert (seen["errors"], seen["outside"]) == ([], []), "no error, and no request to another place"
    assert len(seen["changes"]) == 3
    assert picture.stat().st_size > 20_000
