"""Write a world whose strings are not listed to a new folder: data, tokenizer, and the documents to be scored."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import sim
from sim.disk.files import draft, pack
from sim.exam.building import LICENCE
from sim.exam.drawn.entropies import entropies, said
from sim.exam.drawn.readme import readme
from sim.exam.drawn.world import CHUNK, DrawnWorld, chunk_of
from sim.exam.exporting import (
    DEFAULT_PRETRAIN,
    DEFAULT_SFT,
    PARTS,
    Amount,
    check_target,
    json_bytes,
    line,
    number_or_null,
    write,
)
from sim.exam.stored import ABOUT, WORLD
from sim.exam.tokens import Tokens
from sim.exam.world import MARK, PLACES
from sim.numerics import SpecificationError

FORMAT = "drawn 1"
"""Version of the form of the folder; that of listed worlds is a number."""

UNLIMITED = 10**30
"""The length of documents that a tokenizer of Hugging Face is told if there is no limit: its own number for this."""


def export(
    world: DrawnWorld, folder: Path, pretrain: int = DEFAULT_PRETRAIN, sft: int = DEFAULT_SFT, seed: int = 0
) -> Path:
    """Write a world to a new folder, in one step; the same world, amounts and seed give the same bytes.

    pretrain: documents from P; sft: documents from S, and as many from P for the control. All are independent draws.
    Raises SpecificationError if the folder exists or cannot be written.
    """
    check_target(folder)
    tokens = Tokens.of(world.laws.p.vocabulary)
    numbers = {"pretrain": pretrain, "sft": sft, "control": sft}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with draft(folder) as fresh:
        sums = {name: write(fresh / name, pieces) for name, pieces in _contents(world, tokens, numbers, seed)}
        about = manifest(world, tokens, numbers, seed) | {"files": dict(sorted(sums.items()))}
        write(fresh / ABOUT, [json_bytes(about)])
        fresh.rename(folder)
    return folder


def amounts(pretrain: Amount, sft: Amount) -> tuple[int, int]:
    """Return numbers of documents. Raises SpecificationError for "all": such a world has no list of all."""
    for name, amount in (("pretrain", pretrain), ("sft", sft)):
        if isinstance(amount, str):
            raise SpecificationError(
                f"{name}: a number of documents is required in a world that is not listed, found {amount!r}; give one"
            )
    assert isinstance(pretrain, int)
    assert isinstance(sft, int)
    return pretrain, sft


def manifest(world: DrawnWorld, tokens: Tokens, amounts: Mapping[str, int], seed: int) -> dict[str, Any]:
    """Return what the file ABOUT says, but for the checksums of the files."""
    laws, documents = world.laws, world.documents
    return {
        "format": FORMAT,
        "name": world.name,
        "hash": world.hash,
        "id_begins_with": world.hash[:MARK],
        "hash_is": "SHA-256 of the definition and of the digest of the documents: their tokens, log P and log S, to "
        f"{PLACES} decimals",
        "licence": LICENCE,
        "written_by": f"sft-diversity {sim.__version__}",
        "num_documents": 2 * documents.each,
        "num_symbols": len(laws.p.vocabulary),
        "longest_document": int(documents.lengths.max()) + 1,
        "entropies": {name: said(number) for name, number in entropies(world).items()},
        "log_mass_of_kept": laws.log_mass,
        "kept_is_of_strings": laws.of_strings,
        "dropped_mass": laws.dropped,
        "tokens": tokens.about(),
        "seed": seed,
        "amounts": dict(amounts),
        "digest": documents.digest,
        "definition": dict(world.definition),
    }


def _contents(
    world: DrawnWorld, tokens: Tokens, amounts: Mapping[str, int], seed: int
) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Iterate over the files with their contents in pieces."""
    documents, longest = world.documents, world.laws.longest
    arrays = {"strings": documents.strings, "log_p": documents.log_p, "log_s": documents.log_s}
    yield WORLD, [pack(arrays)]
    yield "README.md", [readme(world, tokens, amounts, seed).encode()]
    limit = UNLIMITED if longest == np.inf else int(longest) + 2
    yield from ((name, [data]) for name, data in tokens.files(limit).items())
    yield "documents.jsonl", _documents(world, tokens)
    yield from ((f"{part}.jsonl", _data_set(world, tokens, part, amounts[part], seed)) for part in PARTS)


def _documents(world: DrawnWorld, tokens: Tokens) -> Iterator[bytes]:
    """Every document with its truth; the logarithm of the probability 0 is null."""
    found = world.documents
    for index, string in enumerate(found.strings):
        yield line({
            "id": world.document_ids[index], "text": tokens.text(string), "from": "PS"[index >= found.each],
            "kept": bool(found.kept[index]), "log_p": number_or_null(found.log_p[index]),
            "log_s": number_or_null(found.log_s[index]),
        })  # fmt: skip


def _data_set(world: DrawnWorld, tokens: Tokens, part: str, amount: int, seed: int) -> Iterator[bytes]:
    """Independent documents, one in a line. Chunk after chunk is drawn, so the memory does not grow."""
    law = world.laws.s if part == "sft" else world.laws.p
    for start in range(0, amount, CHUNK):
        for string in chunk_of(law, seed, part, start // CHUNK)[: amount - start]:
            yield line({"text": tokens.text(string)})
