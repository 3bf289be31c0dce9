"""Exercises: right answers by a second route, wrong ones refused with their hints, and no answer in a notebook."""

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from sim import lessons
from sim.interface.result import Result
from sim.lessons import Checked, check, key
from sim.lessons._checking import exercises, written
from sim.numerics import SpecificationError
from tests.composed import ROOT
from tests.unit.lessons import worlds

PUBLISHED = ROOT / "experiments" / "published"
ALONE = [name for name, one in exercises().items() if not one.of_run]
OF_RUN = [name for name, one in exercises().items() if one.of_run]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    table = worlds.table(tmp_path_factory.mktemp("outputs"))
    few, half = (table.finetune(restriction=one) for one in (worlds.FEW, worlds.HALF))
    net = worlds.of_parameters(table)
    return {"start": table, "c1": table, "c2": table, "c3": few, "c4": half, "c5": net, "c6": table}


def given(name: str, runs: dict[str, Any]) -> tuple[Any, ...]:
    return (runs[name.partition(".")[0]],)


# -- the right answers, by routes that share nothing with the helper --------------------------------------------------


def h(law: list[float]) -> float:
    return -sum(p * math.log(p) for p in law)


def rows(claim: str, table: str, **wanted: object) -> list[dict[str, Any]]:
    found = pl.read_parquet(PUBLISHED / claim / "tables" / f"{table}.parquet").to_dicts()
    return [row for row in found if all(row[name] == value for name, value in wanted.items())]


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def of_two_draws() -> float:
    pairs = list(itertools.product(range(4), repeat=2))
    return mean([0.0 if a == b else math.log(2) for a, b in pairs])


def of_three_draws() -> Fraction:
    law, total = (Fraction(7, 10), Fraction(3, 10)), Fraction(0)
    for drawn in itertools.product((0, 1), repeat=3):
        share = Fraction(sum(drawn), 3)
        total += math.prod(law[one] for one in drawn) * (share**2 + (1 - share) ** 2)
    return total


def unseen() -> float:
    return mean([1 - len(set(drawn)) / 4 for drawn in itertools.product(range(4), repeat=3)])


def hot_gate() -> float:
    law = np.array([0.9989] + [0.001 / 3] * 3 + [0.0001 / 12] * 12) ** (1 / 3)
    return float(law[1:4].sum() / law.sum())


def off(hazard: float, horizon: int) -> float:
    return sum(1 - (1 - hazard) ** t for t in range(1, horizon + 1))


def erasure_kept() -> float:
    return math.exp(-mean([row["erased"] for row in rows("c2_support", "kept", part="erasing_adam")]))


def rises() -> float:
    found = rows("c1_entropy", "subsets", rule="string", view="texts", law="Zipf 2", mass=0.5)
    return sum(row["rises"] for row in found) / sum(row["draws"] for row in found)


def held_out() -> float:
    found = {part: rows("c3_answers", "runs", part=part, m=1) for part in ("cells", "annotators")}
    cells, homogeneous = (mean([row["h_q_held_lower"] for row in one]) for one in found.values())
    return cells - homogeneous


def comes_back() -> float:
    found = rows("c4_cloning", "returns", part="returns_clean", targets="sampled")
    tuned, control = ([row["recovery"] for row in found if row["phase"] == one] for one in ("sft", "identity"))
    return mean(tuned) - mean(control)


def moves_the_rank() -> str:
    found = rows("c5_rank", "spectra_updates")
    of = {
        key: mean([row["stable"] for row in found if (row["targets"], row["phase"]) == key])
        for key in (("exact", "sft"), ("sampled", "sft"), ("exact", "identity"))
    }
    start = of["exact", "sft"]
    return "targets" if of["sampled", "sft"] - start > of["exact", "identity"] - start else "data"


