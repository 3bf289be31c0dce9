"""The Python interface: the same runs as the commands, and what a result offers to a notebook."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

import sim
from sim.interface.result import Result
from sim.numerics import SpecificationError
from sim.running.build import settings
from sim.running.identity import target
from tests.composed import ROOT, compose

TINY: dict[str, Any] = {
    "grammar": {"kind": "styles_content", "num_prompts": 2, "answer_length": 2},
    "model": "tabular_trie",
    "scale": "smoke",
    "pretrain": {"num_steps": 6, "limit": 100.0},
    "finetune": {"num_steps": 6},
    "progress": False,
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def result(outputs: Path) -> Result:
    return sim.simulate(**TINY, restriction={"kind": "style", "keep": "z0"}, seed=1, outputs=outputs)


# -- a run is a run ---------------------------------------------------------------------------------------------------


def test_the_same_settings_are_the_same_run_as_with_the_command(result: Result, outputs: Path) -> None:
    words = (
        "grammar=styles_content", "grammar.num_prompts=2", "grammar.answer_length=2", "model=tabular_trie",
        "scale=smoke", "pretrain.num_steps=6", "pretrain.limit=100", "finetune.num_steps=6", "restriction=style",
        "restriction.keep=z0", "seed=1", f"outputs={outputs}",
    )  # fmt: skip
    assert target(settings(compose(*words))) == result.folder


def test_a_finished_run_is_read_and_not_done_again(result: Result, outputs: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in result.folder.iterdir()}
    again = sim.simulate(**TINY, restriction={"kind": "style", "keep": "z0"}, seed=1, outputs=outputs)
    assert again.folder == result.folder
    assert {file: file.stat().st_mtime_ns for file in again.folder.iterdir()} == before


def test_another_fine_tuning_starts_from_the_same_q0(result: Result) -> None:
    other = result.finetune(restriction={"keep": "z1"}, finetune={"num_steps": 4}, progress=False)
    assert other.folder != result.folder
    assert other.record.config["restriction"] == {**result.record.config["restriction"], "keep": "z1"}
    assert other.record.config["finetune"] == {**result.record.config["finetune"], "num_steps": 4}
    for name, array in result.record.params["pretrain"].items():
        np.testing.assert_array_equal(array, other.record.params["pretrain"][name])
    option = result.finetune(restriction="everything", progress=False)
    assert option.record.config["restriction"] == {"kind": "everything"}
    assert option.record.restricted.event.all()


def test_what_needs_another_pretraining_is_refused(result: Result) -> None:
    with pytest.raises(
        sim.SpecificationError, match=r"^finetune: one of restriction, .*, found 'seed'.*use sim.simulate"
    ):
        result.finetune(seed=3)
    noise = {"kind": "noise", "rate": 0.1}
    with pytest.raises(sim.SpecificationError, match=r"found a restriction that adds strings to P; use sim.simulate"):
        result.finetune(restriction=noise, progress=False)


def test_read_takes_text_and_paths(result: Result, outputs: Path, tmp_path: Path) -> None:
    for place in (result.folder, str(result.folder)):
        assert sim.read(place).hash == result.record.hash
    with pytest.raises(sim.SpecificationError, match=r"the folder of one run is required, such as .*/scratch/"):
        sim.read(outputs / "scratch")
    with pytest.raises(sim.SpecificationError, match=r"found no such folder$"):
        sim.read(tmp_path / "nothing")


# -- what a result offers ---------------------------------------------------------------------------------------------


def test_the_table(result: Result) -> None:
    table = result.table()
    assert table.columns[:4] == ["run", "name", "seed", "phase"]
    assert table["run"].unique().to_list() == [result.record.hash]


@pytest.mark.parametrize("name", ["pretrained", "finetuned", "identity"])
def test_log_prob_is_what_was_recorded(result: Result, name: str) -> None:
    """Two routes: the record's sums along the trie, and the model applied to the text."""
    from sim.metrics.frames import strings_table

    record, model = result.record, result.model(name)
    (phase,) = (phase for phase, one in record.meanings.items() if one.model == name)
    table = strings_table(record, "joint").filter(phase=phase)
    q = table.filter(step=table["step"].max()).sort("index")["q"].to_numpy()
    texts = [record.p.vocabulary.decode(row) for row in record.p.trie.strings]
    np.testing.assert_allclose(model.log_prob(texts), np.log(q), rtol=1e-5, atol=1e-5)
    lengths = record.p.prompts.length
    for row, length, text in zip(record.p.trie.strings[:3], lengths, texts, strict=False):
        prompt, answer = (record.p.vocabulary.decode(part) for part in (row[:length], row[length:]))
        given = model.log_prob([answer], prompt=prompt)
        np.testing.assert_allclose(given + _prompt(model, prompt), model.log_prob([text]), rtol=1e-6)


