"""From an archive back to records, without the parameters and whatever else was left out."""

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sim.archive.tables import MORE, OF_A_MODEL, unpacked
from sim.disk.archives import MODELS, RUNS, contents, world_file
from sim.disk.records import Record, joined
from sim.numerics import SpecificationError, in_one_line

Arrays = Mapping[str, np.ndarray]


class Archive:
    """An archive in the memory. Every file was compared with its checksum."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about, self._files = contents(folder)
        self._worlds: dict[str, Arrays] = {}
        with self._ours():
            self.runs, self.models = (pl.read_parquet(io.BytesIO(self._files[name])) for name in (RUNS, MODELS))
            self._by_run = self.models.partition_by("run", as_dict=True, maintain_order=True)

    def __len__(self) -> int:
        """The number of runs."""
        return self.runs.height

    def world(self, name: str) -> Arrays:
        """Return the arrays of a world, see `sim.archive.readme`."""
        if name not in self._worlds:
            self._worlds = {name: unpacked(self._files[world_file(name)])}  # only the last one, to save memory
        return self._worlds[name]

    def records(self) -> Iterator[Record]:
        """Iterate over the records of all runs, world by world."""
        for row in self.runs.sort("world", "run").iter_rows(named=True):
            with self._ours():
                found = self._record(row["run"], json.loads(row["description"]), self.world(row["world"]))
            yield found

    def _record(self, run: str, about: dict[str, Any], world: Arrays) -> Record:
        arrays = {"world/strings": world["strings"], "world/log_p": world["log_p"]}
        if "log_style" in world:
            arrays["world/log_style_posterior"] = world["log_style"]
        arrays |= {name: _at(world, *place) for name, place in about.pop("arrays").items()}
        models, nodes = self._by_run[run,], about.pop("nodes")
        for phase in about["phases"]:
            own = models.filter(pl.col("phase") == phase)
            arrays |= {f"{phase}/steps": own["step"].to_numpy(), f"{phase}/losses": own["loss"].to_numpy()}
            rest = [row for at, row in enumerate(own["row"]) if at not in nodes[phase]]
            if rest:
                arrays |= {f"{phase}/{name}": world[column][rest] for column, name in OF_A_MODEL.items()}
        facts = {**about["facts"], "archive": {key: self.about[key] for key in ("version", "evaluations", "kept")}}
        return joined({**about, "facts": facts}, arrays, {})

    def _ours(self) -> "_Refusing":
        return _Refusing(self.folder)


class _Refusing:
    """Turns an error about the content of an archive with the right checksums into a SpecificationError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, _: object) -> None:
        expected = (KeyError, TypeError, ValueError, IndexError, AttributeError, pl.exceptions.PolarsError)
        if isinstance(problem, expected) and not isinstance(problem, SpecificationError):
            found = in_one_line(f"{type(problem).__name__}: {problem}")
            raise SpecificationError(
                f"{self._folder}: an archive of this program is required, found {found}; fetch it again"
            ) from None


def _at(world: Arrays, table: str, place: int | str) -> np.ndarray:
    """Return an array at its place, see `WorldTables.add`."""
    return world[f"{table}{place}"] if table == MORE else world[table][int(place)]
