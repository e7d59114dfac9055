"""Figures: slices × (image, every gate), drawn with matplotlib as the canvas looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_attn_unet.errors import FileError
from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.output import replacing
from napari_attn_unet.report.panels import FAINT, INK, Panel, bar, legend
from napari_attn_unet.report.slices import Slices, Style
from napari_attn_unet.report.words import (
    LONGEST,
    POINTS,
    arranged,
    lines_for,
    notes_of,
    of_gate,
    width,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = (".png", ".svg", ".pdf")
_DPI = 300
_WIDTH = 7.2
"""Inches: two columns of a journal (183 mm)."""
_PANEL = 1.2, 2.6
"""Width of a panel, least and most; its height is at most `_HIGHEST`."""
_HIGHEST = 3.2
_IN_A_ROW = 6
"""Panels of a slice beyond which it takes two rows."""
_GAP, _MARGIN, _LABEL, _TITLE, _LINE, _BAR = 0.05, 0.06, 0.2, 0.2, 0.17, 0.62
_ABOVE, _NOTE = 0.2, 0.13
"""Heights of a line: of what stands on top, and of a note."""
_SIZES = {"title": 9.0, "panel": 7.0, "note": 7.0}
"""Of letters, in points."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the panels of a figure stand, in inches from its lower left."""

    columns: int
    rows: int  # of each slice
    slices: int
    panel: tuple[float, float]  # height, width
    cell: float  # width of a panel and of what is said above it
    said: int  # lines above a panel
    everywhere: bool  # or above those of the first slice alone
    below: float
    above: float
    aside: float

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the figure."""
        height, _ = self.panel
        lines = self.rows * self.slices
        titled = lines if self.everywhere else self.rows
        along = lines * height + (lines - 1) * _GAP + titled * self.title
        return self.across + self.aside + _MARGIN, along + self.below + self.above + _MARGIN

    @property
    def across(self) -> float:
        """Width of the panels and what stands left of them."""
        return _MARGIN + _LABEL + self.columns * self.cell + (self.columns - 1) * _GAP

    @property
    def title(self) -> float:
        """Height of what is said above a panel."""
        return _TITLE + (self.said - 1) * _SIZES["panel"] * 1.2 / POINTS

    def place(self, slice_: int, number: int) -> tuple[float, float, float, float]:
        """Return left, bottom, width and height of a panel as shares of the figure."""
        row, column = divmod(number, self.columns)
        height, wide = self.panel
        across, along = self.size
        line = slice_ * self.rows + row
        titles = line + 1 if self.everywhere or not slice_ else self.rows
        top = along - self.above - line * (height + _GAP) - titles * self.title
        left = _MARGIN + _LABEL + column * (self.cell + _GAP)
        return left / across, (top - height) / along, wide / across, height / along


def spread_slices(inspection: Inspection, axis: int, count: int) -> list[int]:
    """Return `count` slices spread evenly over those that the mask (or truth) takes up."""
    structure = inspection.structure(None, truth=inspection.mask is None)
    others = tuple(a for a in range(3) if a != axis)
    found = np.flatnonzero(structure.any(axis=others))
    first, last = (found[0], found[-1]) if len(found) else (0, structure.shape[axis] - 1)
    spread = np.linspace(first, last, count + 2)[1:-1]
    return sorted({round(float(s)) for s in spread})


def draw(  # noqa: PLR0913  (each is named by its caller)
    inspection: Inspection,
    axis: int,
    slices: Sequence[int],
    style: Style | None = None,
    title: str = "",
    *,
    notes: Sequence[str] = (),
) -> Figure:
    """Return a figure: for every slice the image, and each gate over it.

    On the gates (without any, on a second panel of the image) the mask is outlined in its
    classes' colours and the truth dashed in the same; above each stands its mean coefficient
    inside and outside the mask on that slice. The image has the letters of its sides and
    a scale bar, as far as the geometry knows them; below stands which colour is which class.

    Parameters
    ----------
    inspection
        What is drawn.
    axis
        That is sliced across: 0, 1, 2 for z, y, x.
    slices
        Their indices.
    style
        How it looks.
    title
        Stands on top.
    notes
        Stand below; that a network found nothing is said unasked.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  (slow to import)

    shown = Slices(inspection, axis, style or Style())
    labelled = inspection.mask is not None or inspection.truth is not None
    columns: list[tuple[str, int | None, bool]] = [("image", None, False)]
    columns += [(gate.name, level, True) for level, gate in inspection.gates.items()]
    if labelled and not inspection.gates:
        columns.append(("mask" if inspection.mask is not None else "truth", None, True))
    handles = legend(shown, INK)
    layout, above, below = _arranged(shown, len(columns), len(slices), handles, title, notes)
    figure = Figure(figsize=layout.size, facecolor="white", dpi=_DPI / 2)
    for i, index in enumerate(slices):
        for k, (name, level, outlined) in enumerate(columns):
            panel = Panel(figure.add_axes(layout.place(i, k)), shown, level, outlined=outlined)
            panel.show(index)
            means = None if level is None else shown.means(index, level)
            if i == 0 or (layout.everywhere and level is not None):
                told = arranged(of_gate(name, means), layout.said)
                panel.ax.set_title(told, fontsize=_SIZES["panel"], color=INK, pad=3, loc="left")
            if k == 0:
                panel.letter()
                panel.scale_bar()
                panel.ax.set_ylabel(shown.position(index), fontsize=7, color=FAINT, labelpad=3)
    across, along = layout.size
    if inspection.gates:
        # As high as one row of panels, beside the first.
        _, bottom, _, height = layout.place(0, 0)
        right = (across - layout.aside + 0.1) / across
        scale = figure.add_axes((right, bottom, 0.12 / across, height))
        bar(scale, shown, INK)
        scale.set_ylabel("attention coefficient α", fontsize=7, color=INK, labelpad=3)
    left = (_MARGIN + _LABEL) / across
    if handles:
        figure.legend(
            handles=handles,
            loc="lower left",
            bbox_to_anchor=(left, (0.03 + _noted(below)) / along),
            ncols=fitting(handles, across),
            **LEGEND,
            labelcolor=INK,
        )
    # A file's name may hold what matplotlib takes for mathematics.
    said: dict[str, Any] = {"color": INK, "parse_math": False}
    if above:
        place: dict[str, Any] = {"x": left, "y": 1 - _MARGIN / along, "ha": "left", "va": "top"}
        size = _SIZES["title"]
        figure.text(s="\n".join(above), fontsize=size, weight="bold", **said, **place)
    if below:
        place = {"x": left, "y": _MARGIN / along, "ha": "left", "va": "bottom"}
        figure.text(s="\n".join(below), fontsize=_SIZES["note"], **said, **place)
    return figure