def _prompt(model: Any, prompt: str) -> float:
    """log q of a prompt, from the chain rule: that of any document less that of its answer."""
    tokens = model.vocabulary.tokens(prompt, "prompt")
    rows = jnp.zeros((1, model.bound.length), jnp.int32).at[0, : len(tokens)].set(jnp.array(tokens))
    log_q = np.asarray(model.bound.next_log_probs(rows), np.float64)[0]
    return float(sum(log_q[t, token] for t, token in enumerate(tokens)))


def test_samples_follow_the_model(result: Result) -> None:
    record, model = result.record, result.model("pretrained")
    texts = [record.p.vocabulary.decode(row) for row in record.p.trie.strings]
    prompt = record.p.vocabulary.decode(record.p.trie.strings[0, : record.p.prompts.length[0]])
    assert model.sample(4, prompt=prompt, seed=2) == model.sample(4, prompt=prompt, seed=2)
    assert model.sample(4, prompt=prompt, seed=2) != model.sample(4, prompt=prompt, seed=3)
    answers = model.sample(4000, prompt=prompt)
    own = [text.removeprefix(f"{prompt} ") for text in texts if text.startswith(f"{prompt} ")]
    q = np.exp(model.log_prob(own, prompt=prompt))
    found = np.array([answers.count(answer) for answer in own]) / len(answers)
    assert np.abs(found - q).max() < 5 * np.sqrt(q.max() / len(answers))
    whole = model.sample(2000)
    assert abs(sum(text.startswith(prompt) for text in whole) / 2000 - np.exp(_prompt(model, prompt))) < 0.06


def test_a_decoded_model_transforms_every_law(result: Result) -> None:
    """Against next-token laws that are raised to a power, or cut, one by one; and its samples follow it."""
    model = result.model("finetuned")
    record = result.record
    row = next(row for row in record.p.trie.strings if row[-2])
    start = int(record.p.vocabulary.prompt_length(row[None])[0])
    prompt, answer = (record.p.vocabulary.decode(part) for part in (row[:start], row[start:]))
    laws = np.exp(np.asarray(model.bound.next_log_probs(jnp.asarray(row[None])), np.float64))[0]
    warm = cut = 0.0
    for t in range(start, len(row)):
        powers = laws[t] ** (1 / 1.7)
        warm += np.log(powers[row[t]] / powers.sum())
        best = np.sort(powers)[-2:]
        cut += np.log(powers[row[t]] / best.sum()) if powers[row[t]] >= best[0] else -np.inf
    assert model.decoded(temperature=1.7).log_prob([answer], prompt)[0] == pytest.approx(warm, rel=1e-5)
    both = model.decoded(temperature=1.7, top_k=2)
    assert both.log_prob([answer], prompt)[0] == pytest.approx(cut, rel=1e-5)
    assert both.rules == model.decoded(temperature=1.7).decoded(top_k=2).rules
    hot = model.decoded(temperature=1.7)
    answers = hot.sample(4000, prompt=prompt)
    own = sorted(set(answers))[:40]
    q = np.exp(hot.log_prob(own, prompt=prompt))
    found = np.array([answers.count(one) for one in own]) / len(answers)
    assert np.abs(found - q).max() < 5 * np.sqrt(q.max() / len(answers))
    assert len(set(model.decoded(temperature=0).sample(20, prompt=prompt))) == 1, "greedy"


