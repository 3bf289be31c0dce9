"""Claims as data, whichever there are: what is announced, what the digest sees, and what decides a sentence."""

import ast
import io
import re
import shutil
import sys
import tokenize
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import get_args

import polars as pl
import pytest

from experiments.__main__ import experiment
from experiments.predictions import HISTORY, Amendment, Claim, Finding, Prediction, Standing, normalised, table
from sim.config import members
from tests.composed import ROOT, compose

CLAIMS: list[Claim] = [module.CLAIM for one in members("experiment").values() if hasattr(module := one.load(), "CLAIM")]
every_claim = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)

Edit = Callable[[str], str]


def test_there_are_claims_with_names_and_identifiers_of_their_own():
    assert len(CLAIMS) >= 2
    assert len({claim.name for claim in CLAIMS}) == len({claim.identifier for claim in CLAIMS}) == len(CLAIMS)


# -- what is announced ------------------------------------------------------------------------------------------------


@every_claim
def test_the_runs_of_a_claim_are_announced_with_its_predictions(claim):
    """Who edits a prediction has to change the experiment too: it shows, and old runs no longer count for it."""
    assert experiment(claim.name).CLAIM is claim
    assert claim.announced == f"{claim.name}@{claim.digest}"
    if claim.trains:
        assert compose(f"experiment={claim.name}")["claim"] == claim.announced
    else:  # it has no runs of its own, so its page says what was announced
        assert f"`{claim.digest}`" in (ROOT / "docs" / "claims" / f"{claim.name}.md").read_text(encoding="utf-8")


@every_claim
def test_every_prediction_says_what_decides_it(claim):
    assert len({one.identifier for one in claim.predictions}) == len(claim.predictions)
    for one in claim.predictions:
        assert re.fullmatch(rf"{claim.identifier}\.\d+[a-z]?", one.identifier)
        for words in (one.statement, one.predicted, one.rule, one.control, one.only):
            assert words
        assert (one.margin is not None) == (one.kind in ("equality", "bound", "slope", "exponent"))
        assert one.kind == "sign" or not one.threshold
        assert one.value is None or one.kind not in ("sign", "report", "ordering")
        assert one.window is None or 0 <= one.window[0] < one.window[1]
        assert claim.prediction(one.identifier) is one
    with pytest.raises(KeyError):
        claim.prediction("X.9")


# -- the digest -------------------------------------------------------------------------------------------------------

CHANGES: dict[str, list[object]] = {
    "identifier": ["X.9"], "statement": ["x"], "kind": ["ordering", "report"], "predicted": ["x"], "rule": ["x"],
    "control": ["x"], "value": [0.123], "threshold": [0.123], "margin": [0.123], "only": ["x"],
    "window": [(0.123, 0.9)], "says": ["opposite", "silent"], "instrument": [True, False], "null": [True, False],
    "condition": ["met", "not met"], "worlds": [17],
}  # fmt: skip
"""Other values for what decides a prediction; the first is taken that the prediction does not have."""


@every_claim
@pytest.mark.parametrize("name", CHANGES)
def test_the_digest_sees_everything_that_decides_a_prediction(claim, name, tmp_path):
    plain = on_its_own(claim, tmp_path, "")
    with_condition = replace(plain, condition=plain.condition or "a condition")
    for at, one in enumerate(claim.predictions):
        value = next(value for value in CHANGES[name] if value != getattr(one, name))
        changed = (*claim.predictions[:at], replace(one, **{name: value}), *claim.predictions[at + 1 :])
        assert replace(with_condition, predictions=changed).digest != with_condition.digest


def test_nothing_that_decides_a_prediction_is_left_out_of_its_criteria():
    announced = set(CLAIMS[0].predictions[0].criteria())
    assert announced == set(CHANGES) == set(Prediction.__dataclass_fields__) - {"measure", "figure"}


@every_claim
def test_the_digest_sees_a_prediction_that_is_dropped_and_what_is_said_of_all(claim):
    assert replace(claim, predictions=claim.predictions[1:]).digest != claim.digest
    for changed in (
        {"rule": "x"},
        {"sentence": "x"},
        {"title": "x"},
        {"identifier": "X"},
        {"paired": ("something",)},
        {"condition": "x"},
    ):
        assert replace(claim, **changed).digest != claim.digest


def files(claim: Claim) -> list[Path]:
    """The files that a claim owns, without its history."""
    file = Path(claim.file)
    own = sorted(file.parent.glob("*.py")) if file.name == "__init__.py" else [file]
    return [one for one in own if one.name != HISTORY]


