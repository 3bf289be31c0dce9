"""Published findings, checked: every number of the page is computed again, by other means, and every source exists."""

import math
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import polars as pl
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar

from experiments.__main__ import main
from experiments.citing import entries
from experiments.findings import formulas, numbers, page
from experiments.findings.entries import Statement, statements
from experiments.findings.numbers import Number, Source, number
from experiments.findings.verdicts import decided, held
from experiments.publishing import put
from sim.config import members
from sim.numerics import SpecificationError
from tests.attack.doors import found
from tests.composed import ROOT

ALL = statements()
DOORS = found()
PAGE = ROOT / "docs" / page.NAME
PUBLISHED = ROOT / "experiments" / "published"
SOURCES = [(one.key, source) for one in ALL for source in one.numbers]
ASKED = {
    "shenfeld2025", "biderman2024", "li2024", "cherednichenko2026", "wu2025", "prashant2026", "watts2026", "marek2026",
    "wortsman2022", "abro2026", "howard2025", "shumailov2024",
}  # fmt: skip
"""The papers that have to be on the page."""


def name_of(pair: tuple[str, Source]) -> str:
    return f"{pair[0]}: {pair[1].label}"


# -- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_is_what_the_numbers_say() -> None:
    """If not: python -m experiments findings --out docs, and read what changed."""
    assert PAGE.read_text(encoding="utf-8") == page.page()


def test_it_has_every_paper_that_was_asked_for() -> None:
    assert len(ALL) >= 10
    assert {work for one in ALL for work in one.papers} >= ASKED
    assert len({one.key for one in ALL}) == len({page.anchor(one) for one in ALL}) == len(ALL)


@pytest.mark.parametrize("statement", ALL, ids=lambda one: one.key)
def test_a_statement_is_whole(statement: Statement) -> None:
    assert statement.papers
    assert set(statement.papers) <= set(entries())
    for words in (statement.said, statement.measured, statement.asked, statement.because, statement.limits):
        assert words
    plain = re.sub(r"\bC\d\.\d+", "", statement.because)
    assert not re.search(r"\d[.,]\d|\d %|\d nats", plain), "a number of ours stands in the table alone"
    assert bool(statement.awaits) == any(number(source) is None for source in statement.numbers)
    if statement.read == "no":
        assert not re.search(r"\d %|\d[.,]\d", statement.said), "no number of a paper that could not be read"
    for command in statement.commands:
        module, *words = command.removeprefix("python -m ").split()
        assert module in DOORS, command
        if module in ("experiments", "figures"):
            assert words[0] in {*members("experiment"), "findings", "theory"}, command
    assert statement.commands


def test_verdicts_are_strict() -> None:
    """Reproduced and refuted are said of the same quantity alone; what nothing is compared of has no verdict."""
    for one in ALL:
        verdict, sign = decided(one)
        if verdict in ("reproduced", "refuted", "undecided"):
            assert one.functional == "same", one.key
        assert bool(sign) == (one.functional == "sign" and verdict == "not comparable"), one.key
        if one.functional == "none":
            assert not any(source.says for source in one.numbers), one.key
    assert {decided(one)[0] for one in ALL} >= {"reproduced", "refuted", "undecided", "not comparable"}


# -- numbers, a second time -------------------------------------------------------------------------------------------


def rows_of(source: Source, table: str) -> list[dict]:
    claim, _, name = table.partition("/")
    return pl.read_parquet(PUBLISHED / claim / "tables" / f"{name}.parquet").to_dicts()


def by_world(source: Source, where: dict) -> dict[int, float]:
    """The mean of the column in each world, over the rows that have the values."""
    found: dict[int, list[float]] = {}
    for row in rows_of(source, source.table):
        if all(row[key] == value for key, value in where.items()) and row[source.column] is not None:
            found.setdefault(row["seed"], []).append(row[source.column])
    return {seed: math.fsum(values) / len(values) for seed, values in found.items()}


