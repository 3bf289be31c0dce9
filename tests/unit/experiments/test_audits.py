"""Claim A: construct error and sampling error of planted proxies, and the tables of records that never ran."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from experiments.__main__ import main as judge
from experiments.a_audits import CLAIM, measured
from experiments.a_audits.pairs import ALL, BETWEEN, CHANGES, MATCHED, Models, Pairs, errors, of_pairs
from experiments.a_audits.proxies import PROXIES, SAMPLES, Prompt, Values
from experiments.a_audits.tables import ERRORS, Gathered, tables
from experiments.a_audits.texts import Texts
from experiments.predictions import table
from experiments.study import Study
from figures.__main__ import main as figures
from sim.archive.command import main as pack
from sim.archive.tables import world_name
from sim.config import GROUPS
from sim.disk.records import Record, write
from tests.unit.figures import tiny_studies
from tests.unit.figures.tiny_studies import made
from tests.unit.recorded_worlds import identified

RNG = np.random.default_rng(5)
H = np.array([0.5, 1.0, 1.5, 2.5])
TEXTS = Texts(((1, 1), (1, 2), (2, 3)))
Q = np.array([[0.98, 0.01, 0.01], [0.9, 0.05, 0.05], [0.6, 0.3, 0.1], [0.4, 0.3, 0.3]])
SURE = np.zeros(4)


def some_models(**given: Any) -> Models:
    whole = {
        "world": "00000000000a", "seed": 7, "language": "styles_content", "prompts": [Prompt(1.0, TEXTS, Q)],
        "entropy": H, "off": np.array([0.0, 0.005, 0.02, 0.0]), "length": np.array([2.0, 2.01, 2.0, 2.5]),
        "before": np.array([False, False, False, True]),
    }  # fmt: skip
    return Models(**{**whole, **given})


def values(expected: np.ndarray, noise: float = 0.0, error: np.ndarray = SURE, exact: bool = True) -> Values:
    return Values(expected, error, expected[:, None] + noise * RNG.normal(size=(4, 2_000)), exact)


def test_a_proxy_that_is_right_by_construction_has_sampling_errors_alone() -> None:
    pairs = Pairs.of(some_models())
    found = of_pairs(pairs, values(np.exp(H)))
    assert len(pairs.one) == 6
    assert all(not found[name].any() for name in found)
    noisy = of_pairs(pairs, values(H, noise=1.0))
    assert not noisy["wrong"].any()
    wanted = [0.5 * math.erfc(abs(one) / 2.0) for one in pairs.change]  # the difference has the variance 2
    np.testing.assert_allclose(noisy["sampling"], wanted, atol=0.04)
    np.testing.assert_array_equal(noisy["sampling"], noisy["total"])


def test_a_proxy_that_is_wrong_by_construction_stays_wrong() -> None:
    found = of_pairs(Pairs.of(some_models()), values(-H))
    assert found["wrong"].all()
    assert not found["sampling"].any()
    assert (found["total"] == 1.0).all()


def test_a_proxy_that_sees_nothing_is_blind_and_a_tie_counts_half() -> None:
    found = of_pairs(Pairs.of(some_models()), values(np.ones(4)))
    assert found["blind"].all()
    assert not found["wrong"].any()
    assert (found["total"] == 0.5).all()


def test_an_estimated_expectation_may_leave_a_pair_open() -> None:
    one = values(-H, error=np.array([0.0, 0.0, 0.0, 10.0]), exact=False)
    pairs = Pairs.of(some_models())
    found = of_pairs(pairs, one)
    np.testing.assert_array_equal(found["open"], pairs.other == 3)
    np.testing.assert_array_equal(found["wrong"], pairs.other != 3)


def test_pairs_without_a_sure_change_are_left_out_and_many_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    models = some_models(entropy=np.array([1.0, 1.0 + 1e-12, 2.0, 3.0]))
    assert (len(Pairs.of(models).one), Pairs.of(models).total) == (5, 5)
    monkeypatch.setattr("experiments.a_audits.pairs.MOST", 3)
    one, other = Pairs.of(models), Pairs.of(models)
    assert (len(one.one), one.total) == (3, 5)
    np.testing.assert_array_equal(one.change, other.change)


def test_groups_of_pairs() -> None:
    pairs = Pairs.of(some_models())
    found = {(name, size): {(int(a), int(b)) for a, b in zip(pairs.one[own], pairs.other[own], strict=True)}
             for name, size, own in pairs.groups(some_models())}  # fmt: skip
    assert found[CHANGES, ""] == {(0, 3), (1, 3), (2, 3)}
    assert found[BETWEEN, ""] == {(0, 1), (0, 2), (1, 2)} == found[ALL, ""] - found[CHANGES, ""]
    assert found[MATCHED, ""] == {(0, 1)}
    sizes = [own for (_, size), own in found.items() if size]
    assert sum(map(len, sizes)) == 6
    assert found[ALL, "0.3 to 1"] == {(0, 1), (1, 2)}
    assert found[ALL, "from 1"] == {(0, 2), (0, 3), (1, 3), (2, 3)}


def test_rows_count_every_pair_once() -> None:
    found = pl.DataFrame(list(errors(some_models())), ERRORS)
    whole = found.filter(pairs=ALL, size="")
    assert whole.select("proxy", "k").rows() == [(name, k) for k in SAMPLES for name in PROXIES]
    assert (whole["number"] == 6).all()
    assert (found["wrong"] + found["blind"] + found["open"] <= found["number"]).all()
    by_size = found.filter(pl.col("size") != "").group_by("proxy", "k").agg(pl.col("number", "wrong").sum())
    both = whole.join(by_size, on=["proxy", "k"], suffix="_by")
    assert (both["wrong"] == both["wrong_by"]).all()
    assert found.filter(proxy="exact N₁")["wrong"].sum() == 0
    assert found.filter(proxy="distinct-1", k=10_000)["blind"].sum() > 0, "all tokens are seen"
    assert not found.filter(proxy="distinct-1")["sampling"].is_nan().any()


# -- from records ------------------------------------------------------------------------------------------------------


def study(monkeypatch: pytest.MonkeyPatch, records: list[Record]) -> Study:
    named = {f"{at:012x}": dataclasses.replace(one, hash=f"{at:012x}") for at, one in enumerate(records)}
    monkeypatch.setattr("experiments.study.finished", lambda _: [Path(name) for name in named])
    monkeypatch.setattr("experiments.study.read", lambda place: named[place.name])
    return Study.of(Path("audited"), CLAIM.needs)


def test_models_are_different_laws_of_the_ends_of_what_tunes() -> None:
    ways = [(1.0, 0.5, 0.1), (1.0, 0.01), (1.0, 0.7, 0.1)]
    records = [made(falling=way) for way in ways]
    gathered = Gathered(records[0])
    for record in records:
        gathered.add(record)
    models = gathered.models(world_name(records[0].p))
    assert (gathered.never_valid, gathered.runs) == (0, 3)
    assert models.before.tolist() == [True, False, False], "q0 is one, and two runs end with the same law"
    for one in models.prompts:
        np.testing.assert_allclose(one.q.sum(axis=1), 1.0, rtol=1e-14)
    assert sum(one.weight for one in models.prompts) == pytest.approx(1.0, abs=1e-14)
    p = records[0].p
    answers = np.array([(p.answers[p.prompts.group == x]) for x in range(2)])
    wanted = np.exp(p.prompts.log_p) @ [-(np.exp(one) * one).sum() for one in answers]
    assert models.entropy[0] == pytest.approx(wanted, rel=1e-12), "the first is P, but for what leaks"
    assert models.length.tolist() == pytest.approx([3.0] * 3, rel=1e-14)
    assert (models.off > 0).all()


def test_tables_of_records_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = [(1.0, 0.5), (1.0, 0.2), (1.0, 0.05)]
    records = [made(falling=way, seed=seed) for seed in (0, 1) for way in ways]
    wrong = made(falling=(1.0, 0.3), seed=2)
    wrong.facts["pretraining"]["valid"] = False
    wrong.config["pretrain"] = {"num_steps": 1}  # type: ignore[index]
    found = tables(study(monkeypatch, [*records, wrong]))
    (world,) = found["worlds"].iter_rows(named=True)
    assert (world["runs"], world["models"], world["never_valid"]) == (6, 4, 0), "the same law of P in all, so one world"
    assert found["runs"].filter(~pl.col("valid"))["world"].to_list() == [""]
    findings = table(CLAIM, CLAIM.judge(found), [None] * 7)
    assert set(findings["made_for"]) == {"these"}
    assert set(findings["prediction"]) == {one.identifier for one in CLAIM.predictions}
    assert set(findings.filter(pl.col("prediction").is_in(["A.1", "A.2", "A.3", "A.0a"]))["verdict"]) == {"undecided"}
    assert findings.filter(prediction="A.0b")["verdict"].to_list() == ["holds"] * 4
    assert findings.filter(prediction="A.8")["verdict"].to_list() == ["not valid"], "no other language"
    assert findings["command"][0] == "python -m experiments a_audits DIR"
    assert CLAIM.verdict(findings)[0] == "undecided"


def test_an_archive_goes_to_verdicts_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing but an archive is needed. Its models have the same errors as those of the records."""
    for batch, share in ((1, 0.3), (2, 0.1), (3, 0.02)):
        record = identified(made(batch=batch, falling=(1.0, share)))
        record.facts["described"] = dict.fromkeys(GROUPS, "a toy")
        write(record, tmp_path / "runs" / record.hash)
    assert pack([str(tmp_path / "runs"), "--out", str(tmp_path / "laws"), "--evaluations", "ends"]) == 0
    assert pack([str(tmp_path / "laws"), "--unpack", "--out", str(tmp_path / "again")]) == 0
    errors_of = {}
    for name in ("runs", "again"):
        assert judge(["a_audits", str(tmp_path / name)]) == 0
        assert "A Audits of proxies: undecided" in " ".join(capsys.readouterr().out.split())
        errors_of[name] = pl.read_parquet(tmp_path / name / "reports" / "claim" / "tables" / "errors.parquet")
    assert errors_of["runs"].equals(errors_of["again"])
    assert figures(["a_audits", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "reports" / "claim" / "figures" / "errors.png").exists()


def planted(share: float, worlds: int = 12) -> dict[str, pl.DataFrame]:
    """Errors in every world, the same for all proxies, but for a little spread; the controls have none."""
    rows = [
        {"world": f"{seed:012x}", "seed": seed, "language": "styles_content", "pairs": pairs, "size": "",
         "proxy": proxy, "k": k, "exact": True, "number": 1000,
         "wrong": 0 if proxy in ("exact N₁", "plug-in entropy") else round(1000 * share) + seed % 3, "blind": 0,
         "open": 0, "sampling": 0.1, "total": 0.2}
        for seed in range(worlds) for pairs in (ALL, MATCHED, CHANGES, BETWEEN) for proxy in PROXIES for k in SAMPLES
    ]  # fmt: skip
    return {"errors": pl.DataFrame(rows, ERRORS)}


@pytest.mark.parametrize(
    ("share", "worlds", "verdict"), [(0.2, 12, "holds"), (0.01, 12, "refuted"), (0.2, 11, "undecided")]
)
def test_planted_shares_are_judged(share: float, worlds: int, verdict: str) -> None:
    for name in ("A.1", "A.2", "A.3"):
        found = CLAIM.prediction(name).judge(planted(share, worlds))
        assert {one.verdict for one in found} == {verdict}
        assert len(found) == {"A.1": 12, "A.2": 4, "A.3": 16}[name]
    english = {"errors": planted(share, worlds)["errors"].with_columns(language=pl.lit("english"))}
    assert len(CLAIM.prediction("A.8").judge(english)) == 16
    assert [one.verdict for one in CLAIM.prediction("A.1").judge(english)] == ["not valid"], "it is not judged"
    (control,) = CLAIM.prediction("A.0a").judge(planted(share, worlds))
    assert control.verdict == ("undecided" if worlds < 12 else "holds")


def test_open_pairs_make_two_bounds() -> None:
    found = planted(0.04)
    found["errors"] = found["errors"].with_columns(open=pl.lit(100))
    case = next(measured.construct(("self-BLEU",), (ALL,))(found))
    assert case.lower.mean() == pytest.approx(0.041)
    assert case.upper.mean() == pytest.approx(0.141)
    assert {one.verdict for one in CLAIM.prediction("A.2").judge(found)} == {"undecided"}


def test_the_runs_of_the_figures_are_valid() -> None:
    found = tiny_studies.tables("a_audits")
    assert found["errors"].height > 100
