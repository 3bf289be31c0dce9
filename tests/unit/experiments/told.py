"""What a claim says of tables, by prediction: its findings, and their verdicts."""

from experiments.predictions import Claim, Finding, Tables


def findings(claim: Claim, tables: Tables) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for one in claim.judge(tables):
        found.setdefault(one.prediction, []).append(one)
    return found


def verdicts(claim: Claim, tables: Tables) -> dict[str, set[str]]:
    return {name: {one.verdict for one in own} for name, own in findings(claim, tables).items()}
