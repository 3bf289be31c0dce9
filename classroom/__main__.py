"""python -m classroom freeze|check [world ...]: write the worlds of the classroom page, or check the frozen ones.

freeze pretrains the model of each world (a minute) and writes classroom/worlds/<world>.json. check builds the
grammars again and compares. The page itself is built by `make classroom`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from sim.arguments import Parser
from sim.numerics import SpecificationError, in_one_line
from sim.places import check_folder, check_writable
from sim.streams import command

REFUSED, WRONG = 2, 1
"""Exit statuses for bad input, and for a frozen world that is not what it should be."""


def parser() -> Parser:
    """Return the parser of the arguments."""
    from classroom.worlds import FOLDER, RECIPES

    made = Parser(prog="python -m classroom", description=__doc__)
    made.add_argument("action", choices=["freeze", "check"], help="what to do")
    made.add_argument("worlds", nargs="*", metavar="world", help=f"{', '.join(RECIPES)} (default: all)")
    made.add_argument("--folder", type=Path, default=FOLDER, help="where the worlds are (default: classroom/worlds)")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Freeze or check worlds. Return the exit status: 2 on bad input, 1 if a check finds a mistake."""
    chosen = parser().parse_intermixed_args(arguments)
    from classroom.worlds import RECIPES, recipe

    names = chosen.worlds or list(RECIPES)
    try:
        for name in names:
            recipe(name)
        return _freeze(names, chosen.folder) if chosen.action == "freeze" else _check(names, chosen.folder)
    except SpecificationError as error:
        print(in_one_line(error), file=sys.stderr)
        return REFUSED


def _freeze(names: Sequence[str], folder: Path) -> int:
    from classroom.worlds import frozen, text_of

    check_writable("--folder", folder, [], "choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        world = frozen(name)
        file = folder / f"{name}.json"
        file.write_text(text_of(world), encoding="utf-8")
        print(f"{file}: {len(world['strings'])} strings, {file.stat().st_size} bytes, hash {world['hash']}")
    return 0


def _check(names: Sequence[str], folder: Path) -> int:
    from classroom.checking import mistakes

    check_folder(folder, "a folder with frozen worlds", "freeze them there first, or correct --folder")
    found = 0
    for name in names:
        lines = list(mistakes(name, folder))
        print(*lines or [f"{name}: as the grammar says"], sep="\n")
        found += len(lines)
    return WRONG if found else 0


if __name__ == "__main__":
    sys.exit(command(main))
