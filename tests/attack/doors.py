"""The commands of the project: found in the source, and listed with what a person gives them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("sim", "experiments", "figures", "hydra_plugins", "benchmarks")
MARK = re.compile(r'^if __name__ == "__main__":', re.MULTILINE)


def found() -> set[str]:
    """The names of all modules that can be given to `python -m`."""
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    doors = {file.relative_to(ROOT) for file in files if MARK.search(file.read_text(encoding="utf-8"))}
    return {".".join(file.with_suffix("").parts).removesuffix(".__main__") for file in doors}
