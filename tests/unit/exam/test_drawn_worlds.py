"""Worlds whose documents are drawn: their laws, their documents, their folder, and the frozen ones."""

import hashlib
import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim
from sim.exam import building as listed_worlds
from sim.exam.choosing import any_world
from sim.exam.drawn.building import FROZEN, KEYS, built, defined, frozen, frozen_worlds, laws_of
from sim.exam.drawn.entropies import entropies, said
from sim.exam.drawn.exporting import export
from sim.exam.drawn.stored import is_drawn, read_drawn
from sim.exam.drawn.world import CHUNK, Documents, DrawnWorld, chunk_of
from sim.export import main
from sim.laws.protocol import lengths_of
from sim.numerics import SpecificationError
from tests.unit.exam.drawn import GRAMMAR, config, listed, small
from tests.unit.exam.test_exported_worlds import Captured, lines, sums

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples" / "grammars"


@pytest.fixture(scope="module")
def world() -> DrawnWorld:
    return small(1000)


@pytest.fixture(scope="module")
def folder(world: DrawnWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(world, tmp_path_factory.mktemp("worlds") / "small", 1500, 60)


# -- frozen worlds ----------------------------------------------------------------------------------------------------

ANNOUNCED = {
    "cfg3b_first@1": ("3f45e18a8371", "6ec9f109"), "cfg3b_deleted@1": ("31ce0fb72093", "d128f70d"),
    "deep_brackets_endless@1": ("010bf2532f9b", "426568f9"), "deep_brackets_short@1": ("f67d0e4ccdb0", "aea4a487"),
}  # fmt: skip
"""The hashes with which worlds were published, and those of their definitions. None may change."""


def configured(name: str) -> dict[str, Any]:
    """The configuration of a frozen world."""
    return {key: frozen_worlds()[name][key] for key in KEYS if key in frozen_worlds()[name]}


def test_no_published_world_changes() -> None:
    assert set(frozen_worlds()) >= set(ANNOUNCED)
    assert not set(frozen_worlds()) & set(listed_worlds.frozen_worlds())
    for name, (begins, _) in ANNOUNCED.items():
        assert frozen_worlds()[name]["hash"].startswith(begins), name


def test_their_definitions_are_what_they_were() -> None:
    for name, (_, begins) in ANNOUNCED.items():
        text = json.dumps(defined(configured(name), name), sort_keys=True)
        assert hashlib.sha256(text.encode()).hexdigest().startswith(begins), name


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ANNOUNCED))
def test_a_frozen_world_is_what_it_was(name: str) -> None:
    documents = frozen(name).documents  # it refuses another hash
    values = np.concatenate([documents.log_p, documents.log_s[documents.kept]]) * 1e6
    assert np.abs(values - np.floor(values) - 0.5).min() > 1e-6  # rounding, 1e-13 nats, cannot change a decimal


def test_the_frozen_cfg3b_is_that_of_the_examples() -> None:
    wanted = sim.law(str(EXAMPLES / "cfg3b.json"))
    laws = laws_of(defined(configured("cfg3b_deleted@1"), "x"), "x")
    assert laws.p.parts == wanted.parts
    assert not laws.of_strings
    assert laws.longest == 256


def test_a_changed_world_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {**frozen_worlds()["cfg3b_first@1"], **config(), "horizon": 5}
    monkeypatch.setitem(frozen_worlds(), "cfg3b_first@1", changed)
    with pytest.raises(SpecificationError, match="has changed"):
        frozen("cfg3b_first@1")


# -- laws and documents -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "restriction", "lengths"),
    [
        ("markov.yaml", {"kind": "regular", "pattern": "sun .*"}, {"horizon": 7}),
        ("weather.yaml", {"kind": "regular", "pattern": "walk .*"}, {"horizon": 6}),
        ("pfsa.yaml", {"kind": "sub_grammar", "symbols": ["c"]}, {"symbols": 4}),
        ("brackets.yaml", {"kind": "regular", "pattern": r"\(\(.*"}, {"horizon": 7}),
        ("attachment.yaml", {"kind": "regular", "pattern": "I saw the .*"}, {"symbols": 4}),
        ("moods.yaml", {"kind": "everything"}, {"symbols": 4}),
    ],
)
def test_laws_of_kept_lengths_are_those_of_a_list(
    name: str, restriction: dict[str, Any], lengths: dict[str, int]
) -> None:
    """The other route lists all strings, and restricts the list."""
    grammar = {"kind": "file", "path": str(EXAMPLES / name)}
    world = built({"grammar": grammar, "restriction": restriction, **lengths}, "x", "x", 100)
    all_of_it = listed_worlds.built({"grammar": {**grammar, "length": 7}, "restriction": restriction}, "y", "y")
    strings, log_p, log_s = all_of_it.p.trie.strings, all_of_it.p.log_p, all_of_it.s.log_p
    sizes = lengths_of(strings)
    kept = sizes == 4 if "symbols" in lengths else sizes < lengths["horizon"]
    p, s = (np.where(kept, np.exp(one), 0.0) for one in (log_p, log_s))
    mine = world.laws.scores(strings)
    for law, found in ((p, mine[0]), (s, mine[1])):
        np.testing.assert_allclose(np.exp(found), law / law.sum(), rtol=1e-9, atol=1e-15)
    mass = (p * (s > 0)).sum() / p.sum()
    assert world.laws.log_mass == pytest.approx(math.log(mass), abs=1e-9)
    assert world.laws.longest == lengths.get("symbols", lengths.get("horizon", 0) - 1)
    assert (world.documents.lengths - 1 <= world.laws.longest).all()


