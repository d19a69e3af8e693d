"""Figures for print: style, title, small print, and files."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainbench.errors import StoreError, UsageError
from brainbench.plot.voxels import Voxels

WIDTH = 7.2  # inches: two columns of most journals
_SIMULATED = "Simulated brain: this shows that the tool works, not which model is brain-like."
_TITLE_WIDTH, _PRINT_WIDTH = 74, 145  # characters that fit in a line
# Metadata that would change from run to run: the time of writing.
_DATES: dict[str, dict[str, None]] = {".pdf": {"CreationDate": None}, ".png": {}, ".svg": {"Date": None}}
# Text stays text, and the same figure is the same file.
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "brainbench",
}


@dataclass(frozen=True)
class Caption:
    """The caption of a picture.

    title: its source, in words; simulated: no brain was measured; notes: small print, one sentence each.
    """

    title: str
    simulated: bool = False
    notes: tuple[str, ...] = ()


@contextmanager
def style() -> Iterator[None]:
    """Set fonts and sizes for print inside the block, in which all drawing happens."""
    with matplotlib.rc_context(_STYLE):
        yield


class Picture(Figure):
    """A matplotlib Figure that a notebook shows without pyplot, and that is saved with text as text."""

    def savefig(self, *args: Any, **kwargs: Any) -> None:
        """As Figure's."""
        with style():
            super().savefig(*args, **kwargs)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=150, facecolor="white")
        return buffer.getvalue()


def page(
    about: Voxels | Caption, inches: float, what: str = "", notes: Sequence[str] = ()
) -> tuple[Picture, dict[str, float]]:
    """Return a picture with title and small print around ``inches`` of height to draw in.

    about: its source; what: the kind of picture, named after the source; notes: small print; returns (picture, {"bottom",
    "top"}: the limits of that height, as fractions of the picture's).
    """
    title = textwrap.wrap(f"{about.title}: {what}" if what else about.title, _TITLE_WIDTH)
    if len(title) > 2:
        title = [title[0], f"{title[1][: _TITLE_WIDTH - 1]}…"]
    own = about.notes if isinstance(about, Caption) else ()
    told = ([_SIMULATED] if about.simulated else []) + [*own, *notes]
    small = [line for note in told for line in textwrap.wrap(note, _PRINT_WIDTH)]
    above, below = 0.22 + 0.17 * len(title), 0.08 + 0.13 * len(small)
    height = above + inches + below
    picture = Picture(figsize=(WIDTH, height))
    picture.text(0.02, 1 - 0.08 / height, "\n".join(title), fontsize=10, weight="bold", va="top")
    picture.text(0.02, 0.05 / height, "\n".join(small), fontsize=6.5, color="0.35", va="bottom")
    return picture, {"bottom": below / height, "top": 1 - above / height}


def bare(axes: Axes) -> None:
    """No ticks and no frame."""
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)


def check_ending(path: Path) -> None:
    """Raise UsageError unless the suffix is a supported format: pdf, png or svg."""
    if path.suffix not in _DATES:
        raise UsageError(f"--out {path}: allowed endings are {', '.join(_DATES)}")


def save(figure: Figure, path: Path) -> None:
    """Write a figure as pdf, png or svg, by its suffix. The same figure gives the same bytes.

    Raises UsageError for another suffix, StoreError if the disk refuses.
    """
    check_ending(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with style():
            figure.savefig(path, dpi=200, metadata=_DATES[path.suffix], facecolor="white")
    except OSError as problem:
        raise StoreError(f"cannot write {path} ({problem.strerror}): choose another folder with --out") from problem
