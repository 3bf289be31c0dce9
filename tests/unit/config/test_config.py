"""Configuration: what is accepted and how it is cast, what is refused and how the refusal reads."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import numpy as np
import pytest
from flax import struct
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Array, Float

import sim
from sim import config
from sim.config import (
    AtLeast,
    Check,
    Extended,
    Fraction,
    HalfOpenFraction,
    Name,
    NonNegative,
    OpenFraction,
    Positive,
    discovery,
    groups,
)
from sim.numerics import SpecificationError
from sim.typing import Number

Even = Check("an even integer", lambda value: value % 2 == 0)

GOOD: list[tuple[Any, Any, Any]] = [
    # annotation, value in YAML, value that the constructor gets
    (int, 3, 3),
    (int, 128.0, 128),
    (float, 1, 1.0),
    (float, 0.25, 0.25),
    (float, "1e-3", 0.001),
    (float, "-2.5E+1", -25.0),
    (float, -0.0, 0.0),
    (bool, True, True),
    (str, "assistant", "assistant"),
    (str | None, None, None),
    (int | None, 4, 4),
    (float | str, "1e-3", 0.001),
    (float | str, "cosine", "cosine"),
    (float | Float[Array, ""], 2, 2.0),
    (Number, 2, 2.0),
    (float | np.ndarray | jax.Array, "1e-3", 0.001),
    (Annotated[Number, Positive], 1, 1.0),
    (Literal["exact", "sampled"], "exact", "exact"),
    (Literal["auto"] | int, 3.0, 3),
    (list[int], [1, 2.0], [1, 2]),
    (list, ["a", 1], ["a", 1]),
    (tuple[str, ...], ["a", "b"], ("a", "b")),
    (tuple[str, float], ["a", 1], ("a", 1.0)),
    (Sequence[Annotated[int, Positive]], [1, 2], (1, 2)),
    (Sequence[str] | None, ["a"], ("a",)),
    (Mapping[str, float], {"a": 1}, {"a": 1.0}),
    (dict[str, list[int]], {"a": [1.0]}, {"a": [1]}),
    (dict, {"a": {"b": [1, "c"]}}, {"a": {"b": [1, "c"]}}),
    (Mapping, {"a": None}, {"a": None}),
    (Any, {"a": (1, 2)}, {"a": [1, 2]}),
    (Annotated[int, NonNegative], 0, 0),
    (Annotated[int | None, Positive], None, None),
    (Annotated[float, Fraction], 1, 1.0),
    (Annotated[float, OpenFraction], 0.5, 0.5),
    (Annotated[float, HalfOpenFraction], 0, 0.0),
    (Annotated[float, Extended], -math.inf, -math.inf),
    (Annotated[int, AtLeast(2)], 2, 2),
    (Annotated[str, Name], "kl_anchor2", "kl_anchor2"),
    (Annotated[int, Even, Positive], 4, 4),
]

REFUSED: list[tuple[Any, Any, str]] = [
    # annotation, value in YAML, the refusal after its place
    (int, "two", "an integer is required, found 'two'"),
    (int, "3", "an integer is required, found '3'"),
    (int, 1.5, "an integer is required, found 1.5"),
    (int, True, "an integer is required, found true"),
    (int, None, "an integer is required, found null"),
    (float, "fast", "a number is required, found 'fast'"),
    (float, "nan", "a number is required, found 'nan'"),
    (float, False, "a number is required, found false"),
    (float, math.nan, "a number is required, found nan"),
    (float, math.inf, "a number is required, found inf; it must be finite"),
    (float, 10**400, "a number is required, found 1000"),
    (Annotated[float, Extended], math.nan, "a number or ±inf is required, found nan"),
    (bool, 1, "true or false is required, found 1"),
    (bool, "yes", "true or false is required, found 'yes'"),
    (str, 3, "a text is required, found 3; quote it"),
    (int | None, "two", "an integer or null is required, found 'two'"),
    (float | Float[Array, ""], "two", "a number is required, found 'two'"),
    (
        Literal["exact", "sampled"],
        "exat",
        "one of 'exact', 'sampled' is required, found 'exat' (did you mean 'exact'?)",
    ),
    (Literal[0, 1], True, "one of 0, 1 is required, found true"),
    (list[int], "12", "a list is required, found '12'"),
    (list[int], [1, "a"], "[1]: an integer is required, found 'a'"),
    (Sequence[int] | None, [1, "a"], "[1]: an integer is required, found 'a'"),
    (tuple[str, float], ["a"], "a list of 2 values is required, found ['a']"),
    (Mapping[str, float], [1], "a mapping of names to values is required, found [1]"),
    (Mapping[str, float], {"a": "b"}, ".a: a number is required, found 'b'"),
    (Annotated[Number, Positive], -0.1, "a positive number is required, found -0.1"),
    (Annotated[float, Positive], math.inf, "a positive number is required, found inf; it must be finite"),
    (Annotated[int, Positive], 0, "a positive integer is required, found 0"),
    (Annotated[int, Positive], "two", "a positive integer is required, found 'two'"),
    (Annotated[int | None, Positive], 0, "a positive integer or null is required, found 0"),
    (Annotated[int, NonNegative], -1, "a non-negative integer is required, found -1"),
    (Annotated[float, Fraction], 1.5, "a number from 0 to 1 is required, found 1.5"),
    (Annotated[float, OpenFraction], 1, "a number between 0 and 1, both excluded, is required, found 1"),
    (Annotated[float, HalfOpenFraction], 1, "a number from 0 to 1, 1 excluded, is required, found 1"),
    (Annotated[int, AtLeast(2)], 1, "an integer of at least 2 is required, found 1"),
    (Annotated[str, Name], "KL anchor", "a name of a-z, 0-9 and _ other than store is required, found 'KL anchor'"),
    (Annotated[int, Even, Positive], -2, "a positive integer is required, found -2"),
    (Annotated[int, Even, Positive], 3, "an even integer is required, found 3"),
    (dict, {"b": [{"_target_": "os.system"}]}, ".b[0]._target_: not allowed here"),
]


def taking(annotation: Any) -> Callable[..., Any]:
    def constructor(*, value: Any) -> Any:
        return value

    constructor.__annotations__["value"] = annotation
    return constructor


@pytest.mark.parametrize(("annotation", "value", "expected"), GOOD, ids=repr)
def test_accepted(annotation: Any, value: Any, expected: Any) -> None:
    found = config.check(taking(annotation), {"value": value}, "group")["value"]
    assert found == expected
    assert repr(found) == repr(expected), "the type and the sign of zero count too"


@pytest.mark.parametrize(("annotation", "value", "message"), REFUSED, ids=repr)
def test_refused_in_one_line(annotation: Any, value: Any, message: str) -> None:
    with pytest.raises(SpecificationError) as refusal:
        config.check(taking(annotation), {"value": value}, "group")
    line = str(refusal.value)
    place = "group.value" if message[0] in "[." else "group.value: "
    assert line.startswith(place + message)
    assert "\n" not in line


def transformer(
    vocab_size: int, *, width: Annotated[int, Positive], depth: int = 2, rate: float = 0
) -> tuple[Any, ...]:
    return vocab_size, width, depth, rate


@struct.dataclass
class Anchor:
    weight: Annotated[Number, NonNegative]
    towards: str = struct.field(pytree_node=False, default="base")


@dataclass
class WithFactory:
    steps: list[int] = field(default_factory=lambda: [1, 2])
    total: int = field(init=False, default=0)


@pytest.mark.parametrize(
    ("constructor", "arguments", "message"),
    [
        (transformer, {"widht": 3}, "model.widht: unknown argument of transformer (did you mean 'width'?)"),
        (transformer, {"zzz": 3}, "model.zzz: unknown argument of transformer; it takes width, depth, rate"),
        (transformer, {"width": 3, "vocab_size": 3}, "model.vocab_size: unknown argument of transformer"),
        (transformer, {}, "model.width: a positive integer is required, found nothing"),
        (transformer, {"width": "???"}, "model.width: a positive integer is required, found nothing"),
        (Anchor, {"wieght": 1}, "model.wieght: unknown argument of Anchor (did you mean 'weight'?)"),
        (WithFactory, {"total": 1}, "model.total: unknown argument of WithFactory"),
        (transformer, {"_target_": "os.system"}, "model._target_: not allowed here"),
        (transformer, [8], "model: a mapping of names to values is required, found [8]"),
    ],
)
def test_names_and_presence(constructor: Callable[..., Any], arguments: Any, message: str) -> None:
    with pytest.raises(SpecificationError, match=re.escape(message)):
        config.check(constructor, arguments, "model")


def test_what_is_configurable() -> None:
    assert list(config.configurable(transformer)) == ["width", "depth", "rate"]
    assert list(config.configurable(Anchor)) == ["weight", "towards"]
    assert config.configurable(WithFactory)["steps"].default == [1, 2]


def test_canonical_values_do_not_depend_on_how_they_are_written() -> None:
    written = [{"width": 8, "rate": 0}, {"width": 8.0, "rate": -0.0}, {"width": 8}, {"depth": 2.0, "width": 8}]
    texts = {json.dumps(config.canonical_of(transformer, arguments, "model")) for arguments in written}
    assert texts == {'{"width": 8, "depth": 2, "rate": 0.0}'}


@given(st.integers(-(2**53), 2**53))
def test_an_integer_and_its_float_are_one_value(number: int) -> None:
    for annotation in (int, float):
        described = [config.check(taking(annotation), {"value": v}, "x") for v in (number, float(number))]
        assert repr(described[0]) == repr(described[1])


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_survives_being_written(number: float) -> None:
    assert config.check(taking(float), {"value": repr(number)}, "x") == {"value": number}


def test_an_annotation_that_yaml_cannot_express_is_named_with_its_file() -> None:
    with pytest.raises(SpecificationError) as refused:
        config.check(taking(np.ndarray), {"value": 1}, "x")
    assert "a type that a configuration can express is required for value, found <class 'numpy.ndarray'>" in str(
        refused.value
    )
    assert __file__ in str(refused.value)


TOYS = {
    "square": """
