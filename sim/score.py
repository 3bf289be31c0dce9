"""python -m sim.score FILE --world DIR: judge a model of any trainer by the log-probabilities of the listed documents.

`python -m sim.export` writes the world. From Python it is `sim.score_model`: a function `sim.score` would be gone after
`import sim.score`, which binds this module to the name.
"""

import importlib
import math
import sys
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from pathlib import Path

from sim.arguments import Parser, number
from sim.config import members
from sim.exam.choosing import any_world
from sim.exam.drawn import report as drawn_report
from sim.exam.drawn.publishing import publish as publish_estimates
from sim.exam.drawn.scoring import Given, Judged, judged
from sim.exam.drawn.scoring import gather as gather_drawn
from sim.exam.drawn.world import DrawnWorld
from sim.exam.scoring import Terms, gather, publish, scored
from sim.exam.sheets import ROUNDING, UNITS, Name
from sim.exam.world import ExamWorld
from sim.numerics import SpecificationError, in_one_line
from sim.places import check_writable, write_whole
from sim.show.blocks import Block, markdown, show
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

or, richer, prefix (as in prefixes.jsonl) and log_probs (the log-probabilities of all ids after it). In a world whose
strings are too many to list, documents are drawn: log_q_document is what counts, and numbers have intervals of 95 %."""

EPILOG = """\
The record is written to OUTPUTS/NAME/<hash>, with a report and tables beside it in OUTPUTS/NAME/reports/<hash>. All
commands for runs take it: sim.rows, experiments exam, figures demo. Where documents are drawn there is the report with
its table alone. The exit status is 0, or 2 with one line on stderr
if something is missing, doubled, no log-probability, or about another world; then nothing is written."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge models. Return 0, or 2 on bad input."""
    chosen = _parser().parse_args(arguments)
    terms = Terms(chosen.name, chosen.unit, chosen.tokenizer, chosen.strings, chosen.rounding)
    files: dict[Name, Sequence[Path]] = {"before": chosen.before, "after": chosen.files, "control": chosen.control}
    try:
        terms.check()
        check_writable("--outputs", chosen.outputs / chosen.name, [], "choose another folder")
        world = any_world(chosen.world)
        if isinstance(world, DrawnWorld):
            found = _judged(files, world, Given(terms, chosen.worst), chosen.samples)
            target, source = publish_estimates(found, chosen.outputs), None
            blocks = drawn_report.report(found)
            opening = blocks if chosen.full else drawn_report.headline(found)
        else:
            _refuse_drawn(chosen.worst, chosen.samples)
            target, source, blocks, opening = _exact(files, world, terms, chosen.outputs)
            opening = blocks if chosen.full else opening
    except SpecificationError as problem:
        print(in_one_line(problem), file=sys.stderr)
        return REFUSED
    show(opening)
    more = "" if chosen.full else " (--full prints all of it)"
    record = "" if source is None else f"; the record is {source}"
    print(f"\nWritten to {target}: report.md{more} and tables/{record}")
    return 0


def _exact(
    files: Mapping[Name, Sequence[Path]], world: ExamWorld, terms: Terms, outputs: Path
) -> tuple[Path, Path, list[Block], list[Block]]:
    """Judge models where all documents are listed. Return the folder of the report, the record, and both reports."""
    record = scored(gather(files, world, terms), world, terms)
    source = publish(record, outputs)
    module = members("experiment")["demo"].load()
    tables = module.analyse(record)
    target = source.parent / "reports" / source.name
    importlib.import_module("experiments.study").write_tables(tables, target / "tables")  # by name, like every member
    blocks = module.report(tables)
    write_whole(target / "report.md", markdown(blocks).encode())
    return target, source, blocks, module.exam.opening(tables)


def _judged(files: Mapping[Name, Sequence[Path]], world: DrawnWorld, given: Given, samples: Sequence[Path]) -> Judged:
    """Judge models where documents are drawn."""
    return judged(gather_drawn(files, world, given), samples, world, given)


def _refuse_drawn(worst: float | None, samples: Sequence[Path]) -> None:
    """Raise SpecificationError for what has a use only where documents are drawn."""
    for name, there in (("--worst", worst is not None), ("--samples", bool(samples))):
        if there:
            raise SpecificationError(
                f"{name}: a world whose documents are drawn is required, found one whose documents are all listed, "
                "where every number is exact or bounded without it; leave it out"
            )


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
    top = "largest log P/q of a document that is possible [nat], for upper ends where documents are drawn"
    add("--worst", type=number, metavar="NAT", help=f"{top} (default: not known)")
    wrote = "documents that the models wrote, to see what they write outside of P, where documents are drawn"
    add("--samples", nargs="+", type=Path, default=[], metavar="FILE", help=wrote)
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