@pytest.mark.parametrize("pair", [pair for pair in SOURCES if pair[1].table], ids=name_of)
def test_a_mean_over_worlds_is_a_t_interval(pair: tuple[str, Source]) -> None:
    source = pair[1]
    first = by_world(source, dict(source.where))
    second = by_world(source, dict(source.less)) if source.less else dict.fromkeys(first, 0.0)
    values = [first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())]
    found = number(source)
    assert found is not None
    assert len(values) in (5, 12)
    assert f"over {len(values)} worlds" in found.kind
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert (found.value, found.lower, found.upper) == pytest.approx((np.mean(values), low, high), rel=1e-9)


@pytest.mark.parametrize("pair", [pair for pair in SOURCES if pair[1].prediction], ids=name_of)
def test_a_finding_is_the_published_one(pair: tuple[str, Source]) -> None:
    source = pair[1]
    start = source.prediction.partition(".")[0].lower() + "_"
    (claim,) = (one.name for one in PUBLISHED.iterdir() if one.name.startswith(start))
    (row,) = (
        one
        for one in rows_of(source, f"{claim}/findings")
        if (one["prediction"], one["case"]) == (source.prediction, source.case)
    )
    found = number(source)
    assert found is not None
    assert (found.value, found.lower, found.upper) == (row["measured"], row["lower"], row["upper"])
    assert row["level"] == pytest.approx(0.95)
    assert str(row["num_seeds"]) in found.kind


S = [Fraction(2, 5), Fraction(1, 4), Fraction(3, 20), Fraction(3, 25), Fraction(2, 25)]


def entropy(law: list) -> float:
    return float(-sum(mpmath.mpf(x) * mpmath.log(x) for x in map(mpmath.mpf, map(float, law)) if x > 0))


def frontier(fit: float) -> float:
    """KL(P‖q) of the law with the same odds within A and within B and q(A) = e^(−fit), for P(A) = ¼."""
    kept = math.exp(-fit)
    return 0.25 * math.log(0.25 / kept) + 0.75 * math.log(0.75 / (1 - kept))


def flattened() -> list[float]:
    weights = [float(x) ** 0.7 for x in S]
    return [one / math.fsum(weights) for one in weights]


def slope(fit: float) -> float:
    h = 1e-6
    return (frontier(fit + h) - frontier(fit - h)) / (2 * h)


def signed() -> float:
    """Two strings, ¼ kept, the lost one at q(B) = 1 − e^(−10⁻⁶), and both logits moved by 0.3."""
    lost = float(-mpmath.expm1(-mpmath.mpf("1e-6")))
    kept = mpmath.mpf(1) - lost
    z = kept * mpmath.e ** mpmath.mpf("0.3") + lost * mpmath.e ** mpmath.mpf("-0.3")
    rise = mpmath.log(z) - mpmath.mpf("0.3") * (mpmath.mpf("0.25") - mpmath.mpf("0.75"))
    return float(rise / (mpmath.mpf("0.3") * mpmath.sqrt(mpmath.mpf("2e-6"))))


def piled(generations: int, n: int = 32) -> float:
    left = Fraction(1)
    for k in range(1, generations + 2):
        left *= 1 - Fraction(1, n * k * k)
    return float(n * (1 - left))


def walk(horizon: int, hazard: float = 0.01) -> float:
    """Steps off the path of a walker that never comes back, over εT²."""
    return math.fsum(1 - (1 - hazard) ** step for step in range(1, horizon + 1)) / (hazard * horizon**2)


ORACLES = {
    "gem_stationarity": lambda: 0.0,
    "gem_gradient": lambda: 0.0,
    "gem_entropy": lambda: entropy(flattened()) - entropy(S),
    "sft_as_policy_gradient": lambda: 0.0,
    "dft_entropy": lambda: -entropy(S),
    "slopes_of_the_frontier": lambda: slope(0.03) / slope(0.3),
    "least_at_the_smallest_fit": lambda: frontier(0.03),
    "replay_of_one_percent": lambda: -0.75 * math.log(0.01) - 0.25 * math.log(0.01 + 0.99 / 0.25),
    "signed_over_bound": signed,
    "left_after_ten": lambda: float((1 - Fraction(1, 32)) ** 10),
    "left_for_ever_if_piled": lambda: float(mpmath.sinc(mpmath.pi / mpmath.sqrt(32))),
    "largest_piled_error": lambda: piled(1000),
    "errors_over_quadratic_bound": lambda: max(map(walk, (4, 16, 64, 256))),
}
"""The formulas by another route. What one step forgets at most is compared in tests/unit/theory/test_steps.py."""


