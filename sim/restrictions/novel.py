"""New things in the data: a share of the answers is written in new words, which P never has."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Annotated, Literal

import numpy as np

from sim.config import Fraction
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.restricted import Restricted, weighs, widens
from sim.languages.trie import Trie
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError
from sim.restrictions._styles import style_masses
from sim.restrictions.style import style


@weighs("share")
@widens
def novel(
    p: ExactLanguage,
    *,
    keep: str | Sequence[str],
    share: Annotated[float, Fraction] = 0.5,
    words: Literal["all", "first"] = "all",
) -> Restricted:
    """S = (1 - nu) P_z + nu N: one style (or several) of P, and a new style N in the share nu = `share` of the data.

    P_z = P(. | z in `keep`) is what `style` keeps. N is P_z in other words, P_z(x) P_z(y' | x) with y' for y: all
    symbols of the answer are replaced by new symbols (w by w'), or with `words: first` only the first one, such as the
    token that shows a style. So N keeps the prompts and the entropy of P_z, and it is outside supp P. N is listed for
    every share, also for 0 and 1. All laws are on one trie of P's strings and those of N, with the new symbols at the
    end of the vocabulary. P and its styles stay as they are; N is one more style of probability 0 under P. A and P_A
    are those of `style`. For nu > 0, KL(S || P) is infinite and the shift accounting does not apply; for nu = 1, S has
    nothing of A. Notes: the share of each style in S, and `num_new`, the number of strings of N. Raises
    `SpecificationError` as `style` does, and if a kept answer is empty, because it has no word that could be new.
    """
    kept = style(p, keep=keep)
    assert isinstance(p, FiniteLanguage)
    rows = np.flatnonzero(kept.s.log_p > -np.inf)
    vocabulary, renamed = _renamed(p, rows, words)
    trie, order = Trie.of(np.concatenate([p.trie.strings, renamed]), len(vocabulary))
    styles = _styles(p, len(rows))

    def listed(law: np.ndarray, of_new: np.ndarray | float) -> FiniteLanguage:
        both = np.concatenate([law, np.broadcast_to(of_new, len(rows))])[order]
        return FiniteLanguage(vocabulary, trie, both, replace(styles, log_posterior=styles.log_posterior[order]))

    with np.errstate(divide="ignore"):
        s = listed(np.log1p(-share) + kept.s.log_p, np.log(share) + kept.s.log_p[rows])
    none = np.full(len(rows), -np.inf)
    event = np.concatenate([kept.event, np.zeros(len(rows), bool)])[order]
    member = None if kept.log_member is None else np.concatenate([kept.log_member, none])[order]
    notes = style_masses(s) | {"num_new": float(len(rows))}
    return Restricted(s, listed(kept.kept.log_p, none), event, kept.log_mass, notes, member, listed(p.log_p, none))


def _renamed(p: FiniteLanguage, rows: np.ndarray, words: str) -> tuple[Vocabulary, np.ndarray]:
    """The vocabulary with a new symbol for every one that is replaced, and the new strings: int32[len(rows), L]."""
    strings, start = p.trie.strings[rows].copy(), p.prompts.length[rows][:, None]
    end, position = p.trie.lengths[rows][:, None] - 1, np.arange(p.trie.length)
    if (empty := (end <= start)[:, 0]).any():
        text = p.vocabulary.decode(strings[np.argmax(empty)])
        raise SpecificationError(
            f"restriction: a symbol in every kept answer is required, found none in {text!r}; keep another style"
        )
    at = (position >= start) & (position < (end if words == "all" else start + 1))
    old = np.unique(strings[at])
    symbols = list(p.vocabulary.symbols)
    for token in old:
        symbols.append(_unused(symbols[token], symbols))
    strings[at] = len(p.vocabulary) + np.searchsorted(old, strings[at])
    return replace(p.vocabulary, symbols=tuple(symbols)), strings


def _styles(p: FiniteLanguage, number: int) -> Styles:
    """The styles of P's strings, and after them one more style of `number` new strings."""
    assert p.styles is not None
    old = p.styles.log_posterior
    posterior = np.full((len(old) + number, len(p.styles.names) + 1), -np.inf)
    posterior[: len(old), :-1], posterior[len(old) :, -1] = old, 0.0
    return Styles((*p.styles.names, _unused("new", p.styles.names, bare=True)), posterior)


def _unused(name: str, names: Sequence[str], bare: bool = False) -> str:
    """The name with as few primes as make it another than all names: at least one prime, or with `bare` none."""
    return next(found for primes in count(0 if bare else 1) if (found := name + "'" * primes) not in names)


def label(*, keep: str | Sequence[str], share: float = 0.5, words: str = "all", **_: object) -> str:
    """The restriction in words."""
    new = "in new words" if words == "all" else "with a new first word"
    return f"style {keep if isinstance(keep, str) else ', '.join(keep)}, {100 * share:g} % {new}"