LEGEND: dict[str, Any] = {
    "frameon": False,
    "fontsize": 7.5,
    "handlelength": 1.6,
    "handletextpad": 0.5,
    "columnspacing": 1.6,
    "labelspacing": 0.3,
    "borderaxespad": 0.0,
    "borderpad": 0.1,
}
"""How the classes are told."""


def fitting(handles: Sequence[Any], width: float) -> int:
    """Return how many entries of a legend fit into a width, in inches."""
    longest = max(len(str(handle.get_label())) for handle in handles)
    return max(1, min(len(handles), int((width - 0.3) / (0.4 + 0.062 * longest))))


def _arranged(  # noqa: PLR0913  (what needs room)
    shown: Slices,
    panels: int,
    slices: int,
    handles: Sequence[Any],
    title: str,
    notes: Sequence[str],
) -> tuple[_Layout, list[str], list[str]]:
    """Return where everything stands, and the lines above and below."""
    rows = 1 if panels <= _IN_A_ROW else 2
    columns = math.ceil(panels / rows)
    about = shown.inspection
    aside = _BAR if about.gates else 0.0
    least, most = _PANEL
    room = _WIDTH - 2 * _MARGIN - _LABEL - aside - (columns - 1) * _GAP
    wide = min(max(room / columns, least), most)
    ratio = shown.size[0] / shown.size[1]
    wide = min(wide, _HIGHEST / ratio)
    counted = bool(about.gates) and not (about.mask is None and about.truth is None)
    said, cell = 1, wide
    if counted:
        size = _SIZES["panel"]
        parts = of_gate(max((gate.name for gate in about.gates.values()), key=len), LONGEST)
        cell = max(wide, *(width(part, size) for part in parts))
        said = lines_for(parts, cell, size)
    layout = _Layout(columns, rows, slices, (wide * ratio, wide), cell, said, counted, 0, 0, aside)
    across = layout.across + aside
    lines = math.ceil(len(handles) / fitting(handles, across + _MARGIN)) if handles else 0
    room = across - _MARGIN - _LABEL
    above = wrapped(title, room, _SIZES["title"], bold=True)
    below = [
        line for note in notes_of(about, notes) for line in wrapped(note, room, _SIZES["note"])
    ]
    layout = replace(
        layout,
        above=_ABOVE * len(above),
        below=lines * _LINE + (0.08 if lines else 0.0) + _noted(below),
    )
    return layout, above, below


def _noted(lines: Sequence[str]) -> float:
    """Return how high notes are, and what sets them off."""
    return len(lines) * _NOTE + (0.06 if lines else 0.0)


def save(figure: Figure, path: str | Path, dpi: int = _DPI) -> None:
    """Write a figure as PNG, SVG or PDF, by the path's ending.

    Raises
    ------
    FileError
        If the ending is another, or the file cannot be written.
    """
    path = Path(path)
    check_ending(path, FIGURES)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=dpi)


def check_ending(path: Path, known: Sequence[str]) -> None:
    """Raise a `FileError` unless a file of this ending can be written here."""
    if path.suffix.lower() not in known:
        msg = f"{path.name!r} must end in {', '.join(known)}."
        raise FileError(msg)
    if path.suffix.lower() == ".mp4" and find_spec("imageio_ffmpeg") is None:
        msg = "MP4 needs an encoder: pip install imageio-ffmpeg. Or write a .gif."
        raise FileError(msg)
