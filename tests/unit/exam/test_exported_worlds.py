"""An exported world: its bytes, its data, its tokenizer, and the frozen worlds."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import sim
from sim.exam.building import FROZEN, frozen, frozen_worlds, world_of
from sim.exam.exporting import CHUNK, drawn_rows, export
from sim.exam.stored import read_world
from sim.exam.tokens import Tokens
from sim.exam.world import ExamWorld
from sim.export import main
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError
from tests.unit.exam.handed_in import exam_of
from tests.unit.figures.tiny_runs import run

Captured = pytest.CaptureFixture[str]
LARGE = [name for name in frozen_worlds() if "_large@" in name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(frozen("english_small@1"), tmp_path_factory.mktemp("worlds") / "english", 3000, 400)


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def sums(folder: Path) -> dict[str, str]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


# -- frozen worlds ----------------------------------------------------------------------------------------------------


def test_there_are_seven_languages_in_three_sizes() -> None:
    languages = {"english", "chinese", "styles_content", "prompt_answers", "markov", "automaton", "brackets"}
    assert set(frozen_worlds()) >= {f"{one}_{size}@1" for one in languages for size in ("small", "medium", "large")}
    hashes = [entry["hash"] for entry in frozen_worlds().values()]
    assert len(set(hashes)) == len(hashes)
    assert len({one[:8] for one in hashes}) == len(hashes)  # ids tell worlds apart


ANNOUNCED = {
    "english_small@1": "f9ee0bffa7de", "english_medium@1": "3d479ceec622", "english_large@1": "93e1c3e57662",
    "chinese_small@1": "08cd8528", "chinese_medium@1": "d64fb4c7", "chinese_large@1": "f59ccffd",
    "styles_content_small@1": "55a6b773", "styles_content_medium@1": "86fa0258", "styles_content_large@1": "8caa5834",
    "prompt_answers_small@1": "4ad6b98e", "prompt_answers_medium@1": "e391674e", "prompt_answers_large@1": "2aaee2a2",
    "markov_small@1": "129c39ff", "markov_medium@1": "ff10817f", "markov_large@1": "c0fc1cf4",
    "automaton_small@1": "4b37be70", "automaton_medium@1": "9dd87707", "automaton_large@1": "5a51b51c",
    "brackets_small@1": "a674f44e", "brackets_medium@1": "7717cb18", "brackets_large@1": "5cf14b23",
}  # fmt: skip
"""The hashes with which worlds were published. None of them may change: a changed world is a new version."""


def test_no_hash_of_a_published_world_changes() -> None:
    for name, begins in ANNOUNCED.items():
        assert frozen_worlds()[name]["hash"].startswith(begins), name


@pytest.mark.parametrize("name", [name for name in frozen_worlds() if name not in LARGE])
def test_a_frozen_world_is_what_it_was(name: str) -> None:
    world = frozen(name)  # it refuses another hash
    assert world.margin > 1e-12  # rounding errors of other machines, about 1e-14, cannot change a decimal
    assert (np.exp(world.p.log_p) + np.exp(world.s.log_p) > 0.0).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_a_large_frozen_world_is_what_it_was(name: str) -> None:
    assert frozen(name).margin > 1e-12


def test_a_changed_grammar_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "brackets_small@1"
    entry = frozen_worlds()[name]
    changed = {**entry, "grammar": {**entry["grammar"], "stop": 0.51}}
    monkeypatch.setitem(frozen_worlds(), name, changed)
    with pytest.raises(SpecificationError, match="has changed"):
        frozen(name)


def test_the_hash_covers_all_that_decides_numbers() -> None:
    record = run()
    world = exam_of(record)
    flat = record.p.with_law(np.full(record.p.trie.num_strings, -np.log(record.p.trie.num_strings)))
    other_event = Restricted(record.restricted.s, record.restricted.kept, ~record.restricted.event, 0.0)
    others = [
        ExamWorld.of("toy", flat, record.restricted),
        ExamWorld.of("toy", record.p, other_event),
        world.without_prompts().__class__("toy", world.without_prompts().p, world.restricted),
        ExamWorld.of("toy", record.p, Restricted(record.p, record.restricted.kept, record.restricted.event, 0.0)),
    ]
    assert len({world.hash, *(one.hash for one in others)}) == 5
    assert world.without_prompts().document_ids == world.document_ids  # but a view of it is the same world
    rounded = record.p.with_law(record.p.log_p + 1e-13)
    assert ExamWorld.of("other name", rounded, record.restricted).hash == world.hash


# -- the folder -------------------------------------------------------------------------------------------------------


def test_the_same_world_and_seed_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    world = read_world(folder)
    assert world.hash == frozen_worlds()["english_small@1"]["hash"]
    again = export(frozen("english_small@1"), tmp_path / "again", 3000, 400)
    assert sums(again) == sums(folder)
    about = json.loads((folder / "exam.json").read_text(encoding="utf-8"))
    listed = sums(folder)
    del listed["exam.json"]
    assert about["files"] == listed
    other = sums(export(world, tmp_path / "other", 100, 400, seed=1))
    fewer = sums(export(world, tmp_path / "fewer", 100, 400))
    assert fewer["sft.jsonl"] == sums(folder)["sft.jsonl"] != other["sft.jsonl"]


def test_the_truth_comes_along(folder: Path) -> None:
    world = frozen("english_small@1")
    documents = lines(folder / "documents.jsonl")
    assert [one["id"] for one in documents] == world.document_ids
    p = np.exp([float(str(one["log_p"])) for one in documents])
    s = np.exp([-np.inf if one["log_s"] is None else float(str(one["log_s"])) for one in documents])
    np.testing.assert_allclose([p.sum(), s.sum()], 1.0, rtol=1e-12)
    assert np.array_equal(p, np.exp(world.p.log_p))
    groups = world.p.prompts.group
    given = np.exp([float(str(one["log_p_answer"])) for one in documents])
    np.testing.assert_allclose(np.bincount(groups, given), 1.0, rtol=1e-12)
    about = json.loads((folder / "exam.json").read_text(encoding="utf-8"))
    np.testing.assert_allclose(about["entropies"]["H(P), documents"], -(p * np.log(p)).sum(), rtol=1e-12)
    assert about["entropies"]["H(S), answers, x ~ S(x)"] < about["entropies"]["H(P), answers, x ~ P(x)"]
    assert {one["style"] for one in documents if one["kept"]} == {"assistant"}


def test_the_data_follow_the_law_and_agree_with_their_ids(folder: Path) -> None:
    tokenizer = json.loads((folder / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8"))
    words = tokenizer["model"]["vocab"]
    about = json.loads((folder / "exam.json").read_text(encoding="utf-8"))
    start, pad, end = (about["tokens"][role]["id"] for role in ("start", "pad", "end"))
    special = {one["content"]: one["id"] for one in tokenizer["added_tokens"]}
    assert special == {"<eos>": end, "<bos>": start, "<pad>": pad, "<unk>": about["tokens"]["unknown"]["id"]}
    assert sorted(words.values()) == list(range(len(words)))
    for part in ("pretrain", "sft", "control"):
        rows = lines(folder / f"{part}.jsonl")
        ids = np.load(folder / f"{part}_ids.npy")
        prompts = np.load(folder / f"{part}_prompt_tokens.npy")
        assert len(rows) == len(ids) == len(prompts) == (3000 if part == "pretrain" else 400)
        for row, one, size in zip(rows, ids, prompts, strict=True):
            text = str(row["text"]) if part == "pretrain" else str(row["prompt"]) + str(row["completion"])
            wanted = [start, *(words[word] for word in text.split()), end]
            assert one.tolist() == wanted + [pad] * (len(one) - len(wanted))
            assert part == "pretrain" or size == 1 + len(str(row["prompt"]).split())
    world = frozen("english_small@1")
    texts = {one["prompt"] + one["completion"]: at for at, one in enumerate(lines(folder / "documents.jsonl"))}  # type: ignore[operator]
    drawn = [texts[row["text"]] for row in lines(folder / "pretrain.jsonl")]
    p = np.exp(world.p.log_p)
    counts = np.bincount(drawn, minlength=len(p))
    chi2 = ((counts - 3000 * p) ** 2 / (3000 * p)).sum()
    assert chi2 < len(p) + 5.0 * np.sqrt(2.0 * len(p))
    assert {row["completion"] for row in lines(folder / "sft.jsonl")} <= {
        one["completion"] for one in lines(folder / "documents.jsonl") if one["kept"]
    }


def test_all_documents_with_their_weights(tmp_path: Path) -> None:
    world = frozen("markov_small@1")
    place = export(world, tmp_path / "all", "all", "all")
    weights = np.load(place / "sft_weights.npy")
    rows = lines(place / "sft.jsonl")
    assert [row["weight"] for row in rows] == weights.tolist()
    np.testing.assert_allclose(weights.sum(), 1.0, rtol=1e-12)
    assert len(rows) == world.s.support_size < len(lines(place / "pretrain.jsonl")) == world.p.support_size
    assert set(rows[0]) == {"text", "weight"}
    assert not (place / "sft_prompt_tokens.npy").exists()


def test_draws_are_made_in_chunks_that_do_not_matter() -> None:
    world = frozen("brackets_small@1")
    many = np.concatenate(list(drawn_rows(world.p, CHUNK + 7, 3, 0)))
    few = np.concatenate(list(drawn_rows(world.p, 50, 3, 0)))
    assert len(many) == CHUNK + 7
    assert np.array_equal(many[:50], few)
    assert not np.array_equal(few, np.concatenate(list(drawn_rows(world.p, 50, 3, 1))))


def test_prefixes_are_those_of_the_trie(folder: Path) -> None:
    world, rows = frozen("english_small@1"), lines(folder / "prefixes.jsonl")
    trie = world.p.trie
    start = json.loads((folder / "exam.json").read_text(encoding="utf-8"))["tokens"]["start"]["id"]
    prefixes = {tuple(string[:depth]) for string in trie.strings.tolist() for depth in range(string.index(0) + 1)}
    assert {tuple(row["ids"]) for row in rows} == {(start, *one) for one in prefixes}  # type: ignore[arg-type]
    assert rows[0]["ids"] == [start]
    assert rows[0]["part"] == "prompt"
    assert all((world.p.vocabulary.prompt_end in row["ids"]) == (row["part"] == "answer") for row in rows)  # type: ignore[operator]


def test_chinese_texts_have_a_space_between_tokens(tmp_path: Path) -> None:
    world = frozen("chinese_small@1")
    row = lines(export(world, tmp_path / "zh", 3, 3) / "sft.jsonl")[0]
    words = (str(row["prompt"]) + str(row["completion"])).split()
    assert len(words) > 3
    assert set(words) <= set(world.p.vocabulary.symbols)


def test_the_names_of_further_tokens_are_free() -> None:
    words = Vocabulary(("<end>", "<bos>", "<<bos>>", "a"))
    tokens = Tokens.of(words)
    assert tokens.extra == ("<<<bos>>>", "<pad>", "<unk>")
    assert [tokens.id_of(role) for role in ("start", "pad", "unknown")] == [4, 5, 6]
    with pytest.raises(SpecificationError, match="without white space"):
        Tokens.of(Vocabulary(("<eos>", "two words")))


def test_strings_without_any_probability_are_left_out() -> None:
    words = Vocabulary(("<eos>", "a", "b", "c"))
    p = FiniteLanguage.from_strings(
        words, np.array([[1, 0], [2, 0], [3, 0]]), np.array([np.log(0.5), -np.inf, np.log(0.5)])
    )
    s, log_mass = p.condition(np.array([True, False, False]))
    world = ExamWorld.of("toy", p, Restricted(s, s, np.array([True, False, False]), log_mass))
    assert world.p.trie.strings.tolist() == [[1, 0], [3, 0]]
    assert world.restricted.event.tolist() == [True, False]


# -- what is refused, and other worlds --------------------------------------------------------------------------------


def test_worlds_have_other_sources(tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "grammar: {kind: dyck, length: 7}\nrestriction: {kind: top_mass, mass: 0.5}\ndial: {entropy: 2.0}\n"
    )
    place = sim.export_world(file, tmp_path / "mine", pretrain=5, sft=5)
    assert main([str(place), str(tmp_path / "copy"), "--pretrain", "5", "--sft", "5"]) == 0
    assert "Written to" in capsys.readouterr().out
    np.testing.assert_allclose(read_world(tmp_path / "copy").p.entropy(), 2.0, atol=1e-8)
    archived = Path(__file__).resolve().parents[2] / "archive" / "fe3430a4d566"
    assert world_of(str(archived)).name == "run_fe3430a4d566"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("english_smal@1 {new}", "did you mean 'english_small@1'?"),
        ("brackets_small@1 {there}", "a new folder is required"),
        ("{yaml} {new}", "the keys grammar, restriction"),
        ("{empty} {new}", "at least one finished run is required"),
        ("{bad} {new}", "a mapping with grammar and restriction"),
        ("{broken} {new}", "YAML is required"),
        ("{dial} {new}", "dial: a mapping with entropy"),
        ("{changed} {new}", "found another content"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_line(
    words: str, said: str, tmp_path: Path, folder: Path, capsys: Captured
) -> None:
    places = {name: tmp_path / name for name in ("new", "there", "empty")}
    places["there"].mkdir()
    places["empty"].mkdir()
    texts = {
        "yaml": "grammar: english\nrestricton: style\n", "bad": "- 1\n", "broken": "a: [", "dial":
        "grammar: {kind: dyck, length: 7}\nrestriction: {kind: everything}\ndial: {entropi: 2}\n",
    }  # fmt: skip
    for name, text in texts.items():
        places[name] = tmp_path / f"{name}.yaml"
        places[name].write_text(text)
    places["changed"] = export(frozen("brackets_small@1"), tmp_path / "changed", 5, 5)
    data = bytearray((places["changed"] / "world.safetensors").read_bytes())
    data[-3] ^= 1
    (places["changed"] / "world.safetensors").write_bytes(data)
    assert main(words.format(**places).split()) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error
    assert not places["new"].exists()


def test_every_file_of_frozen_worlds_says_what_it_holds(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    for name in frozen_worlds():
        assert name in shown
    assert len(list(FROZEN.glob("*.yaml"))) >= 7
