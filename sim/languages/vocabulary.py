"""The symbols of a language, and how its strings are written."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.cutting import cut
from sim.numerics import EOS, SpecificationError, nearest


@dataclass(frozen=True)
class Vocabulary:
    """The V symbols of a language. `symbols[0]` is the name of EOS, which is also the padding.

    `prompt_end` is the token that closes a document's prompt; it is None if the world has no prompts. The prompt is
    everything up to and including the first `prompt_end`. `joiner` stands between symbols when a string is written. If
    it is "" and symbols have several characters, as in Chinese, a text may be read with spaces between symbols or not.
    The language of the empty string alone has only EOS. Raises `SpecificationError` if a symbol is empty or occurs
    twice, if EOS has no name, or if `prompt_end` is outside the vocabulary.
    """

    symbols: tuple[str, ...]
    prompt_end: int | None = None
    joiner: str = " "

    def __post_init__(self) -> None:
        if not self.symbols:
            raise SpecificationError("vocabulary: the name of EOS is required, found no symbol; give it")
        seen: set[str] = set()
        for symbol in self.symbols:
            if not isinstance(symbol, str) or symbol == "":
                raise SpecificationError(f"vocabulary: symbols must be non-empty strings, found {symbol!r}")
            if symbol in seen:
                what = "the reserved end-of-string name" if symbol == self.symbols[EOS] else "a symbol used twice"
                raise SpecificationError(f"vocabulary: {symbol!r} is {what}; rename one of them")
            seen.add(symbol)
        if self.prompt_end is not None and not 0 < self.prompt_end < len(self.symbols):
            raise SpecificationError(
                f"vocabulary: prompt_end must be a token from 1 to {len(self.symbols) - 1}, found {self.prompt_end}"
            )

    def __len__(self) -> int:
        return len(self.symbols)

    @cached_property
    def _number(self) -> dict[str, int]:
        return {symbol: token for token, symbol in enumerate(self.symbols)}

    @cached_property
    def compact(self) -> bool:
        """Whether symbols with several characters are written with nothing between them, so that a text is cut."""
        return self.joiner == "" and any(len(symbol) > 1 for symbol in self.symbols[EOS + 1 :])

    @cached_property
    def spaced(self) -> bool:
        """Whether white space in a text only separates symbols, so that none of them needs to hold it."""
        bare = not any(sign.isspace() for symbol in self.symbols[EOS + 1 :] for sign in symbol)
        return self.joiner != "" or (self.compact and bare)

    def index(self, symbol: str) -> int:
        """The token of a symbol. An unknown symbol raises `SpecificationError` with the nearest name."""
        try:
            return self._number[symbol]
        except KeyError:
            raise SpecificationError(f"unknown symbol {symbol!r}{nearest(symbol, self.symbols)}") from None

    def encode(self, words: Sequence[str]) -> np.ndarray:
        """The tokens of a sequence of symbols: int32[len(words)]. No EOS is added."""
        return np.array([self.index(word) for word in words], np.int32)

    def cut(self, text: str) -> list[str]:
        """The symbols of a part of a text without white space between them, see `sim.languages.cutting.cut`."""
        return cut(text, self._number)

    def tokens(self, text: str, place: str) -> list[int]:
        """Tokens of a written text, without EOS: the inverse of `decode`.

        If symbols with several characters are written with nothing between them, the text is cut. Then a part between
        spaces that is a symbol stays whole. An unknown symbol, the end of string, or a text that can be cut in two ways
        raises a `SpecificationError` that names the place.
        """
        try:
            tokens: list[int] = self.encode(self._words(text)).tolist()
        except SpecificationError as problem:
            raise SpecificationError(f"{place} {text!r}: {problem}; symbols of the language are required") from None
        if EOS in tokens:
            raise SpecificationError(
                f"{place} {text!r}: a string without its end is required, found the end-of-string symbol; leave it out"
            )
        return tokens

    def _words(self, text: str) -> list[str]:
        """The symbols of a text, which may be unknown ones where the text shows where they end."""
        if not self.compact:
            return list(text) if self.joiner == "" else [word for word in text.split(self.joiner) if word]
        parts = text.split() if self.spaced else [text] if text else []
        if len(parts) == 1:
            return self.cut(parts[0])
        return [symbol for part in parts for symbol in ([part] if part in self._number else self.cut(part))]

    def decode(self, tokens: Sequence[int] | np.ndarray) -> str:
        """The string as text, up to the first EOS, which is left out."""
        words = []
        for token in tokens:
            if int(token) == EOS:
                break
            words.append(self.symbols[int(token)])
        return self.joiner.join(words)

    def written(self, tokens: Sequence[int] | np.ndarray) -> str:
        """A prefix as messages show it: as text, or as numbers if it holds EOS or a token that does not exist."""
        numbers = [int(token) for token in tokens]
        inside = all(EOS < token < len(self.symbols) for token in numbers)
        return repr(self.decode(numbers)) if inside else str(numbers)

    def prompt_length(self, strings: np.ndarray) -> np.ndarray:
        """The number of prompt tokens of each string, the closing token included: int[N] for int[N, L].

        It is 0 everywhere if there are no prompts. Raises `SpecificationError` if a string lacks the closing token.
        """
        if self.prompt_end is None:
            return np.zeros(len(strings), np.int64)
        closes = strings == self.prompt_end
        if not closes.any(axis=1).all():
            example = self.decode(strings[np.argmin(closes.any(axis=1))])
            raise SpecificationError(
                f"every document must contain the prompt's closing symbol {self.symbols[self.prompt_end]!r}, "
                f"found {example!r} without it"
            )
        return np.argmax(closes, axis=1) + 1