SECOND: dict[str, Callable[[], Any]] = {
    "c1.1": lambda: math.log(3) - h([1 / 2, 1 / 6, 1 / 6, 1 / 6]),
    "c1.3": lambda: h([1 / 4, 3 / 4]) / (3 / 4),
    "c1.4": rises,
    "c2.1": lambda: 20_000,
    "c2.3": lambda: 0.25 * math.log(0.25 / 0.999) + 0.75 * math.log(0.75 / 0.001),
    "c2.4": lambda: 0.25 * math.log(0.25 / (0.99 + 0.01 * 0.25)) + 0.75 * math.log(0.75 / (0.01 * 0.75)),
    "c2.5": erasure_kept,
    "c3.1": of_two_draws,
    "c3.2": of_three_draws,
    "c3.3": unseen,
    "c3.5": held_out,
    "c4.1": lambda: off(0.01, 100),
    "c4.2": lambda: off(0.001, 20) / off(0.001, 10),
    "c4.3": lambda: Fraction(1, 21),
    "c4.5": comes_back,
    "c5.1": lambda: (16 + 4 + 4 + 1) / 16,
    "c5.4": lambda: 4 * 64 * 2,
    "c5.5": moves_the_rank,
    "c6.1": lambda: Fraction(1, 3),
    "c6.2": hot_gate,
    "c6.4": lambda: mean([row["most_lost"] for row in rows("c6_consequences", "temperature_best",
                                                           part="temperature_plain", model="tuned")]),
}  # fmt: skip


def entropy_per_prompt(result: Result, law: str) -> float:
    """H(·|x) averaged over P(x), string by string."""
    p, s = result.record.p, result.record.restricted.s
    log_p = {"P": p.log_p, "S": s.log_p}[law]
    prompts = p.prompts.group
    of_prompt = np.array([np.exp(log_p[prompts == x]).sum() for x in range(p.prompts.num_groups)])
    weights = np.array([np.exp(p.log_p[prompts == x]).sum() for x in range(p.prompts.num_groups)])
    total = 0.0
    for x in np.flatnonzero(of_prompt):
        answers = np.exp(log_p[prompts == x]) / of_prompt[x]
        total += weights[x] * h([float(one) for one in answers if one > 0])
    return total / float(weights[of_prompt > 0].sum())


def kept_share(result: Result) -> float:
    """H(S)/H(P) at the prompts of S, which has P's law there."""
    p, s = result.record.p, result.record.restricted.s
    shown = np.isin(p.prompts.group, p.prompts.group[s.log_p > -np.inf])
    both = []
    for log_p in (s.log_p, p.log_p):
        law = np.exp(log_p[shown]) / np.exp(log_p[shown]).sum()
        of_prompt = np.bincount(p.prompts.group[shown], law)
        both.append(h(list(law[law > 0])) - h(list(of_prompt[of_prompt > 0])))
    return both[0] / both[1]


def evaluated(result: Result, metric: str, of: str) -> dict[int, float]:
    found = result.table().filter(view="response", phase="sft", metric=metric, of=of, prompt_law="P(x)")
    return dict(zip(found["step"].to_list(), found["lower"].to_list(), strict=True))


def slope(result: Result) -> float:
    mass = {step: value for step, value in sorted(evaluated(result, "event_mass", "q(B)").items()) if step >= 100}
    (first, high), *_, (final, low) = mass.items()
    return math.log(low / high) / math.log(final / first)


def squares(result: Result, phase: str) -> np.ndarray:
    """The squared singular values of the change of the output matrix, as eigenvalues."""
    before, after = (result.record.params[one]["head.kernel"].astype(np.float64) for one in ("pretrain", phase))
    return np.asarray(np.linalg.eigvalsh((after - before) @ (after - before).T))


def prior(result: Result) -> float:
    """P(z0 | x) at the prompts that S never shows, from the strings."""
    p, s = result.record.p, result.record.restricted.s
    texts = np.array([p.vocabulary.decode(row) for row in p.trie.strings])
    hidden = ~np.isin(p.prompts.group, p.prompts.group[s.log_p > -np.inf])
    in_style = np.array([" z0 " in text for text in texts])
    return float(np.exp(p.log_p[hidden & in_style]).sum() / np.exp(p.log_p[hidden]).sum())


