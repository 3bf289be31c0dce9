"""Canonical settings, the identity of a run, and the run that is built."""

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.config.discovery import Member
from sim.disk.records import NOT_CONTENT, run_hash
from sim.numerics import SpecificationError
from sim.objectives.replay import Replay
from sim.optimizers.sgd import Sgd
from sim.running import identity as identities
from sim.running.build import build, settings, world
from sim.running.identity import identity, pretraining_key
from tests.composed import ROOT, compose

DEFAULT = compose("scale=smoke")
LISTED = ("grammar=file", f"grammar.path={ROOT}/examples/grammars/strings.yaml", "restriction=everything")


def changed(*path_and_value: Any) -> dict[str, Any]:
    *path, name, value = path_and_value
    config = copy.deepcopy(DEFAULT)
    node = config
    for part in path:
        node = node[part]
    node[name] = value
    return config


def hash_of(config: dict[str, Any]) -> str:
    return run_hash(settings(config))


# -- canonical --------------------------------------------------------------------------------------------------------


def test_settings_are_canonical() -> None:
    once = settings(DEFAULT)
    assert settings(once) == once, "settings of settings are the same settings"
    assert settings(json.loads(json.dumps(once))) == once, "as they are read back from a record"
    assert repr(settings(copy.deepcopy(DEFAULT))) == repr(once)


def test_the_configuration_given_is_left_alone() -> None:
    before = copy.deepcopy(DEFAULT)
    build(settings(DEFAULT | {"grammar": {"kind": "english", "num_prompts": 1}}))
    assert before == DEFAULT


@pytest.mark.parametrize(
    "same",
    [
        ("model", "width", 64.0),
        ("grammar", "zipf", 1),
        ("grammar", "num_prompts", 12.0),
        ("optimizer", "weight_decay", 0),
        ("optimizer", "weight_decay", -0.0),
        ("optimizer", "learning_rate", "1e-3"),
        ("optimizer", "eps", "1E-8"),
        ("optimizer", "warmup", 0.0),
        ("pretrain", "num_steps", 20.0),
        ("seed", 0.0),
        ("name", "another"),
        ("outputs", "elsewhere"),
        ("finetune", "prefixes", "sampled"),
        ("restriction", "keep_prompts", False),
    ],
    ids=repr,
)
def test_how_a_value_is_written_does_not_matter(same: tuple[Any, ...]) -> None:
    assert hash_of(changed(*same)) == hash_of(DEFAULT)


@pytest.mark.parametrize(
    "omitted",
    [
        ("grammar", "swing"),
        ("grammar", "styles"),
        ("model", "tied"),
        ("objective", "targets"),
        ("optimizer", "b1"),
        ("pretrain", "limit"),
        ("pretrain", "objective", "targets"),
        ("finetune", "spacing"),
        ("restriction", "keep_prompts"),
    ],
    ids=".".join,
)
def test_an_omitted_default_is_the_default(omitted: tuple[str, ...]) -> None:
    config = copy.deepcopy(DEFAULT)
    node = config
    for part in omitted[:-1]:
        node = node[part]
    del node[omitted[-1]]
    assert hash_of(config) == hash_of(DEFAULT)


def test_order_of_keys_does_not_matter() -> None:
    def turned(node: Any) -> Any:
        return {key: turned(node[key]) for key in reversed(node)} if isinstance(node, dict) else node

    assert hash_of(turned(DEFAULT)) == hash_of(DEFAULT)


