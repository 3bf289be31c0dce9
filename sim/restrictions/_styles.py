"""Look up the styles of a language, for restrictions."""

import numpy as np

from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage, Styles
from sim.numerics import SpecificationError, nearest


def styles_of(p: ExactLanguage, place: str) -> tuple[FiniteLanguage, Styles]:
    """Return a language with its styles. Raises `SpecificationError` if it has none."""
    if not isinstance(p, FiniteLanguage) or p.styles is None:
        raise SpecificationError(
            f"{place}: a language with styles is required, found one without; use grammar=english or styles_content, "
            "or another restriction"
        )
    return p, p.styles


def style_index(styles: Styles, name: str, place: str) -> int:
    """The position of a style. An unknown name raises `SpecificationError` with the nearest name and the list."""
    if name not in styles.names:
        raise SpecificationError(
            f"{place}: one of the styles {', '.join(styles.names)} is required, found {name!r}"
            + nearest(name, styles.names)
        )
    return styles.names.index(name)


def style_masses(language: FiniteLanguage) -> dict[str, float]:
    """The share of each style in a language's documents: {"mass_<style>": E P(z | document)}."""
    assert language.styles is not None
    masses = np.exp(language.log_p) @ np.exp(language.styles.log_posterior)
    return {f"mass_{name}": float(mass) for name, mass in zip(language.styles.names, masses, strict=True)}
