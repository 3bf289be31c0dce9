"""python -m experiments <name> [folder] [--run HASH] [--full]: reports and verdicts from the finished runs of a folder.

`python -m experiments board` puts the verdicts of all claims together, and `claims` lists the claims.
With --published, verdicts come from the tables in the repository, without runs. `python -m experiments compare DIR`
sets own numbers beside them, and `python -m experiments publish DIR` writes them.
"""

import ast
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from experiments import board, doors
from experiments.findings import page as findings
from experiments.predictions import Claim
from experiments.study import Judged, judge, judged_before, write_tables
from sim.arguments import Parser
from sim.config import members
from sim.disk.folders import finished
from sim.disk.records import read
from sim.numerics import SpecificationError, in_one_line, nearest
from sim.places import check_folder, check_writable, write_whole
from sim.show.blocks import Block, markdown, page, show
from sim.streams import command

REFUSED = 2
"""Exit status for bad input."""

READ_ONLY = "change its permissions, or copy the folder"
"""What to do about a folder in which no report can be written."""

OTHERS = {
    "board": "The verdicts of all claims that have been judged.",
    "claims": "The names of the claims that make claims runs; --full: of all, with their digests.",
    "findings": "Statements of the literature beside our numbers; --out docs: writes the page of the documentation.",
    "compare": "The numbers of a study, or of a run of the demo, beside the published ones.",
    "publish": "Put the tables of a judged study, of the atlas, or of a run of the demo, into the repository.",
}
"""What can be asked for beside an experiment."""

ONE_RUN = ("compare", "publish")
"""What takes the reports of single runs too, so that one of them can be chosen."""


def experiment(name: str) -> ModuleType:
    """Return the experiment with a name.

    Raises SpecificationError with the nearest name if there is none, or if its CLAIM is no claim.
    """
    found = members("experiment")
    if name not in found:
        names = [*found, *OTHERS]
        raise SpecificationError(
            f"experiments: one of {', '.join(names)} is required, found {name!r}{nearest(name, names)}"
        )
    module = found[name].load()
    if not isinstance(claim := getattr(module, "CLAIM", None), Claim | None):
        raise SpecificationError(
            f"{found[name].file}: CLAIM: a Claim (experiments/predictions.py) is required, found {type(claim).__name__}"
        )
    return module


def of_every_run(name: str) -> bool:
    """Return whether an experiment reports on every run by itself, so that one of them can be chosen."""
    return name not in OTHERS and not any(hasattr(experiment(name), mark) for mark in ("CLAIM", "TOGETHER", "ALONE"))


def claims() -> list[Claim]:
    """Return all claims, sorted by name."""
    modules = [experiment(name) for name in members("experiment")]
    return [module.CLAIM for module in modules if hasattr(module, "CLAIM")]


def said(judged: Sequence[Judged], folder: Path) -> int:
    """Print a verdict board and write it to a folder, as Markdown and as HTML. Return the exit status."""
    blocks = list(board.blocks(judged))
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "board.md", markdown(blocks).encode())
    write_whole(folder / "board.html", page("Verdict board", blocks).encode())
    show(blocks)
    print(f"\nWritten to {folder}: board.md and board.html")
    return 0


def together(module: ModuleType, folder: Path, reference: Path | None) -> int:
    """Write and print one report on all runs of a folder, or on none. Return the exit status.

    reference: a folder with other runs that they are placed beside, if the experiment does this.
    """
    target = folder / "reports" / "together"
    tables = module.analyse() if hasattr(module, "ALONE") else module.analyse(folder, *filter(None, [reference]))
    blocks = module.report(tables)
    write_tables(tables, target / "tables")
    write_whole(target / "report.md", markdown(blocks).encode())
    show(blocks)
    print(f"\nWritten to {target}: report.md and tables/")
    return 0


