"""What restrictions ask of a language with styles."""

import numpy as np

from sim.languages.finite import FiniteLanguage, Styles
from sim.numerics import SpecificationError, nearest


def disjoint_styles(p: FiniteLanguage, place: str) -> Styles:
    """The styles of a language; raises `SpecificationError` if it has none or if they overlap."""
    if p.styles is None:
        raise SpecificationError(
            f"{place}: a language with styles is required, found one without; use grammar=english, styles_content, or "
            "another restriction"
        )
    if not p.styles.disjoint:
        raise SpecificationError(
            f"{place}: styles that the string determines are required, found overlapping ones, for which a style is no "
            "event of strings; use a language with disjoint styles"
        )
    return p.styles


def style_index(styles: Styles, name: str, place: str) -> int:
    """Position of a style; an unknown name raises `SpecificationError` with the nearest one and the list."""
    if name not in styles.names:
        raise SpecificationError(
            f"{place}: one of the styles {', '.join(styles.names)} is required, found {name!r}"
            + nearest(name, styles.names)
        )
    return styles.names.index(name)


def style_masses(language: FiniteLanguage) -> dict[str, float]:
    """The share of a language's documents in each style: {"mass_<style>": P(z)}, for disjoint styles."""
    styles = disjoint_styles(language, "language")
    masses = np.bincount(styles.of, np.exp(language.log_p), len(styles.names))
    return {f"mass_{name}": float(mass) for name, mass in zip(styles.names, masses, strict=True)}
