"""A mask as outline: lines along the voxels' edges, two pixels of the screen wide at any zoom.

napari's own contour of labels is as wide as a voxel: it covers a small structure, and of a large
volume nothing is left of it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Vectors
from psygnal import Signal

from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.kit.navigate import camera, plane_on_screen
from napari_attn_unet.plugin.layers import OUTPUT, remove
from napari_attn_unet.plugin.placement import transforms
from napari_attn_unet.plugin.results import at_time
from napari_attn_unet.report.picture import outlines

EFFECT = "outline"
WIDTH = 2.0
"""Pixels of the screen."""
REST_MS, UNDO_MS = 60, 200
"""How long a brush must rest before the lines follow, and the view before an undo is looked for."""
_SPATIAL = 3
_PAINTING = ("paint", "erase", "fill", "polygon")
_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units")

Colour = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """Every slice's outlines along one axis.

    Attributes
    ----------
    axis
        Of Z, Y, X, that the slices lie along.
    pieces
        (N, 2, 3): start and direction in voxels.
    labels
        (N,): which label each is of.
    checksums
        Of every slice's labels.
    """

    axis: int
    pieces: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    checksums: tuple[int, ...]


class Outline:
    """Draws a layer's labels as outlines instead of filled, until it is closed.

    The lines are a helper layer directly above, with all slices of the axis that the slider runs
    along, so that scrolling costs nothing; painting, undo and another axis draw them anew on a
    thread. They go with the layer's eye. In 3D, and while a brush is in hand, it is filled as it
    was.

    Parameters
    ----------
    dock
        With it everything stops.
    layer
        Labels, or an image of whole numbers.
    colour
        (r, g, b, a) of all lines; without one, each label has its own.
    fill
        Opacity of the filled labels meanwhile.
    """

    drawn = Signal()
    """The lines are those of other labels than before."""

    def __init__(
        self, dock: Dock, layer: Labels | Image, *, colour: Colour | None = None, fill: float = 0.0
    ) -> None:
        self._dock, self._viewer, self._layer = dock, dock.viewer, layer
        self._colour, self._fill = colour, fill
        self._lines: Vectors | None = None
        self._drawn: _Lines | None = None
        self._looks = Looks()
        self._is_closed = False
        self._drawing = Latest(
            dock, self._prepare, self._show, lambda _: self._let_go(), rest_ms=REST_MS
        )
        self._widening = dock.timer(0, self._widen)
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
        again += [getattr(layer.events, name) for name in _PLACE]
        if isinstance(layer, Labels):
            again += [layer.events.paint, layer.events.labels_update]
        if layer.ndim > _SPATIAL:
            again.append(dims.events.current_step)
        looks = [layer.events.visible]
        if isinstance(layer, Labels):
            looks += [layer.events.mode, layer.events.colormap]
        return [
            *((event, self._ask) for event in again),
            *((event, self._look) for event in looks),
            (layer.events.set_data, self._refreshed),
            (camera(self._viewer).events.zoom, self._zoomed),
            (self._viewer.layers.events.removed, self._removed),
        ]

    @property
    def busy(self) -> bool:
        """Whether lines are on their way."""
        return self._drawing.busy

    @property
    def lines(self) -> Vectors | None:
        """The helper layer, once there is one."""
        return self._lines

    def close(self) -> None:
        """Take the lines away, and fill the labels as they were."""
        if self._is_closed:
            return
        self._is_closed = True
        self._drawing.cancel()
        for event, slot in self._connections:
            event.disconnect(slot)
        lines, self._lines = self._lines, None
        remove(self._viewer, [lines])
        self._looks.restore()

    # --- what is drawn --------------------------------------------------------------------------
    @property
    def _axis(self) -> int | None:
        """The axis of Z, Y, X across the screen; None in 3D."""
        dims = self._viewer.dims
        behind = [axis - dims.ndim for axis in dims.not_displayed]
        across = [axis for axis in behind if axis >= -_SPATIAL]
        return across[-1] + _SPATIAL if across else None

    def _ask(self, _: Any = None) -> None:
        drawn = self._drawn
        if drawn is not None and drawn.axis != self._axis:
            self._let_go()  # lines of another axis would lie across
            self._drawing.now()
        elif self._layer.visible:
            self._drawing.ask()

    def _prepare(self) -> Callable[[], workers.Work] | None:
        axis = self._axis
        if axis is None or self._is_closed or not self._layer.visible:
            return None
        if self._layer not in self._viewer.layers:
            return None
        labels = at_time(self._layer, self._viewer)

        def steps() -> workers.Work:
            pieces, found = [np.zeros((0, 2, _SPATIAL), np.float32)], [np.zeros(0, np.int64)]
            across = [a for a in range(_SPATIAL) if a != axis]
            checksums = []
            for index in range(labels.shape[axis]):
                yield None
                plane = labels.take(index, axis)
                checksums.append(_checksum(plane))
                if plane.dtype.kind not in "bui":
                    plane = np.rint(plane).astype(np.int64)
                for label, edges in outlines(plane).items():
                    piece = np.zeros((len(edges), 2, _SPATIAL), np.float32)
                    piece[:, 0, axis] = index
                    piece[:, 0, across] = edges[:, 0]
                    piece[:, 1, across] = edges[:, 1] - edges[:, 0]
                    pieces.append(piece)
                    found.append(np.full(len(edges), label))
            return _Lines(axis, np.concatenate(pieces), np.concatenate(found), tuple(checksums))

        return steps

    def _show(self, lines: _Lines) -> None:
        if lines.axis != self._axis or self._layer not in self._viewer.layers:
            return
        self._drawn = lines
        self.drawn.emit()
        if not len(lines.pieces):
            self._let_go()
            self._drawn = lines
            return
        place, pieces = self._place(lines)
        if self._lines is None:
            self._add(place, pieces)
        else:
            self._lines.data = pieces
            for name in _PLACE:
                setattr(self._lines, name, place[name])
        self._colours()
        self._widen()
        self._look()

    def _place(self, lines: _Lines) -> tuple[dict[str, Any], npt.NDArray[np.float32]]:
        """Return the place of the helper, and the pieces in its own steps.

        On screen its steps are of one length, as a line is as wide as its layer's step: on voxels
        ten times as high as wide, lines along and across would be, too.
        """
        place = transforms(self._layer, _SPATIAL)
        if "scale" not in place:
            place = {"scale": np.ones(_SPATIAL), **_UNMOVED, **place}
        own = np.asarray(place["scale"], np.float64)[-_SPATIAL:]
        across = [a for a in range(_SPATIAL) if a != lines.axis]
        scale = own.copy()
        scale[across] = np.sign(own[across]) * np.abs(own[across]).min()
        place = {key: value for key, value in place.items() if key != "axis_labels"}
        return place | {"scale": scale}, (lines.pieces * (own / scale)).astype(np.float32)

    def _add(self, place: dict[str, Any], pieces: npt.NDArray[np.float32]) -> None:
        viewer = self._viewer
        selected = set(viewer.layers.selection)
        self._lines = Vectors(
            pieces,
            name=f"outline · {self._layer.name}",
            vector_style="line",
            opacity=1.0,
            blending="translucent_no_depth",
            metadata={OUTPUT: {"effect": EFFECT}},
            **place,
        )
        viewer.layers.insert(viewer.layers.index(self._layer) + 1, self._lines)
        viewer.layers.selection = selected  # the user goes on with what they had chosen

    def _colours(self) -> None:
        lines, layer = self._drawn, self._layer
        if self._lines is None or lines is None:
            return
        table = np.empty((len(lines.labels), 4), np.float32)
        for label in np.unique(lines.labels):
            colour = self._colour
            if colour is None and isinstance(layer, Labels):
                colour = layer.get_color(int(label))
            table[lines.labels == label] = (1, 1, 1, 1) if colour is None else colour
        self._lines.edge_color = table

    # --- how it looks ---------------------------------------------------------------------------
    def _look(self, event: Any = None) -> None:
        """Show lines or fill, as the layer's eye, the brush in hand and the view ask for."""
        if event is not None and event.type == "colormap":
            self._colours()
        if self._lines is None:
            if self._layer.visible:
                self._drawing.ask()
            return
        painting = str(getattr(self._layer, "mode", "")) in _PAINTING
        there = self._drawn is not None and self._drawn.axis == self._axis
        self._lines.visible = bool(self._layer.visible and there)
        if there and not painting:
            if not self._looks:
                self._looks.change(self._layer, opacity=self._fill)
        else:
            self._looks.restore()

    def _let_go(self) -> None:
        """Show the labels filled: there are no lines, or none of this view."""
        self._drawn = None
        if self._lines is not None:
            self._lines.visible = False
        self._looks.restore()

    def _refreshed(self, _: Any = None) -> None:
        self._looking.start()

    def _look_for_an_undo(self) -> None:
        """Draw anew if the slice on screen is another: an undo is told by a refresh alone."""
        drawn, looking = self._drawn, plane_on_screen(self._viewer, self._layer)
        if drawn is None or looking is None or looking[0] != drawn.axis or self._drawing.busy:
            return
        axis, index = looking
        plane = at_time(self._layer, self._viewer).take(index, axis)
        if index < len(drawn.checksums) and _checksum(plane) != drawn.checksums[index]:
            self._drawing.now()

    def _zoomed(self, _: Any = None) -> None:
        self._widening.start()

    def _widen(self) -> None:
        if self._lines is None or self._drawn is None:
            return
        across = [a for a in range(_SPATIAL) if a != self._drawn.axis]
        step = float(np.abs(np.asarray(self._lines.scale)[across]).min()) * self._affine_length
        width = WIDTH / max(camera(self._viewer).zoom * step, 1e-9)
        if not np.isclose(width, self._lines.edge_width, rtol=0.02):
            self._lines.edge_width = width

    @property
    def _affine_length(self) -> float:
        """How much an affine lengthens a step on screen."""
        assert self._lines is not None  # noqa: S101  (for the type checker: it is asked for those)
        assert self._drawn is not None  # noqa: S101
        matrix = np.asarray(self._lines.affine.affine_matrix)[:_SPATIAL, :_SPATIAL]
        across = [a for a in range(_SPATIAL) if a != self._drawn.axis]
        return float(np.linalg.norm(matrix, axis=0)[across].min())

    def _removed(self, _: Any = None) -> None:
        there = self._viewer.layers
        if self._layer not in there or (self._lines is not None and self._lines not in there):
            self.close()


def _checksum(plane: npt.NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(plane).data)


_UNMOVED: dict[str, Any] = {
    "translate": np.zeros(_SPATIAL),
    "rotate": np.eye(_SPATIAL),
    "shear": np.zeros(_SPATIAL),
}
