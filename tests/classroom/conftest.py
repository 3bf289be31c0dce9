"""What the tests of the classroom share: node with its packages, a browser, and the functions of the page's laws."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOM = Path(__file__).resolve().parents[2] / "classroom"


def old(node: str) -> bool:
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"v(\d+)", version)
    return found is None or int(found[1]) < 18


@pytest.fixture(scope="session")
def node() -> str:
    found = shutil.which("node")
    if found is None or old(found):
        pytest.skip("node 18 or newer is not installed")
    if not (ROOM / "node_modules" / "esbuild").is_dir():
        pytest.skip("the packages of the page are not installed; run make classroom")
    return found


@pytest.fixture(scope="session")
def chromium(node: str) -> str:
    del node
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("chromium is not installed")
    return found


@pytest.fixture(scope="session")
def laws(node: str) -> Iterator[Callable[..., Any]]:
    """Call a function of classroom/tests/laws.mjs."""
    arguments = [node, str(ROOM / "tests" / "laws.mjs")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8") as one:
        assert one.stdin is not None
        assert one.stdout is not None

        def call(*call: Any) -> Any:
            print(json.dumps(call), file=one.stdin, flush=True)
            return json.loads(one.stdout.readline())

        yield call
        one.stdin.close()


@pytest.fixture(scope="session")
def world() -> Callable[[str], dict[str, Any]]:
    """Read a frozen world without the exporter."""
    return lambda name: json.loads((ROOM / "worlds" / f"{name}.json").read_text(encoding="utf-8"))