def test_the_documents_follow_their_laws(world: DrawnWorld) -> None:
    truth, documents = listed(world), world.documents
    assert documents.each == 1000
    of = {row.tobytes(): at for at, row in enumerate(truth.strings.astype(np.int32))}
    width = truth.strings.shape[1]
    rows = np.array([of[np.pad(one, (0, width - len(one))).tobytes()] for one in documents.strings])
    np.testing.assert_allclose(documents.log_p, truth.log_p[rows], rtol=1e-12)
    np.testing.assert_allclose(documents.log_s, truth.log_s[rows], rtol=1e-12)
    assert np.array_equal(documents.kept, truth.kept[rows])
    for drawn_, law in ((rows[:1000], truth.log_p), (rows[1000:], truth.log_s)):
        p = np.exp(law)
        counts = np.bincount(drawn_, minlength=len(p))
        wanted = 1000 * p[p > 0]
        chi2 = ((counts[p > 0] - wanted) ** 2 / wanted).sum()
        assert counts[p == 0].sum() == 0
        assert abs(chi2 - (p > 0).sum()) < 6.0 * math.sqrt(2.0 * (p > 0).sum() + (1.0 / wanted).sum())


def test_the_hash_covers_the_definition_and_not_the_name(tmp_path: Path) -> None:
    base = built(config(), "a", "a")
    others = [
        config(101), config(documents={"number": 100, "seed": 1}), config(horizon=8),
        config(restriction={"kind": "regular", "pattern": r"\(.*"}),
        config(grammar={"kind": "file", "path": "x", "text": GRAMMAR.replace("65/", "64/").replace("14/", "15/")}),
    ]  # fmt: skip
    hashes = {replace(base, definition=defined(one, "a")).hash for one in others}
    assert len({base.hash, *hashes}) == 6
    renamed = config(grammar={"kind": "file", "path": "other.yaml", "text": "# a comment\n" + GRAMMAR})
    assert built(renamed, "b", "b").hash == base.hash
    documents = base.documents
    changed = Documents(documents.strings, documents.log_p + 1e-5, documents.log_s)
    assert replace(base, documents=changed).hash != base.hash
    rounded = Documents(np.pad(documents.strings, ((0, 0), (0, 3))), documents.log_p + 1e-13, documents.log_s)
    assert replace(base, documents=rounded).hash == base.hash


def test_grammars_of_other_kinds_are_drawn_from(tmp_path: Path) -> None:
    same = config(grammar={"kind": "unlisted", "path": "x.yaml", "text": GRAMMAR})
    assert built(same, "a", "a").hash == built(config(), "a", "a").hash
    levels = {"kind": "cfg3", "depth": 2, "seed": 1}
    kept = {"kind": "regular", "pattern": "a.*"}
    first = built({"grammar": levels, "restriction": kept, "symbols": 6}, "a", "a", 100)
    assert first.definition["grammar"]["node"]["zipf"] == 0.0  # canonical: all arguments are there
    assert set(first.documents.lengths) == {7}
    other = {"grammar": {**levels, "seed": 2}, "restriction": "everything", "documents": 100}
    assert built(other, "a", "a").hash != first.hash


def test_chunks_have_random_numbers_of_their_own(world: DrawnWorld) -> None:
    chunks = [chunk_of(world.laws.p, 0, part, at) for part, at in (("pretrain", 0), ("pretrain", 1), ("control", 0))]
    assert all(len(one) == CHUNK for one in chunks)
    assert len({one.tobytes() for one in chunks}) == 3
    assert np.array_equal(chunks[0], chunk_of(world.laws.p, 0, "pretrain", 0))