def valid_when_hot(result: Result) -> float:
    """The mass of P's answers at T = 2, token by token."""
    import jax.numpy as jnp

    p, model = result.record.p, result.model("finetuned")
    rows = p.trie.strings[p.prompts.group == p.prompts.group[0]]
    start = int(p.prompts.length[0])
    laws = np.exp(np.asarray(model.bound.next_log_probs(jnp.asarray(rows)), np.float64)) ** 0.5
    laws /= laws.sum(axis=2, keepdims=True)
    total = 0.0
    for row, law in zip(rows, laws, strict=True):
        end = int((row != 0).sum())
        total += math.prod(float(law[t, row[t]]) for t in range(start, min(end + 1, len(row))))
    return total


SECOND_OF_RUN: dict[str, Callable[[Result], float]] = {
    "start.1": lambda result: math.exp(entropy_per_prompt(result, "S")),
    "start.2": lambda result: list(evaluated(result, "gate", "A").values())[-1] / list(
        evaluated(result, "kl", "P||q").values())[-1],
    "c1.2": lambda result: entropy_per_prompt(result, "S") - entropy_per_prompt(result, "P"),
    "c2.2": slope,
    "c3.4": kept_share,
    "c4.4": prior,
    "c5.2": lambda result: squares(result, "sft").sum() / squares(result, "sft").max(),
    "c5.3": lambda result: squares(result, "identity").max() / squares(result, "identity").sum(),
    "c6.3": valid_when_hot,
}  # fmt: skip


def test_every_exercise_has_a_second_route() -> None:
    assert sorted(SECOND) == sorted(ALONE)
    assert sorted(SECOND_OF_RUN) == sorted(OF_RUN)


@pytest.mark.parametrize("name", ALONE)
def test_the_right_answer(name: str) -> None:
    right, own = SECOND[name](), exercises()[name].answer()
    assert own == right if isinstance(right, str) else own == pytest.approx(float(right), rel=1e-9)
    found = check(name, right if isinstance(right, str) else float(right))
    assert found.right
    assert found.text == f"right. {exercises()[name].because}"


@pytest.mark.parametrize("name", OF_RUN)
def test_the_right_answer_about_a_run(name: str, runs: dict[str, Any]) -> None:
    (result,) = given(name, runs)
    right = SECOND_OF_RUN[name](result)
    assert exercises()[name].answer(result) == pytest.approx(right, rel=1e-4)
    assert check(name, right, result)


# -- wrong answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*ALONE, *OF_RUN])
def test_wrong_answers_are_refused(name: str, runs: dict[str, Any]) -> None:
    one = exercises()[name]
    run = given(name, runs) if one.of_run else ()
    right = one.answer(*run)
    if isinstance(right, str):
        for option in set(one.options) - {right}:
            assert not check(name, option)
        return
    for wrong in (right + 1.0 + 0.05 * abs(right), right * 1.05 + 0.01, -right - 0.01, right * 0.95 - 0.01, 0.0, 1e9):
        found = check(name, wrong, *run)
        assert found.right is False, wrong
        assert found.text.startswith("not yet. ")
        assert written(right) not in found.text
    inside = 0.5 * one.relative * right
    assert check(name, right + inside, *run)
    assert check(name, right - inside, *run)


@pytest.mark.parametrize("name", [*ALONE, *OF_RUN])
def test_a_slip_has_its_own_hint(name: str, runs: dict[str, Any]) -> None:
    one = exercises()[name]
    run = given(name, runs) if one.of_run else ()
    for slip in one.slips:
        wrong = slip.answer(*run)
        if one.accepts(wrong, one.answer(*run)):  # the two numbers may agree in a run, but not in a fixed exercise
            assert one.of_run
            continue
        assert not check(name, wrong, *run)
        assert one.advice(wrong, *run) in [each.says for each in one.slips]
        if not one.of_run:
            assert one.advice(wrong) == slip.says


