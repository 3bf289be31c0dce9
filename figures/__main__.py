"""python -m figures <study> [folder] [--run HASH] [--only NAME] [--for slide] [--language zh]: draw tables.

With --published they are drawn from the tables in the repository, without runs.

A figure is one file, `figures/<study>/<name>.py`, in this project or in an installed package (`sim.config.discovery`):

- TABLES: the names of the tables that it reads, see `experiments.<study>`; () if it shows theory alone (`sim.theory`).
  A study of such figures needs no run and no report, and its figures are written to <folder>/figures;
- draw(tables) -> Figure | None: it returns None if the tables hold nothing for the figure;
- caption(tables) -> str: it says what the figure shows, and is written beside it as <name>.txt;
- animate(tables, file), only for a moving figure: it writes <name>.gif. With --for slide, an MP4 is made of the GIF.

Every text of a figure passes through `figures.language.say`, which knows its Chinese if `chinese.toml` has it.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

os.environ["MPLBACKEND"] = "agg"  # figures are only written, and matplotlib refuses an unknown backend with a traceback

from figures.drawing import Form, write_all
from figures.fonts import families
from figures.language import LANGUAGES
from figures.moving import can_film
from figures.style import MEDIA
from sim.arguments import Parser
from sim.config import members
from sim.config.discovery import Member
from sim.numerics import SpecificationError, in_one_line, nearest
from sim.places import check_folder, check_writable
from sim.show.published import Published, announced, published
from sim.streams import command

REFUSED = 2
"""Exit status for bad input."""

OUT = Path("outputs") / "published"
"""Where figures of published tables are written, unless it is said otherwise."""

RUN_TABLES = "run.parquet"
"""A report that has this table is the report of a single run."""


def figures_of(study: str, only: str | None = None) -> dict[str, ModuleType]:
    """Return the figures of a study by name. Raises SpecificationError if there is no such study or figure."""
    found = {name: one for name, one in members("figure").items() if name.startswith(f"{study}/")}
    studies = sorted({name.split("/")[0] for name in members("figure")})
    if not found:
        raise SpecificationError(
            f"figures: one of {', '.join(studies)} is required, found {study!r}{nearest(study, studies)}"
        )
    names = {name.split("/")[1]: one for name, one in found.items()}
    if only is not None and only not in names:
        raise SpecificationError(
            f"--only: one of {', '.join(names)} is required, found {only!r}{nearest(only, list(names))}"
        )
    return {name: loaded(one) for name, one in names.items() if only in (None, name)}


def loaded(one: Member) -> ModuleType:
    """Import the module of a figure. Raises SpecificationError if it does not define all of a figure."""
    module = one.load()
    tables = getattr(module, "TABLES", None)
    if not isinstance(tables, tuple | list) or not all(isinstance(table, str) for table in tables):
        raise SpecificationError(
            f'{one.file}: TABLES: names of tables, such as ("metrics",), are required, found {tables!r}'
        )
    if not callable(getattr(module, "caption", None)):
        raise SpecificationError(f"{one.file}: a function caption(tables) that returns text is required, found none")
    return module


def report(study: str, folder: Path, run: str | None) -> Path:
    """Return the folder of the report to draw: of the given run, else of a whole study, else of the newest run."""
    first = f"run python -m experiments {study} {folder} first"
    check_folder(folder, "a folder with reports", f"{first}, or correct the path")
    files = sorted(folder.glob("reports/*/tables/*.parquet"), key=lambda file: file.stat().st_mtime_ns)
    reports = {file.parents[1].name: file.parents[1] for file in files}
    if not reports:
        raise SpecificationError(f"{folder}/reports: tables are required, found none; {first}")
    if run is not None and run not in reports:
        raise SpecificationError(
            f"--run: one of {', '.join(reports)} is required, found {run!r}{nearest(run, list(reports))}"
        )
    whole = [name for name, place in reports.items() if not (place / "tables" / RUN_TABLES).exists()]
    return reports[run or (whole or list(reports))[-1]]


def place(study: str, figures: Mapping[str, ModuleType], folder: Path, run: str | None) -> Path:
    """Return the folder beside whose `figures` the tables lie: a report that has them, or `folder` if none is read.

    Raises SpecificationError if a table is missing, or if a run is chosen for figures that show none.
    """
    if any(module.TABLES for module in figures.values()):
        source = report(study, folder, run)
        check_tables(figures, source)
        return source
    if run is not None:
        raise SpecificationError(
            f"--run: no run is required for {study}, whose figures show theory alone, found {run!r}; leave it out"
        )
    return folder


def check_tables(figures: Mapping[str, ModuleType], source: Path) -> None:
    """Raise SpecificationError for the first table that a figure needs and the report does not have."""
    there = sorted(file.stem for file in (source / "tables").glob("*.parquet"))
    for module in figures.values():
        for table in module.TABLES:
            if table not in there:
                raise SpecificationError(
                    f"{module.__file__}: TABLES: one of {', '.join(there)}, the tables in {source / 'tables'}, is "
                    f"required, found {table!r}{_hint(table, there, str(module.__name__), source)}"
                )


def _hint(table: str, there: Sequence[str], module: str, source: Path) -> str:
    """Say what to do about a table that a report does not have."""
    folder, study = source.parents[1], module.split(".")[-2]
    runs = [file.parents[1].name for file in sorted(folder.glob(f"reports/*/tables/{RUN_TABLES}"))]
    if runs and source.name not in runs:
        return f"; choose the report of one run with --run, such as --run {runs[-1]}"
    return f"{nearest(table, there)}; python -m experiments {study} {folder} writes tables"


def of_published(figures: Mapping[str, ModuleType], found: Published) -> dict[str, ModuleType]:
    """Return the figures whose tables are published. The tables of a moving figure are too large for it."""
    return {name: module for name, module in figures.items() if set(module.TABLES) <= set(found.tables)}


def places(chosen: Namespace, figures: Mapping[str, ModuleType]) -> tuple[dict[str, ModuleType], Path, Path]:
    """Return the figures to draw, the folder of the report that holds their tables, and the folder for the figures."""
    if not chosen.published:
        if chosen.out is not None:
            raise SpecificationError("--out: --published is required, found none; leave --out out")
        source = place(chosen.study, figures, chosen.folder or Path("outputs") / chosen.study, chosen.run)
        return dict(figures), source, source / "figures"
    if chosen.folder is not None or chosen.run is not None:
        raise SpecificationError(
            f"--published: no runs are required, found {chosen.folder or chosen.run}; leave one of both out"
        )
    if not any(module.TABLES for module in figures.values()):
        raise SpecificationError(
            f"--published: a study whose figures read tables is required, found {chosen.study!r}; leave --published out"
        )
    found = published(chosen.study)
    if line := found.difference(announced(chosen.study)):
        print(line)
    drawn = of_published(figures, found)
    if missing := [name for name in figures if name not in drawn]:
        print(f"Not drawn: {', '.join(missing)}; the tables are not published, so runs are needed")
    return drawn, found.folder, (chosen.out or OUT) / chosen.study / "figures"


def parser() -> Parser:
    """Return the parser of the arguments. Its help lists all figures."""
    found = "\n".join(f"  {name}" for name in members("figure"))
    made = Parser(
        prog="python -m figures",
        description=f"Figures, drawn from the tables that python -m experiments has written.\n\nfigures:\n{found}",
    )
    made.add_argument("study", help="the study, a folder in figures/")
    made.add_argument(
        "folder", nargs="?", type=Path, help="folder of its runs (outputs/<study>); of theory alone, where to write"
    )
    made.add_argument("--run", help="the hash of the run (default: the newest)")
    made.add_argument("--only", metavar="NAME", help="draw only this figure")
    made.add_argument("--published", action="store_true", help="read the tables in the repository, and no runs")
    made.add_argument("--out", type=Path, metavar="DIR", help=f"where to write, with --published (default: {OUT})")
    made.add_argument("--for", dest="medium", choices=list(MEDIA), default="paper", help="the medium (default: paper)")
    made.add_argument("--language", choices=LANGUAGES, default="en", help="English or Chinese (default: en)")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the figures of a study into reports/<report>/figures. Return the exit status: 2 on bad input."""
    try:
        chosen = parser().parse_intermixed_args(arguments)
        families(chosen.language)  # refused early if no font has the letters
        figures, source, target = places(chosen, figures_of(chosen.study, chosen.only))
        of_runs = str(source), "change its permissions, or copy the folder"
        argument, fix = ("--out", "choose another folder") if chosen.published else of_runs
        check_writable(argument, target, [], fix)
        target.mkdir(parents=True, exist_ok=True)
        written = write_all(figures, source, target, Form(chosen.medium, chosen.language))
    except SpecificationError as error:
        print(in_one_line(error), file=sys.stderr)
        return REFUSED
    print(f"Written to {target}: {', '.join(sorted(file.name for files in written.values() for file in files))}")
    if empty := [name for name, files in written.items() if not files]:
        print(f"Not drawn: {', '.join(empty)}; draw(tables) returned None, as if the tables held nothing for it")
    if chosen.medium == "slide" and any(hasattr(one, "animate") for one in figures.values()) and not can_film():
        print("Left out: MP4; ffmpeg is required for it, and was not found (apt install ffmpeg)")
    return 0


if __name__ == "__main__":
    sys.exit(command(main))
