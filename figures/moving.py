"""Moving pictures: frames become a GIF, and the GIF becomes an MP4 if ffmpeg is installed."""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from PIL import Image

from figures.curves import Tables
from figures.glyphs import complete, prepare
from figures.language import language
from figures.style import styled
from sim.numerics import SpecificationError

DPI = 96
"""Resolution of a frame: a slide has 1280 × 720 pixels."""

FIRST, FRAME, LAST = 1600, 260, 3500
"""Durations of the first frame, of a frame in between, and of the last frame [ms]."""

FFMPEG = "ffmpeg"
"""The program that writes MP4."""

FIGURE_SPACE = "\N{FIGURE SPACE}"
"""A space as wide as a digit."""


class Moving(Protocol):
    """A figure in which some artists change from frame to frame."""

    @property
    def drawn(self) -> Figure:
        """The figure."""

    @property
    def moving(self) -> Sequence[Artist]:
        """What changes from frame to frame."""

    @property
    def count(self) -> int:
        """The number of frames."""


Scene = TypeVar("Scene", bound=Moving)


def gif(tables: Tables, file: Path, draw: Callable[[Tables], Scene], show: Callable[[Scene, Tables, int], None]) -> int:
    """Write the GIF of a figure for a slide, and return the number of frames.

    `draw(tables)` draws what stays, and `show(scene, tables, index)` changes what moves.
    """
    with styled("slide", language()):
        prepare(tables)
        scene = draw(tables)
        pictures = list(frames(scene.drawn, scene.moving, lambda index: show(scene, tables, index), scene.count))
    write_gif(pictures, file)
    return len(pictures)


def steady(number: int, width: int = 6) -> str:
    """Return a number in a fixed width, so that nothing beside it moves from frame to frame."""
    return str(number).ljust(width, FIGURE_SPACE)


def frames(drawn: Figure, moving: Sequence[Artist], show: Callable[[int], None], count: int) -> Iterator[Image.Image]:
    """Yield a picture of a figure for each index, after `show(index)` has changed the artists that move.

    Only what moves is drawn again.
    """
    complete(drawn)
    drawn.set_dpi(DPI)
    canvas = FigureCanvasAgg(drawn)
    for artist in moving:
        artist.set_animated(True)
    canvas.draw()
    background = canvas.copy_from_bbox(drawn.bbox)
    for index in range(count):
        show(index)
        canvas.restore_region(background)
        renderer: RendererAgg = canvas.get_renderer()
        for artist in moving:
            artist.draw(renderer)
        yield Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def write_gif(pictures: Sequence[Image.Image], file: Path) -> None:
    """Write a GIF. All frames share one palette, which PillowWriter of matplotlib does not do."""
    sample = Image.new("RGB", (pictures[0].width, 2 * pictures[0].height))
    sample.paste(pictures[0], (0, 0))
    sample.paste(pictures[-1], (0, pictures[0].height))
    palette = sample.quantize(96, dither=Image.Dither.NONE)
    colours = np.array(palette.getpalette()).reshape(-1, 3)
    colours[(colours > 244).all(axis=1)] = 255  # means of almost white colours would be grey beside a white slide
    palette.putpalette(colours.ravel().tolist())
    small = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    durations = [FIRST, *[FRAME] * (len(pictures) - 2), LAST][-len(pictures) :]
    small[0].save(file, save_all=True, append_images=small[1:], duration=durations, loop=0, optimize=False)


def can_film() -> bool:
    """Return whether ffmpeg is installed, so that MP4 can be written."""
    return shutil.which(FFMPEG) is not None


def film(gif: Path, file: Path) -> None:
    """Write a GIF as MP4 (H.264) with the same durations, for programs that show no GIF or cannot stop one.

    Raises SpecificationError with the words of ffmpeg if it fails, for example because it has no H.264.
    """
    options = ["-vf", "fps=25,scale=trunc(iw/2)*2:trunc(ih/2)*2", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-an"]
    fixed = ["-movflags", "+faststart", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-threads", "1"]
    command = [FFMPEG, "-loglevel", "error", "-nostdin", "-y", "-i", str(gif), *options, *fixed, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"status {done.returncode}"
        raise SpecificationError(f"{FFMPEG}: a version that writes H.264 as MP4 is required, found {said[-200:]}")
