"""What must be refused, in one line that names the place, before anything is computed."""

import copy
from typing import Any

import pytest

from sim.numerics import SpecificationError
from sim.running.build import settings
from tests.composed import ROOT, compose

KINDS = ", ".join(sorted(file.stem for file in (ROOT / "sim" / "grammars").glob("[a-z]*.py")))
OBJECTIVES = len(list((ROOT / "sim" / "objectives").glob("[a-z]*.py")))  # so many that the line names the nearest alone

REFUSED: list[tuple[str, str]] = [
    # overrides, the beginning of the one line
    ("seed=-1", "seed: an integer from 0 to 2^32 - 1 is required, found -1"),
    ("seed=4294967296", "seed: an integer from 0 to 2^32 - 1 is required, found 4294967296"),
    ("seed=1.5", "seed: an integer from 0 to 2^32 - 1 is required, found 1.5"),
    ("seed=true", "seed: an integer from 0 to 2^32 - 1 is required, found true"),
    ("seed=null", "seed: an integer from 0 to 2^32 - 1 is required, found null"),
    ("name=Bad-Name", "name: a name of a-z, 0-9 and _ other than store is required, found 'Bad-Name'"),
    ("name=store", "name: a name of a-z, 0-9 and _ other than store is required, found 'store'"),
    ("name=../up", "name: a name of a-z, 0-9 and _ other than store is required, found '../up'"),
    ("name=''", "name: a name of a-z, 0-9 and _ other than store is required, found ''"),
    ("outputs=3", """outputs: the path of a folder is required, found 3; quote it: 'outputs="3"'"""),
    ("outputs=''", "outputs: the path of a folder is required, found ''"),
    (
        "finetune.probes=gradient",
        "finetune.probes: a list without repeats is required, found 'gradient'; write [gradient]",
    ),
    ("+sede=3", "sede: unknown argument of run (did you mean 'seed'?)"),
    ("+gramar.kind=english", "gramar: unknown argument of run (did you mean 'grammar'?)"),
    ("~grammar", "grammar: a mapping of names to values is required, found nothing"),
    ("grammar.kind=englsh", f"grammar.kind: one of {KINDS} is required, found 'englsh' (did you"),
    ("grammar.kind=_english_nature", f"grammar.kind: one of {KINDS} is required"),
    ("grammar.kind=../records", f"grammar.kind: one of {KINDS} is required"),
    ("~grammar.kind", f"grammar.kind: one of {KINDS} is required, found nothing"),
    ("++grammar.num_promtps=3", "grammar.num_promtps: unknown argument of english (did you mean 'num_prompts'?)"),
    ("grammar.words=nuture", "grammar.words: one of classroom, home, nature is required, found 'nuture'"),
    ("grammar.num_prompts=many", "grammar.num_prompts: an integer of at least 1 or null is required, found 'many'"),
    ("grammar.swing=0.7", "grammar.swing: a number from 0 to 0.5 is required, found 0.7"),
    ("grammar.zipf=inf", "grammar.zipf: a non-negative number is required, found inf; it must be finite"),
    ("grammar.zipf=nan", "grammar.zipf: a non-negative number is required, found nan"),
    ("grammar=styles_content grammar.answer_length=1", "grammar.answer_length: an integer of at least 2 is required"),
    ("grammar=styles_content grammar.shown=true", "grammar.shown: a number from 0 to 1 is required, found true"),
    ("grammar=file grammar.path=3", "grammar.path: a text is required, found 3; quote it"),
    ("grammar=file ~grammar.path", "grammar.path: a text is required, found nothing"),
    ("restriction.keep=3", "restriction.keep: "),
    ("restriction.keep=null", "restriction.keep: "),
    ("~restriction.keep", "restriction.keep: "),
    ("restriction.keep_prompts=1", "restriction.keep_prompts: true or false is required, found 1"),
    (
        "restriction=regular restriction.of=anser",
        "restriction.of: one of 'document', 'answer' is required, found 'anser'",
    ),
    (
        "restriction=style_blind restriction.tolerance=0",
        "restriction.tolerance: a positive number is required, found 0",
    ),
    ("+restriction.kep=plain", "restriction.kep: unknown argument of style (did you mean 'keep'?)"),
    ("model.width=0", "model.width: a positive integer is required, found 0"),
    ("model.width=6.5", "model.width: a positive integer is required, found 6.5"),
    ("+model.widht=8", "model.widht: unknown argument of transformer (did you mean 'width'?)"),
    ("model.tied=perhaps", "model.tied: true or false is required, found 'perhaps'"),
    ("objective.targets=exat", "objective.targets: one of 'exact', 'sampled' is required, found 'exat' (did you mean"),
    ("objective=replay objective.weight=1.5", "objective.weight: a number from 0 to 1 is required, found 1.5"),
    ("optimizer.learning_rate=0", "optimizer.learning_rate: a positive number is required, found 0"),
    ("optimizer.learning_rate=fast", "optimizer.learning_rate: a positive number is required, found 'fast'"),
    ("optimizer.b1=1", "optimizer.b1: a number from 0 to 1, 1 excluded, is required, found 1"),
    ("optimizer.eps=-1e-9", "optimizer.eps: a non-negative number is required, found -1e-09"),
    ("optimizer.decay=cosin", "optimizer.decay: one of "),
    ("optimizer@pretrain.optimizer=sgd pretrain.optimizer.momentum=-0.1", "pretrain.optimizer.momentum: a number from"),
    (
        "pretrain.objective.kind=stf",
        f"pretrain.objective.kind: one of {OBJECTIVES} (--help lists them; nearest are sft, ",
    ),
    ("pretrain.num_steps=0", "pretrain.num_steps: a positive integer is required, found 0"),
    ("pretrain.batch_size=-4", "pretrain.batch_size: a positive integer is required, found -4"),
    ("pretrain.num_evals=0", "pretrain.num_evals: a positive integer is required, found 0"),
    ("pretrain.limit=0", "pretrain.limit: a positive number is required, found 0"),
    ("pretrain.loss_on=answer", "pretrain.loss_on: one of 'response', 'document' is required, found 'answer'"),
    ("+pretrain.num_step=3", "pretrain.num_step: unknown argument of pretrain (did you mean 'num_steps'?)"),
    ("pretrain=null", "pretrain: a mapping of names to values is required, found null"),
    ("~pretrain.objective", "pretrain.objective: a mapping of names to values is required, found nothing"),
    ("finetune.spacing=logarithmic", "finetune.spacing: one of 'linear', 'log' is required"),
    ("finetune.prefixes=some", "finetune.prefixes: one of 'sampled', 'all' is required, found 'some'"),
    (
        "finetune.controls=identity",
        "finetune.controls: a list without repeats is required, found 'identity'; write [identity]",
    ),
    ("finetune.controls=[identity,identity]", "finetune.controls: a list without repeats is required, found ["),
    (
        "finetune.controls=[idntity]",
        "finetune.controls[0]: one of 'identity', 'carried', 'linearised' is required, found 'idntity' (did you",
    ),
    ("+finetune.limit=0.1", "finetune.limit: unknown argument of finetune"),
    ("+_target_=os.system", "_target_: not allowed here; write kind: <name> plus arguments"),
    ("+grammar._target_=os.system", "grammar._target_: not allowed here; write kind: <name> plus arguments"),
    ("+pretrain.optimizer._target_=os.system", "pretrain.optimizer._target_: not allowed here"),
    ("+grammar.styles._target_=os.system", "grammar.styles._target_: not allowed here"),
    ("restriction=regular restriction.dfa=[{_target_:x}]", "restriction.dfa[0]._target_: not allowed here"),
]


