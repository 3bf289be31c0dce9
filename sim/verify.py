"""python -m sim.verify [outputs] [--json]: check everything that lies below outputs against its name and checksums."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from sim.arguments import Parser
from sim.disk.inspection import Inspection, Kind, inspected
from sim.numerics import SpecificationError, in_one_line
from sim.streams import command

FAULTY, REFUSED = 1, 2
"""Exit statuses: something is wrong below the folder; the input is wrong."""

_NOUNS: dict[Kind, str] = {
    "record": "record",
    "pretraining": "pretraining",
    "checkpoint": "checkpoint",
    "archive": "archive",
    "failed": "failed record",
    "damaged": "damaged pretraining",
    "unfinished": "work folder",
    "draft": "draft",
    "unreadable": "unreadable folder",
}

_HELP = """\
Check everything below a folder of results. Every file of the records, the stored pretrainings, the checkpoints and
the archives is read and compared with its checksum, and every name with the content to which it belongs. What is in the
wrong place or was left behind (records that violate an identity, drafts of killed processes, pretrainings that were set
aside) is named too. Each fault is one line, which says what is wrong and what to do; the last line counts. This
command only reads. The exit status is 0 if nothing is wrong, 1 if there are faults, and 2 if the folder holds no
result."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each fault and one line of counts. Return the exit status."""
    parser = Parser(prog="python -m sim.verify", description=_HELP)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("outputs"), help="default: outputs")
    parser.add_argument("--json", action="store_true", help="write one JSON object: folder, counts, faults")
    chosen = parser.parse_args(arguments)
    try:
        found = inspected(chosen.folder)
    except SpecificationError as error:
        print(in_one_line(error), file=sys.stderr)
        return REFUSED
    if chosen.json:
        print(json.dumps(_plain(chosen.folder, found)))
    else:
        print(*(fault.line for fault in found.faults), _counted(chosen.folder, found), sep="\n")
    return FAULTY if found.faults else 0


def _plain(folder: Path, found: Inspection) -> dict[str, object]:
    faults = [{"place": str(one.place), "kind": one.kind, "line": one.line} for one in found.faults]
    return {"folder": str(folder), "counts": {kind: found.counts[kind] for kind in get_args(Kind)}, "faults": faults}


def _counted(folder: Path, found: Inspection) -> str:
    """Return one line of counts, such as `outputs: 3 records, 1 pretraining; nothing is wrong`."""
    numbers = ", ".join(_many(found.counts[kind], _NOUNS[kind]) for kind in get_args(Kind) if found.counts[kind])
    return f"{folder}: {numbers}; {_many(len(found.faults), 'fault') if found.faults else 'nothing is wrong'}"


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


if __name__ == "__main__":
    sys.exit(command(main))
