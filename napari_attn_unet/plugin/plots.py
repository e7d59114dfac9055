"""The one place that draws curves: matplotlib in napari's theme.

matplotlib is what users of napari plot with (napari-matplotlib), and figures are saved with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from napari.utils.theme import get_theme
from psygnal import Signal
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_attn_unet.attention import Profile

GATE_COLOURS = ("#1f9ede", "#f28e2b", "#59a14f", "#b07aa1", "#edc948", "#ff9da7")
"""One per gate, finest first; readable on dark and on light."""


def gate_colour(level: int) -> str:
    """Return the colour of a gate's curves and histogram."""
    return GATE_COLOURS[(level - 1) % len(GATE_COLOURS)]


_Canvas: Any = FigureCanvasQTAgg  # its methods have no types


class Plot(_Canvas):  # type: ignore[misc]  # the same
    """A figure that looks like the viewer it stands in."""

    def __init__(self, rows: int = 1) -> None:
        super().__init__(Figure(layout="constrained"))
        self.axes = list(np.atleast_1d(self.figure.subplots(rows, 1, sharex=True)))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(120 + 90 * rows)
        self._text = "#808080"

    def set_theme(self, name: str) -> None:
        """Take on a theme of napari's."""
        theme = get_theme(name)
        self.figure.set_facecolor(theme.background.as_hex())
        self._text = theme.text.as_hex()
        for ax in self.axes:
            ax.set_facecolor(theme.background.as_hex())
            self._style(ax)
        self.draw_idle()

    def _style(self, ax: Any) -> None:
        ax.tick_params(colors=self._text, labelsize=8)
        for side, spine in ax.spines.items():
            spine.set_color(self._text)
            spine.set_visible(side in ("left", "bottom"))
        for label in (ax.xaxis.label, ax.yaxis.label):
            label.set_color(self._text)
            label.set_fontsize(8)
        legend = ax.get_legend()
        if legend is not None:
            for text in legend.get_texts():
                text.set_color(self._text)


class ProfilePlot(Plot):
    """Curves over slices; a line marks the slice on screen, a click or drag asks for another."""

    picked = Signal(int)
    """A slice was clicked or dragged to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(rows=2)
        self.setParent(parent)
        self._lines = [ax.axvline(0, linewidth=1.2, animated=True) for ax in self.axes]
        self._background: Any = None
        self._slices = 0
        self._slice = 0
        self.mpl_connect("draw_event", self._drawn)
        self.mpl_connect("button_press_event", self._pressed)
        self.mpl_connect("motion_notify_event", self._pressed)

    def show_profile(self, profile: Profile, axis_name: str, names: dict[int, str]) -> None:
        """Draw the curves; `names` of the gates by level."""
        top, bottom = self.axes
        for ax in self.axes:
            for artist in [*ax.lines, *ax.collections]:
                if artist not in self._lines:
                    artist.remove()
        self._slices = len(profile.area)
        x = np.arange(self._slices)
        for level, inside in profile.inside.items():
            colour = gate_colour(level)
            top.plot(x, inside, color=colour, label=names[level], linewidth=1.6)
            top.plot(x, profile.outside[level], color=colour, linewidth=1.0, linestyle=":")
        top.set_ylim(-0.02, 1.02)
        top.set_ylabel("mean α")
        above = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.0}
        top.legend(frameon=False, fontsize=8, ncols=len(names), **above)
        bottom.plot(x, profile.area, color="#e15759", label="mask", linewidth=1.6)
        if profile.truth_area is not None:
            bottom.plot(x, profile.truth_area, color=self._text, label="truth", linestyle="--")
        bottom.set_ylabel("area (voxels)")
        bottom.set_xlabel(f"slice along {axis_name}")
        bottom.legend(frameon=False, fontsize=8, ncols=2, **above)
        bottom.relim(visible_only=True)
        bottom.autoscale_view(scalex=False)
        bottom.set_ylim(bottom=0)
        bottom.set_xlim(-0.5, max(self._slices - 0.5, 0.5))
        for ax in self.axes:
            self._style(ax)
        self.draw_idle()

    def set_slice(self, index: int) -> None:
        """Move the line; the curves are not drawn again."""
        self._slice = index
        if self._background is None:
            return
        self.restore_region(self._background)
        self._draw_lines()
        self.update()  # not blit(), which paints at once and holds up the viewer's own slice

    def _drawn(self, _: Any) -> None:
        self._background = self.copy_from_bbox(self.figure.bbox)
        self._draw_lines()

    def _draw_lines(self) -> None:
        for ax, line in zip(self.axes, self._lines, strict=True):
            line.set_xdata([self._slice, self._slice])
            line.set_color(self._text)
            ax.draw_artist(line)

    def _pressed(self, event: Any) -> None:
        if event.button == 1 and event.xdata is not None and self._slices:
            self.picked.emit(int(np.clip(round(event.xdata), 0, self._slices - 1)))
