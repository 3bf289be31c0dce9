"""The command line of `python -m sim.describe`."""

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import yaml

from sim.arguments import Parser, number, whole
from sim.describe import asked, facts, sampling, text, write
from sim.describe.bounds import Known
from sim.describe.sections import Section, as_json
from sim.describe.steps import Changes, Step, changed, conditioned_on_ending
from sim.grammars.file import language_of, load, read
from sim.languages.endless import Endless
from sim.languages.exact import ExactLanguage
from sim.numerics import SpecificationError, in_one_line

REFUSED = 2
"""Exit status for bad input."""

ABOUT = """\
Report what is known exactly about the language of a grammar file: support, length, entropy, diversity, most likely
strings. A file is YAML or JSON (types strings, markov, pfsa, hmm, pcfg), nltk's .pcfg, JFLAP's .jff, or the JSON of
PhysicsLM4. Every number is marked as exact or bounded. Nothing is sampled, except with --sample, which shows what usual
estimators make of drawn strings. Entropies are in nats. The keys of --json are listed in docs/describe.md."""

EPILOG = """\
Changes are made in this order: --length, --restrict (several, in the order given), --tilt or --entropy, --temperature,
--top-k, --top-p, --min-p. The description is of the language after these changes, and --write writes it. The exit
status is 0, or 2 with one line on stderr if the input is wrong.

  python -m sim.describe examples/grammars/brackets.yaml --next '((' --string '(())'
  python -m sim.describe examples/grammars/pfsa.yaml --restrict 'regular, pattern: i.*' --against other.yaml
  python -m sim.describe examples/grammars/markov.yaml --length 8 --restrict 'drop_mode, count: 1' --top-p 0.9
  python -m sim.describe examples/grammars/lift.jff --write lift.yaml"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the description of a grammar file. Return 0, or 2 on bad input."""
    options = _parser().parse_args(arguments)
    heard: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            sections = described(options)
        except SpecificationError as problem:
            print(in_one_line(problem), file=sys.stderr)
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


def _parser() -> Parser:
    parser = Parser(prog="python -m sim.describe", description=ABOUT, epilog=EPILOG)
    add = parser.add_argument
    add("file", help="a grammar file")
    add("--json", action="store_true", help="print JSON instead of text")
    add("--top", type=whole(0), default=10, metavar="N", help="show the N most likely strings (default 10)")
    add(
        "--counts", type=whole(0), default=12, metavar="N", help="count the strings of the first N lengths (default 12)"
    )
    add("--string", action="append", default=[], metavar="X", help="show the probability of string X; repeatable")
    add("--prefix", action="append", default=[], metavar="X", help="show P(a string begins with X); repeatable")
    add("--next", action="append", default=[], metavar="X", help="show the law of the next token after X; repeatable")
    add(
        "--positions",
        type=whole(0),
        default=0,
        metavar="N",
        help="show the entropy of the first N decisions of a string",
    )
    add("--sample", type=whole(0), default=0, metavar="N", help="draw N strings; show estimates beside exact numbers")
    add("--seed", type=whole(0), default=0, metavar="S", help="seed of --sample (default 0)")
    add("--against", metavar="FILE", help="compare with the language of a second file")
    add("--length", type=whole(0), metavar="L", help="keep strings of fewer than L symbols (L tokens with the end)")
    add(
        "--restrict",
        action="append",
        default=[],
        metavar="R",
        help="apply a restriction 'kind, argument: value'; repeatable",
    )
    add("--tilt", type=number, metavar="TAU", help="change P to P^(1/tau) over whole strings, renormalised")
    add("--entropy", type=number, metavar="H", help="tilt P to the entropy H [nats]")
    add(
        "--per",
        choices=("string", "token"),
        default="string",
        help="whether --entropy is per string or per token (default string)",
    )
    add("--temperature", type=number, metavar="T", help="temperature of every next token; 0 is greedy")
    add("--top-k", type=whole(0), metavar="K", help="keep the K likeliest next tokens, renormalised")
    add("--top-p", type=number, metavar="P", help="keep the fewest next tokens with total mass P, renormalised")
    add(
        "--min-p",
        type=number,
        metavar="P",
        help="keep next tokens with at least P times the largest probability, renormalised",
    )
    add("--normalise", action="store_true", help="divide the numbers of the file, weights or counts, by their sums")
    add("--renormalise", action="store_true", help="condition an inconsistent pcfg on the derivations that end")
    add("--write", metavar="FILE", help="write the language, after all changes, to a new grammar file (YAML)")
    add(
        "--max-strings", type=whole(1), default=20_000, metavar="N", help="list up to N strings if only a list is exact"
    )
    return parser


def described(options: argparse.Namespace) -> list[Section]:
    """Return the whole description that the options ask for."""
    sampling.check(options.sample, options.seed)
    if options.write is not None:
        write.checked(options.write)
    data = load(options.file, options.normalise)
    original = language_of(options.file, data, options.renormalise)
    other = None
    if options.against is not None:
        other = read(options.against, options.renormalise, normalise=options.normalise)
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
    language, steps = changed(original, changes)
    sections = _sections(language, other, conditioned_on_ending(original) + steps, data, options)
    if options.write:
        done = ["conditioning on derivations that end"] * options.renormalise + [step["step"] for step in steps]
        write.write(options.write, options.file, data, language, done)
        sections[0].add("written", "written to", options.write)
    return sections


def _sections(
    language: ExactLanguage,
    other: ExactLanguage | None,
    steps: list[Step],
    data: dict[str, Any],
    options: argparse.Namespace,
) -> list[Section]:
    said = {"file": options.file, "name": data.get("name", ""), "type": data["type"]}
    if isinstance(language, Endless):
        asked.refuse_chains(language, other)
        sections = [facts.about(language, None, said), *facts.chain(language, options.counts)]
        sections += asked.probabilities(language, options.string, options.prefix)
        sections += [*asked.next_tokens(language, options.next), *asked.positions(language, options.positions)]
        sections += sampling.sample(language, options.sample, options.seed)
        return sections + ([] if other is None else asked.against(language, other, options.against))
    asked.refuse_chains(language, other)
    known = Known(language, options.max_strings)
    sections = [facts.about(language, known, said)]
    if steps:
        section = Section("steps", "Changes")
        section.add("steps", "", steps)
        sections.append(section)
    sections += [facts.support(known, options.counts), facts.entropy(known), facts.diversity(known)]
    sections += [facts.likeliest_strings(known, options.top), *facts.likeliest_path_of(known)]
    sections += asked.probabilities(language, options.string, options.prefix)
    sections += [*asked.next_tokens(language, options.next), *asked.positions(known, options.positions)]
    sections += sampling.sample(known, options.sample, options.seed)
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
