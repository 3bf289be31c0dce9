"""Flags may stand anywhere, and an argument that a refusal prints works when it is pasted into a shell."""

import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from sim.arguments import flags_first, quoted


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("experiment=demo -m seed=1,2", "-m experiment=demo seed=1,2"),
        ("a=1 --cfg=job b=2 --resolve", "--cfg=job --resolve a=1 b=2"),
        ("a=1 --config-name other b=2", "--config-name other a=1 b=2"),
        ("-m a=-1 +b=2 ~c", "-m a=-1 +b=2 ~c"),
        ("a=1 --cfg job --resolve", "--cfg job --resolve a=1"),
        ("--info a=1", "--info a=1"),
        ("", ""),
    ],
)
def test_flags_may_stand_anywhere(given: str, wanted: str) -> None:
    assert flags_first(given.split()) == wanted.split()


@pytest.mark.parametrize(
    "value", ["a,b", "a(b|c)", "sun .*", "what's this: x", 'say "no"', "back\\slash", "{a: 1}", "[x", "$HOME", "ä = é"]
)
def test_the_argument_that_is_printed_works(value: str) -> None:
    (word,) = shlex.split(quoted(f"restriction.pattern={value}"))
    (override,) = OverridesParser.create().parse_overrides([word])
    assert override.key_or_group == "restriction.pattern"
    assert override.value() == value
