"""The command line of `python -m sim.describe`."""

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import yaml

from sim.describe import asked, facts, text
from sim.describe.bounds import Known
from sim.describe.sections import Section, as_json
from sim.describe.steps import Changes, changed, conditioned_on_ending
from sim.grammars._reading import load
from sim.grammars.file import read
from sim.languages.chain import Chain
from sim.languages.exact import ExactLanguage
from sim.numerics import SpecificationError

REFUSED = 2
"""Exit status for bad input."""

ABOUT = """\
Report what is known exactly about the language of a grammar file (YAML or JSON; types strings, markov, pfsa, pcfg):
support, length, entropy, diversity, most likely strings. Nothing is sampled. Every number is marked as exact or
bounded. Entropies are in nats. The keys of --json are listed in docs/describe.md."""

EPILOG = """\
Changes are made in this order: --length, --restrict (several, in the order given), --tilt or --entropy, --temperature,
--top-k, --top-p, --min-p. The description is of the language after these changes. The exit status is 0, or 2 with one
line on stderr if the input is wrong.

  python -m sim.describe examples/grammars/brackets.yaml --next '((' --string '(())'
  python -m sim.describe examples/grammars/pfsa.yaml --restrict 'regular, pattern: i.*' --against other.yaml
  python -m sim.describe examples/grammars/markov.yaml --length 8 --restrict 'drop_mode, count: 1' --top-p 0.9"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the description of a grammar file. Return 0, or 2 on bad input."""
    options = _parser().parse_args(arguments)
    heard: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            sections = described(options)
        except SpecificationError as problem:
            print(" ".join(str(problem).split()), file=sys.stderr)
            return REFUSED
        except MemoryError:
            what = "a language whose tables fit into memory is required, found a larger one"
            print(f"{options.file}: {what}; use fewer states or symbols", file=sys.stderr)
            return REFUSED
        finally:
            heard = list(dict.fromkeys(str(one.message) for one in caught))
    for line in heard:
        print(f"warning: {line}", file=sys.stderr)
    said = as_json(sections) | {"warnings": heard}
    out = json.dumps(said, indent=1, ensure_ascii=False) if options.json else "\n".join(text.lines(sections))
    print(out)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sim.describe",
        description=ABOUT,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("file", help="a grammar file")
    add("--json", action="store_true", help="print JSON instead of text")
    add("--top", type=int, default=10, metavar="N", help="show the N most likely strings (default 10)")
    add("--counts", type=int, default=12, metavar="N", help="count the strings of the first N lengths (default 12)")
    add("--string", action="append", default=[], metavar="X", help="show the probability of string X; repeatable")
    add("--prefix", action="append", default=[], metavar="X", help="show P(a string begins with X); repeatable")
    add("--next", action="append", default=[], metavar="X", help="show the law of the next token after X; repeatable")
    add("--positions", type=int, default=0, metavar="N", help="show the entropy of the first N decisions of a string")
    add("--against", metavar="FILE", help="show the divergences to the language of a second file")
    add("--length", type=int, metavar="L", help="keep strings of fewer than L symbols (L tokens with the end)")
    add(
        "--restrict",
        action="append",
        default=[],
        metavar="R",
        help="apply a restriction 'kind, argument: value'; repeatable",
    )
    add("--tilt", type=float, metavar="TAU", help="change P to P^(1/tau) over whole strings, renormalised")
    add("--entropy", type=float, metavar="H", help="tilt P to the entropy H [nats]")
    add(
        "--per",
        choices=("string", "token"),
        default="string",
        help="whether --entropy is per string or per token (default string)",
    )
    add("--temperature", type=float, metavar="T", help="temperature of every next token; 0 is greedy")
    add("--top-k", type=int, metavar="K", help="keep the K likeliest next tokens, renormalised")
    add("--top-p", type=float, metavar="P", help="keep the fewest next tokens with total mass P, renormalised")
    add(
        "--min-p",
        type=float,
        metavar="P",
        help="keep next tokens with at least P times the largest probability, renormalised",
    )
    add("--renormalise", action="store_true", help="condition an inconsistent pcfg on the derivations that end")
    add("--max-strings", type=int, default=20_000, metavar="N", help="list up to N strings if only a list is exact")
    return parser


def described(options: argparse.Namespace) -> list[Section]:
    """Return the whole description that the options ask for."""
    language: ExactLanguage = read(options.file, options.renormalise)
    renormalised = conditioned_on_ending(language)
    other = read(options.against, options.renormalise) if options.against else None
    changes = Changes(
        options.length,
        tuple(restriction(one) for one in options.restrict),
        options.tilt,
        options.entropy,
        options.per,
        options.temperature,
        options.top_k,
        options.top_p,
        options.min_p,
        options.max_strings,
    )
    language, steps = changed(language, changes)
    steps = renormalised + steps
    data = load(options.file)
    said = {"file": options.file, "name": data.get("name", ""), "type": data["type"]}
    if isinstance(language, Chain):
        asked.refuse_chains(language, other)
        sections = [facts.about(language, None, said), *facts.chain(language, options.counts)]
        sections += asked.probabilities(language, options.string, options.prefix)
        return [*sections, *asked.next_tokens(language, options.next), *asked.positions(language, options.positions)]
    asked.refuse_chains(other)
    known = Known(language, options.max_strings)
    sections = [facts.about(language, known, said)]
    if steps:
        section = Section("steps", "Changes")
        section.add("steps", "", steps)
        sections.append(section)
    sections += [facts.support(known, options.counts), facts.entropy(known), facts.diversity(known)]
    sections.append(facts.likeliest_strings(known, options.top))
    sections += asked.probabilities(language, options.string, options.prefix)
    sections += [*asked.next_tokens(language, options.next), *asked.positions(known, options.positions)]
    return sections + ([] if other is None else asked.against(language, other, options.against))


def restriction(written: str) -> dict[str, Any]:
    """Parse a restriction from the command line: 'regular, pattern: a.*', or a YAML mapping with the key `kind`.

    It raises `SpecificationError` for anything else.
    """
    kind, comma, rest = written.strip().partition(",")
    inside = written if written.strip().startswith("{") else f"{{kind: {kind}{comma} {rest}}}"
    try:
        node = yaml.safe_load(inside)
    except yaml.YAMLError as problem:
        what = str(getattr(problem, "problem", problem)).splitlines()[0]
        raise SpecificationError(
            f"--restrict {written!r}: 'kind, argument: value' is required, found a YAML error ({what}); quote values"
        ) from None
    if not isinstance(node, dict) or not isinstance(node.get("kind"), str):
        raise SpecificationError(
            f"--restrict {written!r}: 'kind, argument: value' is required, found no kind; give one"
        )
    return node
