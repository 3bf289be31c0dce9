"""The page that an exported world of this kind brings along: what is there, how to train, and what to hand in."""

import math
from collections.abc import Mapping

from sim.exam.drawn.entropies import entropies
from sim.exam.drawn.world import DrawnWorld
from sim.exam.tokens import Tokens
from sim.numerics import EOS
from sim.show.writing import text

_PAGE = """\
# The world {name}

{about}
Its strings are too many to list, but the probability of every string under P and S is known exactly. So a model is
judged by documents that were drawn: what comes out are estimates with intervals of 95 %. Hash {hash}.

| file | content |
|---|---|
| `pretrain.jsonl` | {pretrain:,} documents from P: `text` |
| `sft.jsonl` | {sft:,} documents from S, the data of the fine-tuning |
| `control.jsonl` | {sft:,} documents from P, for the control: the same fine-tuning without a restriction |
| `tokenizer/` | a word-level tokenizer for Hugging Face: `PreTrainedTokenizerFast.from_pretrained("tokenizer")` |
| `documents.jsonl` | the documents to be scored: {each:,} from P, then {each:,} from S, and log P, log S |
| `exam.json`, `world.safetensors` | the world for the program: definition, tokens, licence (Apache-2.0), checksums |

In `documents.jsonl`, `from` says from which law a document was drawn, `kept` whether S can write it, and `log_p` and
`log_s` are in nats; null is the logarithm of 0. Short documents can be there several times, as independent draws are.

## Training

* Every document is `{start}` (id {start_id}), its words, `{end}` (id {end_id}). Without the start token the first word
  has no probability. Train, fine-tune and score with the same form.
* The tokenizer puts `{start}` first by itself, and no end: TRL's `SFTTrainer` and others append `{end}` themselves.
* One word is one token, and words are separated by one space.
* Padding is `{pad}` (id {pad_id}); mask it in the loss.
* {longest}

## What to hand in

For every line of `documents.jsonl` the log-probability under your model: the sum over its tokens, `{end}` included. A
table (csv, JSONL, parquet or npz) with the columns `id` and `log_q_document`, in any order of rows; `model` (before,
after or control) and `step` if the file holds several.

```python
import json, torch                                     # `tok` and `model` as you trained them
out = open("after.jsonl", "w")
for line in open("documents.jsonl"):
    one = json.loads(line)
    ids = tok(one["text"])["input_ids"] + [tok.eos_token_id]
    log_q = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    each = log_q[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
    print(json.dumps({{"id": one["id"], "log_q_document": each.sum().item()}}), file=out)
```

    python -m sim.score after.jsonl --before before.jsonl --world .

What the model writes itself, drawn from it without any change of its probabilities, shows what no document of P can:
what it writes outside of the language. `--samples own.jsonl` takes a line for each: `text`, `model` if there are
several, `log_q_document` if you know it, and `ended` (false if it was cut off before `{end}`).

If your model gives every token at least the probability e, log p - log q of a document of T tokens is at most
-T log e. `--worst` declares such a number of nats; with it KL(P‖q) and KL(S‖q) have upper ends, too.
"""


def readme(world: DrawnWorld, tokens: Tokens, amounts: Mapping[str, int], seed: int) -> str:
    """Return the page as Markdown."""
    start, pad, _ = tokens.extra
    laws, documents = world.laws, world.documents
    known = entropies(world)
    dropped = f" Lengths that are left out have the mass {laws.dropped:.3g}." if laws.dropped else ""
    what = "" if laws.of_strings else " of derivations"
    limit = (
        "there is no longest one" if laws.longest == math.inf else f"none can have more than {int(laws.longest) + 1:,}"
    )
    longest = f"The longest document to be scored has {int(documents.lengths.max()):,} tokens with its end; {limit}."
    return _PAGE.format(
        name=world.name,
        about=f"H(P) {text(known['H(P)'])} nats, H(S) {text(known['H(S)'])} nats. S is P given an event A{what} "
        f"with −log P(A) = {-laws.log_mass:.6f} nats, exact.{dropped} Random seed of the drawn data: {seed}.",
        hash=world.hash,
        pretrain=amounts["pretrain"],
        sft=amounts["sft"],
        each=documents.each,
        start=start,
        start_id=tokens.id_of("start"),
        end=tokens.end,
        end_id=EOS,
        pad=pad,
        pad_id=tokens.id_of("pad"),
        longest=longest,
    )