def each(module: ModuleType, folder: Path, run: str | None, full: bool) -> int:
    """Write a report on every run of a folder. Print the conclusions of one, or with `full` its whole report."""
    sources = {source.name: source for source in finished(folder)}
    if run is not None and run not in sources:
        known = ", ".join(sources)
        raise SpecificationError(f"--run: one of {known} is required, found {run!r}{nearest(run, list(sources))}")
    shown: list[Block] = []
    where = folder
    for name, source in sources.items():
        tables = module.analyse(read(source))
        target = folder / "reports" / name
        write_tables(tables, target / "tables")
        blocks = module.report(tables)
        write_whole(target / "report.md", markdown(blocks).encode())
        if name == (run or list(sources)[-1]):
            short = not full and hasattr(module, "headline")
            shown, where = module.headline(tables) if short else blocks, target
    show(shown)
    more = "" if full else " (--full prints all of it)"
    print(f"\nWritten to {where}: report.md{more} and tables/")
    return 0


def parser() -> Parser:
    """Return the parser of the arguments. Its help lists all experiments."""
    found = "\n".join(f"  {name:<16}{_first_line(one.file)}" for name, one in members("experiment").items())
    more = "\n".join(f"  {name:<16}{meaning}" for name, meaning in OTHERS.items())
    made = Parser(
        prog="python -m experiments",
        description=f"Reports and verdicts from finished runs.\n\nexperiments:\n{found}\n\nand:\n{more}",
    )
    made.add_argument("name", help=f"the experiment, or one of {', '.join(OTHERS)}")
    made.add_argument(
        "folder", nargs="?", type=Path, help="folder of its runs (outputs/<name>; for board: outputs); of an "
        "experiment without runs, where to write"
    )  # fmt: skip
    made.add_argument("--run", help="the hash of the run whose report is printed (default: the newest)")
    made.add_argument("--full", action="store_true", help="print the whole report, not only the conclusions")
    made.add_argument("--published", action="store_true", help="read the tables in the repository, and no runs")
    made.add_argument("--out", type=Path, metavar="DIR", help="where to write, with --published, publish or findings")
    made.add_argument(
        "--beside", type=Path, metavar="DIR", action="append", default=[], help="with publish: the same runs, computed "
        "by another machine (can be given several times)"
    )  # fmt: skip
    made.add_argument(
        "--reference", type=Path, metavar="DIR", help="with atlas: place the runs beside the reference in DIR, not "
        "beside that of the repository"
    )  # fmt: skip
    return made


def _first_line(file: Path) -> str:
    """Return the first line of the docstring of a module, which is not imported because that takes longer."""
    try:
        words = ast.get_docstring(ast.parse(file.read_bytes()))
    except SyntaxError as problem:
        raise SpecificationError(f"{file}: Python is required, found {problem}") from problem
    return (words or "").strip().split("\n")[0]


def check_flags(chosen: Namespace) -> None:
    """Raise SpecificationError for a flag that means nothing for what is asked."""
    name = chosen.name
    if chosen.run is not None and not (name in ONE_RUN or of_every_run(name)):
        names = ", ".join(name for name in members("experiment") if of_every_run(name))
        raise SpecificationError(
            f"--run: one of the experiments with a report of every run ({names}) is required, found "
            f"{name!r}; leave --run out"
        )
    if chosen.published and name in ("claims", "findings", *ONE_RUN):
        raise SpecificationError(f"--published: a claim or board is required, found {name!r}; leave --published out")
    if chosen.published and chosen.folder is not None:
        raise SpecificationError(
            f"--published: no folder of runs is required, found {chosen.folder}; leave one of both out"
        )
    if chosen.out is not None and not (chosen.published or name in ("publish", "findings")):
        raise SpecificationError("--out: --published, publish or findings is required, found none; leave --out out")
    if name == "findings" and chosen.folder is not None:
        raise SpecificationError(f"findings: no folder of runs is required, found {chosen.folder}; leave it out")
    if chosen.beside and name != "publish":
        raise SpecificationError(f"--beside: publish is required, found {name!r}; leave --beside out")
    if chosen.reference is not None and (name in OTHERS or not hasattr(experiment(name), "read_reference")):
        names = ", ".join(name for name in members("experiment") if hasattr(experiment(name), "read_reference"))
        raise SpecificationError(
            f"--reference: an experiment with a reference ({names}) is required, found {name!r}; leave --reference out"
        )
    if name in ONE_RUN and chosen.folder is None:
        raise SpecificationError(f"{name}: the folder of a judged study is required, found none; give outputs/<name>")


