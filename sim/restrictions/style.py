"""Keep one style or several, or re-weight styles."""

from collections.abc import Mapping, Sequence

import numpy as np

from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.numerics import SpecificationError, log_group_sum
from sim.restrictions._styles import disjoint_styles, style_index, style_masses


def style(
    p: FiniteLanguage, *, keep: str | Sequence[str] | Mapping[str, float], keep_prompts: bool = False
) -> Restricted:
    """S is P restricted to the documents A of the kept styles, or a mixture of styles.

    A name or a list of names: S = P_A = P(. | A). A mapping from style to weight (relative, at least one positive):
    A is the union of the styles with a positive weight and S = sum_z w_z P_z / sum_z w_z with P_z = P(. | z), so the
    prompts follow P(x | z) within each style. `keep_prompts` keeps the law of prompts, S(x) = P(x): a name or a list
    gives S(y|x) = P(y | x, A), and weights are then the shares of styles within every prompt,
    S(y|x) = sum_z w_z P(y | x, z) / sum_z w_z; both need every kept share to exist at every prompt.
    `kept` is P_A = P(. | A) in any case, `log_mass` is log P(A) [nat] of documents. Notes: the share of S in each
    style. Raises `SpecificationError` for an unknown style, no or negative weights, a language without disjoint
    styles, or P(A) = 0.
    """
    styles = disjoint_styles(p, "keep")
    weights = _weights(keep)
    chosen = [style_index(styles, name, "keep") for name in weights]
    positive = [z for z, weight in zip(chosen, weights.values(), strict=True) if weight > 0]
    event = np.isin(styles.of, positive)
    kept, log_mass = p.condition(event, place="keep")
    if isinstance(keep, Mapping):
        w = np.zeros(len(styles.names))
        w[chosen] = list(weights.values())
        s = _mixture(p, styles.of, w / w.sum(), keep_prompts)
    else:
        s = p.condition(event, True, place="keep")[0] if keep_prompts else kept
    return Restricted(s, kept, event, log_mass, style_masses(s))


def _weights(keep: str | Sequence[str] | Mapping[str, float]) -> dict[str, float]:
    """Weight of every named style; 1 where only names are given."""
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


def _mixture(p: FiniteLanguage, style_of: np.ndarray, weights: np.ndarray, keep_prompts: bool) -> FiniteLanguage:
    """sum_z w_z P(. | z), or with `keep_prompts` P(x) sum_z w_z P(y | x, z); weights sum to 1."""
    num_styles, prompts = len(weights), p.prompts
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights)
    cell = prompts.group * num_styles + style_of if keep_prompts else style_of
    num_cells = prompts.num_groups * num_styles if keep_prompts else num_styles
    log_cell = log_group_sum(p.log_p, cell, num_cells).reshape(-1, num_styles)  # log P(z), or log P(x, z) by prompt
    needed = (weights > 0) & (prompts.log_p > -np.inf)[:, None] if keep_prompts else (weights > 0)[None]
    missing = needed & (log_cell == -np.inf)
    if missing.any():
        assert p.styles is not None
        x, z = (int(index[0]) for index in np.nonzero(missing))
        first = prompts.first[x]
        example = p.vocabulary.decode(p.trie.strings[first][: prompts.length[first]])
        where = f" at every prompt, found 0 at {example!r}; drop keep_prompts or" if keep_prompts else ", found 0;"
        raise SpecificationError(f"keep: P(z) > 0 is required for style {p.styles.names[z]!r}{where} give it no weight")
    target = log_weights + prompts.log_p[:, None] if keep_prompts else log_weights[None]
    shift = np.where(log_cell > -np.inf, target - np.where(log_cell > -np.inf, log_cell, 0.0), -np.inf)
    # prompts keep no documents of probability zero: -inf + shift stays -inf, since a shift is never +inf
    return FiniteLanguage(p.vocabulary, p.trie, p.log_p + shift.ravel()[cell], p.styles)