def test_entropies_are_exact_or_between_bounds(world: DrawnWorld) -> None:
    exact = entropies(world)
    truth = listed(world)
    p, s = np.exp(truth.log_p), np.exp(truth.log_s[truth.kept])
    assert exact["H(P)"].exact
    assert exact["H(P)"].lower == pytest.approx(-(p * np.log(p)).sum())
    assert exact["H(S)"].lower == pytest.approx(-(s * np.log(s)).sum())
    assert said(exact["H(P)"]) == {"value": exact["H(P)"].lower, "known": "exact"}
    ambiguous = built(
        {"grammar": {"kind": "file", "path": str(EXAMPLES / "weather.yaml")}, "restriction": "everything"},
        "w",
        "w",
        400,
    )
    number = entropies(ambiguous)["H(P)"]
    assert number.kind == "estimated"
    assert number.upper == ambiguous.laws.p.latent_entropy()
    certified = ambiguous.laws.p.language.entropy_bounds()  # type: ignore[attr-defined]
    assert number.lower < certified.upper
    assert certified.lower < number.upper
    assert said(number)["known"] == "estimated"


# -- the folder -------------------------------------------------------------------------------------------------------


def test_the_same_world_and_seed_give_the_same_bytes(folder: Path, world: DrawnWorld, tmp_path: Path) -> None:
    again = export(small(1000), tmp_path / "again", 1500, 60)
    assert sums(again) == sums(folder)
    about = json.loads((folder / "exam.json").read_text(encoding="utf-8"))
    listed_files = sums(folder)
    del listed_files["exam.json"]
    assert about["files"] == listed_files
    other = sums(export(world, tmp_path / "other", 100, 60, seed=1))
    fewer = sums(export(world, tmp_path / "fewer", 100, 60))
    assert fewer["sft.jsonl"] == sums(folder)["sft.jsonl"] != other["sft.jsonl"]
    assert fewer["documents.jsonl"] == other["documents.jsonl"] == sums(folder)["documents.jsonl"]
    texts = (folder / "pretrain.jsonl").read_text(encoding="utf-8")
    assert texts.startswith((tmp_path / "fewer" / "pretrain.jsonl").read_text(encoding="utf-8"))
    with pytest.raises(SpecificationError, match="a new folder is required"):
        export(world, folder)


def test_the_truth_comes_along(folder: Path, world: DrawnWorld) -> None:
    rows = lines(folder / "documents.jsonl")
    assert [row["id"] for row in rows] == world.document_ids
    assert Counter(str(row["from"]) for row in rows) == {"P": 1000, "S": 1000}
    assert [row["log_p"] for row in rows] == world.documents.log_p.tolist()
    assert [row["log_s"] is None for row in rows] == [not row["kept"] for row in rows]
    assert all(row["kept"] == (not {"[", "]"} & set(str(row["text"]).split())) for row in rows)
    about = json.loads((folder / "exam.json").read_text(encoding="utf-8"))
    assert about["hash"] == world.hash
    assert about["entropies"]["H(P)"]["known"] == "exact"
    assert about["log_mass_of_kept"] == world.laws.log_mass
    assert about["longest_document"] == max(len(str(row["text"]).split()) for row in rows) + 2
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert world.hash in page
    assert f"{-world.laws.log_mass:.6f}" in page
    assert "none can have more than 9" in page


def test_the_data_follow_the_law(folder: Path, world: DrawnWorld) -> None:
    truth = listed(world)
    texts = {world.laws.p.vocabulary.decode(row): at for at, row in enumerate(truth.strings)}
    drawn_ = [texts[str(row["text"]).replace(" ", "")] for row in lines(folder / "pretrain.jsonl")]
    assert len(drawn_) == 1500
    p = np.exp(truth.log_p)
    top = np.argsort(-p)[:20]
    counts = np.bincount(drawn_, minlength=len(p))[top]
    assert ((counts - 1500 * p[top]) ** 2 / (1500 * p[top])).sum() < 20 + 6.0 * math.sqrt(40)
    for part, only_kept in (("sft", True), ("control", False)):
        rows = [str(row["text"]) for row in lines(folder / f"{part}.jsonl")]
        assert len(rows) == 60
        assert all("[" not in row for row in rows) == only_kept
    assert set(lines(folder / "sft.jsonl")[0]) == {"text"}


