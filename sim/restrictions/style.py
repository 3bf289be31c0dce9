"""Keep one or several styles, or give styles new weights."""

from collections.abc import Mapping, Sequence

import numpy as np

from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.restricted import Restricted
from sim.numerics import SpecificationError, log_group_sum, log_sum_exp
from sim.restrictions._styles import style_index, style_masses, styles_of


def style(
    p: ExactLanguage, *, keep: str | Sequence[str] | Mapping[str, float], keep_prompts: bool = False
) -> Restricted:
    """S is P given that the document is in one of the kept styles, or a mixture of styles.

    For a name or a list of names, S = P(. | z in the kept styles). For a mapping from style to relative weight (at
    least one is positive), S = sum_z w_z P_z / sum_z w_z with P_z = P(. | z); prompts then follow P(x | z) within each
    style. `keep_prompts` keeps the law of prompts, S(x) = P(x). Then a name or a list gives S(y|x) = P(y | x, kept),
    and weights are the shares of styles at every prompt, S(y|x) = sum_z w_z P(y | x, z) / sum_z w_z. The kept styles,
    or with weights each of them, must have a positive share at every prompt.
    A is the set of documents that a kept style can write, `kept` is P_A = P(. | A), and `log_mass` is log P(A) [nat].
    If styles overlap, no set A has P_z = P(. | A): the event is latent, `log_member` = log P(kept | document), and S
    follows `sim.metrics.forgetting.latent_shift_accounting`. Notes: the share of each style in S. Raises
    `SpecificationError` for an unknown style, for no or negative weights, for a language without styles, or for a kept
    style of probability 0.
    """
    language, styles = styles_of(p, "keep")
    weights = _weights(keep)
    chosen = [style_index(styles, name, "keep") for name in weights]
    positive = [z for z, weight in zip(chosen, weights.values(), strict=True) if weight > 0]
    member = log_sum_exp(styles.log_posterior[:, positive], axis=1)
    kept, log_mass = language.condition(member > -np.inf, place="keep")
    w = np.zeros(len(styles.names))
    w[chosen] = list(weights.values())
    if isinstance(keep, Mapping):
        s = _mixture(language, styles, w / w.sum(), keep_prompts)
    else:
        s = language.given(member, keep_prompts, "keep")[0]
    event = member > -np.inf
    return Restricted(s, kept, event, log_mass, style_masses(s), None if styles.disjoint else member)


def _weights(keep: str | Sequence[str] | Mapping[str, float]) -> dict[str, float]:
    """The weight of every named style. It is 1 if only names are given."""
    if isinstance(keep, str):
        return {keep: 1.0}
    if not isinstance(keep, Mapping):
        names = list(keep)
        if not names or len(set(names)) < len(names):
            raise SpecificationError(f"keep: one or more different styles are required, found {names}")
        return dict.fromkeys(names, 1.0)
    bad = {name: weight for name, weight in keep.items() if not 0 <= weight < np.inf}
    if bad or not any(weight > 0 for weight in keep.values()):
        raise SpecificationError(
            f"keep: weights of styles must be finite and non-negative, at least one positive, found {bad or dict(keep)}"
        )
    return dict(keep)


def _mixture(p: FiniteLanguage, styles: Styles, weights: np.ndarray, keep_prompts: bool) -> FiniteLanguage:
    """sum_z w_z P(. | z), or with `keep_prompts` P(x) sum_z w_z P(y | x, z). The weights must sum to 1."""
    prompts = p.prompts
    groups, number = (prompts.group, prompts.num_groups) if keep_prompts else (np.zeros(len(p.log_p), np.int64), 1)
    parts = []
    for z in np.flatnonzero(weights):
        joint = p.log_p + styles.log_posterior[:, z]
        log_cell = log_group_sum(joint, groups, number)  # log P(z), or log P(x, z) for every prompt
        needed = prompts.log_p > -np.inf if keep_prompts else np.ones(1, bool)
        if (missing := needed & (log_cell == -np.inf)).any():
            x = int(np.flatnonzero(missing)[0])
            example = p.vocabulary.decode(p.trie.strings[prompts.first[x]][: prompts.length[prompts.first[x]]])
            where = f" at every prompt, found 0 at {example!r}; drop keep_prompts or" if keep_prompts else ", found 0;"
            raise SpecificationError(
                f"keep: P(z) > 0 is required for style {styles.names[z]!r}{where} give it no weight"
            )
        target = np.log(weights[z]) + (prompts.log_p if keep_prompts else np.zeros(1))
        shift = np.where(log_cell > -np.inf, target - np.where(log_cell > -np.inf, log_cell, 0.0), -np.inf)
        # documents of probability zero stay at -inf, because a shift is never +inf
        parts.append(joint + shift[groups])
    return p.with_law(log_sum_exp(np.stack(parts), axis=0))


def label(*, keep: str | Sequence[str] | Mapping[str, float], keep_prompts: bool = False) -> str:
    """The restriction in words."""
    if isinstance(keep, Mapping):
        said = f"mixture of styles {', '.join(f'{name} {share:g}' for name, share in keep.items())}"
    else:
        said = f"style {keep if isinstance(keep, str) else ', '.join(keep)}"
    return said + (", prompts keep P(x)" if keep_prompts else "")
