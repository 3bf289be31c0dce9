"""`hydra/sweeper=basic`: the sweeper of Hydra, but a multirun that is refused leaves nothing behind."""

from pathlib import Path
from typing import Annotated, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override, ValueType

from sim.config import Positive, canonical_of
from sim.numerics import SpecificationError
from sim.places import check_writable


class TidySweeper(BasicSweeper):
    """The product of all choices, as Hydra makes it.

    Before Hydra writes the folder of the multirun, the place is checked as for a single run. If the multirun is refused
    before it has a plan, what Hydra wrote is removed again.
    """

    def split_arguments(self, overrides: list[Override], max_batch_size: int | None) -> list[list[list[str]]]:  # type: ignore[override]
        """Return the overrides of all runs, in chunks. Raises SpecificationError for a choice that cannot be listed."""
        for override in overrides:
            _check_choices(override)
        return BasicSweeper.split_arguments(overrides, max_batch_size)

    def sweep(self, arguments: list[str]) -> Any:
        """Run all jobs. Raises SpecificationError if nothing can be written to `outputs`."""
        assert self.config is not None
        canonical_of(_batches, {"max_batch_size": self.max_batch_size}, "hydra.sweeper")
        folder = Path(self.config.hydra.sweep.dir)
        if "outputs" in self.config:
            place = Path(str(self.config.outputs), str(self.config.name))
            check_writable("outputs", place, [], "choose another with outputs=...")
        check_writable("hydra.sweep.dir", folder, [], "choose another with hydra.sweep.dir=...")
        fresh = [place for place in (folder, *folder.parents) if not place.exists()]
        try:
            return super().sweep(arguments)
        except Exception:
            if not any(folder.glob("plan*.json")):
                (folder / "multirun.yaml").unlink(missing_ok=True)
                _remove(fresh)
            raise


def _batches(*, max_batch_size: Annotated[int, Positive] | None) -> None:
    """The schema of the size of a batch."""


def _check_choices(override: Override) -> None:
    if not override.is_sweep_override():
        return
    if not (override.is_discrete_sweep() or override.value_type is ValueType.RANGE_SWEEP):
        found = "an interval"
    elif next(iter(override.sweep_string_iterator()), None) is None:
        found = "none"
    else:
        return
    raise SpecificationError(f"{override.input_line}: at least one value is required, found {found}; list the values")


def _remove(places: list[Path]) -> None:
    """Remove folders, the lowest first, up to the first one that holds something."""
    try:
        for place in places:
            place.rmdir()
    except OSError:
        return
