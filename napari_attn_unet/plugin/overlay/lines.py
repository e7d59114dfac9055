"""Lines on the canvas along the edges of voxels, two pixels of the screen wide at any zoom.

napari's own contour of labels is as wide as a voxel: it covers a small structure, and of a large
volume nothing is left of it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Layer
from vispy.scene.visuals import Line

from napari_attn_unet.plugin.kit.dock import Hold
from napari_attn_unet.plugin.kit.navigate import grid, plane_on_screen, to_viewer
from napari_attn_unet.plugin.overlay.scene import canvas_of, node_of
from napari_attn_unet.report.picture import outlines

WIDTH = 2.0
"""Pixels of the screen."""
PLACE = ("scale", "translate", "rotate", "shear", "affine", "units")
"""What a layer's place is made of."""
_SPATIAL = 3
ABOVE_ALL = 1_000_000
"""In the order of drawing; layers have their place in the list."""

Pieces = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Every slice's outlines along one axis.

    Attributes
    ----------
    axis
        Of Z, Y, X, that the slices lie along.
    pieces
        (N, 2, 3): both ends in voxels, slice after slice.
    labels
        (N,): which label each is of.
    """

    axis: int
    pieces: Pieces
    labels: npt.NDArray[np.int64]


def trace(labels: Any, axis: int) -> Generator[None, None, Lines]:
    """Outline every slice along an axis of labels (Z, Y, X), of whole numbers of any type.

    They may lie in a file; they are read here, on the thread that traces them.
    """
    labels = np.asarray(labels)
    pieces, found = [np.zeros((0, 2, _SPATIAL), np.float32)], [np.zeros(0, np.int64)]
    across = [a for a in range(_SPATIAL) if a != axis]
    for index in range(labels.shape[axis]):
        yield None
        plane = labels.take(index, axis)
        if plane.dtype.kind not in "bui":
            plane = np.rint(plane).astype(np.int64)
        for label, edges in outlines(plane).items():
            piece = np.zeros((len(edges), 2, _SPATIAL), np.float32)
            piece[:, :, axis] = index
            piece[:, :, across] = edges
            pieces.append(piece)
            found.append(np.full(len(edges), label))
    return Lines(axis, np.concatenate(pieces), np.concatenate(found))


def ruled(shape: Sequence[int], axis: int, places: Mapping[int, Sequence[float]]) -> Lines:
    """Rule every slice along an axis with straight lines from border to border.

    Parameters
    ----------
    shape
        (Z, Y, X) of the grid.
    axis
        Of Z, Y, X, that the slices lie along.
    places
        {another axis: where lines across it lie, in voxels}.
    """
    rules = []
    for across, where in places.items():
        (along,) = {0, 1, 2} - {axis, across}
        rule = np.zeros((shape[axis], len(where), 2, _SPATIAL), np.float32)
        rule[..., axis] = np.arange(shape[axis])[:, None, None]
        rule[..., across] = np.asarray(where, np.float32)[:, None]
        rule[..., along] = -0.5, shape[along] - 0.5
        rules.append(rule)
    pieces = np.concatenate(rules, axis=1).reshape(-1, 2, _SPATIAL)
    return Lines(axis, pieces, np.zeros(len(pieces), np.int64))


class Strokes:
    """Lines of the slice on screen, above all layers, in the colours that they are given.

    Parameters
    ----------
    hold
        With it they go.
    name
        What they are, for whoever looks through the scene.
    """

    def __init__(self, hold: Hold, name: str) -> None:
        self._name = name
        self._hold = hold.branch()
        self._viewer = hold.viewer
        self._lines: Lines | None = None
        self._like: Layer | None = None
        self._colours: npt.NDArray[np.floating] = np.zeros((0, 4), np.float32)
        self._starts = np.zeros(1, np.int64)
        self._affine = np.eye(_SPATIAL + 1)
        self._units: Any = None
        self._node: Any = None
        self._visible = True
        self.segments: Pieces = np.zeros((0, 2, 2), np.float32)
        """(N, 2, 2): both ends of what is drawn, in the viewer's points of the axes on screen."""
        self._later = self._hold.timer(0, self._draw)
        dims = self._viewer.dims.events
        for event in (dims.current_step, dims.order, dims.ndisplay):
            self._hold.connect(event, self._draw)
        # Each layer moves to a scene of its own, and back.
        cells = grid(self._viewer).events
        for event in (
            cells.enabled,
            cells.stride,
            cells.shape,
            self._viewer.layers.events.reordered,
        ):
            self._hold.connect(event, self._moved)
        self._hold.on_close(self._take_away)

    def show(self, lines: Lines, like: Layer, colours: npt.NDArray[np.floating]) -> None:
        """Show lines on the grid of a layer, each in its colour (N, 4)."""
        self._lines, self._like, self._colours = lines, like, colours
        slices = lines.pieces[:, 0, lines.axis]
        self._starts = np.searchsorted(slices, np.arange(slices.max(initial=0) + 2))
        self._units = None  # what it lies like may have changed
        self._draw()

    def colour(self, colours: npt.NDArray[np.floating]) -> None:
        """Give each line its colour (N, 4)."""
        self._colours = colours
        self._draw()

    @property
    def visible(self) -> bool:
        """Whether they are shown where the slice on screen has any."""
        return self._visible and self._lines is not None

    @visible.setter
    def visible(self, visible: bool) -> None:
        self._visible = visible
        self._draw()

    def close(self) -> None:
        """Take the lines away."""
        self._hold.close()

    def _take_away(self) -> None:
        self._lines = self._like = None
        node, self._node = self._node, None
        if node is not None and canvas_of(self._viewer) is not None:
            node.parent = None

    def _moved(self, _: Any = None) -> None:
        self._later.start()

    def _draw(self, _: Any = None) -> None:
        """Draw the slice on screen, if it is one of the lines' axis."""
        viewer, lines, like = self._viewer, self._lines, self._like
        looking = plane_on_screen(viewer, like) if self._visible and like is not None else None
        if lines is None or like is None or looking is None or looking[0] != lines.axis:
            part = slice(0, 0)
        else:
            part = slice(
                *self._starts[np.minimum(looking[1] + np.arange(2), len(self._starts) - 1)]
            )
            self.segments = self._on_screen(lines.pieces[part], like)
        if part.start == part.stop:
            self.segments = self.segments[:0]
        scene = None if like is None else getattr(node_of(viewer, like), "parent", None)
        if len(self.segments) and scene is not None:
            self._paint(scene, self._colours[part])
        elif self._node is not None:
            self._node.visible = False

    def _on_screen(self, pieces: Pieces, like: Layer) -> Pieces:
        """Return the ends of some lines as the viewer's points, (row, column)."""
        dims = self._viewer.dims
        if self._units != (dims.units,):
            corners = np.vstack([np.zeros(_SPATIAL), np.eye(_SPATIAL)])
            corners = np.pad(corners, ((0, 0), (like.ndim - _SPATIAL, 0)))
            there = [to_viewer(self._viewer, like, corner)[-_SPATIAL:] for corner in corners]
            self._affine[:-1, -1] = there[0]
            self._affine[:-1, :-1] = np.transpose(there[1:] - there[0])
            self._units = (dims.units,)
        # As napari shows a slice: of a layer that is turned out of it, its part within the slice.
        axes = [axis - dims.ndim + _SPATIAL for axis in dims.displayed]
        matrix = self._affine[np.ix_(axes, axes)]
        return np.asarray(pieces[..., axes] @ matrix.T + self._affine[axes, -1], np.float32)

    def _paint(self, scene: Any, colours: npt.NDArray[np.floating]) -> None:
        position = self.segments[..., ::-1].reshape(-1, 2)  # vispy's (x, y)
        colour = np.repeat(np.asarray(colours, np.float32), 2, axis=0)
        if self._node is None:
            self._node = Line(position, colour, WIDTH, connect="segments", method="gl")
            self._node.name = self._name
            self._node.set_gl_state("translucent", depth_test=False)
            self._node.order = ABOVE_ALL
        else:
            self._node.set_data(position, colour)
        if self._node.parent is not scene:
            self._node.parent = scene
        self._node.visible = True
