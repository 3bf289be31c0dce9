"""Draw figures and write them with their captions, several at a time if there are several cores."""

import gc
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

import polars as pl
from matplotlib.figure import Figure

from figures.curves import drawable
from figures.glyphs import complete, prepare
from figures.language import speaking
from figures.moving import can_film, film
from figures.style import save, styled
from figures.words import mark
from sim.numerics import SpecificationError
from sim.places import write_whole
from sim.pool import cores, shared

FEW = 3
"""Fewer figures than this are drawn in this process alone, because another one takes most of a second to begin."""


@dataclass(frozen=True)
class Form:
    """What figures are drawn for: a medium of `figures.style` and a language of `figures.language`."""

    medium: str = "paper"
    language: str = "en"

    def stem(self, name: str, *, of_medium: bool = True) -> str:
        """Return the beginning of the names of the files of a figure; of files that are the same for every medium."""
        medium = self.medium if of_medium and self.medium != "paper" else ""
        return "-".join([name, *(part for part in (medium, self.language) if part not in ("", "en"))])


@dataclass(frozen=True)
class Task:
    """A figure to draw: its name, the name of its module, where its tables are, where it goes, and in which form."""

    name: str
    module: str
    source: Path
    target: Path
    form: Form


def write_all(figures: Mapping[str, ModuleType], source: Path, target: Path, form: Form) -> dict[str, list[Path]]:
    """Draw figures from the tables in a report and return the files of each by name, see `write`.

    The bytes do not depend on the number of processes. A moving figure takes longest and so is the first.
    """
    if len(figures) < FEW or cores() == 1:
        with uncollected():
            return {name: write(module, name, source, target, form) for name, module in figures.items()}
    order = sorted(figures, key=lambda name: not hasattr(figures[name], "animate"))
    tasks = [Task(name, figures[name].__name__, source, target, form) for name in order]
    found = dict(zip(order, shared(written, tasks, f"{target}: drawing its figures"), strict=True))
    return {name: found[name] for name in figures}


def written(task: Task) -> list[Path]:
    """Do a task and return the files."""
    with uncollected():
        return write(import_module(task.module), task.name, task.source, task.target, task.form)


@contextmanager
def uncollected() -> Iterator[None]:
    """Let garbage in cycles wait. Looking for it takes a sixth of the time of a figure, and finds few megabytes."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def write(module: ModuleType, name: str, source: Path, folder: Path, form: Form) -> list[Path]:
    """Draw one figure, write it with its caption, and return the files; none if the tables hold nothing for it.

    Raises SpecificationError, with the file of the figure, if there is something wrong with what it draws or says.
    """
    tables = {table: pl.read_parquet(source / "tables" / f"{table}.parquet") for table in module.TABLES}
    with styled(form.medium, form.language):
        prepare(tables)
        try:
            drawn = module.draw(tables) if drawable(tables) else None
            if drawn is None:
                return []
            caption = module.caption(tables)
            for function, found, wanted in (("draw", drawn, Figure), ("caption", caption, str)):
                if not isinstance(found, wanted):
                    raise SpecificationError(f"{function}: {wanted.__name__} is required, found {found!r}")
        except SpecificationError as refusal:
            raise SpecificationError(f"{module.__file__}: {refusal}") from refusal
        mark(drawn, tables)
        complete(drawn)
        files = save(drawn, folder / form.stem(name))
    files.append(folder / f"{form.stem(name, of_medium=False)}.txt")
    write_whole(files[-1], f"{caption}\n".encode())
    if hasattr(module, "animate"):
        files += animated(module, folder, form.stem(name, of_medium=False), tables, form)
    return files


def animated(module: ModuleType, folder: Path, stem: str, tables: Mapping[str, pl.DataFrame], form: Form) -> list[Path]:
    """Write the GIF of a moving figure; for slides also an MP4, if ffmpeg is installed. Return the files."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as draft:
        made = [Path(draft) / f"{stem}.gif"]
        with speaking(form.language):
            module.animate(tables, made[0])
        if form.medium == "slide" and can_film():
            made.append(made[0].with_suffix(".mp4"))
            film(*made)
        return [file.replace(folder / file.name) for file in made]