@pytest.mark.parametrize(("overrides", "line"), REFUSED, ids=[overrides for overrides, _ in REFUSED])
def test_a_wrong_leaf_is_refused_in_one_line(overrides: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.running.build.construct", lambda *_: pytest.fail("something was built"))
    with pytest.raises(SpecificationError) as refusal:
        settings(compose(*overrides.split()))
    said = str(refusal.value)
    assert said.startswith(line)
    assert "\n" not in said
    assert len(said) < 300


def leaves(node: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(node, dict):
        return [leaf for key, value in node.items() for leaf in leaves(value, (*place, key))]
    return [place]


DEFAULT = compose()
LEAVES = leaves(DEFAULT)
ANYTHING_GOES = {("restriction", "keep"), ("outputs",)}  # any name may be a style's, or a folder's


def replaced(place: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    config = copy.deepcopy(DEFAULT)
    node = config
    for part in place[:-1]:
        node = node[part]
    node[place[-1]] = value
    return config


@pytest.mark.parametrize("place", LEAVES, ids=lambda place: ".".join(map(str, place)))
def test_no_leaf_takes_nonsense(place: tuple[str | int, ...]) -> None:
    """Each leaf of the default configuration, set to things that nobody can mean."""
    for nonsense in ({"x": [1]}, [[]], [{"a": 1}], float("nan"), "_no such thing_"):
        if place in ANYTHING_GOES and isinstance(nonsense, str):
            continue
        with pytest.raises(SpecificationError) as refusal:
            settings(replaced(place, nonsense))
        said = str(refusal.value)
        assert said.startswith(".".join(map(str, place))), f"{nonsense}: {said}"
        assert "\n" not in said


@pytest.mark.parametrize("place", LEAVES, ids=lambda place: ".".join(map(str, place)))
def test_a_misspelt_leaf_gets_the_nearest_name(place: tuple[str | int, ...]) -> None:
    *above, name = place
    if above == ["grammar", "styles"]:
        return  # names of styles are looked up by the constructor, which knows them
    config = copy.deepcopy(DEFAULT)
    node = config
    for part in above:
        node = node[part]
    misspelt = f"{name[0]}{name[2]}{name[1]}{name[3:]}" if len(name) > 3 and name[1] != name[2] else f"{name}z"
    node[misspelt] = node.pop(name)
    with pytest.raises(
        SpecificationError, match=r"unknown argument of|one of .* is required, found nothing"
    ) as refusal:
        settings(config)
    said = str(refusal.value)
    assert name == "kind" or said.startswith(f"{'.'.join(map(str, [*above, misspelt]))}: "), said
    assert name in ("b1", "b2", "eps", "kind") or f"did you mean '{name}'?" in said, said
