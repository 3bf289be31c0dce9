"""python -m figures <name> [folder] [--run <hash>]: the figures of a run or of a claim, from tables alone."""

import argparse
import difflib
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import polars as pl
from matplotlib.figure import Figure

from figures import animation
from figures._data import Tables
from figures._words import RED, mark
from figures.style import save, styled

REFUSED = 2
"""Exit status of bad input."""


class RefusedError(ValueError):
    """Bad input; the message is one line."""


def nearest(name: str, names: Sequence[str]) -> str:
    """' (did you mean ...?)' or nothing."""
    close = difflib.get_close_matches(name, names, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def collection(name: str) -> ModuleType:
    """The module figures/<name>.py that lists FIGURES."""
    names = [
        file.stem for file in sorted(Path(__file__).parent.glob("[a-z]*.py")) if "\nFIGURES" in file.read_text("utf-8")
    ]
    if name not in names:
        raise RefusedError(f"figures: one of {', '.join(names)} is required, found {name!r}{nearest(name, names)}")
    return importlib.import_module(f"figures.{name}")


def report(folder: Path, run: str | None) -> Path:
    """The folder of the newest run that has tables, or of the run that was asked for."""
    found = sorted(folder.glob("reports/*/tables/metrics.parquet"), key=lambda file: file.stat().st_mtime_ns)
    runs = {file.parents[1].name: file.parents[1] for file in found}
    if not runs:
        raise RefusedError(
            f"{folder}/reports: tables of a run are required, found none; run python -m experiments first"
        )
    if run is not None and run not in runs:
        raise RefusedError(f"--run: one of {', '.join(runs)} is required, found {run!r}{nearest(run, list(runs))}")
    return runs[run or list(runs)[-1]]


def judged(folder: Path) -> Path:
    """The folder of a claim's verdicts."""
    source = folder / "reports" / "claim"
    if not (source / "tables" / "verdicts.parquet").exists():
        raise RefusedError(f"{source}: verdicts of a claim are required, found none; run python -m experiments first")
    return source


def draw_figures(
    module: ModuleType, tables: Tables, folder: Path, marked: Callable[[Figure, Tables], None]
) -> list[Path]:
    """Draw and write every figure that the tables have something for; `marked` says over it that it is no result."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, draw in module.FIGURES.items():
        with styled():
            drawn = draw(tables)
            if drawn is not None:
                marked(drawn, tables)
                files += save(drawn, folder / name)
    return files


def mark_claim(drawn: Figure, tables: Tables) -> None:
    """A red line over a figure of a claim none of whose runs is valid."""
    if not tables["runs"]["valid"].any():
        drawn.suptitle("NOT VALID: no run came near enough to P", color=RED, fontweight="bold")


def draw_all(module: ModuleType, tables: Tables, folder: Path) -> list[Path]:
    """Draw and write every figure of a run, and the animation."""
    files = draw_figures(module, tables, folder, mark)
    with styled(animation.LETTERS):
        files.append(folder / "animation.gif")
        animation.animate(tables, files[-1])
        files.append(folder / "animation.png")
        animation.draw(tables).savefig(files[-1])
    return files


TABLES = ("metrics", "documents", "strings", "run")
"""What the figures read."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the figures of one run into reports/<hash>/figures; 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m figures", description="Figures from the tables of a run.")
    parser.add_argument("name", help="the collection, a file in figures/ that lists FIGURES")
    parser.add_argument("folder", nargs="?", type=Path, help="where its runs lie (outputs/<name>)")
    parser.add_argument("--run", help="the hash of the run (the newest)")
    chosen = parser.parse_args(arguments)
    folder = chosen.folder or Path("outputs") / chosen.name
    try:
        module = collection(chosen.name)
        of_claim = hasattr(module, "TABLES")
        source = judged(folder) if of_claim else report(folder, chosen.run)
    except RefusedError as error:
        print(error, file=sys.stderr)
        return REFUSED
    names = module.TABLES if of_claim else TABLES
    tables = {name: pl.read_parquet(source / "tables" / f"{name}.parquet") for name in names}
    target = source / "figures"
    files = draw_figures(module, tables, target, mark_claim) if of_claim else draw_all(module, tables, target)
    print(f"{source / 'figures'}: {', '.join(file.name for file in files)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
