"""Figures: slices × (image, every gate), drawn with matplotlib as the canvas looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_attn_unet.errors import FileError
from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.output import replacing
from napari_attn_unet.report.panels import FAINT, INK, Panel, bar, legend
from napari_attn_unet.report.slices import Slices, Style

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


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the panels of a figure stand, in inches from its lower left."""

    columns: int
    rows: int  # of each slice
    slices: int
    panel: tuple[float, float]  # height, width
    below: float
    above: float
    aside: float

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the figure."""
        height, width = self.panel
        lines = self.rows * self.slices
        across = _MARGIN + _LABEL + self.columns * width + (self.columns - 1) * _GAP
        along = lines * height + (lines - 1) * _GAP + self.rows * _TITLE
        return across + self.aside + _MARGIN, along + self.below + self.above + _MARGIN

    def place(self, slice_: int, number: int) -> tuple[float, float, float, float]:
        """Return left, bottom, width and height of a panel as shares of the figure."""
        row, column = divmod(number, self.columns)
        height, width = self.panel
        across, along = self.size
        line = slice_ * self.rows + row
        titles = self.rows if slice_ else row + 1  # of the first slice alone
        top = along - self.above - line * (height + _GAP) - titles * _TITLE
        left = _MARGIN + _LABEL + column * (width + _GAP)
        return left / across, (top - height) / along, width / across, height / along


def spread_slices(inspection: Inspection, axis: int, count: int) -> list[int]:
    """Return `count` slices spread evenly over those that the mask (or truth) takes up."""
    structure = inspection.structure(None, truth=inspection.mask is None)
    others = tuple(a for a in range(3) if a != axis)
    found = np.flatnonzero(structure.any(axis=others))
    first, last = (found[0], found[-1]) if len(found) else (0, structure.shape[axis] - 1)
    spread = np.linspace(first, last, count + 2)[1:-1]
    return sorted({round(float(s)) for s in spread})


def draw(
    inspection: Inspection,
    axis: int,
    slices: Sequence[int],
    style: Style | None = None,
    title: str = "",
) -> Figure:
    """Return a figure: for every slice the image, and each gate over it.

    On the gates (without any, on a second panel of the image) the mask is outlined in its
    classes' colours and the truth dashed in the same. The image has the letters of its sides and
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
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  (slow to import)

    shown = Slices(inspection, axis, style or Style())
    labelled = inspection.mask is not None or inspection.truth is not None
    columns: list[tuple[str, int | None, bool]] = [("image", None, False)]
    columns += [(gate.name, level, True) for level, gate in inspection.gates.items()]
    if labelled and not inspection.gates:
        columns.append(("mask" if inspection.mask is not None else "truth", None, True))
    handles = legend(shown, INK)
    layout = _arranged(shown, len(columns), len(slices), handles, title)
    figure = Figure(figsize=layout.size, facecolor="white", dpi=_DPI / 2)
    for i, index in enumerate(slices):
        for k, (name, level, outlined) in enumerate(columns):
            panel = Panel(figure.add_axes(layout.place(i, k)), shown, level, outlined=outlined)
            panel.show(index)
            if i == 0:
                panel.ax.set_title(name, fontsize=8, color=INK, pad=3, loc="left")
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
            bbox_to_anchor=(left, 0.03 / along),
            ncols=fitting(handles, across),
            **LEGEND,
            labelcolor=INK,
        )
    if title:
        place: dict[str, Any] = {"x": left, "y": 1 - _MARGIN / along, "ha": "left", "va": "top"}
        figure.text(s=title, fontsize=9, color=INK, weight="bold", **place)
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


def _arranged(
    shown: Slices, panels: int, slices: int, handles: Sequence[Any], title: str
) -> _Layout:
    rows = 1 if panels <= _IN_A_ROW else 2
    columns = math.ceil(panels / rows)
    aside = _BAR if shown.inspection.gates else 0.0
    least, most = _PANEL
    room = _WIDTH - 2 * _MARGIN - _LABEL - aside - (columns - 1) * _GAP
    width = min(max(room / columns, least), most)
    ratio = shown.size[0] / shown.size[1]
    width = min(width, _HIGHEST / ratio)
    height = width * ratio
    across = _MARGIN + _LABEL + columns * (width + _GAP) + aside
    lines = math.ceil(len(handles) / fitting(handles, across)) if handles else 0
    below = lines * _LINE + (0.08 if lines else 0.0)
    return _Layout(columns, rows, slices, (height, width), below, 0.2 if title else 0.0, aside)


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
