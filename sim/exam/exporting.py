"""Write a world of the exam to a new folder: data, tokenizer, the list of documents to be scored, and the truth."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import numpy as np

import sim
from sim.disk.files import draft
from sim.exam.building import LICENCE
from sim.exam.readme import readme
from sim.exam.stored import ABOUT, FORMAT, WORLD, described_world, packed_world
from sim.exam.tokens import Tokens
from sim.exam.world import MARK, PLACES, ExamWorld
from sim.languages.finite import FiniteLanguage
from sim.metrics.entropy import entropy
from sim.numerics import SpecificationError
from sim.places import check_writable

Amount: TypeAlias = int | Literal["all"]
"""How many documents are drawn; "all" stands for every document once, with its probability as a weight."""

CHUNK = 1 << 14
"""Number of documents that are drawn and written at a time."""

PARTS = ("pretrain", "sft", "control")
"""The data sets. Each has random numbers of its own, so the size of one changes no other."""

DEFAULT_PRETRAIN, DEFAULT_SFT = 100_000, 10_000
"""Documents of the pretraining, and of the fine-tuning and its control."""


def export(
    world: ExamWorld, folder: Path, pretrain: Amount = DEFAULT_PRETRAIN, sft: Amount = DEFAULT_SFT, seed: int = 0
) -> Path:
    """Write a world to a new folder, in one step; the same world, amounts and seed give the same bytes.

    pretrain: documents from P; sft: documents from S, and as many from P for the control, which is the same fine-tuning
    without a restriction. Raises SpecificationError if the folder exists or cannot be written.
    """
    amounts: dict[str, Amount] = {"pretrain": pretrain, "sft": sft, "control": sft}
    check_target(folder)
    tokens = Tokens.of(world.p.vocabulary)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with draft(folder) as fresh:
        sums: dict[str, str] = {}
        for name, chunks in _contents(world, tokens, amounts, seed):
            sums[name] = write(fresh / name, chunks)
        for part in PARTS:
            for name in _data_set(fresh, world, tokens, part, amounts[part], seed):
                sums[name] = hashlib.sha256((fresh / name).read_bytes()).hexdigest()
        about = manifest(world, tokens, amounts, seed) | {"files": dict(sorted(sums.items()))}
        write(fresh / ABOUT, [json_bytes(about)])
        fresh.rename(folder)
    return folder


def check_target(folder: Path) -> None:
    """Raise SpecificationError unless a new folder can be made."""
    if folder.exists() or folder.is_symlink():
        raise SpecificationError(f"{folder}: a new folder is required, found one that exists; choose another name")
    check_writable(str(folder), folder.parent, [folder.name], "choose another folder")


def manifest(world: ExamWorld, tokens: Tokens, amounts: Mapping[str, Amount], seed: int) -> dict[str, Any]:
    """Return what the file ABOUT says, but for the checksums of the files."""
    p, s = world.p, world.s
    return {
        "format": FORMAT,
        "name": world.name,
        "hash": world.hash,
        "id_begins_with": world.hash[:MARK],
        "hash_is": f"SHA-256 of the vocabulary, strings, log P, log S, A and styles, to {PLACES} decimals",
        "licence": LICENCE,
        "written_by": f"sft-diversity {sim.__version__}",
        "num_documents": p.trie.num_strings,
        "num_prefixes": p.trie.num_nodes,
        "num_prompts": p.prompts.num_groups if world.has_prompts else 0,
        "num_symbols": len(p.vocabulary),
        "longest_document": p.longest + 1,
        "entropies": entropies(p, s),
        "log_mass_of_kept": world.restricted.log_mass,
        "tokens": tokens.about(),
        "seed": seed,
        "amounts": dict(amounts),
        "world": described_world(world),
    }


def entropies(p: FiniteLanguage, s: FiniteLanguage) -> dict[str, float]:
    """Return the exact entropies of documents and of answers given the prompt [nat]."""
    found = {"H(P), documents": p.entropy(), "H(S), documents": s.entropy()}
    if p.vocabulary.prompt_end is not None:
        for name, one in (("P", p), ("S", s)):
            found[f"H({name}), answers, x ~ {name}(x)"] = entropy(one.answers, one.prompts.log_p[one.prompts.group])
    return found


def _contents(
    world: ExamWorld, tokens: Tokens, amounts: Mapping[str, Amount], seed: int
) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Iterate over the files that hold no drawn data, with their contents in pieces."""
    yield WORLD, [packed_world(world)]
    yield "README.md", [readme(world, tokens, amounts, seed).encode()]
    yield from ((name, [data]) for name, data in tokens.files(world.p.trie.length + 1).items())
    yield "documents.jsonl", _documents(world, tokens)
    yield "prefixes.jsonl", _prefixes(world, tokens)