def copied(claim: Claim, folder: Path, edit: Edit, edited: Path | None = None) -> Claim:
    """The claim as if it lay elsewhere, with all of its files edited, or one of them."""
    target = folder / claim.name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for file in files(claim):
        source = file.read_text(encoding="utf-8")
        (target / file.name).write_text(edit(source) if edited in (None, file) else source, encoding="utf-8")
    found = replace(claim, file=str(target / Path(claim.file).name))
    assert found.name == claim.name
    return found


def on_its_own(claim: Claim, folder: Path, source: str) -> Claim:
    """The claim as if it had this one file, which is quicker than all of them."""
    file = folder / f"{claim.name}.py"
    file.write_text(source, encoding="utf-8")
    return replace(claim, file=str(file))


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


class OtherRemarks(ast.NodeTransformer):
    """Other docstrings in modules, classes and functions, and other remarks below constants."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        return ast.Expr(ast.Constant("Other words.")) if is_text(node.value) else node


def with_other_docstrings(source: str) -> str:
    return ast.unparse(ast.fix_missing_locations(OtherRemarks().visit(ast.parse(source))))


def with_comments(source: str) -> str:
    """A remark at the end of every statement, and one before all."""
    rows = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NEWLINE:
            rows[token.start[0] - 1] += "  # a remark"
    return "\n".join(["# The first line.", *rows, "# The last line.", ""])


HARMLESS: dict[str, Edit] = {
    "moved": lambda source: source,
    "formatted otherwise": lambda source: ast.unparse(ast.parse(source)),
    "commented": with_comments,
    "other docstrings": with_other_docstrings,
    "helpers moved": lambda source: re.sub(r"^from (\S+) import", r"from elsewhere.\1 import", source, flags=re.M),
}


@every_claim
@pytest.mark.parametrize("edit", HARMLESS)
def test_the_digest_does_not_see_comments_docstrings_and_formatting(claim, edit, tmp_path):
    sources = [file.read_text(encoding="utf-8") for file in files(claim)]
    assert edit == "moved" or any(HARMLESS[edit](source) != source for source in sources)
    assert copied(claim, tmp_path, HARMLESS[edit]).digest == claim.digest


class Mutated(ast.NodeTransformer):
    """Another number, truth or text in the first place of a function that has one, or else one more statement in it."""

    def __init__(self, name: str) -> None:
        self.name, self.done = name, False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        if node.name != self.name or self.done:
            self.generic_visit(node)
            return node
        bodies = [one for one in node.body if not isinstance(one, ast.Expr) or not is_text(one.value)]
        constants = [found for one in bodies for found in ast.walk(one) if isinstance(found, ast.Constant)]
        found = next((one for one in constants if one.value is not None), None)
        if found is None:
            node.body.append(ast.Pass())
        else:
            found.value = other(found.value)
        self.done = True
        return node


def other(value: object) -> object:
    return not value if isinstance(value, bool) else value + 1 if isinstance(value, int | float) else f"{value}_"


def mutated(name: str) -> Edit:
    def edit(source: str) -> str:
        transformer = Mutated(name)
        changed = ast.fix_missing_locations(transformer.visit(ast.parse(source)))
        assert transformer.done, f"{name} is not in the file"
        return ast.unparse(changed)

    return edit


def measuring(claim: Claim) -> set[tuple[str, str]]:
    """The functions that measure, by module and name; a lambda has none, but lies in the file like everything else."""
    functions = [getattr(one.measure, "func", one.measure) for one in claim.predictions]  # of a partial, what it calls
    return {(one.__module__, one.__name__) for one in functions if one.__name__ != "<lambda>"}


def test_claims_have_measuring_functions():
    """Else the next test would hold of nothing."""
    assert sum(len(measuring(claim)) > len(claim.predictions) / 2 for claim in CLAIMS) >= 2


@every_claim
def test_the_digest_sees_the_code_of_every_measuring_function(claim, tmp_path):
    for module, name in sorted(measuring(claim)):
        file = Path(str(sys.modules[module].__file__))
        assert file in files(claim), f"{name} is measured elsewhere, where the digest does not look"
        source = file.read_text(encoding="utf-8")
        usual, changed = (on_its_own(claim, tmp_path, text).digest for text in (source, mutated(name)(source)))
        assert usual != changed, name


def test_a_function_without_a_number_is_changed_too():
    inner = "def outer():\n    def f(x):\n        return x\n    return f"
    for source in ("def f(x):\n    return x", inner, "def f(x):\n    return x + 1"):
        assert normalised(mutated("f")(source)) != normalised(source)
    with pytest.raises(AssertionError, match="g is not in the file"):
        mutated("g")(inner)


def constants(claim: Claim) -> list[tuple[Path, ast.Assign]]:
    """Assignments of a number or a text at the top level of the claim's files."""
    found = [(file, node) for file in files(claim) for node in ast.parse(file.read_text(encoding="utf-8")).body]
    return [
        (file, node) for file, node in found if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    ]


