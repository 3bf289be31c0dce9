"""A GPT-2 with a byte-pair tokenizer of its own: log q of every text by one sequence of tokens, and by all of them.

It is run with the environment of `make trainers`: python segmented_gpt.py WORLD OUT. It trains the tokenizer and a tiny
model on the data of an exported world, fine-tunes it, and writes OUT/before.npz and OUT/after.npz with the columns
`id`, `canonical` (the sum over the tokens that the tokenizer gives), `all` (the logarithm of the sum over all
sequences of tokens that spell the text) and `count` (their number).

A transformer's next-token law depends on all tokens before it and not on where they end in the text. So there is no
recursion over places of the text that gives the sum: every sequence has to be scored. Their number has a recursion,
with which the enumeration is checked.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, trainers
from transformers import GPT2Config, GPT2LMHeadModel

START, END = "<s>", "</s>"
PIECES, STEPS, TUNED, BATCH, RATE = 24, 30, 10, 32, 0.003


def texts_of(file):
    """The texts of a file of an exported world."""
    return [json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()]


def trained_tokenizer(texts):
    """Byte pairs over whole texts, spaces included, so that many sequences of tokens spell a text."""
    own = Tokenizer(models.BPE())
    own.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=PIECES, special_tokens=[START, END], show_progress=False)
    )
    return own


def segmentations(text, pieces):
    """All sequences of tokens that spell a text, and their number by the recursion over its places."""
    ends = [[[]]]
    number = [1]
    for end in range(1, len(text) + 1):
        before = [(start, pieces[text[start:end]]) for start in range(end) if text[start:end] in pieces]
        ends.append([[*head, token] for start, token in before for head in ends[start]])
        number.append(sum(number[start] for start, _ in before))
    return ends[-1], number[-1]


def padded(rows, start, end):
    """Rows of tokens with start and end, and whether each token counts."""
    width = max(map(len, rows)) + 2
    ids, real = torch.full((len(rows), width), end), torch.zeros(len(rows), width, dtype=torch.bool)
    for at, row in enumerate(rows):
        ids[at, : len(row) + 2] = torch.tensor([start, *row, end])
        real[at, 1 : len(row) + 2] = True
    return ids, real


def log_probs(model, rows, start, end):
    """log q of sequences of tokens with their end [nat], in float64."""
    found = []
    for at in range(0, len(rows), 512):
        ids, real = padded(rows[at : at + 512], start, end)
        with torch.no_grad():
            logits = model(ids).logits.double().log_softmax(-1)
        each = logits[:, :-1].gather(2, ids[:, 1:, None])[..., 0]
        found.append((each * real[:, 1:]).sum(1).numpy())
    return np.concatenate(found)


def train(model, rows, steps, start, end, seed):
    """Fit the model to texts as the tokenizer writes them."""
    optimiser = torch.optim.AdamW(model.parameters(), RATE)
    draws = np.random.default_rng(seed)
    for _ in range(steps):
        ids, real = padded([rows[at] for at in draws.integers(len(rows), size=BATCH)], start, end)
        logits = model(ids).logits[:, :-1].log_softmax(-1)
        loss = -(logits.gather(2, ids[:, 1:, None])[..., 0] * real[:, 1:]).sum() / BATCH
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def main(world, out):
    """Train, fine-tune, and write what both models give to the documents of the world."""
    torch.manual_seed(0)
    own = trained_tokenizer(texts_of(world / "pretrain.jsonl"))
    pieces = {piece: token for piece, token in own.get_vocab().items() if piece not in (START, END)}
    start, end = (own.token_to_id(name) for name in (START, END))
    shape = {"n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 2}
    rates = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=own.get_vocab_size(), **shape, **rates)).double()
    documents = [json.loads(line) for line in (world / "documents.jsonl").read_text(encoding="utf-8").splitlines()]
    distinct = sorted({one["text"] for one in documents})
    ways = {text: segmentations(text, pieces) for text in distinct}
    assert all(len(found) == number for found, number in ways.values())
    out.mkdir()
    for name, part, steps in (("before", "pretrain", STEPS), ("after", "sft", TUNED)):
        train(model, [own.encode(text).ids for text in texts_of(world / f"{part}.jsonl")], steps, start, end, steps)
        whole = {}
        for text in distinct:
            canonical = log_probs(model, [own.encode(text).ids], start, end)[0]
            whole[text] = canonical, np.logaddexp.reduce(log_probs(model, ways[text][0], start, end))
        columns = {
            "id": [one["id"] for one in documents],
            "canonical": [whole[one["text"]][0] for one in documents],
            "all": [whole[one["text"]][1] for one in documents],
            "count": [ways[one["text"]][1] for one in documents],
        }
        np.savez(out / f"{name}.npz", **columns)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