@pytest.mark.parametrize("name", sorted(set(formulas.FORMULAS) - {"gradient_over_bound"}))
def test_a_formula_has_its_oracle(name: str) -> None:
    function, _ = formulas.FORMULAS[name]
    assert function() == pytest.approx(ORACLES[name](), rel=1e-6, abs=1e-9)


def test_every_formula_is_used_and_has_an_oracle() -> None:
    used = {source.formula for _, source in SOURCES if source.formula}
    assert used == set(formulas.FORMULAS) == {*ORACLES, "gradient_over_bound"}


def test_the_most_that_a_step_forgets_is_found_again() -> None:
    """The same laws, one by one, with sums of Python."""
    dice = np.random.default_rng(0)
    found = 0.0
    for _ in range(formulas.LAWS):
        s, q = ((dice.dirichlet(np.full(8, 0.4)) * (1 - 1e-9) + 1e-9 / 8).tolist() for _ in range(2))
        weights = [y * math.exp(0.3 * (x - y)) for x, y in zip(s, q, strict=True)]
        moved = max(abs(math.log(w / math.fsum(weights) / y)) for w, y in zip(weights, q, strict=True))
        kl = math.fsum(x * math.log(x / y) for x, y in zip(s, q, strict=True))
        found = max(found, moved / (0.3 * math.sqrt(2 * kl)))
    assert formulas.gradient_over_bound() == pytest.approx(found, rel=1e-9)


def test_gems_optimum_is_the_minimum_of_reverse_kl_with_a_bonus() -> None:
    """Over two tokens, where one number is the whole law."""
    s, gamma = 0.8, 1 / 0.7 - 1

    def value(q: float) -> float:
        own = q * math.log(q) + (1 - q) * math.log(1 - q)
        return own - q * math.log(s) - (1 - q) * math.log(1 - s) + gamma * own

    best = minimize_scalar(value, bounds=(1e-6, 1 - 1e-6), method="bounded", options={"xatol": 1e-10}).x
    assert best == pytest.approx(s**0.7 / (s**0.7 + (1 - s) ** 0.7), abs=1e-6)


# -- the rule ---------------------------------------------------------------------------------------------------------


def of(value: float, lower: float, upper: float) -> Number:
    return Number(value, lower, upper, "1", "", "")


@pytest.mark.parametrize(
    ("says", "than", "margin", "ends", "answer"),
    [
        ("above", 0, 0, (0.1, 0.2), "yes"), ("above", 0, 0, (-0.2, -0.1), "no"), ("above", 0, 0, (-0.1, 0.1), "open"),
        ("below", 1, 0, (0.1, 0.9), "yes"), ("below", 1, 0, (1.1, 1.2), "no"), ("below", 1, 0, (0.9, 1.1), "open"),
        ("within", 1, 0.25, (0.8, 1.2), "yes"), ("within", 1, 0.25, (1.3, 1.4), "no"),
        ("within", 1, 0.25, (0.1, 0.7), "no"), ("within", 1, 0.25, (1.2, 1.3), "open"),
    ],
)  # fmt: skip
def test_a_number_is_as_it_is_said_if_its_whole_interval_is(says, than, margin, ends, answer) -> None:
    source = Source(label="x", formula="f", says=says, than=than, margin=margin)
    assert held(source, of(sum(ends) / 2, *ends)) == answer


def test_of_what_nothing_is_said_nothing_is_held() -> None:
    with pytest.raises(ValueError, match="says nothing"):
        held(Source(label="x", formula="f"), of(0, 0, 0))


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, Number | None]:
    """Numbers by the label of their source, in the place of the published ones."""
    table: dict[str, Number | None] = {
        "up": of(1, 1, 1), "down": of(-1, -1, -1), "wide": of(0, -1, 1), "none": None,
    }  # fmt: skip
    monkeypatch.setattr("experiments.findings.verdicts.number", lambda source: table[source.label])
    return table


