"""What the examples of other trainers share: worlds, arms and batches, each by a second route or a hand count."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.exam.building import frozen
from sim.exam.exporting import export
from sim.exam.tokens import Tokens
from sim.metrics.divergence import kl
from sim.metrics.scored import TrieView, known
from tests.trainer_kit import kit

NAMES = ("english_small@1", "prompt_answers_small@1")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    top = tmp_path_factory.mktemp("worlds")
    return {name: export(frozen(name), top / name, 5, 5) for name in (*NAMES, "brackets_small@1")}


def arm(**settings: Any) -> Any:
    return kit.Arm("a", **({"steps": 50, "batch": 16} | settings))


# -- worlds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_ids_and_laws_are_those_of_the_world(name: str, folders: dict[str, Path]) -> None:
    world, truth = kit.read_world(folders[name]), frozen(name)
    rows = Tokens.of(truth.p.vocabulary).rows(truth.p.trie.strings)
    assert np.array_equal(world.ids, rows[:, : world.ids.shape[1]])
    assert np.array_equal(world.given, truth.p.prompts.length + 1)
    np.testing.assert_allclose(np.exp(world.log_s), np.exp(truth.s.log_p), atol=1e-12)
    random = np.random.default_rng(0)
    log_q = truth.p.answers + random.normal(size=len(world.ids))
    view = TrieView.of(truth.p.trie, truth.p.prompts, "response")
    p = known(truth.p, view)
    assert world.kl(log_q) == pytest.approx(kl(p.log_q, log_q, p.log_weights(truth.p.prompts.log_p)), abs=1e-12)


def test_what_is_scored_is_the_answer_and_its_end(folders: dict[str, Path]) -> None:
    world = kit.read_world(folders[NAMES[0]])
    for row, one in enumerate(world.documents):
        words = (one["prompt"] + one["completion"]).split()
        assert world.scored[row].sum() == len(one["completion"].split()) + 1
        assert world.whole[row].sum() == len(words) + 1
        assert world.ids[row, 1:][world.scored[row]][-1] == world.special["end"]


def test_a_world_without_prompts_is_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(kit.Refused, match="a world with prompts is required, found brackets_small@1 without"):
        kit.read_world(folders["brackets_small@1"])


@pytest.mark.parametrize("name", ["exam.json", "documents.jsonl", "tokenizer/tokenizer.json", "world.safetensors"])
def test_a_folder_that_is_no_world_is_refused(name: str, tmp_path: Path) -> None:
    export(frozen("prompt_answers_small@1"), tmp_path / "world", 5, 5)
    (tmp_path / "world" / name).unlink()
    with pytest.raises(kit.Refused, match=f"found no {name}"):
        kit.read_world(tmp_path / "world")


# -- arms -------------------------------------------------------------------------------------------------------------

CHANGED = {
    "finetune.rate": ("finetune", "rate", 0, "finetune.rate: a number above 0"),
    "finetune.steps": ("finetune", "steps", True, "finetune.steps: a whole number of at least 1"),
    "finetune.rat": ("finetune", "rat", 1.0, "one of the keys steps, batch, rate, warmup, every is required"),
    "arms": ("arms", "large", 3, "arms.large: a mapping is required, found 3"),
    "annotator": ("arms", "large", {"annotator": "mode"}, "sampled, one or likeliest is required, found 'mode'"),
    "replay": ("arms", "large", {"replay": 1.0}, "a share from 0 to below 1"),
    "edit": ("edits", "cut", {"about": "x", "of": "lrage", "rank": 1}, "edits.cut.of: one of small"),
    "edit without a rank": ("edits", "cut", {"about": "x", "of": "large"}, "edits.cut: the key rank is required"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGED)
def test_a_wrong_file_of_arms_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    part, key, value, wanted = CHANGED[name]
    found = json.loads(kit.ARMS.read_text("utf-8"))
    found[part][key] = value
    (tmp_path / "arms.json").write_text(json.dumps(found), "utf-8")
    with pytest.raises(kit.Refused) as refused:
        kit.read_arms(tmp_path / "arms.json")
    assert wanted in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("text", "wanted"), [("{", "JSON is required"), ("[]", "format 1"), (None, "no such file")])
def test_what_is_no_file_of_arms_is_refused(text: str | None, wanted: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "arms.json").write_text(text, "utf-8")
    with pytest.raises(kit.Refused, match=wanted):
        kit.read_arms(tmp_path / "arms.json")


def test_the_digest_is_of_what_decides_and_not_of_words(tmp_path: Path) -> None:
    found = json.loads(kit.ARMS.read_text("utf-8"))
    found["arms"]["large"]["about"] = "other words"
    found["pretrain"]["steps"] = 7
    (tmp_path / "arms.json").write_text(json.dumps(found), "utf-8")
    assert kit.read_arms(tmp_path / "arms.json").digest == kit.read_arms().digest
    found["finetune"]["every"] = 11
    (tmp_path / "arms.json").write_text(json.dumps(found), "utf-8")
    assert kit.read_arms(tmp_path / "arms.json").digest != kit.read_arms().digest


# -- data -------------------------------------------------------------------------------------------------------------


def by_prompt(world: Any, law: np.ndarray) -> dict[str, list[tuple[float, int]]]:
    found: dict[str, list[tuple[float, int]]] = {}
    for row, one in enumerate(world.documents):
        found.setdefault(one["prompt"], []).append((float(law[row]), row))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_targets_of_arms(name: str, folders: dict[str, Path]) -> None:
    world = kit.read_world(folders[name])
    s = [0.0 if one["log_s"] is None else math.exp(one["log_s"]) for one in world.documents]
    plain, half = kit.target(world, arm(), 0), kit.target(world, arm(prompts="half"), 0)
    np.testing.assert_allclose(plain, s, atol=1e-15)
    for at, (prompt, pairs) in enumerate(by_prompt(world, half).items()):
        kept = [s[row] for _, row in pairs]
        assert (math.fsum(value for value, _ in pairs) > 0) == (at % 2 == 0), prompt
        if at % 2 == 0:
            whole = math.fsum(value for value, _ in pairs)
            assert [value for value, _ in pairs] == pytest.approx([whole * one / math.fsum(kept) for one in kept])
    for annotator in ("one", "likeliest"):
        law = kit.target(world, arm(prompts="half", annotator=annotator), 0)
        assert law.sum() == pytest.approx(1.0)
        for pairs in list(by_prompt(world, law).values())[::2]:
            given = [row for value, row in pairs if value > 0]
            assert len(given) == 1
            assert s[given[0]] > 0
            if annotator == "likeliest":
                assert s[given[0]] == max(s[row] for _, row in pairs)
    mixed = kit.target(world, arm(replay=0.25), 0)
    p = [math.exp(one["log_p"]) for one in world.documents]
    assert mixed.tolist() == pytest.approx([0.75 * a + 0.25 * b for a, b in zip(s, p, strict=True)])


def test_one_drawn_answer_depends_on_the_seed(folders: dict[str, Path]) -> None:
    world = kit.read_world(folders[NAMES[0]])
    drawn = {tuple(np.flatnonzero(kit.target(world, arm(annotator="one"), seed))) for seed in range(8)}
    assert len(drawn) > 4


def test_even_batches_hold_every_document_as_often_as_its_law_says(folders: dict[str, Path]) -> None:
    law = kit.target(kit.read_world(folders[NAMES[0]]), arm(), 0)
    rows = kit.batches(law, arm(targets="even", batch=64), 0)
    counts = np.stack([np.bincount(one, minlength=len(law)) for one in rows])
    assert (np.abs(counts - 64 * law) < 1).all()
    assert len(np.unique(counts, axis=0)) > 10  # the start is random
    np.testing.assert_allclose(counts.mean(axis=0), 64 * law, atol=5 * 0.5 / math.sqrt(len(rows)))


def test_sampled_batches_follow_the_law_and_switch(folders: dict[str, Path]) -> None:
    law = kit.target(kit.read_world(folders[NAMES[0]]), arm(), 0)
    rows = kit.batches(law, arm(steps=400, batch=64), 0)
    freely = np.bincount(rows.ravel(), minlength=len(law)) / rows.size
    assert (np.abs(freely - law) <= 5 * np.sqrt(law * (1 - law) / rows.size)).all()
    switched = kit.batches(law, arm(steps=400, batch=64, switch=100), 0)
    assert np.array_equal(switched[:100], rows[:100])
    counts = np.stack([np.bincount(one, minlength=len(law)) for one in switched])
    even = (np.abs(counts - 64 * law) < 1).all(axis=1)
    assert even[100:].all()
    assert not even[:100].any()


def test_no_batch_has_a_document_without_probability() -> None:
    law = np.array([0.0, 0.5, 0.0, 0.5, 0.0])
    assert set(kit.batches(law, arm(steps=300), 1).ravel()) == {1, 3}


def test_the_rate_rises_then_falls_to_zero() -> None:
    assert [kit.rate_at(step, 4, 2) for step in (0, 1, 2, 3)] == pytest.approx([0.5, 1.0, 1.0, 0.5])
    assert kit.rate_at(4, 4, 2) == pytest.approx(0.0)


def test_a_truncated_change_is_the_best_of_its_rank() -> None:
    """The error of the best approximation is the root of the sum of the smaller eigenvalues of ΔᵀΔ (Eckart, Young)."""
    random = np.random.default_rng(0)
    before = {"matrix": random.normal(size=(7, 5)), "vector": random.normal(size=5)}
    after = {name: one + random.normal(size=one.shape) for name, one in before.items()}
    found = kit.truncated(before, after, 2)
    change, kept = after["matrix"] - before["matrix"], found["matrix"] - before["matrix"]
    assert np.linalg.matrix_rank(kept) == 2
    small = np.sort(np.linalg.eigvalsh(change.T @ change))[:-2]
    assert np.linalg.norm(change - kept) == pytest.approx(math.sqrt(small.sum()))
    np.testing.assert_allclose(found["vector"], after["vector"])
    np.testing.assert_allclose(kit.truncated(before, after, 5)["matrix"], after["matrix"])


def test_evaluations_end_with_the_last_step() -> None:
    assert list(kit.evaluations(arm(steps=25, every=10))) == [10, 20, 25]
    assert list(kit.evaluations(arm(steps=20, every=10))) == [10, 20]


def test_a_folder_is_handed_in_once(tmp_path: Path, folders: dict[str, Path]) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(kit.Refused, match="a new folder is required"):
        kit.HandIn(tmp_path / "there", kit.read_world(folders[NAMES[0]]), kit.read_arms(), "torch", 0)
