"""The module that the examples of other trainers share, examples/trainers/exam_kit.py, loaded from its file."""

import importlib.util
import sys
from types import ModuleType

from tests.composed import ROOT

FOLDER = ROOT / "examples" / "trainers"


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("exam_kit", FOLDER / "exam_kit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


kit = _loaded()
