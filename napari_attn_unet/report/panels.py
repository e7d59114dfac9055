"""One panel of a figure or film, drawn with matplotlib, and what explains it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_attn_unet.prediction import Colour, size_in_words
from napari_attn_unet.report import picture
from napari_attn_unet.report.slices import Loop, Slices

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.image import AxesImage

INK, FAINT, LIGHT = "#222222", "#6b6b6b", "#d8d8d8"
"""Of text on white, and of a film's on dark."""
DASH = (2.4, 1.8)
"""On and off, in widths of the line: the truth's."""
LINE = 1.1
"""Width of an outline, in points."""
_GREYS = 24
"""Steps of grey that the bar of the coefficient lies over."""


class Panel:
    """One panel: pixels, outlines and what stands on it.

    Parameters
    ----------
    ax
        Where it is drawn.
    slices
        Of what.
    level
        Of the gate in colour; None shows the image alone.
    outlined
        Whether the mask is outlined, and the truth.
    """

    def __init__(
        self, ax: Axes, slices: Slices, level: int | None = None, *, outlined: bool = True
    ) -> None:
        from matplotlib.collections import LineCollection  # noqa: PLC0415  (slow to import)

        self.ax, self._slices, self._level, self._outlined = ax, slices, level, outlined
        ax.set_xticks([])
        ax.set_yticks([])
        for spine in ax.spines.values():
            spine.set_visible(False)
        empty = slices.pixels(0)
        self._image: AxesImage = ax.imshow(
            empty, aspect=slices.aspect, interpolation="nearest", interpolation_stage="rgba"
        )
        ax.autoscale(enable=False)
        solid: dict[str, Any] = {"linewidths": LINE, "joinstyle": "miter", "capstyle": "projecting"}
        # The truth's dashes have dark gaps, so that it is seen where both are one line.
        dark: dict[str, Any] = {"linewidths": LINE + 0.1, "colors": "black"}
        dashed: dict[str, Any] = {"linewidths": LINE, "linestyles": [(0, DASH)], "capstyle": "butt"}
        self._lines: tuple[LineCollection, ...] = (
            LineCollection([], **solid),
            LineCollection([], **dark),
            LineCollection([], **dashed),
        )
        for lines in self._lines:
            ax.add_collection(lines, autolim=False)

    @property
    def artists(self) -> list[Any]:
        """What another slice changes, from below upwards."""
        return [self._image, *self._lines]

    def show(self, index: int) -> None:
        """Show a slice."""
        self._image.set_data(self._slices.pixels(index, self._level))
        if not self._outlined:
            return
        mask, dark, dashed = self._lines
        _draw(mask, self._slices.outlines(index))
        truth = self._slices.outlines(index, truth=True)
        _draw(dashed, truth)
        dark.set_segments([loop for _, found in truth for loop in found])

    def letter(self) -> None:
        """Write the letters of the sides."""
        places = {
            "top": (0.5, 0.97, "center", "top"),
            "bottom": (0.5, 0.03, "center", "bottom"),
            "left": (0.03, 0.5, "left", "center"),
            "right": (0.97, 0.5, "right", "center"),
        }
        for side, (x, y, across, along) in places.items():
            self.write(x, y, self._slices.sides.get(side, ""), ha=across, va=along, weight="bold")

    def write(self, x: float, y: float, text: str, **options: Any) -> Any:
        """Write on the picture, at shares of its width and height from the lower left."""
        from matplotlib.patheffects import withStroke  # noqa: PLC0415  (slow to import)

        if not text:
            return None
        rim = [withStroke(linewidth=1.4, foreground="black")]
        usual: dict[str, Any] = {"color": "white", "fontsize": 7, "path_effects": rim}
        return self.ax.text(
            x,
            y,
            text,
            transform=self.ax.transAxes,
            **(usual | options),
        )

    def scale_bar(self) -> None:
        """Draw a bar of a round length, a quarter of the width at most, in the lower left.

        In the image's unit; none where that is unknown.
        """
        from matplotlib.patheffects import withStroke  # noqa: PLC0415  (slow to import)

        geometry = self._slices.inspection.geometry
        if geometry.spacing_mm is None:
            return
        width = self._slices.size[1]
        power = 10 ** math.floor(math.log10(width / 4))
        length = max(n * power for n in (1, 2, 5) if n * power <= width / 4)
        self.ax.plot(
            [0.05, 0.05 + length / width],
            [0.05, 0.05],
            transform=self.ax.transAxes,
            color="white",
            linewidth=1.8,
            solid_capstyle="butt",
            path_effects=[withStroke(linewidth=2.6, foreground="black")],
        )
        self.write(0.05, 0.075, f"{length:g} {geometry.unit}", fontsize=6.5, va="bottom")


def _draw(lines: Any, outlines: list[tuple[Colour, list[Loop]]]) -> None:
    lines.set_segments([loop for _, found in outlines for loop in found])
    lines.set_color([colour for colour, found in outlines for _ in found] or "none")


def legend(slices: Slices, ink: str) -> list[Any]:
    """Return matplotlib's handles, whose labels tell the classes with volume and the truth."""
    from matplotlib.lines import Line2D  # noqa: PLC0415  (slow to import)

    about = slices.inspection
    labels = about.mask if about.mask is not None else about.truth
    if labels is None:
        return []
    dashes: Any = (0, DASH) if about.mask is None else "-"
    counts = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    shown = [k for k in about.labels() if k < len(slices.classes)]
    handles = [
        Line2D(
            [],
            [],
            color=slices.colour(label),
            linewidth=2,
            linestyle=dashes,
            label=f"{slices.classes[label].name}  "
            f"{size_in_words(int(counts.get(label, 0)), about.geometry)}",
        )
        for label in shown[: picture.MOST_CLASSES]
    ]
    if (untold := len(shown) - picture.MOST_CLASSES) > 0:
        more = f"and {untold} more"
        handles.append(Line2D([], [], linewidth=0, label=more))
    if about.mask is not None and about.truth is not None:
        told: dict[str, Any] = {
            "color": ink,
            "linewidth": 1.2,
            "linestyle": (0, DASH),
            "label": "truth",
        }
        handles.append(Line2D([], [], **told))
    return handles


def bar(ax: Axes, slices: Slices, ink: str, *, upright: bool = True) -> None:
    """Draw what a gate's colour says: α along the bar, over every grey across it."""
    grey = np.linspace(0, 255, _GREYS).astype(np.uint8)
    steps = np.linspace(0, 1, 256, dtype=np.float32)
    shades, alpha = np.meshgrid(grey, steps)
    pixels = picture.compose(shades, alpha, slices.table, slices.style.opacity)
    low, high = slices.style.gate_limits
    along: Any
    across: Any
    if upright:
        ax.imshow(pixels, origin="lower", aspect="auto", extent=(0, 1, low, high))
        along, across = ax.yaxis, ax.xaxis
        along.set_ticks_position("right")
        along.set_label_position("right")
    else:
        ax.imshow(pixels.swapaxes(0, 1), aspect="auto", extent=(low, high, 0, 1))
        along, across = ax.xaxis, ax.yaxis
    across.set_ticks([])
    ticks = [low, (low + high) / 2, high]
    along.set_ticks(ticks, [f"{tick:.3g}" for tick in ticks])
    ax.tick_params(labelsize=6.5, length=2, pad=2, colors=ink, width=0.5)
    for spine in ax.spines.values():
        spine.set_visible(False)
