"""python -m experiments <name> [folder] [--run <hash>]: tables and reports of the finished runs of a folder.

Of a claim: its verdicts; of robustness: one table of all runs. `python -m experiments board` puts the verdicts of all
claims together.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from experiments._board import Result
from experiments._board import blocks as board_blocks
from experiments._report import markdown, show
from experiments._study import judge, results, write_board, write_tables
from sim.numerics import SpecificationError, nearest
from sim.rows import finished, read_record

REFUSED = 2
"""Exit status of bad input."""


def experiment(name: str) -> ModuleType:
    """The module experiments/<name>.py; raises SpecificationError with the nearest name if there is none."""
    names = sorted(file.stem for file in Path(__file__).parent.glob("[a-z]*.py"))
    if name not in names:
        raise SpecificationError(
            f"experiments: one of {', '.join(names)} is required, found {name!r}{nearest(name, names)}"
        )
    return importlib.import_module(f"experiments.{name}")


def board(outputs: Path) -> int:
    """Show the verdicts of all claims that have been judged below a folder, and write them to board/."""
    claims = [experiment(file.stem) for file in sorted(Path(__file__).parent.glob("c[0-9]*.py"))]
    return said(results(outputs, claims), outputs / "board")


def said(found: Sequence[Result], folder: Path) -> int:
    """Print a board and write it to a folder, as Markdown and HTML."""
    write_board(found, folder)
    show(list(board_blocks(found)))
    print(f"\nWritten to {folder}: board.md and board.html")
    return 0


def together(module: ModuleType, folder: Path) -> int:
    """Write and print one report of all runs of a folder."""
    target = folder / "reports" / "together"
    tables = module.analyse([read_record(source) for source in finished(folder)])
    blocks = module.report(tables)
    write_tables(tables, target / "tables")
    (target / "report.md").write_text(markdown(blocks), encoding="utf-8")
    show(blocks)
    print(f"\nWritten to {target}: report.md and tables/")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Write tables/ and report.md of every finished run below the folder and print one report; 2 on bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments", description="Tables and a report from finished runs."
    )
    parser.add_argument("name", help="the experiment, a file in experiments/, or board: the verdicts of all claims")
    parser.add_argument("folder", nargs="?", type=Path, help="where its runs lie (outputs/<name>)")
    parser.add_argument("--run", help="the hash of the run whose report is printed (the newest)")
    chosen = parser.parse_args(arguments)
    folder = chosen.folder or Path("outputs") / chosen.name
    try:
        if chosen.name == "board":
            return board(chosen.folder or Path("outputs"))
        module = experiment(chosen.name)
        if hasattr(module, "CLAIM"):
            result = judge(module, folder)
            return said([result], result.folder)
        if hasattr(module, "TOGETHER"):
            return together(module, folder)
        records = {source.name: source for source in finished(folder)}
        if chosen.run is not None and chosen.run not in records:
            known = ", ".join(records)
            raise SpecificationError(
                f"--run: one of {known} is required, found {chosen.run!r}{nearest(chosen.run, list(records))}"
            )
        for run, source in records.items():
            tables = module.analyse(read_record(source))
            target = folder / "reports" / run
            write_tables(tables, target / "tables")
            blocks = module.report(tables)
            (target / "report.md").write_text(markdown(blocks), encoding="utf-8")
            if run == (chosen.run or list(records)[-1]):
                printed, where = blocks, target
    except SpecificationError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return REFUSED
    show(printed)
    print(f"\nWritten to {where}: report.md and tables/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
