"""`hydra/sweeper=product`: the sweeper of Hydra, which leaves nothing behind if nothing was started."""

from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

from sim.places import check_writable


class ProductSweeper(BasicSweeper):
    """The product of all choices, as Hydra makes it.

    Before Hydra writes the folder of the multirun, the place is checked as for a single run. If the multirun is refused
    before it has a plan, what Hydra wrote is removed again.
    """

    def sweep(self, arguments: list[str]) -> Any:
        """Run all jobs. Raises SpecificationError if nothing can be written to `outputs`."""
        assert self.config is not None
        folder = Path(self.config.hydra.sweep.dir)
        check_writable("outputs", Path(str(self.config.outputs), str(self.config.name)), [], OTHER)
        check_writable("hydra.sweep.dir", folder, [], "choose another with hydra.sweep.dir=...")
        fresh = [place for place in (folder, *folder.parents) if not place.exists()]
        try:
            return super().sweep(arguments)
        except Exception:
            if not any(folder.glob("plan*.json")):
                (folder / "multirun.yaml").unlink(missing_ok=True)
                _remove(fresh)
            raise


OTHER = "choose another with outputs=..."


def _remove(places: list[Path]) -> None:
    """Remove folders, the lowest first, up to the first one that holds something."""
    try:
        for place in places:
            place.rmdir()
    except OSError:
        return