def leaves(node: Any, place: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    if isinstance(node, dict):
        return [leaf for key, value in node.items() for leaf in leaves(value, (*place, key))]
    return [(place, node)]


OTHER = {"linear": "log", "log": "linear", "document": "response", "response": "document", "exact": "sampled",
         "sampled": "all", "constant": "linear", "cosine": "linear", "assistant": "plain",
         "nature": "home", "string": "token", "full": "laws"}  # fmt: skip


def another(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return OTHER[value]
    if isinstance(value, list):
        return [] if value else ["tangent"]
    if value is None:  # an entropy that is not set
        return 5.0
    return value + 1 if isinstance(value, int) else value / 2 + 0.013


def test_any_other_change_is_another_run() -> None:
    hashes = {hash_of(DEFAULT)}
    places = [
        (place, value)
        for place, value in leaves(settings(DEFAULT))
        if place[0] not in NOT_CONTENT and place[-1] != "kind"
    ]
    assert len(places) >= 45
    for place, value in places:
        hashes.add(hash_of(changed(*place, another(value))))
    assert len(hashes) == 1 + len(places)


def test_a_default_may_be_written_out_in_full() -> None:
    assert hash_of(settings(DEFAULT)) == hash_of(DEFAULT)


def test_names_of_states_may_be_numbers() -> None:
    rows = {1: {"what": "end"}, "end": {}}
    regular = {"kind": "regular", "dfa": {"start": 1, "accept": ["end"], "transitions": rows}}
    chosen = settings(DEFAULT | {"restriction": regular})
    assert chosen["restriction"]["dfa"]["transitions"] == {"1": {"what": "end"}, "end": {}}
    assert len(run_hash(chosen)) == 12


# -- identity ---------------------------------------------------------------------------------------------------------


def test_an_edited_grammar_file_is_another_run(tmp_path: Path) -> None:
    file = tmp_path / "grammar.yaml"
    file.write_text("type: strings\nstrings: {a: 1/2, b: 1/2}\n", encoding="utf-8")
    asked = DEFAULT | {"grammar": {"kind": "file", "path": str(file)}, "restriction": {"kind": "everything"}}
    chosen = settings(asked)
    first = identity(chosen)
    file.write_text("type: strings\nstrings: {a: 1/4, b: 3/4}\n", encoding="utf-8")
    assert identity(settings(asked)) != first
    file.unlink()
    with pytest.raises(SpecificationError, match="no such file"):
        settings(asked)
    assert identity(chosen) == identity(settings(chosen)) == first
    np.testing.assert_allclose(np.exp(build(chosen)[0].p.log_p), [0.5, 0.5])


def test_a_foreign_format_is_read_from_its_text_alone(tmp_path: Path) -> None:
    file = tmp_path / "counts.pcfg"
    file.write_text("S -> 'a' [3] | 'b' [1]\n", encoding="utf-8")
    grammar = {"kind": "file", "path": str(file), "normalise": True}
    chosen = settings(DEFAULT | {"grammar": grammar, "restriction": {"kind": "everything"}})
    file.unlink()
    np.testing.assert_allclose(np.exp(build(chosen)[0].p.log_p), [0.75, 0.25])


def test_without_a_temperature_a_data_set_keeps_the_hash_that_it_had_before_there_was_any() -> None:
    node = {"kind": "answers", "num_answers": 2}
    more = {"annotator": "tempered", "temperature": 0.5}
    plain, said, other, endless = (
        settings(DEFAULT | {"restriction": node | one})
        for one in ({}, {"temperature": None}, more, {"num_answers": None})
    )
    assert set(plain["restriction"]) == {"kind", "num_answers", "num_prompts", "annotator", "seed"}
    assert identity(plain) == identity(said) == identity(settings(plain))
    assert len({identity(plain), identity(other), identity(endless)}) == 3
    assert settings(other)["restriction"] == other["restriction"]


def test_with_exact_targets_self_replay_keeps_the_hash_that_it_had_before_there_were_others() -> None:
    plain, said, other = (
        settings(DEFAULT | {"objective": {"kind": "self_replay", "weight": 0.1} | one})
        for one in ({}, {"targets": "exact"}, {"targets": "sampled"})
    )
    assert set(plain["objective"]) == {"kind", "weight"}
    assert identity(plain) == identity(said) == identity(settings(plain)) != identity(other)


def test_without_weights_a_run_keeps_the_hash_that_it_had_before_there_were_any(tmp_path: Path) -> None:
    file = tmp_path / "grammar.yaml"
    file.write_text("type: strings\nstrings: {a: 1/2, b: 1/2}\n", encoding="utf-8")
    plain, said, other = (
        settings(
            DEFAULT | {"grammar": {"kind": "file", "path": str(file)} | more, "restriction": {"kind": "everything"}}
        )
        for more in ({}, {"normalise": False}, {"normalise": True})
    )
    assert set(plain["grammar"]) == {"kind", "path", "length", "max_strings", "renormalise", "text"}
    assert identity(plain) == identity(said) == identity(settings(plain)) != identity(other)


@pytest.mark.parametrize(
    "text", ["type: strings\nstrings: {a: 1/2, é: 1/2}\n", "\ufefftype: strings\r\nstrings: {a: 1}\r\n"]
)
def test_the_hash_of_a_grammar_file_is_that_of_its_bytes(text: str, tmp_path: Path) -> None:
    file = tmp_path / "grammar.yaml"
    file.write_bytes(text.encode())
    chosen = settings(DEFAULT | {"grammar": {"kind": "file", "path": str(file)}, "restriction": {"kind": "everything"}})
    found = identities.grammar_file(chosen)
    assert found is not None
    assert found["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "text" not in identities.without_text(chosen)["grammar"]


def test_without_a_file_the_identity_is_that_of_the_settings() -> None:
    chosen = settings(DEFAULT)
    assert identity(chosen) == run_hash(chosen)


# -- what is built ----------------------------------------------------------------------------------------------------


def test_each_phase_gets_its_own_recipe() -> None:
    overrides = ("objective=replay", "objective.weight=0.25", "optimizer=sgd", "optimizer.learning_rate=0.5",
                 "finetune.num_steps=7", "finetune.batch_size=3", "seed=5", "model=tabular_trie")  # fmt: skip
    run, notes = build(settings(compose("scale=smoke", *LISTED, *overrides)))
    assert run.seed == 5
    assert notes == {"dropped_mass": 0.0}
    assert run.finetune.objective == Replay(0.25, "exact")
    assert isinstance(run.finetune.optimizer, Sgd)
    assert (run.finetune.optimizer.learning_rate, run.pretrain.optimizer.learning_rate) == (0.5, 0.005)
    assert (run.finetune.num_steps, run.finetune.batch_size, run.finetune.loss_on) == (7, 3, "response")
    assert (run.pretrain.num_steps, run.pretrain.batch_size, run.pretrain.loss_on) == (20, 32, "document")
    assert (run.finetune.steps[0], run.finetune.steps[-1]) == (0, 7)
    assert list(run.pretrain.steps) == [0, 10, 20]
    assert (run.pretrain.whole_support, run.finetune.whole_support) == (False, False)
    assert run.controls == ("identity",)
    assert run.model.length == run.p.length
    assert run.model.vocab_size == len(run.p.vocabulary)


def test_whole_support_and_no_controls() -> None:
    chosen = settings(compose("scale=smoke", *LISTED, "finetune.prefixes=all", "finetune.controls=[]"))
    run, _ = build(chosen)
    assert (run.pretrain.whole_support, run.finetune.whole_support) == (False, True)
    assert run.controls == ()


def test_a_world_is_the_same_every_time() -> None:
    grammar = settings(compose("grammar=styles_content"))["grammar"]
    (one, _), (other, _) = world(grammar), world(grammar)
    np.testing.assert_array_equal(one.trie.strings, other.trie.strings)
    np.testing.assert_array_equal(one.log_p, other.log_p)


MISFITS = [
    # overrides, the beginning of the line, what it has to name
    ("restriction.keep=asistant", "restriction", "(did you mean 'assistant'?)"),
    ("restriction=style_blind restriction.like=nobody", "restriction", "found 'nobody'"),
    ("grammar=file grammar.path=PATH/strings.yaml", "restriction", "a language with styles is required"),
    ("grammar=file grammar.path=PATH/sttrings.yaml", "grammar", "(did you mean 'strings.yaml'?)"),
    ("grammar=file grammar.path=PATH/markov.yaml", "grammar", "length is required"),
    ("grammar=file grammar.path=PATH/markov.yaml grammar.length=1", "grammar", "length"),
    ("grammar=file grammar.path=PATH/markov.yaml grammar.length=8 grammar.max_strings=5", "grammar", "max_strings"),
    ("restriction=regular restriction.pattern=what", "restriction", "P(A) must be positive, found 0"),
    (
        "restriction=regular restriction.pattern=wat",
        "restriction",
        "a symbol of the language is required, found 'wat' (did you mean 'what'?)",
    ),
    ("restriction=regular restriction.pattern=null", "restriction", "exactly one of pattern and dfa is required"),
    ("grammar.styles={plain:0.5}", "grammar", "1"),
    ("+grammar.styles.plian=1", "grammar", "(did you mean 'plain'?)"),
    ("model.heads=3", "model", "3"),
    ("objective.switch=300", "objective", "less than num_steps (300) is required, found 300"),
    ("objective.switch=2.5", "objective", "a positive whole number or null is required, found 2.5"),
    ("objective.sharpness=-1", "objective", "a non-negative number"),
    ("optimizer.clip=0", "optimizer", "a positive number or null"),
    ("optimizer.clip=.inf", "optimizer", "a positive number or null"),
    ("optimizer.average=1.5", "optimizer", "a number from 0 to 1"),
    ("optimizer=finch optimizer.ceiling=0.5", "optimizer", "a number of at least 1"),
    ("optimizer=finch optimizer.smoothing=1", "optimizer", "a number from 0 to 1, 1 excluded,"),
    ("optimizer=muon optimizer.momentum=1", "optimizer", "a number from 0 to 1, 1 excluded,"),
    (
        "optimizer.average=0.5 finetune.controls=[carried]",
        "finetune.controls",
        "Adam with average 0.5 after Adam; leave carried out,",
    ),
]


@pytest.mark.parametrize(("overrides", "place", "names"), MISFITS, ids=[misfit[0] for misfit in MISFITS])
def test_what_does_not_fit_the_language_is_refused_in_one_line(overrides: str, place: str, names: str) -> None:
    words = overrides.replace("PATH", str(ROOT / "examples" / "grammars")).split()
    config = compose("grammar.num_prompts=1" if "grammar=" not in overrides else "seed=0", *words)
    with pytest.raises(SpecificationError) as refusal:
        build(settings(config))
    said = str(refusal.value)
    assert said.startswith((f"{place}:", f"{place}."))
    assert names in said
    assert "\n" not in said


# -- the entropy dial -------------------------------------------------------------------------------------------------


def test_the_dial_sets_the_entropy_of_p() -> None:
    chosen = settings(compose("grammar=styles_content", "restriction.keep=z1", "dial.entropy=6.5"))
    run, notes = build(chosen)
    assert run.p.entropy() == pytest.approx(6.5, abs=1e-9)
    plain, _ = build(settings(compose("grammar=styles_content", "restriction.keep=z1")))
    weights = plain.p.log_p / notes["temperature"]
    np.testing.assert_allclose(run.p.log_p, weights - np.log(np.exp(weights).sum()), atol=1e-12)
    inside = run.restricted.event
    np.testing.assert_allclose(np.exp(run.restricted.s.log_p[inside]).sum(), 1.0, atol=1e-12)


def test_the_dial_can_keep_the_law_of_prompts() -> None:
    chosen = settings(compose("grammar.num_prompts=3", "dial.entropy=4.0", "dial.keep_prompts=true"))
    run, _ = build(chosen)
    plain, _ = build(settings(compose("grammar.num_prompts=3")))
    np.testing.assert_allclose(np.exp(run.p.prompts.log_p), np.exp(plain.p.prompts.log_p), atol=1e-12)
    answers = run.p.entropy() + float(np.exp(run.p.prompts.log_p) @ run.p.prompts.log_p)
    assert answers == pytest.approx(4.0, abs=1e-9)


def test_the_dial_is_part_of_what_a_run_is() -> None:
    plain, again, other = (
        settings(compose(*overrides)) for overrides in ((), ("dial.per=string",), ("dial.entropy=7",))
    )
    assert identity(plain) == identity(again) != identity(other)
    assert pretraining_key(plain) == pretraining_key(again) != pretraining_key(other)


def test_an_entropy_out_of_reach_is_refused_with_the_range() -> None:
    with pytest.raises(
        SpecificationError, match=r"^dial.entropy: .* lie between 0 and 8\.3\d* nats per string, found 99"
    ):
        build(settings(compose("dial.entropy=99")))


# -- restrictions that add strings to those of P ----------------------------------------------------------------------


def test_noise_lists_all_languages_of_a_run_together() -> None:
    steps = "[{kind: style, keep: plain}, {kind: noise, rate: 0.1}]"
    noisy = settings(compose("grammar.num_prompts=1", "restriction=in_turn", f"restriction.steps={steps}"))
    run, _ = build(noisy)
    plain, _ = build(settings(compose("grammar.num_prompts=1")))
    assert run.p.trie is run.restricted.s.trie
    assert run.p.trie.num_strings > plain.p.trie.num_strings
    assert run.p.entropy() == pytest.approx(plain.p.entropy(), rel=1e-12)
    assert run.model.vocab_size == plain.model.vocab_size


def test_pretrainings_are_shared_where_the_strings_are_the_same() -> None:
    """A restriction that adds strings has a pretraining of its own, wherever in a chain it stands."""
    one = pretraining_key(settings(compose("restriction=everything")))
    assert one == pretraining_key(settings(compose("restriction=style")))
    noisy = settings(compose("restriction=noise"))
    chain = settings(compose("restriction=in_turn", "restriction.steps=[{kind: everything}, {kind: noise}]"))
    assert len({one, pretraining_key(noisy), pretraining_key(chain)}) == 3
    tamer = settings(compose("restriction=noise", "restriction.rate=0.2"))
    assert pretraining_key(noisy) != pretraining_key(tamer)


@pytest.mark.parametrize(
    ("group", "kind"), [("grammar", "english"), ("model", "transformer"), ("objective", "sft"), ("optimizer", "adam")]
)
def test_a_pretraining_with_an_edited_member_is_another_one(
    group: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(compose("experiment=demo"))
    before, run = pretraining_key(chosen), identity(chosen)
    plain = identities.member_digest

    def edited(one: Member) -> str:
        return plain(one) + "edited" * ((one.kind, one.name) == (group, kind))

    monkeypatch.setattr(identities, "member_digest", edited)
    assert pretraining_key(chosen) != before
    assert identity(chosen) == run, "the record says what was edited; the run keeps its name"


def test_an_edited_restriction_keeps_the_pretraining(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = settings(compose("experiment=demo"))
    before, plain = pretraining_key(chosen), identities.member_digest
    monkeypatch.setattr(
        identities, "member_digest", lambda one: plain(one) + "edited" * (one.kind in ("restriction", "probe"))
    )
    assert pretraining_key(chosen) == before
