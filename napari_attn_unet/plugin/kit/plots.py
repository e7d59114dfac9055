"""The one place that draws curves: matplotlib in napari's theme.

matplotlib is what users of napari plot with (napari-matplotlib), and figures are saved with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from napari.utils.theme import get_theme
from psygnal import Signal
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_attn_unet.gates.statistics import Profile
from napari_attn_unet.prediction import ClassInfo, Colour
from napari_attn_unet.report.picture import gate_line, hexadecimal
from napari_attn_unet.scores.thresholds import ThresholdCurve

_ABOVE: dict[str, Any] = {
    "frameon": False,
    "fontsize": 8,
    "loc": "lower right",
    "bbox_to_anchor": (1.0, 1.0),
    "borderaxespad": 0.0,
}

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

    def _colour(self, colour: Colour | None) -> str:
        """Return a class's colour as matplotlib takes it; the text's for all classes as one."""
        return self._text if colour is None else hexadecimal(colour)

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


class SlicePlot(Plot):
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

    def _begin(self, slices: int) -> npt.NDArray[np.intp]:
        """Forget the curves; return the slices' indices."""
        for ax in self.axes:
            for artist in [*ax.lines, *ax.collections]:
                if artist not in self._lines:
                    artist.remove()
        self._slices = slices
        return np.arange(slices)

    def _end(self, axis_name: str, columns: int) -> None:
        """Name the axes and draw."""
        bottom = self.axes[1]
        self.axes[0].legend(ncols=columns, **_ABOVE)
        bottom.set_ylabel("area (voxels)")
        bottom.set_xlabel(f"slice along {axis_name}")
        bottom.legend(ncols=3, **_ABOVE)
        # Not by matplotlib's own limits: setting one of them ends its scaling for good.
        highest = max(np.nanmax(line.get_ydata(), initial=0) for line in self._curves(bottom))
        bottom.set_ylim(0, 1.05 * highest or 1)
        bottom.set_xlim(-0.5, max(self._slices - 0.5, 0.5))
        for ax in self.axes:
            self._style(ax)
        self.draw_idle()

    def _curves(self, ax: Any) -> list[Any]:
        """Return the lines but the one that marks the slice."""
        return [line for line in ax.lines if line not in self._lines]

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


class ProfilePlot(SlicePlot):
    """Mean coefficients of the gates, and the structure's area."""

    def show_profile(
        self,
        profile: Profile,
        axis_name: str,
        names: dict[int, str],
        classes: Sequence[ClassInfo] = (),
        label: int | None = None,
    ) -> None:
        """Draw the curves.

        Parameters
        ----------
        profile, axis_name
            What is drawn, and over the slices of which axis.
        names
            Of the gates by level.
        classes
            Of the network: the gates' hue is none of theirs.
        label
            The class whose inside, outside and area they are; None is any.
        """
        top, bottom = self.axes
        x = self._begin(len(profile.area))
        for level, inside in profile.inside.items():
            colour, dash = gate_line(level, len(names), classes)
            drawn = {"color": colour, "linestyle": dash}
            top.plot(x, inside, label=names[level], linewidth=1.8, **drawn)
            top.plot(x, profile.outside[level], linewidth=0.8, alpha=0.7, **drawn)
        top.set_ylim(-0.02, 1.02)
        top.set_ylabel("mean α")
        colour = self._colour(classes[label].colour if label and label < len(classes) else None)
        bottom.plot(x, profile.area, color=colour, label="mask", linewidth=1.6)
        if profile.truth_area is not None:
            bottom.plot(x, profile.truth_area, color=colour, label="truth", linestyle="--")
        self._end(axis_name, len(names))


class ErrorPlot(SlicePlot):
    """Dice of every slice, areas of mask and truth, and how many voxels are wrong."""

    def show_slices(
        self,
        curves: dict[str, npt.NDArray[np.float64]],
        axis_name: str,
        colour: Colour | None = None,
    ) -> None:
        """Draw what `Comparison.slices` returns, in the colour of the class that it is of."""
        top, bottom = self.axes
        shown = self._colour(colour)
        x = self._begin(len(curves["Dice"]))
        top.plot(x, curves["Dice"], color=shown, label="Dice", linewidth=1.6, marker=".")
        top.set_ylim(-0.02, 1.02)
        top.set_ylabel("Dice")
        bottom.plot(x, curves["mask"], color=shown, label="mask", linewidth=1.6)
        bottom.plot(x, curves["truth"], color=shown, label="truth", linestyle="--")
        bottom.fill_between(
            x, curves["wrong"], color=self._text, alpha=0.45, linewidth=0, label="wrong"
        )
        self._end(axis_name, 1)


class CurvePlot(Plot):
    """Dice, precision and recall over the threshold of a class's probability."""

    def show_curve(
        self, curve: ThresholdCurve, threshold: float, colour: Colour | None = None
    ) -> None:
        """Draw them in the class's colour, and a line at the threshold."""
        (ax,) = self.axes
        for artist in list(ax.lines):
            artist.remove()
        shown = self._colour(colour)
        for name, dash, width in (
            ("dice", "-", 2.0),
            ("precision", "--", 1.4),
            ("recall", ":", 1.6),
        ):
            values = [getattr(overlap, name) for overlap in curve.overlaps]
            title = name if name != "dice" else "Dice"
            ax.plot(curve.thresholds, values, dash, color=shown, label=title, linewidth=width)
        ax.axvline(threshold, color=self._text, linewidth=1.2)
        ax.set_xlim(0, 1)
        ax.set_ylim(-0.02, 1.02)
        ax.set_xlabel("threshold")
        ax.legend(ncols=3, **_ABOVE)
        self._style(ax)
        self.draw_idle()