@pytest.mark.parametrize(
    ("given", "words"),
    [({}, "decoded: at least one of temperature, top_k, top_p, min_p is required, found none"),
     ({"top_k": 1.5}, "top_k: an integer of at least 1 is required, found 1.5"),
     ({"temperature": -1.0}, "temperature: a number of at least 0 is required, found -1.0"),
     ({"top_p": 0.0}, "top_p: a number above 0")],
)  # fmt: skip
def test_a_rule_that_is_none_is_refused(result: Result, given: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        result.model().decoded(**given)


def test_the_conclusions(result: Result) -> None:
    assert repr(result).splitlines()[0] == f"scratch, run {result.record.hash}: style z0"
    assert len(repr(result).splitlines()) == 6
    assert result._repr_html_().startswith("<h1>scratch, run ")


def test_figures(result: Result, outputs: Path) -> None:
    figure = result.figure("styles")
    assert figure._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(
        sim.SpecificationError, match=r"^figure: one of animation, .* found 'style' \(did you mean 'styl"
    ):
        result.figure("style")
    world = {**TINY, "grammar": {"kind": "dyck", "length": 6}}
    plain = sim.simulate(**world, restriction={"kind": "fraction", "share": 0.5}, outputs=outputs)
    with pytest.raises(sim.SpecificationError, match=r"for which this run has numbers is required, found 'styles'$"):
        plain.figure("styles")


def test_a_model_that_is_not_there_is_named(result: Result) -> None:
    with pytest.raises(
        sim.SpecificationError, match=r"^model: one of pretrained, finetuned, identity is required, found"
    ):
        sim.model_of(result.record, "tuned")
    with pytest.raises(sim.SpecificationError, match=r"^prompt 'nothing': unknown symbol 'nothing'"):
        result.model().sample(1, prompt="nothing")


# -- languages and members as objects and files -----------------------------------------------------------------------


def coin(share: float = 0.5) -> sim.FiniteLanguage:
    """Three strings over a and b."""
    vocabulary = sim.Vocabulary(("<eos>", "a", "b"))
    weights = {(1,): share, (1, 2): (1 - share) / 2, (2, 2): (1 - share) / 2}
    strings = np.array([[*symbols, *[0] * (3 - len(symbols))] for symbols in weights])
    return sim.FiniteLanguage.from_strings(vocabulary, strings, np.log(list(weights.values())))


def ends_in_b(language: sim.FiniteLanguage) -> Any:
    """A restriction: the strings that end in b."""
    kept = np.array([language.vocabulary.decode(row).endswith("b") for row in language.trie.strings])
    s, log_mass = language.condition(kept)
    return sim.Restricted(s, s, kept, log_mass)


def test_a_language_given_as_an_object(outputs: Path) -> None:
    objects = {**TINY, "grammar": coin(), "restriction": ends_in_b, "outputs": outputs}
    result = sim.simulate(**objects)
    s = result.record.restricted.s
    kept = [s.vocabulary.decode(row) for row in s.trie.strings[s.log_p > -np.inf]]
    assert kept == ["a b", "b b"]
    assert result.record.config["grammar"]["kind"] == "given"
    assert sim.simulate(**objects).folder == result.folder
    assert sim.simulate(**{**objects, "grammar": coin(0.4)}).folder != result.folder, "its content is part of the run"
    assert sim.read(result.folder).p.support_size == 3, "a record needs the object no more"


def test_a_language_from_a_file(outputs: Path) -> None:
    path = ROOT / "examples" / "grammars" / "strings.yaml"
    result = sim.simulate(**{**TINY, "grammar": path}, restriction={"kind": "fraction", "share": 0.5}, outputs=outputs)
    assert result.record.config["grammar"]["path"] == str(path)


# -- what is public ---------------------------------------------------------------------------------------------------


def test_what_is_public_is_shown() -> None:
    assert {"simulate", "read", "model_of", "Result", "FiniteLanguage"} <= set(dir(sim))
    assert [name for name in dir(sim) if not name.startswith("_") and name not in sim.__all__] == []
    for name in sim.__all__:
        assert getattr(sim, name) is not None
    assert "sim.simulate(grammar=" in str(sim.__doc__)


def test_importing_it_is_quick_and_both_cores_are_used_all_the_same() -> None:
    code = (
        "import sys, sim; assert 'jax' not in sys.modules; import jax;"
        "from sim.pool import cores; from sim.running.environment import prepare;"
        "prepare('/nonexistent/outputs'); assert jax.device_count() == cores();"
        "assert jax.config.jax_compilation_cache_dir == '/nonexistent/outputs/.cache/xla'"
    )
    environment = {"PATH": "/usr/bin", "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr


# -- between the evaluations ------------------------------------------------------------------------------------------


def test_the_kl_of_every_step_has_the_bounds_of_the_table(result: Result) -> None:
    found, last = result.kl_by_step(), result.record.phases["sft"].steps[-1]
    assert found["step"].to_list() == list(range(1, last + 1))
    one = pl.col("metric") == "kl", pl.col("phase") == "sft", pl.col("of") == "S||q", pl.col("view") == "response"
    exact = result.table().filter(*one, pl.col("step") == last)["value"].item()
    end = found.row(-1, named=True)
    assert end["lower"] <= exact <= end["upper"]
    assert result.kl_by_step("identity", "joint")["upper"].min() > 0


def test_what_was_not_watched_is_refused_in_one_line(result: Result) -> None:
    with pytest.raises(SpecificationError, match="phase: one of sft, identity is required, found 'pretrain'"):
        result.kl_by_step("pretrain")
