"""Facts that are always reported: what a language is, its support, entropy, diversity and likeliest strings."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sim.describe.bounds import Known
from sim.describe.sections import Section, Value
from sim.languages.automaton import Automaton
from sim.languages.chain import Chain
from sim.languages.chain_rates import excess_entropy
from sim.languages.endless import Endless
from sim.languages.exact import ExactLanguage, UnavailableError
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.hidden_chain import HiddenChain
from sim.languages.machine import END, START, Machine
from sim.languages.moments import derivation_varentropy, length_variance, path_varentropy, varentropy
from sim.languages.paths import Path, likeliest_path
from sim.languages.pcfg.language import ContextFree
from sim.languages.spectrum import spectral_radius
from sim.numerics import EOS
from sim.quantity import Quantity, exponential, reciprocal

LARGEST = 700.0
"""log of the largest number of strings that fits a float. Beyond it N_0 is left out, and the support section has it."""

TIER_A = 1_000_000
"""Largest number of strings that counts as enumerable (tier A)."""

KINDS = {
    FiniteLanguage: "a finite language, listed",
    Automaton: "a deterministic probabilistic automaton",
    HiddenAutomaton: "a non-deterministic probabilistic automaton",
    ContextFree: "a probabilistic context-free grammar",
    Chain: "a Markov chain that never stops",
    HiddenChain: "a hidden Markov chain that never stops",
}


def about(language: ExactLanguage, known: Known | None, said: Mapping[str, Any]) -> Section:
    """Return the section on what the language is. `said` holds the path, name and type of the file."""
    found = Section("about", "")
    found.add("file", "file", said["file"])
    if said["name"]:
        found.add("name", "name", said["name"])
    found.add("type", "type", said["type"])
    found.add("kind", "kind", KINDS[type(language)])
    endless = "B", "", "sequences never end: prefixes and blocks are exact; a run needs a length"
    found.add("tier", "tier", *(endless if known is None else _tier(known)))
    symbols = language.vocabulary.symbols
    found.add("num_symbols", "symbols", len(symbols) - 1)
    found.add("symbols", "alphabet", list(symbols[EOS + 1 :]))
    found.add("eos", "end of string", symbols[EOS] if not isinstance(language, Endless) else None)
    for key, label, value, note in _machine(language):
        found.add(key, label, value, note=note)
    return found


def _tier(known: Known) -> tuple[str, str, str]:
    if known.log_size() <= math.log(TIER_A):
        return "A", "", "enumerable: everything is exact, also for a trained model"
    unknown = "a number of strings that is not known"
    large = f"more than {TIER_A:,} strings" if known.log_size() < math.inf else unknown
    many = "infinitely many strings" if known.infinite else large
    return "B", "", f"{many}: numbers come from linear algebra, not from a list; a run needs a length"


def _machine(language: ExactLanguage) -> Iterator[tuple[str, str, Value, str]]:
    """Yield the parts of the language as (key, label, value, note): states, rules, ambiguity."""
    if isinstance(language, Machine):
        yield "num_states", "states", len(language.stops), _added(language)
    if isinstance(language, HiddenAutomaton):
        told = "every string has one path" if language.unambiguous else "some strings have several paths"
        yield "unambiguous", "unambiguous", language.unambiguous, told
    if isinstance(language, Endless):
        yield "num_states", "states", len(language.moves), _added(language)
    if isinstance(language, ContextFree):
        yield "num_nonterminals", "non-terminals", len(language.nonterminals), ""
        yield "num_rules", "rules", len(language.rules), ""
        yield "criticality", "derivations", language.growth, _CRITICALITY[language.growth]
        yield "ambiguity", "ambiguity", *_ambiguity(language)


def _added(language: Machine | Endless) -> str:
    """Return a note on a state that a file of type `markov` or `hmm` does not name."""
    return "".join(f"{name} is one of them" for name in (START, END) if name in (language.state_names or ()))


_CRITICALITY = {
    "subcritical": "spectral radius below 1: derivations end after finitely many steps on average",
    "critical": "spectral radius exactly 1: derivations end, but need infinitely many steps on average",
}


def _ambiguity(language: ContextFree) -> tuple[Value, str]:
    found = language.ambiguity
    if found.unambiguous:
        return {"verdict": "unambiguous", "reason": found.reason}, found.reason
    if found.open:
        return {"verdict": "undecided", "reason": found.reason}, found.reason
    head = language.nonterminals[found.within or 0]
    if found.witness is None:
        proof = {"reason": found.reason, "non_terminal": head, "length": found.length}
        return {"verdict": "ambiguous"} | proof, f"{found.reason} that {head} derives"
    example = language.vocabulary.decode(found.witness) or "(the empty string)"
    note = f"{found.reason}: {head} derives {example} in more than one way"
    return {"verdict": "ambiguous", "reason": found.reason, "non_terminal": head, "string": example}, note


def support(known: Known, num_counts: int) -> Section:
    """Return the section on the number of strings and their lengths."""
    language = known.language
    found = Section("support", "Support")
    found.add("size", "strings", _size(known), "strings")
    found.add("expected_length", "expected length E|x|", Quantity.of(language.expected_length()), "symbols")
    variance = length_variance(language)
    found.add("length_variance", "variance of |x|", Quantity.of(variance), "symbols^2", _deviation(variance, "symbols"))
    assert isinstance(language, FiniteLanguage | Machine | ContextFree)
    found.add("longest", "longest string", language.longest, "symbols")
    if not isinstance(language, FiniteLanguage):
        of_what = (
            "of the mean matrix of the rules" if isinstance(language, ContextFree) else "of the moves between states"
        )
        found.add("spectral_radius", "spectral radius", spectral_radius(language), "1", of_what)
    counts, of = _counts(language, num_counts)
    if counts is not None:
        found.add("counts", f"{of} of 0, 1, 2, ...", counts, note="by their number of symbols; exact")
        found.add("counts_of", "", of)
    return found


def _size(known: Known) -> Value:
    """Return the number of strings, bounds on it, or its logarithm if the number has too many digits."""
    try:
        least, most = known.size()
    except UnavailableError:
        exact = isinstance(known.language, ContextFree) and known.language.ambiguity.unambiguous
        return {"log10" if exact else "at_most_log10": known.log_size() / math.log(10)}
    return most if least == most or known.infinite else {"at_least": least, "at_most": most}


def _counts(language: FiniteLanguage | Machine | ContextFree, number: int) -> tuple[list[int] | None, str]:
    """Return the number of strings (or derivations) of each length, and which of the two; None if not countable."""
    if isinstance(language, FiniteLanguage):
        lengths = language.trie.lengths[language.log_p > -np.inf] - 1
        return np.bincount(lengths, minlength=number)[:number].tolist(), "strings"
    if isinstance(language, ContextFree):
        return language.shape.counts(number), "strings" if language.ambiguity.unambiguous else "derivations"
    try:
        return language.counts(number), "strings"
    except UnavailableError:
        return None, ""


def entropy(known: Known) -> Section:
    """Return the section on the entropy of strings, and of paths or derivations for automata and grammars."""
    language = known.language
    found = Section("entropy", "Entropy")
    of_strings = known.entropy()
    found.add("entropy", "H(P), of strings", of_strings, "nat per string", _how(known, of_strings))
    decisions = language.expected_length() + 1
    per_token = of_strings.scaled(1 / decisions) if math.isfinite(decisions) else None
    if per_token is not None:
        found.add("entropy_per_token", "H(P) / (E|x| + 1)", per_token, "nat per token")
    if isinstance(language, ContextFree):
        found.add("derivation_entropy", "of derivations", Quantity.of(language.derivation_entropy()), "nat per string")
    if isinstance(language, HiddenAutomaton):
        found.add("path_entropy", "of paths of states", Quantity.of(language.path_entropy()), "nat per string")
    _add_varentropy(found, known)
    return found


def _add_varentropy(found: Section, known: Known) -> None:
    """Add the varentropy of strings if it is known, and that of paths or derivations, shown only in its place."""
    language, label = known.few or known.language, "varentropy Var(-log P(x))"
    try:
        value = varentropy(language)
        found.add("varentropy", label, Quantity.of(value), "nat^2", _deviation(value, "nats"))
        label = ""
    except UnavailableError:
        label = "varentropy"
    if isinstance(known.language, ContextFree):
        key, shown, value = "derivation_varentropy", "of derivations", derivation_varentropy(known.language)
    elif isinstance(known.language, HiddenAutomaton):
        key, shown, value = "path_varentropy", "of paths", path_varentropy(known.language)
    else:
        return
    found.add(key, label and f"{label} {shown}", Quantity.of(value), "nat^2", _deviation(value, "nats"))


def _deviation(variance: float, unit: str) -> str:
    return f"standard deviation {math.sqrt(variance):.6g} {unit}" if math.isfinite(variance) else ""


def _how(known: Known, value: Quantity) -> str:
    if value.exact:
        return "by enumeration" if known.few is not None and not isinstance(known.language, FiniteLanguage) else ""
    more = "derivations may be" if isinstance(known.language, ContextFree) else "paths of states are"
    return f"{more} more diverse than strings; use --length to list the strings for an exact value"


def diversity(known: Known) -> Section:
    """Return the section on the collision probability and the Hill numbers."""
    found = Section("diversity", "Diversity")
    collision, largest, of_strings = known.collision(), known.largest(), known.entropy()
    found.add("collision", "C(P) = sum of P(x)^2", collision, "1")
    if known.log_size() <= LARGEST or known.log_size() == math.inf:
        least, most = (float(end) for end in known.size())
        found.add("hill_0", "N_0, strings", Quantity(most if known.infinite else least, most), "strings")
    found.add("hill_1", "N_1 = e^H", of_strings.increasing(exponential), "strings")
    found.add("hill_2", "N_2 = 1 / C", collision.decreasing(reciprocal), "strings")
    found.add("hill_inf", "N_inf = 1 / max P(x)", largest.decreasing(reciprocal), "strings")
    return found


def likeliest_strings(known: Known, number: int) -> Section:
    """Return the section on the `number` strings of highest probability."""
    found = Section("likeliest", "Most likely strings")
    head = known.head
    rows = [string_row(known.language, tokens, log_p) for tokens, log_p in head.strings[:number]]
    found_only = "the best strings found; others may be likelier, since a string can have many derivations"
    note = "" if head.proved else found_only
    if not head.strings:
        note = "none listed: they have over 200 symbols; --string gives the exact probability of one"
    found.add("strings", "", rows, note=note)
    found.add("proved", "", head.proved)
    return found


def likeliest_path_of(known: Known) -> list[Section]:
    """Return the section on the likeliest path of states; none unless the states are hidden."""
    language = known.language
    if not isinstance(language, HiddenAutomaton):
        return []
    found, path = Section("path", "Most likely path of states (Viterbi)"), likeliest_path(language)
    found.add("path", "path", path_text(language, path))
    found.add("string", "its string", language.vocabulary.decode(path.tokens) or "(the empty string)")
    found.add("p", "P(path)", Quantity.of(math.exp(path.log_p)), "1")
    summed = math.exp(language.log_prob(path.tokens))
    found.add("string_p", "P(x), over all its paths", Quantity.of(summed), "1")
    return [found]


def path_text(language: HiddenAutomaton, path: Path) -> str:
    """Return a path as text: its states, with the symbols between them."""
    names = [language.state_names[s] if language.state_names else str(s) for s in path.states]
    symbols = language.vocabulary.symbols
    return names[0] + "".join(f" -{symbols[a]}-> {name}" for a, name in zip(path.tokens, names[1:], strict=True))


def string_row(language: ExactLanguage, tokens: Any, log_p: float) -> dict[str, Any]:
    """Return a table row: a string, its probability, and its log-probability [nat]."""
    return {"string": language.vocabulary.decode(tokens), "p": math.exp(log_p), "log_p": log_p}


def chain(language: Endless, number: int) -> list[Section]:
    """Return the section on the entropy rate, block entropies and symbol frequencies of a source that never stops."""
    found = Section("entropy", "Entropy")
    found.add("entropy_rate", "entropy rate", language.rate(), "nat per symbol")
    if isinstance(language, Chain):
        closed = sum(share > 0 for share, _, _ in language.classes)
        note = "mutual information of past and future" + (f"; mean over the {closed} closed classes" * (closed > 1))
        found.add("excess_entropy", "excess entropy E", excess_entropy(language), "nat", note)
    blocks = [Quantity.of(value) for value in language.block_entropies(number)]
    found.add("block_entropies", "H(X_1..X_n), n = 0, 1, ...", blocks, "nat", "nats; exact")
    shares = dict(zip(language.vocabulary.symbols[1:], language.frequencies()[1:].tolist(), strict=True))
    found.add("frequencies", "long-run share of symbols", shares, "1")
    return [found]