def _documents(world: ExamWorld, tokens: Tokens) -> Iterator[bytes]:
    """Every document with its truth; the logarithm of the probability 0 is null."""
    p, s, styles = world.p, world.s, world.p.styles
    own = styles.of if styles is not None and styles.disjoint else None
    lengths = p.prompts.length
    for index, string in enumerate(p.trie.strings):
        prompt, answer = tokens.text(string[: lengths[index]]), tokens.text(string[lengths[index] :])
        found: dict[str, Any] = {"id": world.document_ids[index]}
        found |= (
            {"prompt": prompt, "completion": f" {answer}" if answer else ""} if world.has_prompts else {"text": answer}
        )
        found["kept"] = bool(world.restricted.event[index])
        found |= {} if own is None or styles is None else {"style": styles.names[own[index]]}
        found |= {"log_p": number_or_null(p.log_p[index]), "log_s": number_or_null(s.log_p[index])}
        if world.has_prompts:
            found |= {
                "log_p_answer": number_or_null(p.answers[index]),
                "log_s_answer": number_or_null(s.answers[index]),
            }
        yield line(found)


def _prefixes(world: ExamWorld, tokens: Tokens) -> Iterator[bytes]:
    """Every prefix that a token follows, in the order in which its law is wanted. The root is the start token alone."""
    trie, lengths = world.p.trie, world.p.prompts.length
    for node in range(trie.num_nodes):
        row, depth = trie.first_string[node], int(trie.depth[node])
        ids = [tokens.id_of("start"), *trie.strings[row][:depth].tolist()]
        part = "answer" if depth >= lengths[row] else "prompt"
        yield line({"prefix": world.prefix_ids[node], "text": tokens.text(ids[1:]), "ids": ids, "part": part})


def _data_set(folder: Path, world: ExamWorld, tokens: Tokens, part: str, amount: Amount, seed: int) -> Iterator[str]:
    """Write the data of a part as JSONL and as ids, chunk by chunk. Yield the names of its files."""
    language = world.s if part == "sft" else world.p
    split = world.has_prompts and part != "pretrain"
    number = int((language.log_p > -np.inf).sum()) if amount == "all" else amount
    lengths = world.p.prompts.length
    with ExitStack() as stack:
        lines = stack.enter_context((folder / f"{part}.jsonl").open("wb"))
        arrays: dict[str, tuple[str, tuple[int, ...]]] = {"ids": ("<i4", (number, world.p.trie.length + 1))}
        arrays |= {"prompt_tokens": ("<i4", (number,))} if world.has_prompts else {}
        arrays |= {"weights": ("<f8", (number,))} if amount == "all" else {}
        names = {name: f"{part}_{name}.npy" for name in arrays}
        outs = {name: stack.enter_context((folder / names[name]).open("wb")) for name in arrays}
        for name, (kind, shape) in arrays.items():
            header = {"descr": kind, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(outs[name], header)
        for rows in drawn_rows(language, amount, seed, PARTS.index(part)):
            weights = np.exp(language.log_p[rows]) if amount == "all" else None
            found = {
                "ids": tokens.rows(world.p.trie.strings[rows]),
                "prompt_tokens": lengths[rows] + 1,
                "weights": weights,
            }
            _write_lines(lines, world, tokens, rows, split, weights)
            for name, out in outs.items():
                out.write(np.asarray(found[name], arrays[name][0]).tobytes())
    yield from (f"{part}.jsonl", *names.values())


def _write_lines(
    out: BinaryIO, world: ExamWorld, tokens: Tokens, rows: np.ndarray, split: bool, weights: np.ndarray | None
) -> None:
    strings, lengths = world.p.trie.strings, world.p.prompts.length
    for at, row in enumerate(rows):
        if split:
            parts = tokens.text(strings[row][: lengths[row]]), tokens.text(strings[row][lengths[row] :])
            found: dict[str, Any] = {"prompt": parts[0], "completion": f" {parts[1]}" if parts[1] else ""}
        else:
            found = {"text": tokens.text(strings[row])}
        out.write(line(found if weights is None else found | {"weight": float(weights[at])}))


def drawn_rows(language: FiniteLanguage, amount: Amount, seed: int, stream: int) -> Iterator[np.ndarray]:
    """Iterate over chunks of rows of the trie: independent draws from a language, or each of its strings once.

    The random numbers are the upper 53 bits of PCG64, whose stream numpy keeps for all versions.
    """
    there = np.flatnonzero(language.log_p > -np.inf)
    if amount == "all":
        yield from (there[start : start + CHUNK] for start in range(0, len(there), CHUNK))
        return
    upto = np.cumsum(np.exp(language.log_p[there]))
    bits = np.random.PCG64(np.random.SeedSequence([seed, stream]))
    for start in range(0, amount, CHUNK):
        raw = bits.random_raw(min(CHUNK, amount - start))
        uniform = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
        at = np.searchsorted(upto, uniform * upto[-1], side="right")
        yield there[np.minimum(at, len(there) - 1)]


def number_or_null(value: float) -> float | None:
    """Return a logarithm as JSON has it: null for that of the probability 0."""
    return float(value) if np.isfinite(value) else None


def line(content: Mapping[str, Any]) -> bytes:
    """Return a line of JSONL."""
    return (json.dumps(content, ensure_ascii=False) + "\n").encode()


def json_bytes(content: Any) -> bytes:
    """Return a JSON file that a person can read, with sorted keys."""
    return (json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def write(file: Path, pieces: Iterable[bytes]) -> str:
    """Write a file piece by piece, and return its SHA-256."""
    digest = hashlib.sha256()
    file.parent.mkdir(exist_ok=True)
    with file.open("wb") as out:
        for piece in pieces:
            digest.update(piece)
            out.write(piece)
    return digest.hexdigest()
