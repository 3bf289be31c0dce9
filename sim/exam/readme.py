"""The page that an exported world brings along: what is there, how to train on it, and what to hand in."""

from collections.abc import Mapping
from typing import Any

from sim.exam.tokens import Tokens
from sim.exam.world import ExamWorld
from sim.numerics import EOS

_PAGE = """\
# The world {name}

{about}
A model that is trained on these data can be judged by the truth: P and S are known exactly. Hash {hash}.

| file | content |
|---|---|
| `pretrain.jsonl` | {pretrain} from P: `text` |
| `sft.jsonl` | {sft} from S: {fields} |
| `control.jsonl` | {sft} from P in the same form, for the control: the same fine-tuning without a restriction |
| `*_ids.npy` | the same documents in the same order as ids, int32: start, document, end, padding |{more}
| `tokenizer/` | a word-level tokenizer for Hugging Face: `PreTrainedTokenizerFast.from_pretrained("tokenizer")` |
| `documents.jsonl` | all {documents} documents that have to be scored, with the truth: log P and log S [nat] |
| `prefixes.jsonl` | all {prefixes} prefixes, for those who hand in next-token laws |
| `exam.json`, `world.safetensors` | the world for the program: numbers, tokens, licence (Apache-2.0), checksums |

## Training

* Every document is `{start}` (id {start_id}), its words, `{end}` (id {end_id}). Without the start token the first word
  has no probability. Train, fine-tune and score with the same form: a model that was pretrained with a start token and
  is tuned or scored without one is another model.
* The tokenizer puts `{start}` first by itself, and no end: TRL's `SFTTrainer` and others append `{end}` themselves.
* One word is one token, and words are separated by one space, in every language.{cut}
* Padding is `{pad}` (id {pad_id}); mask it in the loss.

## What to hand in

For every line of `documents.jsonl` the log-probability under your model: the sum over its tokens, `{end}` included. Any
tokenizer will do. A table (csv, JSONL, parquet or npz) with these columns, in any order of rows:

| column | content |
|---|---|
| `id` | as in `documents.jsonl` |
{columns}
| `model` | if the file holds several: `before` the fine-tuning, `after` it, or `control` |
| `step` | if there are several of one model: the number of steps of the fine-tuning |

```python
import json, torch                                     # `tok` and `model` as you trained them
out = open("after.jsonl", "w")
for line in open("documents.jsonl"):
    one = json.loads(line)
    {first}
    ids = tok({whole})["input_ids"] + [tok.eos_token_id]
    log_q = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    each = log_q[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
    print(json.dumps({{"id": one["id"], "{column}": each[start:].sum().item()}}), file=out)
```

    python -m sim.score after.jsonl --before before.jsonl --world .

A richer file holds next-token laws: for every line of `prefixes.jsonl` the log-probabilities of the ids 0 to {last}, or
with the three further ids {start_id} to {unknown_id}, as an npz with `prefix` and `log_probs`. Then the entropy has an
upper bound, and the numbers by position are known too.
"""

_PROMPTS = (
    "\n* A prompt ends with `{mark}`, and the answer begins with the next token. `completion` begins with a space, so\n"
    "  that prompt and completion can be joined. Score the answer given the prompt: the cut is at a token boundary."
)
_ANSWER = "| `log_q_answer` | log q(y\\|x) of the answer given its prompt; tuning on answers trains this |\n"
_DOCUMENT = "| `log_q_document` | log q(xy) of the whole document{note} |"


def readme(world: ExamWorld, tokens: Tokens, amounts: Mapping[str, Any], seed: int) -> str:
    """Return the page as Markdown."""
    start, pad, _ = tokens.extra
    given, trie = world.has_prompts, world.p.trie
    end_of_prompt = world.p.vocabulary.prompt_end
    mark = "" if end_of_prompt is None else tokens.symbols[end_of_prompt]
    note = ", which mixes in log q(x); hand in one of both, or both" if given else ""
    first = 'start = len(tok(one["prompt"])["input_ids"]) - 1' if given else "start = 0"
    more = "\n| `*_prompt_tokens.npy` | how many of the ids are the start and the prompt |" if given else ""
    if "all" in amounts.values():
        more += "\n| `*_weights.npy`, `weight` | probabilities, where every document is listed once |"
    return _PAGE.format(
        name=world.name,
        about=f"{trie.num_strings:,} documents{_prompts(world)}, H(P) = {world.p.entropy():.3f} nats, "
        f"H(S) = {world.s.entropy():.3f} nats. Random seed of the drawn data: {seed}.",
        hash=world.hash,
        pretrain=_amount(amounts["pretrain"]),
        sft=_amount(amounts["sft"]),
        fields="`prompt` and `completion`" if given else "`text`",
        more=more,
        documents=f"{trie.num_strings:,}",
        prefixes=f"{trie.num_nodes:,}",
        start=start,
        start_id=tokens.id_of("start"),
        end=tokens.end,
        end_id=EOS,
        cut=_PROMPTS.format(mark=mark) if given else "",
        pad=pad,
        pad_id=tokens.id_of("pad"),
        columns=(_ANSWER if given else "") + _DOCUMENT.format(note=note),
        first=first,
        whole='one["prompt"] + one["completion"]' if given else 'one["text"]',
        column="log_q_answer" if given else "log_q_document",
        last=len(tokens.symbols) - 1,
        unknown_id=tokens.id_of("unknown"),
    )


def _prompts(world: ExamWorld) -> str:
    return f" with {world.p.prompts.num_groups} prompts" if world.has_prompts else ""


def _amount(amount: Any) -> str:
    return "every document once, with its weight," if amount == "all" else f"{amount:,} documents"