@pytest.mark.parametrize(
    ("labels", "same", "sign"),
    [
        ("up", "reproduced", "same sign here"), ("up up", "reproduced", "same sign here"),
        ("down", "refuted", "opposite sign here"), ("up down", "refuted", "no clear sign here"),
        ("wide", "undecided", "no clear sign here"), ("up wide", "undecided", "no clear sign here"),
        ("wide down", "refuted", "no clear sign here"),
    ],
)  # fmt: skip
def test_one_rule_for_all(known: dict[str, Number | None], labels: str, same: str, sign: str) -> None:
    sources = tuple(Source(label=label, formula="f", says="above") for label in labels.split())
    one = replace(ALL[0], functional="same", numbers=sources)
    assert decided(one) == (same, "")
    assert decided(replace(one, functional="sign")) == ("not comparable", sign)
    assert decided(replace(one, functional="none")) == ("not comparable", "")


def test_what_is_missing_is_not_tested(known: dict[str, Number | None]) -> None:
    source = Source(label="none", formula="f", says="above")
    for sources in ((), (source,), (replace(source, label="up", says=""),), (replace(source, label="down"), source)):
        assert decided(replace(ALL[0], functional="same", numbers=sources)) == ("not tested yet", "")


# -- what the atlas will say ------------------------------------------------------------------------------------------

AWAITING = [one for one in ALL if any(source.atlas for source in one.numbers)]
"""Statements that would wait, were there no reference of the atlas."""


def of_methods(source: Source) -> bool:
    """Whether its number is a finding of claim M."""
    return source.prediction.startswith("M.")


def side(source: Source) -> float:
    """1 if a statement says above, else -1."""
    return 1.0 if source.says == "above" else -1.0


def reference(top: Path, e: float, spread: float) -> None:
    """A reference of three worlds in which what is asked about lies `e` on the side of SFT that the statement names."""
    rows = {}
    for source in (source for one in AWAITING for source in one.numbers if source.atlas):
        for where, shift in ((source.where, side(source) * e), (source.less, 0.0)):
            for seed in range(3):
                level = None if where["level"] == "end" else where["level"]
                key = (where["method"], where["strength"], seed, level)
                value = 1.0 + seed + shift + (spread * (seed - 1) if shift else 0.0)
                rows.setdefault(key, {})[source.column] = value
    names = ("method", "strength", "seed", "level")
    frame = pl.DataFrame(
        [dict(zip(names, key, strict=True)) | one for key, one in rows.items()], infer_schema_length=None
    )
    put("atlas", {numbers.PLACES: frame}, {"claim": None}, top)


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of that of the reference, in which there is none yet."""
    monkeypatch.setattr(numbers, "ATLAS", tmp_path / "reference")
    return numbers.ATLAS


@pytest.mark.parametrize(
    ("e", "spread", "same", "sign"),
    [
        (0.5, 0.01, "reproduced", "same"), (-0.5, 0.01, "refuted", "opposite"), (0.1, 0.5, "undecided", "no clear"),
    ],
)  # fmt: skip
def test_the_reference_of_the_atlas_and_the_claim_about_it_decide(
    e: float, spread: float, same: str, sign: str, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a statement that awaits the reference, the findings of claim M are moved too: all its numbers say the same."""
    assert len(AWAITING) >= 3
    before, half = numbers._finding, float(stats.t.ppf(0.975, 2)) * spread / math.sqrt(3)
    monkeypatch.setattr(numbers, "_finding", lambda source: None if of_methods(source) else before(source))
    assert {decided(one)[0] for one in AWAITING} == {"not tested yet"}
    reference(top, e, spread)
    monkeypatch.setattr(
        numbers, "_finding", lambda source: of(e, e - half, e + half) if of_methods(source) else before(source)
    )
    for one in AWAITING:
        wanted = (same, "") if one.functional == "same" else ("not comparable", f"{sign} sign here")
        assert decided(one) == wanted, one.key
        for source in (source for source in one.numbers if source.atlas):
            found = number(source)
            assert found is not None
            middle = side(source) * e
            assert (found.value, found.lower, found.upper) == pytest.approx((middle, middle - half, middle + half))
    assert "not measured yet" not in page.page()