def square(base, *, side: float = 1.0):
    if side < 0:
        raise ValueError("side: a side is\\n positive")
    if side == 0:
        raise ValueError("toy.side: not zero")
    return base, side
""",
    "low_rank": "class LowRank:\n    def __init__(self, *, rank: int) -> None:\n        self.rank = rank\n",
    "_private": "def _private(): ...\n",
    "broken": "import no_such_module\ndef broken(): ...\n",
}


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "toy_kinds"
    folder.mkdir()
    for name, source in TOYS.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr(sim, "__path__", [*sim.__path__, str(tmp_path)])
    monkeypatch.setitem(discovery.KINDS, "toy", discovery.Kind("sim.toy_kinds", is_class=True))
    monkeypatch.setattr(groups, "CONFIGURED", (*groups.CONFIGURED, "toy"))
    discovery.forget()
    yield
    discovery.forget()
    for name in [name for name in sys.modules if name.startswith("sim.toy_kinds")]:
        del sys.modules[name]
    vars(sim).pop("toy_kinds", None)


@pytest.mark.usefixtures("toy")
def test_a_kind_is_its_constructor() -> None:
    assert config.construct("toy", {"kind": "square", "side": 2}, "toy", "injected") == ("injected", 2.0)
    assert config.construct("toy", {"kind": "low_rank", "rank": 3.0}, "toy").rank == 3
    assert config.canonical("toy", {"kind": "square"}, "toy") == {"kind": "square", "side": 1.0}
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        config.resolve("toy", "broken", "toy")


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("node", "message"),
    [
        (
            {"kind": "squar"},
            "toy.kind: one of broken, low_rank, square is required, found 'squar' (did you mean 'square'?)",
        ),
        ({"kind": "../../os"}, "toy.kind: one of broken, low_rank, square is required, found '../../os'"),
        ({"kind": "_private"}, "toy.kind: one of broken, low_rank, square is required, found '_private'"),
        ({"kind": 3}, "toy.kind: one of broken, low_rank, square is required, found 3"),
        ({"side": 1}, "toy.kind: one of broken, low_rank, square is required, found nothing"),
        (
            {"kind": "square", "_target_": "os.system"},
            "toy._target_: not allowed here; write kind: <name> plus arguments",
        ),
        ({"kind": "square", "side": "big"}, "toy.side: a number is required, found 'big'"),
        ({"kind": "square", "side": -1}, "toy: side: a side is positive"),
        ({"kind": "square", "side": 0}, "toy.side: not zero"),
        ({"kind": "low_rank"}, "toy.rank: an integer is required, found nothing"),
        ("square", "toy: kind: <name> plus arguments is required, found 'square'"),
    ],
)
def test_a_node_is_refused_in_one_line(node: Any, message: str) -> None:
    with pytest.raises(SpecificationError) as refusal:
        config.construct("toy", node, "toy", "injected")
    assert str(refusal.value) == message


def test_only_the_groups_are_reachable() -> None:
    with pytest.raises(ValueError, match="one of the groups grammar, "):
        config.resolve("languages", "trie", "grammar")


def test_importing_configuration_is_quick() -> None:
    slow = "{'jax', 'flax', 'optax', 'polars', 'matplotlib', 'hydra', 'omegaconf'}"
    command = (
        f"import sys, sim.config; sys.exit(str(sorted({slow} & set(sys.modules))) if {slow} & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", command], check=True, cwd=Path(__file__).parents[3])


@pytest.mark.parametrize(
    ("kind", "is_class", "source", "message"),
    [
        ("", False, "def coins(): ...", "a function coin is required, found coins; rename it"),
        ("", False, "class Coin: ...", "a function coin is required, found Coin; rename it"),
        ("", True, "class Coyn: ...", "a class Coin is required, found Coyn; rename it"),
        ("", True, "", "a class Coin is required, found no definition; rename it"),
        ("METRICS", False, "METRIC: list = []", "a definition METRICS is required, found METRIC; rename it"),
        ("METRICS", False, "def helper(): ...", None),
        ("", True, "Coin = object", None),
        ("", False, "coin: object = None", None),
    ],
)
def test_a_file_that_misspells_what_makes_it_a_member_is_named(
    kind: str, is_class: bool, source: str, message: str | None, tmp_path: Path
) -> None:
    file = tmp_path / "coin.py"
    file.write_text(source, encoding="utf-8")
    wanted = discovery.Kind("sim.toys", kind, is_class)
    if message is None:
        assert discovery._defines(file, wanted, "coin") == ("helper" not in source)
        return
    with pytest.raises(SpecificationError) as refused:
        discovery._defines(file, wanted, "coin")
    assert str(refused.value).startswith(f"{file}: {message}")


def test_an_argument_that_is_not_keyword_only_says_so() -> None:
    def ring(size: int = 3, *, length: int = 2) -> None: ...

    with pytest.raises(SpecificationError, match=r"to be configured, size must be keyword-only \(after `\*,`\)"):
        config.check(ring, {"size": 3}, "grammar")
