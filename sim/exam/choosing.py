"""Any world of the exam that a person names: one whose strings are listed, or one that is judged by drawn documents."""

from pathlib import Path

from sim.exam.building import world_of
from sim.exam.drawn import building as drawn_worlds
from sim.exam.drawn.stored import is_drawn, read_drawn
from sim.exam.drawn.world import DrawnWorld
from sim.exam.world import ExamWorld
from sim.numerics import SpecificationError


def any_world(named: str, number: int | None = None) -> ExamWorld | DrawnWorld:
    """Return the world of a name or of a place.

    number: documents to be drawn from each law, for a YAML file whose world is to be judged by them. Raises
    SpecificationError if it is no world, or if `number` is given for one whose documents are fixed.
    """
    found = drawn_worlds.named_world(named, number)
    if found is None and is_drawn(Path(named)):
        found = read_drawn(Path(named))
        if number not in (None, found.documents.each):
            raise SpecificationError(f"{named}: documents: those that it has are required, found {number} asked for")
    if found is not None:
        return found
    if number is not None:
        raise SpecificationError(
            f"{named}: a YAML file is required for documents that are drawn, found another world, whose documents are "
            "all listed; leave --documents out"
        )
    return world_of(named)
