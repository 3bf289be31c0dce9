"""The run-time check of types in the tests has the verdicts of jaxtyping's own decorator, which is slower."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from beartype import beartype
from jaxtyping import Float, Float64, Int, PyTree, TypeCheckError
from jaxtyping._decorator import jaxtyped

from tests.typechecked import typechecked

Check = Callable[[Any], Any]
CHECKS: dict[str, Check] = {"ours": typechecked, "theirs": lambda one: jaxtyped(one, typechecker=beartype)}
N2, N3, NM = np.zeros(2), np.zeros(3), np.zeros((2, 3))
Vector = Float64[np.ndarray, "N"]


def plain(number: int, word: str = "") -> float:
    return number if word == "wrong" else 0.5 * number


def same_axis(one: Vector, other: Vector | None = None, *rest: Vector, **named: Float[np.ndarray, "N M"]) -> None:
    pass


def returned(one: Vector, found: Any) -> Vector:
    return found


def inside(values: list[Vector], by_name: Mapping[str, Int[np.ndarray, "..."]]) -> tuple[Vector, int]:
    return values[0], 3


def tree(params: PyTree[Float[np.ndarray, "..."]]) -> None:
    pass


def by_a_text(other: "Nowhere") -> "Nowhere":
    return other


def by_a_known_text(other: "Vector | None", *rest: "list[Nowhere]") -> None:
    pass


def two_levels(one: Vector, other: Float64[np.ndarray, "M"]) -> None:
    """It calls another function twice, whose axis N is neither its own nor that of the other call."""
    LEVELS[-1](one)
    LEVELS[-1](other)


def level(one: Vector) -> None:
    pass


LEVELS: list[Callable[..., None]] = []


def iterated(count: int) -> Iterator[int]:
    yield from range(count)


CALLS = [
    # function, positional, named, whether it is right
    (plain, (1,), {}, True),
    (plain, (1.5,), {}, False),
    (plain, (2,), {"word": 3}, False),
    (plain, (2, "wrong"), {}, False),
    (same_axis, (N2, N2, N2), {"a": NM}, True),
    (same_axis, (N2, None), {}, True),
    (same_axis, (N2, N3), {}, False),
    (same_axis, (N2, N2, N3), {}, False),
    (same_axis, (N3,), {"a": NM}, False),
    (same_axis, (NM,), {}, False),
    (same_axis, (N2.astype(np.float32),), {}, False),
    (same_axis, ([0.0, 0.0],), {}, False),
    (returned, (N2, N2), {}, True),
    (returned, (N2, N3), {}, False),
    (returned, (N2, None), {}, False),
    (inside, ([N2], {"a": np.zeros(1, int)}), {}, True),
    (inside, ([NM], {}), {}, False),
    (inside, ([N2], {"a": N2}), {}, False),
    (tree, ({"a": N2, "b": [NM]},), {}, True),
    (tree, ({"a": N2, "b": ["no"]},), {}, False),
    (by_a_text, (3,), {}, True),
    (by_a_known_text, (N2, 3), {}, True),
    (by_a_known_text, (NM,), {}, False),
    (two_levels, (N2, N2), {}, True),
    (two_levels, (N2, N3), {}, True),
    (two_levels, (N2, NM), {}, False),
    (iterated, (3,), {}, True),
]  # fmt: skip


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(("function", "positional", "named", "right"), CALLS)
def test_a_call_is_judged_alike(
    function: Callable[..., Any], positional: tuple[Any, ...], named: dict[str, Any], right: bool, check: str
) -> None:
    LEVELS.append(CHECKS[check](level))
    checked = CHECKS[check](function)
    if right:
        checked(*positional, **named)
        return
    with pytest.raises(TypeCheckError):
        checked(*positional, **named)


@pytest.mark.parametrize("check", CHECKS)
def test_sizes_of_one_call_do_not_bind_the_next(check: str) -> None:
    checked = CHECKS[check](level)
    checked(N2)
    checked(N3)
    with pytest.raises(TypeCheckError):
        checked(NM)
    checked(N2)


@pytest.mark.parametrize("check", CHECKS)
def test_a_function_inside_a_function_has_a_check_of_its_own_each_time(check: str) -> None:
    def outer(number: int, kind: type) -> Callable[..., Any]:
        @CHECKS[check]
        def inner(one: Vector, other: kind, *, more: Vector | None = None) -> float | str:
            """It adds."""
            return "wrong" if number == 0 else number + float(one.sum())

        return inner

    first, second, third = outer(0, int), outer(2, int), outer(3, str)
    assert (first(N2, 1), second(N2, 1), third(N2, "a")) == ("wrong", 2.0, 3.0)
    assert (second.__name__, second.__doc__) == ("inner", "It adds.")
    for one, wrong in ((first, "a"), (second, "a"), (third, 1)):
        with pytest.raises(TypeCheckError):
            one(N2, wrong)
    for one, word in ((first, 1), (second, 1), (third, "a")):
        one(N2, word, more=N2)
        with pytest.raises(TypeCheckError):
            one(N2, word, more=N3)


@pytest.mark.parametrize("check", CHECKS)
def test_fields_of_a_dataclass_and_its_methods_are_checked(check: str) -> None:
    @CHECKS[check]
    @dataclasses.dataclass(frozen=True)
    class Pair:
        one: Vector
        other: Vector

        @classmethod
        @CHECKS[check]
        def of(cls, values: Vector) -> "Pair":
            return cls(values, values)

        @property
        @CHECKS[check]
        def size(self) -> int:
            return len(self.one) if len(self.one) == 2 else 0.5

    @CHECKS[check]
    @dataclasses.dataclass(frozen=True)
    class Triple(Pair):
        third: Vector

    assert Pair.of(N2).size == 2
    assert Triple(N2, N2, N2).size == 2
    for wrong in (lambda: Pair(N2, N3), lambda: Pair.of(NM), lambda: Pair.of(N3).size, lambda: Triple(N2, N2, N3)):
        with pytest.raises(TypeCheckError):
            wrong()


def test_a_checked_function_keeps_its_name_its_words_and_its_annotations() -> None:
    for function in (plain, same_axis, by_a_text):
        checked = typechecked(function)
        assert (checked.__name__, checked.__doc__, checked.__module__) == (
            function.__name__, function.__doc__, function.__module__
        )  # fmt: skip
        assert checked.__annotations__ == function.__annotations__
    assert by_a_text.__annotations__ == {"other": "Nowhere", "return": "Nowhere"}