def test_claims_have_constants():
    """Else the next test would hold of nothing. A claim of its own needs none."""
    assert sum(bool(constants(claim)) for claim in CLAIMS) >= 2


@every_claim
def test_the_digest_sees_every_constant_of_the_claims_files(claim, tmp_path):
    """Such as the nats at which a fine-tuning counts as converged, which helpers of measuring functions read."""
    for file, node in constants(claim):
        line = f"{ast.unparse(node.targets[0])} = {other(node.value.value)!r}"
        edit = partial(swapped, node=node, line=line)
        assert copied(claim, tmp_path, edit, file).digest != claim.digest, line


def swapped(source: str, node: ast.stmt, line: str) -> str:
    rows = source.splitlines()
    rows[node.lineno - 1 : node.end_lineno] = [line]
    return "\n".join(rows)


def test_the_digest_does_not_see_the_history_of_a_claim(tmp_path):
    claim = next(one for one in CLAIMS if (Path(one.file).parent / HISTORY).exists())
    found = copied(claim, tmp_path, lambda source: source)
    (tmp_path / claim.name / HISTORY).write_text("AMENDMENTS = ()\n", encoding="utf-8")
    assert found.digest == claim.digest
    (tmp_path / claim.name / "history.py").write_text("AMENDMENTS = ()\n", encoding="utf-8")
    assert replace(found).digest != claim.digest


CODE = "from a import b as c\n\ndef f(x: int) -> int:\n    return c(x) if x < 2 else 1\n"


SAME = {
    "a docstring": CODE.replace("    return", '    """What f is."""\n    return'),
    "brackets and a comment": CODE.replace("x < 2", "(x  # of f\n            < 2)"),
    "a helper that moved": CODE.replace("from a import b as c", "from z.a import b as c"),
    "a helper that was renamed": CODE.replace("import b as", "import d as"),
    "a helper under its own name": CODE.replace("from a import b as c", "from a import b").replace("c(x)", "b(x)"),
    "a docstring of the module": f'"""A module."""\n{CODE}',
    "a remark at the end": f'{CODE}\n"""What comes last."""\n',
}


@pytest.mark.parametrize("same", SAME)
def test_the_same_code_is_not_told_apart(same):
    assert SAME[same] != CODE
    assert normalised(SAME[same]) == normalised(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x < 2", "x <= 2"), ("2", "3"), ("else 1", "else 1.5"), ("else 1", "else True"), ("c(x)", "c(-x)"),
        ("def f", "def g"), ("    return", "    x += 1\n    return"),
        ("def f", "@cache\ndef f"),
    ],
)  # fmt: skip
def test_other_code_is_told_apart(old, new):
    assert normalised(CODE.replace(old, new)) != normalised(CODE)


def test_helpers_that_are_called_in_another_order_are_told_apart():
    """Their own names do not count, because what they do is frozen by tests of their own."""
    imported = "from a import b, c\n"
    assert normalised(f"{imported}b(c(0))") == normalised(f"{imported}c(b(0))")
    assert normalised(f"{imported}b(c(0)) + b(1)") != normalised(f"{imported}b(c(0)) + c(1)")
    assert normalised(f"{imported}b(0)") != normalised("def b(x): pass\nb(0)")


def test_the_tree_is_written_without_what_versions_of_python_differ_in():
    """A digest that were another one under another Python would make every run one for other predictions."""
    assert normalised("def f(): return []") == (
        "Module(body=[FunctionDef(name='f', args=arguments(), body=[Return(value=List(ctx=Load()))])])"
    )


# -- amendments -------------------------------------------------------------------------------------------------------