@pytest.mark.parametrize(
    ("given", "words"),
    [(("c1.9", 1.0), r"^exercise: one of c1.1, .* is required, found 'c1.9'"),
     (("c1.1", "-0.14"), r"^c1.1: a finite number \[nat\] is required, found '-0.14'; write it without its unit$"),
     (("c1.1", math.nan), r"^c1.1: a finite number .* found nan"),
     (("c1.1", True), r"^c1.1: a finite number .* found True"),
     (("c1.1", None), r"^c1.1: a finite number .* found None"),
     (("c1.2", -1.0), r"^c1.2: a run \(sim.Result\) is required, found None; write check\("),
     (("c1.2", -1.0, 3), r"^c1.2: a run .* found 3"),
     (("c5.5", "target"), r"^c5.5: one of 'targets', 'data' is required, found 'target' \(did you mean 'targets'\?\)$"),
     (("c5.5", 1.0), r"^c5.5: one of 'targets', 'data' is required, found 1.0")],
)  # fmt: skip
def test_what_is_no_answer_is_refused_in_one_line(given: tuple[Any, ...], words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        check(*given)


def test_a_run_of_another_kind_is_refused(runs: dict[str, Any]) -> None:
    with pytest.raises(SpecificationError, match=r"^result: a run of a transformer .* is required, found the phases"):
        check("c5.2", 1.0, runs["c1"])


# -- what a notebook shows --------------------------------------------------------------------------------------------


def test_without_an_answer_the_question_is_shown() -> None:
    found = check("c1.1")
    assert (found.right, bool(found)) == (None, False)
    assert repr(found).startswith("c1.1: no answer yet. A language has four answers")
    assert repr(found).endswith("[nat, within 1 %]")
    assert "[512" not in repr(check("c5.4", ...))
    assert repr(check("c5.4", ...)).endswith("[parameters, exactly]")
    assert repr(check("c5.5", ...)).endswith("One of: 'targets', 'data'.")


def test_a_notebook_shows_marks() -> None:
    assert Checked("c1.1", True, "a < b")._repr_html_() == "<p><b>✓ c1.1</b> a &lt; b</p>"
    assert "✗" in check("c5.1", 4.0)._repr_html_()
    assert "?" in check("c5.1")._repr_html_()


@pytest.mark.parametrize("lesson", worlds.LESSONS)
def test_no_answer_is_in_clear_text(lesson: str) -> None:
    text = (worlds.NOTEBOOKS / f"{lesson}.py").read_text(encoding="utf-8")
    prefix = lesson.partition("_")[0]
    own = [name for name in exercises() if name.startswith(f"{prefix}.")]
    assert own
    for name in own:
        assert f'check("{name}", ...' in text, "every exercise is asked, and none is answered"
    for name in set(own) & set(ALONE):
        right = exercises()[name].answer()
        shown = [written(right), f"{right:.3g}", f"{100 * right:.2g} %"] if isinstance(right, float) else []
        assert [one for one in shown if len(one) > 2 and one in text] == [], name


def test_two_lessons_with_one_prefix_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the exercises of one would be those of the other, under the same names."""
    (tmp_path / "c1_more.py").write_text("EXERCISES = []\n", encoding="utf-8")
    monkeypatch.setattr(lessons, "__path__", [*lessons.__path__, str(tmp_path)])
    with pytest.raises(SpecificationError, match=r"found 'c1' in .*c1_entropy\.py and .*c1_more\.py; rename one"):
        exercises.__wrapped__()


def test_teachers_get_a_key(runs: dict[str, Any], tmp_path: Path) -> None:
    table = key("c1", runs["c1"])
    assert table["exercise"].to_list() == ["c1.1", "c1.2", "c1.3", "c1.4"]
    assert table["answer"][0] == "-0.1438"
    assert float(table["answer"][1]) == pytest.approx(SECOND_OF_RUN["c1.2"](runs["c1"]), rel=1e-3)
    assert key("c1")["answer"][1] == ""
    with pytest.raises(SpecificationError, match=r"^lesson: one of c1, .*start is required, found 'c9'"):
        key("c9")
