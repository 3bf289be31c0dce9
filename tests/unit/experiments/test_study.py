"""Claims read the numbers that users read, each run once, and say so in one line where they cannot be judged."""

import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from experiments.predictions import Claim, Need
from experiments.study import Study, check_paired, judge, judged_before
from sim.config import members
from sim.disk.records import Record
from sim.metrics.frames import metrics_table, strings_table
from sim.numerics import SpecificationError
from tests.unit.experiments.tiny_studies import archived, every_part, study, variant
from tests.unit.imitated import c3, c4, numbered
from tests.unit.imitated_consequences import c6
from tests.unit.imitated_rank import c5

CLAIMS: list[Claim] = [module.CLAIM for one in members("experiment").values() if hasattr(module := one.load(), "CLAIM")]
LISTED = [claim for claim in CLAIMS if claim.read is None]  # others read another kind of record: test_l_unlisted.py
of_listed = pytest.mark.parametrize("claim", LISTED, ids=[claim.name for claim in LISTED])
RUNS: dict[str, Callable[[], list[Record]]] = {
    "c1_entropy": every_part,
    "c2_support": every_part,
    "c3_answers": lambda: numbered(c3((0,))),
    "c4_cloning": lambda: numbered(c4((0,))),
    "c5_rank": lambda: numbered(c5((0,))),
    "c6_consequences": lambda: numbered(c6((0,))),
}
"""Imitated runs of claims. A claim without an entry is read from real runs, by the laws of claims."""
IMITATED = [claim for claim in CLAIMS if claim.name in RUNS]
of_imitated = pytest.mark.parametrize("claim", IMITATED, ids=[claim.name for claim in IMITATED])


@functools.cache
def runs(make: Callable[[], list[Record]]) -> list[Record]:
    return make()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Claim], Path]:
    """The folder with the runs of a claim."""

    @functools.cache
    def of(make: Callable[[], list[Record]]) -> Path:
        return study(tmp_path_factory.mktemp("study"), runs(make))

    return lambda claim: of(RUNS[claim.name])


@functools.cache
def everything(claim: Claim) -> pl.DataFrame:
    """Every number of every run, as users read it; runs of one world and one training have the same ones.

    Of C3 and C4 they are those of the metrics that the claim needs, in all phases.
    """
    tables: dict[int, pl.DataFrame] = {}
    found = []
    names = None if RUNS[claim.name] is every_part else sorted({name for need in claim.needs for name in need.metrics})
    for record in runs(RUNS[claim.name]):
        kind = id(record.restricted)
        if kind not in tables:
            tables[kind] = metrics_table(record, names, ["response"]) if names else metrics_table(record)
        found.append(tables[kind].with_columns(run=pl.lit(record.hash)))
    return pl.concat(found)


@functools.cache
def read_once(claim: Claim, folder: Path) -> "Watched":
    found = Watched.of(folder, claim.needs)
    assert isinstance(found, Watched)
    return found


# -- the numbers of a claim -------------------------------------------------------------------------------------------


def test_needs_that_overlap_count_a_number_once(tmp_path):
    """Else a join would count a run twice, and its interval would be too narrow."""
    folder = study(tmp_path, [variant(archived(), 1, "support")])
    needs = (Need(("kl",), phases=("sft",)), Need(("kl", "gate"), part="supp"), Need(("gate",), phases=("sft",)))
    found = Study.of(folder, needs).numbers
    assert found.height == found.unique().height
    assert set(found["metric"]) == {"kl", "gate"}
    assert found.height == Study.of(folder, (Need(("kl", "gate")),)).numbers.height


class Watched(Study):
    """A study that keeps what is picked from it, beside the runs from which it is picked."""

    picked: list[tuple[set[str], dict[str, object], pl.DataFrame]] = []  # noqa: RUF012

    def pick(self, metric, of, law="", phase="truth", step="last", view="response", at=""):
        found = super().pick(metric, of, law, phase, step, view, at)
        asked = {"metric": metric, "of": of, "law": law, "phase": phase, "step": step, "view": view, "at": at}
        self.picked.append((set(self.runs["run"]), asked, found))
        return found

    def restricted(self, runs):
        own = super().restricted(runs)
        return Watched(own.runs, own.numbers, own.places)


