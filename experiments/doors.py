"""What `python -m experiments` does with published tables: publish, show, compare, and write pages."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import polars as pl

from experiments import comparison, machines
from experiments.predictions import Claim
from experiments.publishing import publish_claim, publish_run, read_tables
from experiments.study import Judged
from sim.config import members
from sim.numerics import SpecificationError, nearest
from sim.places import check_folder, check_writable, write_whole
from sim.show.blocks import Block, markdown, show
from sim.show.published import Published, known, published, root

DEMO = "demo"
"""The experiment whose single runs are published and compared."""

OUT = Path("outputs") / "published"
"""Where what is made of published tables is written, unless it is said otherwise."""

JUDGED = "run python -m experiments <claim> on it first, or correct the path"


def published_claim(claim: Claim, out: Path | None) -> Judged:
    """Return the published findings of a claim. Figures that were drawn of them to the same place are shown with them.

    One line says so if the runs were made for other predictions.
    """
    found = published(claim.name)
    if line := found.difference(claim.announced):
        print(line)
    findings = pl.read_parquet(found.file("findings"))
    folder = (out or OUT) / claim.name
    check_writable("--out", folder, [], "choose another folder")
    return Judged(claim, findings, *claim.verdict(findings), folder)


def published_claims(claims: Sequence[Claim], out: Path | None) -> list[Judged]:
    """Return the published findings of all claims that have some. Raises SpecificationError if none has."""
    there = known()
    found = [published_claim(claim, out) for claim in claims if claim.name in there]
    if not found:
        raise SpecificationError("--published: a claim with published tables is required, found none; leave it out")
    return found


def publish(
    claims: Sequence[Claim], study: Path, run: str | None, beside: Sequence[Path], out: Path | None
) -> Published:
    """Publish the tables of a judged study or of the report of one run of the demo, and say how large they are."""
    check_folder(study, "a folder with a judged study", JUDGED)
    claim = claim_of(claims, study)
    if claim is None and (module := referenced(study)) is not None:
        check_single(study, run, beside, "a study")
        check_writable("--out", out or module.TOP, [], "choose another folder with --out")
        published_: Published = module.publish(study, out)
        return published_
    name = DEMO if claim is None else claim.name
    check_writable("--out", out or root(name), [], "choose another folder with --out")
    if claim is None:
        report = single_report(study, run)
        places = [machines.numbers_of(folder) for folder in (study, *beside)] if beside else []
        more = {"machines": machines.spread(places)} if beside else {}
        how = machines.measured_how([study, *beside], len(set(places[0]).intersection(*places[1:]))) if beside else ""
        return publish_run(name, study, report, more, how or "none was measured.", out)
    check_single(study, run, beside, "the study of a claim")
    return publish_claim(claim, study, out)


def check_single(study: Path, run: str | None, beside: Sequence[Path], what: str) -> None:
    """Raise SpecificationError if a flag is given that is for single runs alone."""
    if beside or run:
        raise SpecificationError(
            f"{'--beside' if beside else '--run'}: the folder of single runs (outputs/{DEMO}) is required, found "
            f"{what}, {study}; leave it out"
        )


def referenced(study: Path) -> ModuleType | None:
    """Return the experiment whose report on all runs of a folder is a reference to publish; None if there is none.

    Such an experiment has `PUBLISHED`, the tables that have to be there, `TOP`, where they go, and `publish`.
    """
    there = {file.stem for file in (study / "reports" / "together" / "tables").glob("*.parquet")}
    modules = (one.load() for one in members("experiment").values())
    return next((one for one in modules if hasattr(one, "PUBLISHED") and set(one.PUBLISHED) <= there), None)


def compare(claims: Sequence[Claim], study: Path, run: str | None) -> int:
    """Print a reader's own numbers beside the published ones, and write them as Markdown. Return the exit status."""
    check_folder(study, "a folder with a judged study, or with the reports of single runs", JUDGED)
    claim = claim_of(claims, study)
    report = single_report(study, run) if claim is None else study / "reports" / "claim"
    check_writable(str(study), report, [], "change its permissions, or copy the folder")
    found = published(DEMO if claim is None else claim.name)
    tables = {name: pl.read_parquet(found.file(name)) for name in found.tables}
    own = read_tables(report / "tables")
    made: list[Block]
    if claim is None:
        made = list(machines.blocks(machines.compared(tables, own), found, own))
    else:
        check_digest(claim, own["findings"], study)
        made = list(comparison.blocks(claim, comparison.compared(claim, tables, own), found, tables, own))
    write_whole(report / "compare.md", markdown(made).encode())
    show(made)
    print(f"\nWritten to {report}: compare.md")
    return 0


def written(name: str, text: str, blocks: Sequence[Block], out: Path | None) -> int:
    """Print a table, and write the page that belongs to it. Return the exit status."""
    folder = out or OUT
    check_writable("--out", folder, [], "choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / name, text.encode())
    show(list(blocks))
    print(f"\nWritten to {folder}: {name}")
    return 0


def claim_of(claims: Sequence[Claim], study: Path) -> Claim | None:
    """Return the claim that was judged in a folder; None if it holds reports of single runs."""
    file = study / "reports" / "claim" / "tables" / "findings.parquet"
    if not file.is_file():
        return None
    name = pl.read_parquet(file)["name"][0]
    named = {claim.name: claim for claim in claims}
    if name not in named:
        raise SpecificationError(
            f"{file}: one of the claims {', '.join(named)} is required, found {name!r}{nearest(name, list(named))}"
        )
    return named[name]


def check_digest(claim: Claim, findings: pl.DataFrame, study: Path) -> None:
    """Raise SpecificationError unless findings were judged by the predictions as they are now."""
    digests = sorted(set(findings["digest"].to_list()))
    if digests != [claim.digest]:
        raise SpecificationError(
            f"{study}: findings of the predictions {claim.digest} are required, found those of {', '.join(digests)}; "
            f"run python -m experiments {claim.name} {study} again"
        )


def single_report(study: Path, run: str | None) -> Path:
    """Return the folder of the report of a run: of the one that is asked for, else of the newest."""
    files = sorted(study.glob("reports/*/tables/run.parquet"), key=lambda file: file.stat().st_mtime_ns)
    reports = {file.parents[1].name: file.parents[1] for file in files}
    if not reports:
        raise SpecificationError(
            f"{study}/reports: a judged claim, or reports of single runs, are required, found none; "
            f"run python -m experiments {DEMO} {study} first, or that of a claim"
        )
    if run is not None and run not in reports:
        raise SpecificationError(
            f"--run: one of {', '.join(reports)} is required, found {run!r}{nearest(run, list(reports))}"
        )
    return reports[run or list(reports)[-1]]
