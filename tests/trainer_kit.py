"""The modules that the examples of other trainers share, examples/trainers, found as the examples find them."""

import sys

from tests.composed import ROOT

FOLDER = ROOT / "examples" / "trainers"

sys.path.append(str(FOLDER))

import exam_kit as kit  # noqa: E402, F401
