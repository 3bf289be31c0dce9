"""A language whose strings are not listed, with the horizon of a model."""

from sim.languages.exact import ExactLanguage
from sim.languages.unlisted import Unlisted
from sim.numerics import SpecificationError


def seen(language: ExactLanguage, length: int | None, place: str) -> Unlisted:
    """The language and the horizon L [tokens]; None takes that of the longest string.

    Raises SpecificationError if there is no longest string and no length.
    """
    if length is not None:
        return Unlisted(language, length)
    longest = getattr(language, "longest", None)
    if not isinstance(longest, int):
        raise SpecificationError(
            f"{place}: length is required for a language without a longest string, found none; set length, the number "
            "of tokens that the model sees"
        )
    return Unlisted(language, longest + 1)