def test_a_world_without_a_longest_document_has_a_tokenizer_without_one(tmp_path: Path) -> None:
    endless = built(config(horizon=None), "endless", "test")
    place = export(endless, tmp_path / "endless", 10, 10)
    told = json.loads((place / "tokenizer" / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert told["model_max_length"] == 10**30
    assert "there is no longest one" in (place / "README.md").read_text(encoding="utf-8")


def test_a_folder_is_read_back(folder: Path, world: DrawnWorld, tmp_path: Path) -> None:
    assert is_drawn(folder)
    assert not is_drawn(tmp_path)
    found = read_drawn(folder)
    assert found.hash == world.hash
    assert np.array_equal(found.documents.strings, world.documents.strings)
    log_p, log_s = found.laws.scores(found.documents.strings)  # of laws that are built from the definition
    assert np.array_equal(log_p, found.documents.log_p)
    assert np.array_equal(log_s, found.documents.log_s)
    assert isinstance(any_world(str(folder)), DrawnWorld)
    copy = sim.export_world(folder, tmp_path / "copy", pretrain=1500, sft=60)
    assert sums(copy) == sums(folder)
    data = bytearray((copy / "world.safetensors").read_bytes())
    data[-3] ^= 1
    (copy / "world.safetensors").write_bytes(data)
    with pytest.raises(SpecificationError, match="found another content"):
        read_drawn(copy)
    about = json.loads((copy / "exam.json").read_text(encoding="utf-8"))
    del about["files"]
    (copy / "exam.json").write_text(json.dumps(about))
    with pytest.raises(SpecificationError, match=r"a folder of python -m sim\.export is"):
        read_drawn(copy)


# -- what is refused --------------------------------------------------------------------------------------------------

HEAD = "grammar: {kind: file, path: brackets.yaml}\n"
ALL = "restriction: everything\n"
REFUSED = {
    "key": (HEAD + ALL + "horizont: 3\ndocuments: 100\n", "did you mean 'horizon'?"),
    "none": (HEAD + "documents: 100\n", "found no restriction"),
    "both": (HEAD + ALL + "horizon: 9\nsymbols: 4\n", "either horizon or symbols"),
    "few": (HEAD + ALL + "documents: 99\n", "at least 100 is required, found 99"),
    "seed": (HEAD + ALL + "documents: {number: 100, seed: -1}\n", "at least 0 is required, found -1"),
    "form": (HEAD + ALL + "documents: {n: 100}\n", "number and seed, is required"),
    "odd": (HEAD + "restriction: {kind: sharpen, temperature: 0.5}\ndocuments: 100\n", "changes P inside the event"),
    "short": (HEAD + "restriction: {kind: regular, pattern: '\\(\\(.*'}\nhorizon: 2\n", "P(A)"),
    "list": ("grammar: {kind: file, path: strings.yaml}\n" + ALL + "horizon: 4\n", "found a list of strings"),
    "kind": ("grammar: dyck\n" + ALL + "documents: 100\n", "one of file, unlisted, cfg3 is required"),
    "length": ("grammar: {kind: file, path: brackets.yaml, length: 7}\n" + ALL + "documents: 100\n", "set horizon"),
    "listed": ("grammar: {kind: cfg3, depth: 2}\n" + ALL, "or documents: 10000"),
    "chain": ("grammar: {kind: file, path: endless.yaml}\n" + ALL + "documents: 100\n", "whose sequences never end"),
    "style": (HEAD + "restriction: {kind: style, keep: a}\ndocuments: 100\n", "a language with styles is required"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_cannot_be_exported_is_refused_in_one_line(
    name: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, said_ = REFUSED[name]
    monkeypatch.chdir(EXAMPLES)
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    assert main([str(file), str(tmp_path / "new")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    assert said_ in error
    assert not (tmp_path / "new").exists()


def test_numbers_that_do_not_belong_to_a_world_are_refused(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    new = str(tmp_path / "new")
    words = {
        f"brackets_small@1 {new} --documents 100": "a YAML file is required",
        f"deep_brackets_short@1 {new} --documents 100": "the documents of a frozen world are a part of it",
        f"{folder} {new} --documents 100": "those that it has are required",
        f"{folder} {new} --sft all": "a number of documents is required",
        f"{folder} {folder}": "a new folder is required",
    }
    for line, said_ in words.items():
        assert main(line.split()) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1, error
        assert said_ in error
    assert main([str(folder), new, "--documents", "1000", "--pretrain", "5", "--sft", "5"]) == 0
    assert "2,000 drawn documents" in capsys.readouterr().out


def test_every_file_of_frozen_worlds_is_told(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    for name in frozen_worlds():
        assert name in shown
    assert len(list(FROZEN.glob("*.yaml"))) >= 2
