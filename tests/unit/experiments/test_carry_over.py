"""Other trainers: the judge on invented scores, with planted signs, and every number by a second route."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from experiments.__main__ import main
from experiments.carry_over import judging, measured, reference, said, signs
from experiments.carry_over.page import NAME as PAGE
from experiments.carry_over.page import page
from experiments.carry_over.signs import ARMS, FIT, LIMIT, NAMES, SHARE, SIGNS
from sim.exam.building import frozen
from sim.exam.exporting import export
from sim.numerics import SpecificationError
from tests.composed import ROOT
from tests.trainer_kit import kit

WORLDS = 5
PLANTED: Mapping[str, Mapping[str, float]] = {
    "small": {"share": 0.95, "e": 0.1, "x": 0.2}, "half": {"share": 0.8, "e": 1.0, "x": 0.1},
    "large": {"share": 0.7, "e": 3.0, "x": 0.1, "kl": 8.0}, "large_rank_1": {"e": 0.2}, "even": {"e": 1.0, "x": 0.02},
    "replay": {"kl": 3.3}, "many": {"held": 2.0}, "one": {"held": 1.5}, "likeliest": {"held": 0.5},
}  # fmt: skip
"""Numbers with which every sign holds."""

FLIPPED = {
    "gate.share": ("small", "share", 0.2), "gate.rate": ("large", "e", 0.05), "excursion.e": ("even", "e", 0.05),
    "excursion.x": ("even", "x", 0.5), "rank.e": ("large_rank_1", "e", 2.9), "replay.bound": ("replay", "kl", 5.0),
    "replay.without": ("large", "kl", 4.0), "annotator.many": ("many", "held", 0.3),
    "annotator.one": ("one", "held", 0.3),
}  # fmt: skip
"""For every part one number that refutes it."""


def numbers(planted: Mapping[str, Mapping[str, float]], worlds: int = WORLDS, **more: Any) -> pl.DataFrame:
    """The table `carried` of one trainer, with a little difference between worlds."""
    rows = [
        {
            "trainer": "torch", "world": f"w{world}", "hash": "", "arm": arm, "tokenizer": "own", "seed": 0,
            "fit": 0.01, "parameters": 1000, "seconds": 2.0, "before": 0.01,
            **{name: value * (1 + 0.001 * world) for name, value in own.items()}, **more,
        }
        for world in range(worlds)
        for arm, own in planted.items()
    ]  # fmt: skip
    return pl.DataFrame(rows, measured.SCHEMA)


def changed(arm: str, name: str, value: float) -> dict[str, dict[str, float]]:
    found = {one: dict(own) for one, own in PLANTED.items()}
    found[arm][name] = value
    return found


def verdicts(carried: pl.DataFrame) -> dict[str, str]:
    return dict(judging.judged(carried).select("part", "verdict").iter_rows())


# -- verdicts ---------------------------------------------------------------------------------------------------------


def test_planted_signs_hold() -> None:
    parts = judging.judged(numbers(PLANTED))
    assert set(parts["verdict"]) == {"holds"}
    assert {judging.standing(parts, "torch", name) for name in SIGNS} == {"holds"}


@pytest.mark.parametrize("part", FLIPPED)
def test_a_flipped_number_refutes_its_part(part: str) -> None:
    parts = judging.judged(numbers(changed(*FLIPPED[part])))
    found = dict(parts.select("part", "verdict").iter_rows())
    assert found[part] == "refuted"
    assert judging.standing(parts, "torch", part.split(".")[0]) == "fails"


def test_every_part_is_flipped_above() -> None:
    assert list(FLIPPED) == [part.name for one in SIGNS.values() for part in one.parts]


def test_one_world_decides_nothing() -> None:
    assert set(verdicts(numbers(PLANTED, 1)).values()) == {"undecided"}


def test_an_arm_that_is_missing_is_said() -> None:
    parts = judging.judged(numbers({name: own for name, own in PLANTED.items() if name != "replay"}))
    assert judging.standing(parts, "torch", "replay") == "not run"
    assert judging.standing(parts, "torch", "rank") == "holds"


def test_worlds_that_were_not_learnt_or_fitted_do_not_count() -> None:
    parts = judging.judged(pl.concat([numbers(PLANTED), unlearnt()]))
    assert set(parts["worlds"]) == {WORLDS}
    assert set(parts["left"]) == {1}
    unfitted = numbers(PLANTED).with_columns(
        fit=pl.when(pl.col("arm") == "small", pl.col("world") == "w0").then(FIT + 0.01).otherwise("fit")
    )
    worlds = dict(judging.judged(unfitted).select("part", "worlds").iter_rows())
    assert worlds == {name: WORLDS - (name in ("gate.share", "gate.rate", "excursion.e", "excursion.x"))
                      for name in FLIPPED}  # fmt: skip


def unlearnt() -> pl.DataFrame:
    return numbers(changed("small", "share", 0.0), 1, before=LIMIT + 0.01, world="other")


def test_seeds_of_a_world_are_averaged_first() -> None:
    again = pl.concat([numbers(PLANTED), numbers(changed("large", "e", 9.0), 1, seed=1)])
    found = judging.judged(again).filter(part="gate.rate")
    each = [2.9 * (1 + 0.001 * world) for world in range(WORLDS)]
    each[0] = (2.9 + 8.9) / 2
    assert found["worlds"].item() == WORLDS
    assert found["mean"].item() == pytest.approx(math.fsum(each) / WORLDS, rel=1e-12)


def test_differences_are_paired_by_world() -> None:
    ours = numbers(PLANTED).with_columns(trainer=pl.lit("jax"))
    theirs = numbers(changed("large", "e", 4.0), 3)
    found = (
        judging.compared(pl.concat([ours, theirs])).filter(arm="large", number="e", trainer="torch").row(0, named=True)
    )
    assert (found["worlds"], found["pairs"]) == (3, 3)
    assert found["less"] == pytest.approx(1.001, rel=1e-12)


# -- numbers ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(frozen("english_small@1"), tmp_path_factory.mktemp("worlds") / "english", 5, 5)


def models(world: Any) -> dict[str, np.ndarray]:
    """Two models that leak: log q(y|x) of random laws that cover 0.9 of each prompt."""
    random = np.random.default_rng(3)
    found = {}
    for name in ("before", "large"):
        weight = random.exponential(size=len(world.documents)) + 1e-3
        found[name] = np.log(0.9 * weight / np.bincount(world.group, weight)[world.group])
    return found


def handed_in(folder: Path, exported: Path, trainer: str = "torch", seed: int = 0) -> tuple[Any, dict[str, np.ndarray]]:
    world, plan = kit.read_world(exported), kit.read_arms()
    found = models(world)
    hand_in = kit.HandIn(folder, world, plan, trainer, seed)
    hand_in.write("before", {0: found["before"]})
    hand_in.write("large", {10: found["before"], 20: found["large"]})
    hand_in.close(parameters=7, seconds=1.5)
    return world, found


def test_the_numbers_are_those_of_plain_sums(tmp_path: Path, exported: Path) -> None:
    world, found = handed_in(tmp_path / "a", exported)
    row = measured.numbers(tmp_path).row(0, named=True)
    assert (row["trainer"], row["world"], row["arm"]) == ("torch", "english_small@1", "large")
    rows = [{**one, "q": float(found["large"][at]), "q0": float(found["before"][at])}
            for at, one in enumerate(world.documents)]  # fmt: skip
    p, q = [math.exp(one["log_p"]) for one in rows], [math.exp(one["q"]) for one in rows]
    kl = math.fsum(weight * (one["log_p_answer"] - one["q"]) for weight, one in zip(p, rows, strict=True))
    fit = math.fsum(math.exp(one["log_s"]) * (one["log_s_answer"] - one["q"]) for one in rows if one["kept"])
    assert row["kl"] == pytest.approx(kl, abs=1e-9)
    assert row["fit"] == pytest.approx(fit, abs=1e-9)
    assert row["off"] == pytest.approx(0.1, abs=1e-9)
    assert row["e"] == pytest.approx(_erasure(rows, "q") - _erasure(rows, "q0"), abs=1e-9)
    assert row["gate"] == pytest.approx(_gate(rows), abs=1e-9)
    assert row["share"] == pytest.approx(_gate(rows) / kl, abs=1e-9)
    law = _prompts(rows)
    lost = math.fsum(law[one["prompt"]] * value for one, value in zip(rows, q, strict=True) if not one["kept"])
    assert row["lost"] == pytest.approx(lost, abs=1e-9)
    assert row["held"] == pytest.approx(_held(rows), abs=1e-9)


def _prompts(rows: list[dict[str, Any]]) -> dict[str, float]:
    names = dict.fromkeys(one["prompt"] for one in rows)
    return {name: math.fsum(math.exp(one["log_p"]) for one in rows if one["prompt"] == name) for name in names}


def _erasure(rows: list[dict[str, Any]], name: str) -> float:
    """Sum over lost styles z and prompts of P(x, z)/P(B) KL(P(.|x, z) ‖ q(.|x, z)), each law by its own division."""
    total, mass = 0.0, 0.0
    for style in {one["style"] for one in rows if not one["kept"]}:
        for prompt in _prompts(rows):
            own = [one for one in rows if one["style"] == style and one["prompt"] == prompt]
            p, q = [math.exp(one["log_p"]) for one in own], [math.exp(one[name]) for one in own]
            total += math.fsum(a * math.log(a / math.fsum(p) / (b / math.fsum(q))) for a, b in zip(p, q, strict=True))
            mass += math.fsum(p)
    return total / mass


def _gate(rows: list[dict[str, Any]]) -> float:
    total = 0.0
    for prompt, law in _prompts(rows).items():
        for kept in (True, False):
            own = [one for one in rows if one["kept"] == kept and one["prompt"] == prompt]
            p = math.fsum(math.exp(one["log_p_answer"]) for one in own)
            total += law * p * math.log(p / math.fsum(math.exp(one["q"]) for one in own))
    return total


def _held(rows: list[dict[str, Any]]) -> float:
    law = _prompts(rows)
    odd = list(law)[1::2]
    total = 0.0
    for prompt in odd:
        q = [math.exp(one["q"]) for one in rows if one["prompt"] == prompt]
        each = [value / math.fsum(q) for value in q]
        total -= law[prompt] * math.fsum(value * math.log(value) for value in each)
    return total / math.fsum(law[prompt] for prompt in odd)


def test_the_excursion_begins_after_the_first_fit() -> None:
    assert measured.excursion([2.0, 0.5, 0.05, 0.04, 0.3, 0.01]) == 0.3
    assert measured.excursion([2.0, 0.5, 0.05]) is None
    assert measured.excursion([2.0, 0.5]) is None


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command_reports_what_was_handed_in(
    tmp_path: Path, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handed_in(tmp_path / "torch" / "a", exported)
    handed_in(tmp_path / "jax" / "a", exported, "jax")
    assert main(["carry_over", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "torch GPT" in shown
    assert "our JAX model" in shown
    text = (tmp_path / "reports" / "together" / "report.md").read_text("utf-8")
    assert all(one.sentence in text for one in SIGNS.values())


def other_arms(place: Path) -> None:
    about = json.loads((place / "about.json").read_text("utf-8"))
    (place / "about.json").write_text(json.dumps(about | {"arms": "0" * 12}), "utf-8")


def test_other_arms_are_named(tmp_path: Path, exported: Path) -> None:
    handed_in(tmp_path / "a", exported)
    other_arms(tmp_path / "a")
    assert set(measured.numbers(tmp_path)["trainer"]) == {"torch (other arms)"}


BROKEN = {
    "no folder": (lambda place: (place / "about.json").unlink(), "about.json is required, found none"),
    "no JSON": (lambda place: (place / "about.json").write_text("{", "utf-8"), "JSON is required"),
    "a key": (lambda place: (place / "about.json").write_text("{}", "utf-8"), "the key trainer (str) is required"),
    "an arm": (lambda place: (place / "large.npz").rename(place / "lrage.npz"), "found 'lrage' (did you mean 'lar"),
    "a model": (lambda place: (place / "before.npz").unlink(), "a file that can be read is required"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_judged_is_refused_in_one_line(name: str, tmp_path: Path, exported: Path) -> None:
    handed_in(tmp_path / "a", exported)
    change, wanted = BROKEN[name]
    change(tmp_path / "a")
    with pytest.raises(SpecificationError) as refused:
        measured.numbers(tmp_path)
    assert wanted in str(refused.value)
    assert "\n" not in str(refused.value)


def test_two_folders_of_one_seed_are_refused(tmp_path: Path, exported: Path) -> None:
    handed_in(tmp_path / "a", exported)
    handed_in(tmp_path / "b", exported)
    with pytest.raises(SpecificationError, match="one folder for each trainer, world and seed is required, found two"):
        measured.numbers(tmp_path)


# -- what is announced ------------------------------------------------------------------------------------------------


def test_the_arms_of_the_examples_are_the_announced_ones() -> None:
    plan = kit.read_arms()
    assert plan.digest == ARMS
    assert {*plan.arms, *plan.edits} == set(NAMES)
    assert plan.arms["replay"].replay == SHARE
    assert plan.pretrain["limit"] == LIMIT
    asked = {term.arm for one in SIGNS.values() for part in one.parts for term in part.terms}
    assert asked <= set(NAMES)


def test_the_announced_worlds_can_be_exported() -> None:
    own = kit.ARMS.parent / "worlds"
    assert [name for name in signs.WORLDS if "@" not in name] == ["english_1", "styles_content_1"]
    assert all((own / f"{name}.yaml").is_file() for name in signs.WORLDS if "@" not in name)


def test_ours_is_the_first_trainer_of_the_tables() -> None:
    both = pl.concat([numbers(PLANTED), numbers(PLANTED).with_columns(trainer=pl.lit("jax"))])
    assert said.signs_table(judging.judged(both)).columns[1:] == ("our JAX model", "torch GPT")


# -- what is recorded -------------------------------------------------------------------------------------------------


def test_the_page_is_what_the_recorded_tables_say() -> None:
    """If not: python -m experiments carry_over --published --out docs, and read what changed."""
    assert (ROOT / "docs" / PAGE).read_text(encoding="utf-8") == page()


def test_the_recorded_verdicts_follow_from_the_recorded_numbers() -> None:
    found = reference.read()
    again = judging.judged(found["carried"])
    assert again.select("trainer", "part", "worlds", "verdict").equals(
        found["parts"].select("trainer", "part", "worlds", "verdict")
    )
    for name in ("mean", "lower", "upper"):
        np.testing.assert_allclose(
            again[name].to_numpy(), found["parts"][name].to_numpy(), rtol=1e-5, atol=1e-6, equal_nan=True
        )


def test_only_announced_arms_and_worlds_are_recorded() -> None:
    carried = reference.read()["carried"]
    assert set(carried["world"]) <= set(signs.WORLDS)
    assert set(carried["arm"]) == set(NAMES)
    assert not [name for name in carried["trainer"].unique() if name.endswith(measured.OWN)]


def test_what_is_recorded_is_small() -> None:
    assert sum(file.stat().st_size for file in (reference.TOP / reference.NAME).rglob("*.*")) < reference.BUDGET


def test_a_report_is_recorded_once_and_the_same_bytes_again(tmp_path: Path, exported: Path) -> None:
    handed_in(tmp_path / "in" / "a", exported)
    assert main(["carry_over", str(tmp_path / "in")]) == 0
    for _ in range(2):
        assert main(["publish", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    assert reference.read(tmp_path / "out")["carried"]["arm"].to_list() == ["large"]
