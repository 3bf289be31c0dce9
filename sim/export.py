"""python -m sim.export WORLD DIR: write a frozen world for models of other trainers, with the truth attached.

`python -m sim.score` judges such a model. From Python it is `sim.export_world`: a function `sim.export` would be gone
after `import sim.export`, which binds this module to the name.
"""

import re
import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path

from sim.arguments import Parser, whole
from sim.exam.building import listed
from sim.exam.choosing import any_world
from sim.exam.drawn import building as drawn_worlds
from sim.exam.drawn import exporting as drawn_export
from sim.exam.exporting import DEFAULT_PRETRAIN, DEFAULT_SFT, Amount, check_target, export
from sim.exam.world import ExamWorld
from sim.numerics import SpecificationError, in_one_line
from sim.streams import command

REFUSED = 2
"""Exit status for bad input."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a world. Return 0, or 2 on bad input."""
    parser = Parser(
        prog="python -m sim.export",
        description=f"""\
Write a world to the new folder DIR: data for pretraining and fine-tuning, a tokenizer, the documents to be scored with
their exact probabilities, and a README. A model of any trainer can be trained on it, and python -m sim.score judges it.

frozen worlds, in three sizes; a world never changes under its name:
{chr(10).join(listed())}
A world may also be the folder of a run (outputs/<name>/<hash>), or a YAML file with grammar and restriction.

worlds whose strings are too many to list, for which documents are drawn to be scored:
{chr(10).join(drawn_worlds.listed())}
A YAML file with documents, horizon or symbols is one of them (docs/exam.md).""",
    )
    parser.add_argument("world", metavar="WORLD", help="the name of a frozen world, a folder, or a YAML file")
    parser.add_argument("folder", metavar="DIR", type=Path, help="a new folder")
    for name, number, of in (("pretrain", DEFAULT_PRETRAIN, "P"), ("sft", DEFAULT_SFT, "S, and as many from P,")):
        parser.add_argument(
            f"--{name}", type=_amount, default=number, metavar="N", help=f"documents from {of} (default {number:,}); "
            "all: each document once, with its weight"
        )  # fmt: skip
    parser.add_argument("--seed", type=whole(0), default=0, metavar="S", help="seed of the drawn documents (default 0)")
    drawn = f"drawn from each of P and S (default {drawn_worlds.NUMBER:,} where its strings are not listed)"
    parser.add_argument(
        "--documents", type=whole(drawn_worlds.LEAST), metavar="N", help=f"judge a world by N documents {drawn}"
    )  # fmt: skip
    chosen = parser.parse_args(arguments)
    try:
        check_target(chosen.folder)
        world = any_world(chosen.world, chosen.documents)
        if isinstance(world, ExamWorld):
            export(world, chosen.folder, chosen.pretrain, chosen.sft, chosen.seed)
            documents = f"{world.p.trie.num_strings:,} documents"
        else:
            amounts = drawn_export.amounts(chosen.pretrain, chosen.sft)
            drawn_export.export(world, chosen.folder, *amounts, chosen.seed)
            documents = f"{2 * world.documents.each:,} drawn documents"
    except SpecificationError as problem:
        print(in_one_line(problem), file=sys.stderr)
        return REFUSED
    print(
        f"Written to {chosen.folder}: the world {world.name} with {documents}, hash {world.hash[:12]}; "
        f"{chosen.folder / 'README.md'} says how to train on it and what to hand in"
    )
    return 0


def _amount(text: str) -> Amount:
    """Read a number of documents, or `all`."""
    return "all" if re.fullmatch("all", text) else _number(text)


def _number(text: str) -> int:
    try:
        return whole(1)(text)
    except ArgumentTypeError as problem:
        raise ArgumentTypeError(f"{problem}; or write all") from None


if __name__ == "__main__":
    sys.exit(command(main))
