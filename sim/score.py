"""python -m sim.score FILE --world DIR: judge a model of any trainer by the log-probabilities of the listed documents.

`python -m sim.export` writes the world. From Python it is `sim.score_model`: a function `sim.score` would be gone after
`import sim.score`, which binds this module to the name.
"""

import importlib
import math
import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path

from sim.arguments import Parser, number
from sim.config import members
from sim.exam.building import world_of
from sim.exam.scoring import Terms, gather, publish, scored
from sim.exam.sheets import ROUNDING, UNITS, Name
from sim.numerics import SpecificationError, in_one_line
from sim.places import check_writable, write_whole
from sim.show.blocks import markdown, show
from sim.streams import command

REFUSED = 2
"""Exit status for bad input."""

ABOUT = """\
Judge a model by the truth: by the log-probabilities that it gives to the documents of an exported world (python -m
sim.export), before and after a fine-tuning. A file is csv, JSONL, parquet or npz, with a row for each document in any
order, and the columns

  id              as in documents.jsonl
  log_q_answer    log q(y|x), the sum over the tokens of the answer and its end, given the prompt
  log_q_document  log q(xy) of the whole document; one of both, or both
  model           before, after or control, if the file holds several models
  step            the number of steps of the fine-tuning, if it holds several of one model

or, richer, prefix (as in prefixes.jsonl) and log_probs (the log-probabilities of all ids after it)."""

EPILOG = """\
The record is written to OUTPUTS/NAME/<hash>, with a report and tables beside it in OUTPUTS/NAME/reports/<hash>. All
commands for runs take it: sim.rows, experiments exam, figures demo. The exit status is 0, or 2 with one line on stderr
if something is missing, doubled, no log-probability, or about another world; then nothing is written."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge models. Return 0, or 2 on bad input."""
    chosen = _parser().parse_args(arguments)
    terms = Terms(chosen.name, chosen.unit, chosen.tokenizer, chosen.strings, chosen.rounding)
    try:
        terms.check()
        check_writable("--outputs", chosen.outputs / chosen.name, [], "choose another folder")
        world = world_of(chosen.world)
        files: dict[Name, Sequence[Path]] = {
            "before": chosen.before, "after": chosen.files, "control": chosen.control
        }  # fmt: skip
        record = scored(gather(files, world, terms), world, terms)
        source = publish(record, chosen.outputs)
        module = members("experiment")["demo"].load()
        tables = module.analyse(record)
    except SpecificationError as problem:
        print(in_one_line(problem), file=sys.stderr)
        return REFUSED
    target = source.parent / "reports" / source.name
    importlib.import_module("experiments.study").write_tables(tables, target / "tables")  # by name, like every member
    blocks = module.report(tables)
    write_whole(target / "report.md", markdown(blocks).encode())
    show(blocks if chosen.full else module.exam.opening(tables))
    more = "" if chosen.full else " (--full prints all of it)"
    print(f"\nWritten to {target}: report.md{more} and tables/; the record is {source}")
    return 0


def _parser() -> Parser:
    parser = Parser(prog="python -m sim.score", description=ABOUT, epilog=EPILOG)
    add = parser.add_argument
    add("files", metavar="FILE", nargs="+", type=Path, help="a model after the fine-tuning, or a series of them")
    add("--world", required=True, metavar="WORLD", help="the exported folder, or the name of a frozen world")
    add("--before", nargs="+", type=Path, default=[], metavar="FILE", help="the model before the fine-tuning")
    add("--control", nargs="+", type=Path, default=[], metavar="FILE", help="after the same fine-tuning on P")
    add("--unit", choices=list(UNITS), default="nat", help="unit of the log-probabilities (default nat)")
    several = "other: a text can have several sequences of tokens, and the numbers are bounds (default own)"
    add("--tokenizer", choices=("own", "other"), default="own", help=several)
    room = "number of strings that the model can write at one prompt, for an upper bound of its entropy"
    add("--strings", type=_strings, default=math.inf, metavar="R", help=f"{room} (default: not known)")
    off = f"by how much log-probabilities may be off [nat] (default {ROUNDING:g})"
    add("--rounding", type=number, default=ROUNDING, metavar="NAT", help=off)
    add("--name", default="exam", metavar="NAME", help="name of the exam (default exam)")
    add("--outputs", type=Path, default=Path("outputs"), metavar="DIR", help="the folder of records (default outputs)")
    add("--full", action="store_true", help="print the whole report, not only the conclusions")
    return parser


def _strings(text: str) -> float:
    found = number(text)
    if found < 1.0:
        raise ArgumentTypeError(f"a number of at least 1 is required, found {text!r}")
    return found


if __name__ == "__main__":
    sys.exit(command(main))