@pytest.mark.filterwarnings("ignore::numpy.exceptions.RankWarning")  # a parabola through one or two runs
@of_imitated
def test_a_claim_reads_the_numbers_of_users_and_needs_no_other(claim, folders):
    """What `pick` gives equals what a user filters from the table of all numbers, for every run of that part."""
    Watched.picked.clear()
    claim.tables(read_once(claim, folders(claim)))
    assert Watched.picked
    for own, asked, found in Watched.picked:
        own &= having(claim, asked)
        wanted = everything(claim).filter(pl.col("run").is_in(own), prompt_law=asked["law"], **pick_of(asked))
        wanted = wanted if asked["at"] is None else wanted.filter(at=asked["at"])
        ends = wanted.group_by("run").agg(pl.col("step").min().alias("first"), pl.col("step").max().alias("last"))
        if asked["step"] != "every":
            wanted = wanted.join(ends, on="run").filter(pl.col("step") == pl.col(asked["step"]))
        wanted = wanted.select(found.columns)
        order = ["run", "step", "at"]
        assert found.sort(order).equals(wanted.sort(order)), asked
    asked_for = {tuple(asked.items()) for own, asked, _ in Watched.picked if own}
    found_for = {tuple(asked.items()) for _, asked, found in Watched.picked if found.height}
    assert {one for one in asked_for - found_for if not nowhere(dict(one))} == set(), "a number that no run has"


def test_many_runs_are_read_as_few_are(tmp_path, monkeypatch):
    """On all cores, with a cache of their numbers; here in this process."""
    folder = study(tmp_path / "runs", [variant(archived(), seed) for seed in range(3)])
    needs = (Need(("kl", "entropy")), Need(("gate",), phases=("sft",)), Need(("kl_moved",), part="elsewhere"))
    few = Study.of(folder, needs)
    asked = []

    def here(function, tasks, what, chunk):
        asked.append((len(tasks), what))
        return map(function, tasks)

    monkeypatch.setattr("experiments.study.in_processes", here)
    monkeypatch.setattr("experiments.study.FEW", 2)
    for _ in range(2):
        many = Study.of(folder, needs)
        assert many.runs.equals(few.runs, null_equal=True)
        assert many.numbers.equals(few.numbers)
    assert asked == [(3, f"{folder}: reading its runs")] * 2
    assert few.numbers.height > 20


def nowhere(asked: dict[str, object]) -> bool:
    """Whether nobody has such a number: a control has no optimum of its own, and C4 asks of both phases.

    C5 asks the pretrained model too how much it has erased, which is 0 by definition.
    """
    return (asked["of"], asked["phase"]) in (("q*||q", "identity"), ("E", "pretrain"))


def having(claim: Claim, asked: dict[str, object]) -> set[str]:
    """The runs of parts that need a metric in a phase; the study holds no such number of the others.

    What is true of a world is measured with every metric that is needed.
    """
    return {
        record.hash
        for record in runs(RUNS[claim.name])
        for need in claim.needs
        if str(record.config["study"]["part"] or "").startswith(need.part)
        and asked["metric"] in need.metrics
        and (need.phases is None or asked["phase"] in (*need.phases, "truth"))
    }


def pick_of(asked: dict[str, object]) -> dict[str, object]:
    return {name: asked[name] for name in ("metric", "of", "phase", "view")}


@of_imitated
def test_a_number_lies_beside_its_run(claim, folders):
    """Of every run a row, in the order of the runs; empty where a run has no such number."""
    found = read_once(claim, folders(claim))
    metric, of, law, phase = found.numbers.select("metric", "of", "prompt_law", "phase").row(0)
    lost = found.pick(metric, of, law, phase)
    beside = found.beside(found.runs, lost=lost)
    assert beside["run"].to_list() == found.runs["run"].to_list()
    known = dict(lost.select("run", "lower").iter_rows())
    assert beside["lost_lower"].to_list() == [known.get(run) for run in found.runs["run"]]


def test_part_of_a_study_is_that_part_alone(folders):
    claim = next(claim for claim in IMITATED if any(need.part for need in claim.needs))
    whole = read_once(claim, folders(claim))
    own = whole.runs.head(2)
    part = whole.restricted(own)
    assert part.runs.equals(own)
    assert set(part.numbers["run"]) <= set(own["run"]) < set(whole.numbers["run"])
    assert part.strings(own["run"][0]).equals(strings_table(part.record(own["run"][0])))


# -- judging a folder -------------------------------------------------------------------------------------------------


@of_listed
def test_runs_of_something_else_are_judged_without_a_traceback(claim, tmp_path):
    """As python -m experiments <claim> outputs/demo is: what the runs have no numbers for is not valid."""
    found = judge(claim, study(tmp_path, [variant(archived(), 1)]))
    assert set(found.findings["prediction"]) == {one.identifier for one in claim.predictions}
    has_control = any(one.null for one in claim.predictions)  # a claim without one cannot be refused by its control
    assert found.standing == ("not valid" if has_control else "undecided")
    assert found.made_for == ("other" if claim.trains else "these")
    if all(need.part for need in claim.needs):
        of_truth = {one.identifier for one in claim.predictions if one.only.startswith("no runs")}
        assert set(found.findings.filter(~pl.col("prediction").is_in(of_truth))["verdict"]) == {"not valid"}


