"""The tokens of an exported world: a word-level tokenizer that Hugging Face loads, and the ids that it gives."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError

ROLES = ("start", "pad", "unknown")
"""The tokens that a world lacks and trainers want. Their ids follow those of the V symbols, in this order."""

_WRITTEN = {"start": "bos", "pad": "pad", "unknown": "unk"}


@dataclass(frozen=True)
class Tokens:
    """The symbols of a world, and three further tokens. A text is written with one space between two symbols."""

    symbols: tuple[str, ...]
    extra: tuple[str, ...]  # start, pad, unknown

    @classmethod
    def of(cls, words: Vocabulary) -> "Tokens":
        """Return the tokens of a vocabulary. Raises SpecificationError for symbols that white space would divide."""
        for symbol in words.symbols:
            if symbol.split() != [symbol]:
                raise SpecificationError(
                    f"world: symbols without white space are required, found {symbol!r}; rename it in the grammar"
                )
        return cls(words.symbols, tuple(_free(f"<{_WRITTEN[role]}>", words.symbols) for role in ROLES))

    @property
    def end(self) -> str:
        """The token that ends every document."""
        return self.symbols[EOS]

    def id_of(self, role: str) -> int:
        """Return the id of the token with a role."""
        return len(self.symbols) + ROLES.index(role)

    def text(self, tokens: Sequence[int] | np.ndarray) -> str:
        """Return tokens as text, up to the end, which is left out."""
        words = []
        for token in tokens:
            if int(token) == EOS:
                break
            words.append(self.symbols[int(token)])
        return " ".join(words)

    def rows(self, strings: np.ndarray) -> np.ndarray:
        """Return strings int32[n, L] as ids for training, int32[n, L+1]: the start, the string, its end, padding."""
        ended = np.cumsum(strings == EOS, axis=1) - (strings == EOS) > 0
        rows = np.full((len(strings), strings.shape[1] + 1), self.id_of("start"), np.int32)
        rows[:, 1:] = np.where(ended, self.id_of("pad"), strings)
        return rows

    def about(self) -> dict[str, Any]:
        """Return the further tokens and the end with their ids, as JSON."""
        found = {"end": {"token": self.end, "id": EOS}}
        for role, token in zip(ROLES, self.extra, strict=True):
            found[role] = {"token": token, "id": self.id_of(role)}
        return found

    def files(self, length: int) -> dict[str, bytes]:
        """Return the files of a tokenizer of Hugging Face for documents of at most `length` tokens, start included.

        It is `tokenizers.models.WordLevel` with the pre-tokenizer `WhitespaceSplit`. It puts the start token before
        every text and no end after it: trainers append the end themselves.
        """
        start, pad, unknown = self.extra
        special = {self.end: EOS} | {token: self.id_of(role) for role, token in zip(ROLES, self.extra, strict=True)}
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        first = {"SpecialToken": {"id": start, "type_id": 0}}
        parts = [{"Sequence": {"id": name, "type_id": 0}} for name in ("A", "B")]
        tokenizer = {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [{"id": number, "content": token, **flags} for token, number in special.items()],
            "normalizer": None,
            "pre_tokenizer": {"type": "WhitespaceSplit"},
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [first, parts[0]],
                "pair": [first, *parts],
                "special_tokens": {start: {"id": start, "ids": [special[start]], "tokens": [start]}},
            },
            "decoder": None,
            "model": {
                "type": "WordLevel",
                "vocab": {token: number for number, token in enumerate((*self.symbols, *self.extra))},
                "unk_token": unknown,
            },
        }
        names = {"bos_token": start, "eos_token": self.end, "pad_token": pad, "unk_token": unknown}
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": length,
            "padding_side": "right",
            "clean_up_tokenization_spaces": False,
            **names,
        }
        contents = {"tokenizer": tokenizer, "tokenizer_config": config, "special_tokens_map": names}
        return {f"tokenizer/{name}.json": _json(content) for name, content in contents.items()}


def _free(name: str, symbols: Sequence[str]) -> str:
    """Return a name that no symbol has: the given one, or it with more brackets around it."""
    while name in symbols:
        name = f"<{name}>"
    return name


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