def from_published(chosen: Namespace) -> int:
    """Show published verdicts: of one claim, or the whole board. Return the exit status."""
    out = chosen.out or doors.OUT
    if chosen.name == "board":
        check_writable("--out", out / "board", [], "choose another folder")
        return said(doors.published_claims(claims(), chosen.out), out / "board")
    module = experiment(chosen.name)
    if hasattr(module, "PAGE"):  # a report on all runs of a folder whose recorded tables are a page
        return doors.written(module.PAGE, module.page(), module.report(module.recorded()), chosen.out)
    if not hasattr(module, "CLAIM"):
        names = ", ".join(claim.name for claim in claims())
        raise SpecificationError(f"--published: one of the claims {names} is required, found {chosen.name!r}")
    found = doors.published_claim(module.CLAIM, chosen.out)
    return said([found], found.folder)


def whole_board(outputs: Path) -> int:
    """Show the verdicts of all claims that have been judged below a folder. Return the exit status."""
    check_folder(outputs, "a folder with verdicts", "run python -m experiments <claim> first, or correct the path")
    check_writable(str(outputs), outputs / "board", [], READ_ONLY)
    return said(judged_before(outputs, claims()), outputs / "board")


def publish(chosen: Namespace) -> int:
    """Publish tables, and say where they are and how large. Return the exit status."""
    made = doors.publish(claims(), chosen.folder, chosen.run, chosen.beside, chosen.out)
    size = sum(one["bytes"] for one in made.about["tables"].values())
    print(f"Written to {made.folder}: {len(made.tables)} tables, {size:,} bytes ({', '.join(made.tables)})")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Write tables and reports of the finished runs of a folder, and print one report. Return 2 on bad input."""
    try:
        chosen = parser().parse_intermixed_args(arguments)
        check_flags(chosen)
        if chosen.name == "claims":
            core = [claim.name for claim in claims() if claim.tier == "core"]
            print(*([claim.announced for claim in claims()] if chosen.full else core), sep="\n")
            return 0
        if chosen.published:
            return from_published(chosen)
        if chosen.name == "board":
            return whole_board(chosen.folder or Path("outputs"))
        if chosen.name == "publish":
            return publish(chosen)
        if chosen.name == "findings":
            return doors.written(findings.NAME, findings.page(), findings.blocks(), chosen.out)
        if chosen.name == "compare":
            return doors.compare(claims(), chosen.folder, chosen.run)
        return reported(chosen)
    except SpecificationError as error:
        print(in_one_line(error), file=sys.stderr)
        return REFUSED


def reported(chosen: Namespace) -> int:
    """Write the tables and reports of the finished runs of an experiment, and print one. Return the exit status."""
    module = experiment(chosen.name)
    folder = chosen.folder or Path("outputs") / chosen.name
    if hasattr(module, "ALONE"):
        check_writable(str(folder), folder / "reports", [], "choose another folder")
        return together(module, folder, None)
    check_folder(folder, "at least one finished run", "run the experiment first, or correct the path")
    check_writable(str(folder), folder / "reports", [], READ_ONLY)
    if hasattr(module, "CLAIM"):
        found = judge(module.CLAIM, folder)
        return said([found], found.folder)
    if hasattr(module, "TOGETHER"):
        return together(module, folder, chosen.reference)
    return each(module, folder, chosen.run, chosen.full)


if __name__ == "__main__":
    sys.exit(command(main))