@pytest.mark.filterwarnings("ignore::numpy.exceptions.RankWarning")
@of_imitated
def test_what_was_judged_is_read_again(claim, folders, tmp_path):
    """The tables lie beside the runs, as Parquet and as CSV; the board of all claims reads them."""
    outputs = tmp_path / "outputs"
    shutil.copytree(folders(claim), outputs / claim.name)
    if "part" not in claim.paired:  # without parts, all of them are one run, which would count several times
        for twice in sorted((outputs / claim.name).iterdir())[1:]:
            shutil.rmtree(twice)
    found = judge(claim, outputs / claim.name)
    tables = outputs / claim.name / "reports" / "claim" / "tables"
    assert {file.stem for file in tables.glob("*.parquet")} == {file.stem for file in tables.glob("*.csv")}
    assert pl.read_parquet(tables / "findings.parquet").equals(found.findings)
    (again,) = judged_before(outputs, CLAIMS)
    assert (again.claim, again.standing, again.reason) == (claim, found.standing, found.reason)
    assert again.findings.equals(found.findings)
    assert again.folder == found.folder == tables.parent
    if RUNS[claim.name] is not every_part:
        measured = found.findings.filter(pl.col("measured").is_not_null())
        assert set(measured["prediction"]) == {one.identifier for one in claim.predictions}, "each is judged"


@of_listed
def test_runs_say_what_they_were_made_for(claim, tmp_path):
    made = [variant(archived(), 1, claim=claim.announced)]
    assert judge(claim, study(tmp_path / "these", made)).made_for == "these"
    if claim.amendments:
        before = f"{claim.name}@{claim.amendments[-1].digest_before}"
        earlier = variant(archived(), 2, claim=before, seed=7)
        assert judge(claim, study(tmp_path / "amended", [*made, earlier])).made_for == "amended"
    other = variant(archived(), 3, claim=None, seed=8)
    found = judge(claim, study(tmp_path / "other", [*made, other]))
    assert found.made_for == ("other" if claim.trains else "these"), "a claim without runs judges any runs"


@of_listed
def test_verdicts_on_earlier_predictions_are_pointed_out(claim, tmp_path):
    """Nobody has to judge again for a board to say that the predictions were edited since."""
    folder = study(tmp_path / claim.name, [variant(archived(), 1, claim=claim.announced)])
    findings = judge(claim, folder).findings
    for digest, said in ((claim.digest, "these"), ("0" * 12, "other"), *digests_before(claim)):
        findings.with_columns(digest=pl.lit(digest)).write_parquet(
            folder / "reports" / "claim" / "tables" / "findings.parquet"
        )
        (found,) = judged_before(tmp_path, CLAIMS)
        assert found.made_for == said


def digests_before(claim: Claim) -> list[tuple[str, str]]:
    return [(one.digest_before, "amended") for one in claim.amendments]


@of_listed
def test_a_run_that_would_count_twice_is_refused(claim, tmp_path):
    """Two studies in one folder: the same seeds again would make the intervals narrower than they are."""
    folder = study(tmp_path / claim.name, [variant(archived(), 1), variant(archived(), 2)])
    if "run" in claim.paired:  # it counts laws, and equal ones once
        assert judge(claim, folder).claim is claim
        return
    fix = "move or delete older runs, or keep each study in a folder of its own"
    said = rf"{claim.name}: one run of each kind is required, found 2 of .*seed 3: 0+1, 0+2; {fix}"
    with pytest.raises(SpecificationError, match=said):
        judge(claim, folder)
    assert not (folder / "reports").exists()


def test_runs_that_differ_in_what_tells_them_apart_count_once_each():
    runs = pl.DataFrame({"run": ["a", "b", "c"], "seed": [0, 0, 1], "kind": ["x", "y", "x"]})
    check_paired(runs, ("kind", "seed"), Path("outputs/one"))
    with pytest.raises(SpecificationError, match=r"outputs/one: .* found 2 of seed 0: a, b;"):
        check_paired(runs, ("seed",), Path("outputs/one"))


def test_a_board_needs_a_verdict(tmp_path):
    names = ", ".join(claim.name for claim in CLAIMS)
    with pytest.raises(
        SpecificationError, match=rf"at least one claim are required, found none; run .* one of {names}"
    ):
        judged_before(tmp_path, CLAIMS)
