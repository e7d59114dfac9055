"""A mask as outline instead of filled, so that it and what lies under it are both seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Vectors
from psygnal import Signal

from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.kit.navigate import plane_on_screen
from napari_attn_unet.plugin.overlay.lines import PLACE, LineLayer, Lines, checksum, trace
from napari_attn_unet.plugin.results import at_time

REST_MS, UNDO_MS = 60, 200
"""How long a brush must rest before the lines follow, and the view before an undo is looked for."""
_SPATIAL = 3
_PAINTING = ("paint", "erase", "fill", "polygon")

Colour = tuple[float, float, float, float]


class Outline:
    """Draws a layer's labels as outlines, until it is closed.

    The lines go with the layer's eye; painting, undo and another axis draw them anew on a thread.
    In 3D, and while a brush is in hand, the layer is filled as it was.

    Parameters
    ----------
    dock
        With it everything stops.
    layer
        Labels, or an image of whole numbers.
    colour
        (r, g, b, a) of all lines; without one, each label has its own.
    fill
        Opacity of the layer meanwhile.
    """

    drawn = Signal()
    """The lines are those of other labels than before."""

    def __init__(
        self, dock: Dock, layer: Labels | Image, *, colour: Colour | None = None, fill: float = 0.0
    ) -> None:
        self._viewer, self._layer = dock.viewer, layer
        self._colour, self._fill = colour, fill
        self._helper = LineLayer(dock, "outline")
        self._drawn: Lines | None = None
        self._looks = Looks()
        self._is_closed = False
        self._time = tuple(dock.viewer.dims.current_step[: dock.viewer.dims.ndim - _SPATIAL])
        self._drawing = Latest(
            dock, self._prepare, self._show, lambda _: self._let_go(), rest_ms=REST_MS
        )
        self._looking = dock.timer(UNDO_MS, self._look_for_an_undo)
        dock.owns(self.drawn)
        self._connections = self._events()
        for event, slot in self._connections:
            event.connect(slot)
        dock.on_close(self.close)
        self._drawing.now()

    def _events(self) -> list[tuple[Any, Callable[..., None]]]:
        layer, dims = self._layer, self._viewer.dims
        again = [layer.events.data, dims.events.order, dims.events.ndisplay]
        again += [getattr(layer.events, name) for name in PLACE]
        looks = [layer.events.visible]
        if isinstance(layer, Labels):
            again += [layer.events.paint, layer.events.labels_update]
            looks += [layer.events.mode, layer.events.colormap]
        return [
            *((event, self._ask) for event in again),
            *((event, self._look) for event in looks),
            (layer.events.set_data, self._refreshed),
            (dims.events.current_step, self._stepped),
            (self._viewer.layers.events.removed, self._removed),
        ]

    @property
    def busy(self) -> bool:
        """Whether lines are on their way."""
        return self._drawing.busy

    @property
    def lines(self) -> Vectors | None:
        """The helper layer, once there is one."""
        return self._helper.layer

    def close(self) -> None:
        """Take the lines away, and fill the labels as they were."""
        if self._is_closed:
            return
        self._is_closed, self._drawn = True, None  # the dock holds what is closed until it closes
        self._drawing.cancel()
        self._looking.stop()
        for event, slot in self._connections:
            event.disconnect(slot)
        self._helper.close()
        self._looks.restore()

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

    def _ask(self, _: Any = None) -> None:
        if self._drawn is not None and not self._fits:
            self._let_go()  # lines of another axis would lie across
            self._drawing.now()
        elif self._layer.visible:
            self._drawing.ask()
        else:
            self._drawn = None  # or the lines of before would come back with it

    def _stepped(self, _: Any = None) -> None:
        """Of a series, forget the lines of another time."""
        time = tuple(self._viewer.dims.current_step[: self._viewer.dims.ndim - _SPATIAL])
        if self._layer.ndim > _SPATIAL and time != self._time:
            self._let_go()
            self._drawing.now()
        self._time = time

    def _prepare(self) -> Callable[[], workers.Work] | None:
        axis = self._axis
        if axis is None or self._is_closed or not self._layer.visible:
            return None
        labels = at_time(self._layer, self._viewer)
        return lambda: trace(labels, axis)

    def _show(self, lines: Lines) -> None:
        if lines.axis != self._axis or self._is_closed:
            return
        self._drawn = lines
        self.drawn.emit()
        if len(lines.pieces):
            name = f"outline · {self._layer.name}"
            self._helper.show(lines, self._layer, self._colours(lines), name)
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
        drawn, visible = self._drawn, bool(self._layer.visible)
        if drawn is None:
            if visible and event is not None:
                self._drawing.ask()
            return
        if event is not None and event.type == "colormap":
            self._helper.colour(self._colours(drawn))
        lines = bool(len(drawn.pieces)) and self._fits
        if self.lines is not None:
            self.lines.visible = visible and lines
        painting = str(getattr(self._layer, "mode", "")) in _PAINTING
        if not lines or painting:
            self._looks.restore()
        elif not self._looks:
            self._looks.change(self._layer, opacity=self._fill)

    def _let_go(self) -> None:
        """Show the labels filled: there are no lines of this view."""
        self._drawn = None
        if self.lines is not None:
            self.lines.visible = False
        self._looks.restore()

    def _refreshed(self, _: Any = None) -> None:
        self._looking.start()

    def _look_for_an_undo(self) -> None:
        """Draw anew if the slice on screen is another: an undo is told by a refresh alone."""
        drawn, looking = self._drawn, plane_on_screen(self._viewer, self._layer)
        if drawn is None or looking is None or not self._fits or self._drawing.busy:
            return
        axis, index = looking
        plane = at_time(self._layer, self._viewer).take(index, axis)
        if index < len(drawn.checksums) and checksum(plane) != drawn.checksums[index]:
            self._drawing.now()

    def _removed(self, _: Any = None) -> None:
        there = self._viewer.layers
        if self._layer not in there or (self.lines is not None and self.lines not in there):
            self.close()
