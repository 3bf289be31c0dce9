"""The content of objects given in Python: everything that a function uses counts, wherever it is written."""

import importlib
import sys
import textwrap
from pathlib import Path

import pytest

from sim.config.content import object_digest
from sim.numerics import SpecificationError

FILES = {
    "mine_objective": """
        import functools
        import math

        import jax
        import jax.numpy as jnp
        import numpy as np

        import mine_whole
        from mine_helper import FACTOR, scale

        RATE = 2.0


        def loss(q):
            def inner(x):
                return RATE * x

            return scale(inner(q)) * FACTOR + mine_whole.offset() + math.pi


        jitted = jax.jit(lambda x: RATE * x)
        part = functools.partial(scale, 3.0)


        def by_others(q):
            return jitted(q) + part() + jnp.log(q) + np.log(q)
    """,
    "mine_helper": """
        FACTOR = 5.0


        def scale(x):
            return _twice(x)


        def _twice(x):
            return 2.0 * x
    """,
    "mine_whole": """
        from mine_deep import DEPTH


        def offset():
            return 1.0
    """,
    "mine_deep": "DEPTH = 7",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    # compiled files are told apart by second and size, and here a file changes within one
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name, text in FILES.items():
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
    return tmp_path


def digest(name: str) -> str:
    for module in FILES:
        sys.modules.pop(module, None)
    importlib.invalidate_caches()
    return object_digest(getattr(importlib.import_module("mine_objective"), name))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("mine_objective", "RATE = 2.0", "RATE = 2.5"),
        ("mine_objective", "return RATE * x\n\n", "return RATE + x\n\n"),
        ("mine_helper", "FACTOR = 5.0", "FACTOR = 5.5"),
        ("mine_helper", "return 2.0 * x", "return 2.5 * x"),
        ("mine_whole", "return 1.0", "return 1.5"),
        ("mine_deep", "DEPTH = 7", "DEPTH = 8"),
    ],
)
def test_whatever_a_function_uses_is_its_content(folder: Path, file: str, old: str, new: str) -> None:
    before = digest("loss")
    assert digest("loss") == before
    text = (folder / f"{file}.py").read_text(encoding="utf-8")
    assert old in text
    (folder / f"{file}.py").write_text(text.replace(old, new), encoding="utf-8")
    assert digest("loss") != before


def test_functions_of_libraries_count_by_name(folder: Path) -> None:
    before = digest("by_others")
    text = (folder / "mine_helper.py").read_text(encoding="utf-8")
    (folder / "mine_helper.py").write_text(text.replace("2.0 * x", "2.25 * x"), encoding="utf-8")
    assert digest("by_others") != before, "the function inside a partial counts"


def test_content_that_cannot_be_determined_is_refused() -> None:
    with pytest.raises(SpecificationError, match="an object with content that can be hashed is required, found"):
        object_digest(object())
