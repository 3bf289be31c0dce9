"""What restrictions ask of a language with styles."""

import numpy as np

from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage, Styles
from sim.numerics import SpecificationError, nearest


def styles_of(p: ExactLanguage, place: str) -> tuple[FiniteLanguage, Styles]:
    """A language with its styles; raises `SpecificationError` if it has none."""
    if not isinstance(p, FiniteLanguage) or p.styles is None:
        raise SpecificationError(
            f"{place}: a language with styles is required, found one without; use grammar=english, styles_content, or "
            "another restriction"
        )
    return p, p.styles


def style_index(styles: Styles, name: str, place: str) -> int:
    """Position of a style; an unknown name raises `SpecificationError` with the nearest one and the list."""
    if name not in styles.names:
        raise SpecificationError(
            f"{place}: one of the styles {', '.join(styles.names)} is required, found {name!r}"
            + nearest(name, styles.names)
        )
    return styles.names.index(name)


def style_masses(language: FiniteLanguage) -> dict[str, float]:
    """The share of a language's documents in each style: {"mass_<style>": E P(z | document)}."""
    assert language.styles is not None
    masses = np.exp(language.log_p) @ np.exp(language.styles.log_posterior)
    return {f"mass_{name}": float(mass) for name, mass in zip(language.styles.names, masses, strict=True)}
