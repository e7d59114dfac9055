"""A mask as outline instead of filled, so that it and what lies under it are both seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels
from psygnal import Signal

from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.dock import Hold
from napari_attn_unet.plugin.kit.edits import Edits
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.looks import Looks, Rank
from napari_attn_unet.plugin.kit.navigate import plane_on_screen
from napari_attn_unet.plugin.overlay.lines import PLACE, Lines, Strokes, trace
from napari_attn_unet.plugin.overlay.scene import is_drawn, node_of
from napari_attn_unet.plugin.results import unread_at_time

REST_MS = 60
"""How long a brush must rest before the lines follow."""
_SPATIAL = 3
_PAINTING = ("paint", "erase", "fill", "polygon")

Colour = tuple[float, float, float, float]
WHITE: Colour = (1.0, 1.0, 1.0, 1.0)
"""Of what has no class's colour: a truth, a mask that has stepped back."""


class Outline:
    """Draws a layer's labels as outlines, until it is closed.

    The lines go with the layer's eye; painting, undo and another axis draw them anew on a thread.
    In 3D, and while a brush is in hand, the layer is filled as it was.

    Parameters
    ----------
    hold
        With it everything stops.
    layer
        Labels, or an image of whole numbers.
    colour
        (r, g, b, a) of all lines; without one, each label has its own.
    fill
        Opacity of the layer meanwhile.
    hidden
        Whether the lines stand for the layer while its eye is closed, rather than while it is open.
    """

    drawn = Signal()
    """Lines were drawn anew: of other labels, or of another axis or time."""

    def __init__(
        self,
        hold: Hold,
        layer: Labels | Image,
        *,
        colour: Colour | None = None,
        fill: float = 0.0,
        hidden: bool = False,
    ) -> None:
        self._viewer, self._layer = hold.viewer, layer
        self._colour, self._fill, self._hidden = colour, fill, hidden
        self._hold = hold.branch()
        self._drawn: Lines | None = None
        self._looks = Looks()
        self._hold.on_close(self._looks.restore)
        self.lines = Strokes(self._hold, f"outline · {layer.name}")
        """What is drawn."""
        self._is_spared = False
        self._time = self._time_on_screen()
        self._drawing = Latest(
            self._hold, self._prepare, self._show, lambda _: self._let_go(), rest_ms=REST_MS
        )
        self._edits = Edits(self._hold, layer)
        self._edits.changed.connect(self._ask)
        self._hold.owns(self.drawn)
        for event, slot in self._events():
            self._hold.connect(event, slot)
        for event in (layer.events.set_data, layer.events.opacity, layer.events.visible):
            event.connect(self._spare, position="last")  # napari's own slots come before
            self._hold.on_close(event.disconnect, self._spare)
        self._hold.on_close(self._draw_again)
        self._drawing.now()

    def _events(self) -> list[tuple[Any, Callable[..., None]]]:
        layer, dims = self._layer, self._viewer.dims
        again = [dims.events.order, dims.events.ndisplay]
        again += [getattr(layer.events, name) for name in PLACE]
        looks = [layer.events.visible]
        if isinstance(layer, Labels):
            looks += [layer.events.mode, layer.events.colormap]
        return [
            *((event, self._ask) for event in again),
            *((event, self._look) for event in looks),
            (dims.events.current_step, self._stepped),
            (self._viewer.layers.events.removed, self._removed),
        ]

    @property
    def busy(self) -> bool:
        """Whether lines are on their way."""
        return self._drawing.busy

    def close(self) -> None:
        """Take the lines away, and fill the labels as they were."""
        self._hold.close()

    # --- what is drawn --------------------------------------------------------------------------
    @property
    def _axis(self) -> int | None:
        """The axis of Z, Y, X across the screen; None in 3D."""
        looking = plane_on_screen(self._viewer, self._layer)
        return None if looking is None else looking[0]

    @property
    def _fits(self) -> bool:
        """Whether there are lines of the axis on screen."""
        return self._drawn is not None and self._drawn.axis == self._axis

    @property
    def _is_wanted(self) -> bool:
        return bool(self._layer.visible) is not self._hidden

    def _ask(self, _: Any = None) -> None:
        if self._drawn is not None and not self._fits:
            self._let_go()  # lines of another axis would lie across
            self._drawing.now()
        elif self._is_wanted:
            self._drawing.ask()
        else:
            self._let_go()  # or the lines of before would come back with it

    def _time_on_screen(self) -> tuple[int, ...]:
        dims = self._viewer.dims
        return tuple(dims.current_step[: dims.ndim - _SPATIAL])

    def _stepped(self, _: Any = None) -> None:
        """Of a series, forget the lines of another time."""
        time = self._time_on_screen()
        if self._layer.ndim > _SPATIAL and time != self._time:
            self._let_go()
            self._drawing.now()
        self._time = time

    def _prepare(self) -> Callable[[], workers.Work] | None:
        axis = self._axis
        if axis is None or self._hold.is_closed or not self._is_wanted:
            return None
        labels = unread_at_time(self._layer, self._viewer)
        return lambda: trace(labels, axis)

    def _show(self, lines: Lines) -> None:
        if lines.axis != self._axis or self._hold.is_closed:
            return
        self._drawn = lines
        self.drawn.emit()
        self.lines.show(lines, self._layer, self._colours(lines))
        self._look()

    def _colours(self, lines: Lines) -> npt.NDArray[np.float32]:
        table = np.ones((len(lines.labels), 4), np.float32)
        for label in np.unique(lines.labels):
            colour = self._colour
            if colour is None and isinstance(self._layer, Labels):
                colour = self._layer.get_color(int(label))
            if colour is not None:
                table[lines.labels == label] = colour
        return table

    # --- how it looks ---------------------------------------------------------------------------
    def _look(self, event: Any = None) -> None:
        """Show lines or fill, as the layer's eye, the brush in hand and the view ask for."""
        if self._hold.is_closed:  # by whoever heard of the same event before
            return
        drawn, visible = self._drawn, self._is_wanted
        if drawn is None:
            if visible and event is not None:
                self._drawing.ask()
            return
        if event is not None and event.type == "colormap":
            self.lines.colour(self._colours(drawn))
        lines = bool(len(drawn.pieces)) and self._fits and is_drawn(self._viewer, self._layer)
        self.lines.visible = visible and lines
        painting = str(getattr(self._layer, "mode", "")) in _PAINTING
        if not lines or painting or self._hidden:
            self._fill_again()
        elif not self._looks:
            self._looks.change(self._layer, rank=Rank.LINES, opacity=self._fill)

    def _fill_again(self) -> None:
        """Show the labels as they were; how far the user has filled them is kept for the lines."""
        if self._looks.shows(self._layer, "opacity"):
            self._fill = float(self._layer.opacity)
        self._looks.restore()

    def _spare(self, _: Any = None) -> None:
        """Do not draw what has no opacity: for napari it costs a fifth of a slice all the same."""
        node = node_of(self._viewer, self._layer)
        if node is None or self._hold.is_closed:
            return
        if self._layer.opacity == 0:
            node.visible, self._is_spared = False, True
        elif self._is_spared:
            self._draw_again()

    def _draw_again(self) -> None:
        node = node_of(self._viewer, self._layer)
        if node is not None and self._is_spared:
            node.visible = bool(self._layer.visible)
        self._is_spared = False

    def _let_go(self) -> None:
        """Show the labels filled: there are no lines of this view."""
        self._drawn = None
        self.lines.visible = False
        self._fill_again()

    def _removed(self, _: Any = None) -> None:
        if self._layer not in self._viewer.layers:
            self.close()