def test_a_fit_that_is_never_reached_is_no_number_and_a_method_that_is_unknown_is_refused(top: Path) -> None:
    reference(top, 0.5, 0.1)
    source = next(one for _, one in SOURCES if one.atlas)
    assert number(replace(source, where={**source.where, "level": 0.004})) is None
    with pytest.raises(SpecificationError, match=r"found 'sgd', 'beta 0\.7'; strengths of this method: \[\]"):
        number(replace(source, where={**source.where, "method": "sgd"}))
    with pytest.raises(SpecificationError, match=r"found 'gem', 'x'; strengths of this method: \['beta 0\.7'\]"):
        number(replace(source, where={**source.where, "strength": "x"}))
    with pytest.raises(SpecificationError, match="the columns depth are required"):
        number(replace(source, column="depth"))


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prediction": "C2.8e", "case": "FINCHES"}, "one of the published cases .* is required, found 'FINCHES'"),
        ({"prediction": "", "formula": "gem_entropi"}, r"found 'gem_entropi' \(did you mean 'gem_entropy'\?\)"),
        ({"formula": "gem_entropy"}, "one of prediction, table, formula, atlas is required, found 2"),
        ({"prediction": ""}, "one of prediction, table, formula, atlas is required, found 0"),
        ({"prediction": "", "table": "c2_support/arms", "column": "f"}, "the columns f are required"),
        (
            {"prediction": "", "table": "c2_support/arms", "column": "e", "where": {"arm": "x"}},
            "rows with .* are required, found none",
        ),
    ],
)
def test_a_source_that_leads_nowhere_is_refused(change: dict, said: str) -> None:
    with pytest.raises(SpecificationError, match=said):
        number(replace(Source(label="x", prediction="C2.8e", case="FINCH"), **change))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('functional = "same"', 'functional = "equal"', "functional: one of same, sign, none is required"),
        ('read = "abstract"', 'read = "yes"', "read: one of text, abstract, no is required, found 'yes'"),
        ('limits = "', 'limit = "', "unexpected keyword argument 'limit'"),
        ('label = "', 'lable = "', "unexpected keyword argument 'lable'"),
    ],
)
def test_a_statement_that_is_misspelt_is_refused(old: str, new: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "statements.toml"
    text = (ROOT / "experiments" / "findings" / "statements.toml").read_text(encoding="utf-8")
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SpecificationError, match=f"statements.toml, statement 1: .*{re.escape(said)}"):
        statements(file)


def test_a_work_without_an_entry_is_refused() -> None:
    with pytest.raises(SpecificationError, match=r"a key of references\.bib is required, found 'shenfeld2026'"):
        page.citation("shenfeld2026")


def test_the_command_prints_the_table_and_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["findings", "--out", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new" / page.NAME).read_text(encoding="utf-8") == page.page()
    assert page.summary(ALL)[:20] in capsys.readouterr().out.replace("\n", " ")
    for words, said in (
        (["findings", str(tmp_path)], "findings: no folder of runs is required"),
        (["findings", "--published"], "--published: a claim or board is required"),
    ):
        assert main(words) == 2
        assert said in capsys.readouterr().err


# -- the page for practice --------------------------------------------------------------------------------------------


def test_the_numbers_with_intervals_of_the_page_for_practice_are_those_of_the_claims() -> None:
    interval = re.compile(r"\d[\d.]*(?: nats| %)? \[[^\]]*\d[^\]]*\]")
    told = " ".join(
        file.read_text(encoding="utf-8")
        for file in [*ROOT.glob("docs/claims/*.md"), ROOT / "README.md", ROOT / "docs" / "atlas.md", PAGE]
    )
    found = interval.findall(" ".join((ROOT / "docs" / "which_method.md").read_text(encoding="utf-8").split()))
    plain = " ".join(told.split()).replace(" nats", "").replace(" %", "")
    assert len(found) >= 4
    for one in found:
        assert one.replace(" nats", "").replace(" %", "") in plain, one