@every_claim
def test_runs_are_for_these_predictions_for_amended_ones_or_for_others(claim):
    before = Amendment("2000-01-01", "a reason", "0" * 12, "undecided")
    amended = replace(claim, amendments=(before,))
    assert amended.made_for(claim.announced) == "these"
    assert amended.made_for(f"{claim.name}@{'0' * 12}") == "amended"
    assert replace(claim, amendments=()).made_for(f"{claim.name}@{'0' * 12}") == "other"
    assert amended.made_for(None) == amended.made_for(f"other@{claim.digest}") == "other"


@every_claim
@pytest.mark.parametrize(
    ("runs", "status"),
    [(["new", "new"], "these"), (["new", "old"], "amended"), (["new", "old", None], "other"), ([None], "other")],
)
def test_one_run_for_other_predictions_is_enough_to_say_so(claim, runs, status):
    amended = replace(claim, amendments=(Amendment("2000-01-01", "a reason", "0" * 12, "undecided"),))
    said = {"new": claim.announced, "old": f"{claim.name}@{'0' * 12}"}
    found = table(amended, findings(amended), [said.get(str(run)) for run in runs])
    assert set(found["made_for"]) == {status if claim.trains else "these"}


@every_claim
def test_an_amendment_says_when_and_why_and_what_the_verdict_was(claim):
    for one in claim.amendments:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", one.date)
        assert re.fullmatch(r"[0-9a-f]{12}", one.digest_before)
        assert one.digest_before != claim.digest
        assert one.reason
        assert one.verdict_before.startswith(get_args(Standing))
        assert all(re.fullmatch(rf"{claim.identifier}\.\d+[a-z]?'?", name) for name in one.predictions)


# -- what decides the sentence ----------------------------------------------------------------------------------------


def findings(claim: Claim, **verdicts: str) -> list[Finding]:
    """A finding for every prediction: that it holds, or what is said here, with _ for a dot."""
    given = {name.replace("_", "."): verdict for name, verdict in verdicts.items()}
    names = [one.identifier for one in claim.predictions]
    assert set(given) <= set(names)
    return [Finding(name, "", None, None, "", given.get(name, "holds")) for name in names]  # type: ignore[arg-type]


@every_claim
@pytest.mark.parametrize("verdict", ["refuted", "undecided", "not valid"])
def test_what_is_true_by_construction_counts_for_no_standing(claim, verdict):
    checks = {one.identifier.replace(".", "_"): verdict for one in claim.predictions if one.instrument}
    if not checks:
        pytest.skip("the claim has no prediction that is true by construction")
    for others in ({}, {claim.predictions[0].identifier.replace(".", "_"): "refuted"}):
        usual, broken = (table(claim, findings(claim, **said), []) for said in (others, {**others, **checks}))
        assert not usual.equals(broken)
        assert claim.verdict(usual) == claim.verdict(broken)


@cache
def standings(name: str) -> set[str]:
    """What becomes of the sentence if one prediction has another verdict than the others, which hold."""
    claim, seen = next(one for one in CLAIMS if one.name == name), set()
    denied = [one for one in claim.predictions if one.says == "opposite" and not one.condition]
    usual = {one.identifier.replace(".", "_"): "refuted" for one in denied}
    for verdict in ("holds", "refuted", "undecided", "not valid"):
        for one in claim.predictions:
            said = usual | {one.identifier.replace(".", "_"): verdict}
            standing, reason = claim.verdict(table(claim, findings(claim, **said), []))
            assert standing in get_args(Standing)
            assert reason
            seen.add(standing)
    return seen


@every_claim
def test_every_standing_is_one_of_five_with_a_reason(claim):
    assert standings(claim.name)


def test_verdicts_decide_the_sentence():
    """Of at least two claims four standings are possible; a claim of its own may know fewer."""
    wanted = {"holds only if", "not valid", "refuted", "undecided"}
    assert sum(standings(claim.name) >= wanted for claim in CLAIMS) >= 2
    assert sum(any(one.instrument for one in claim.predictions) for claim in CLAIMS) >= 2


@every_claim
def test_the_table_of_findings_says_all_that_a_board_needs(claim):
    found = table(claim, findings(claim), [claim.announced])
    assert found["prediction"].to_list() == [one.identifier for one in claim.predictions]
    for name in ("statement", "kind", "says", "instrument", "null", "condition", "margin"):
        assert found[name].to_list() == [getattr(one, name) for one in claim.predictions]
    assert set(found["digest"]) == {claim.digest}
    assert set(found["verdict"]) == {"holds"}
    assert found.schema["margin"] == found.schema["measured"] == pl.Float64
