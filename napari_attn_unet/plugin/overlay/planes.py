"""Orthogonal views: axial, coronal and sagittal beside each other, one cross-hair for all."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_attn_unet.plugin.choice import Choice
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.navigate import go_to, plane_at
from napari_attn_unet.plugin.overlay.painter import CAPTION, Pane
from napari_attn_unet.plugin.overlay.sides import PREFERENCE, Sides
from napari_attn_unet.plugin.overlay.slices import Slices, size_of
from napari_attn_unet.report.orientation import (
    View,
    plane_name,
    position,
    view_of,
    world_axes,
)

_SPATIAL = 3
TIP = "A click or drag moves all three and the canvas's slider; the wheel scrolls this one."


class Planes(QWidget):
    """Three planes through one voxel; a click or drag in one moves all, the wheel scrolls one.

    Each shows the image, the gate on the canvas and the mask's outline.

    Parameters
    ----------
    dock
        With it they stop to follow.
    choice, sides
        What is looked at, and how it is turned.
    """

    def __init__(self, dock: Dock, choice: Choice, sides: Sides) -> None:
        super().__init__()
        self._dock, self.viewer = dock, dock.viewer
        self._choice, self._place = choice, sides.place
        self._views: dict[int, View] = {}
        self.panes = [Pane("", TIP) for _ in range(_SPATIAL)]
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(2)
        for i, pane in enumerate(self.panes):
            pane.pointed.connect(partial(self._pointed, i))
            pane.scrolled.connect(partial(self._scrolled, i))
            dock.on_close(pane.let_go)
            line.addWidget(pane)
        self._later = dock.timer(0, self.draw)
        self.slices = Slices(dock, choice, sides.place, self.ask)
        dims = self.viewer.dims
        for event in (dims.events.point, sides.changed, PREFERENCE.changed):
            dock.connect(event, self.ask)
        dock.connect(choice.changed, self._chosen)
        self._chosen()

    def _chosen(self) -> None:
        choice = self._choice
        gates = () if choice.result is None else choice.result.gates.values()
        self.slices.follow([choice.image, choice.mask, *gates])
        self.ask()

    def ask(self, _: Any = None) -> None:
        """Draw once all that has just changed is known."""
        if self.isVisible() and not self._dock.is_closed:
            self._later.start()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Draw what has changed while nothing was seen (Qt calls this)."""
        super().showEvent(event)
        self.ask()

    def _gate(self) -> Layer | None:
        """Return the gate on the canvas, if it is one."""
        result = self._choice.result
        shown = [] if result is None else [la for la in result.gates.values() if la.visible]
        return shown[0] if len(shown) == 1 else None

    def voxel(self, image: Image) -> list[int]:
        """Return the voxel (z, y, x) of the image that the planes go through."""
        return [plane_at(self.viewer, image, axis) for axis in range(_SPATIAL)]

    def height_for(self, width: int) -> int:
        """Return how high the highest of the planes is, where they share a width."""
        image = self._choice.image
        if image is None:
            return self.minimumHeight()
        lengths = np.asarray(size_of(image)) * self._place.geometry.spacing
        views = [self._view(axis) for axis in range(_SPATIAL)]
        steepest = max(lengths[view.rows] / lengths[view.columns] for view in views)
        return round(width / _SPATIAL * float(steepest)) + CAPTION

    def _view(self, axis: int) -> View:
        place = self._place
        return view_of(place.geometry, axis, PREFERENCE.value, known=place.known)

    def draw(self) -> None:
        """Draw the planes through the viewer's point."""
        image = self._choice.image
        if not self.isVisible():
            return
        if image is None or image not in self.viewer.layers:
            for pane in self.panes:
                pane.show_plane(None)
            return
        geometry, known = self._place.geometry, self._place.known
        voxel, size, gate = self.voxel(image), size_of(image), self._gate()
        axes = [world_axes(geometry).index(world) if known else world for world in range(_SPATIAL)]
        for i, axis in enumerate(axes):
            view = self._view(axis)
            planes = self.slices.planes(view, voxel[axis], [gate])
            cross = (
                _seen(voxel[view.rows], size[view.rows], flipped=view.flip_rows),
                _seen(voxel[view.columns], size[view.columns], flipped=view.flip_columns),
            )
            self._views[i] = view
            name = plane_name(geometry, axis, known=known)
            told = position(self._place.shown, axis, voxel[axis], known=self._place.placed)
            caption = told if name == "zyx"[axis] else f"{name} · {told}"
            if planes is not None:
                self.panes[i].tell(caption, TIP)
                self.panes[i].show_plane(replace(planes[0], cross=cross))
            elif self.slices.problem:
                self.panes[i].tell(caption, self.slices.problem)
                self.panes[i].show_plane(None)

    def _pointed(self, i: int, row: float, column: float) -> None:
        image, view = self._choice.image, self._views.get(i)
        if image is None or view is None:
            return
        size, voxel = size_of(image), self.voxel(image)
        for axis, place, flipped in (
            (view.rows, row, view.flip_rows),
            (view.columns, column, view.flip_columns),
        ):
            index = _seen(round(place), size[axis], flipped=flipped)
            voxel[axis] = int(np.clip(index, 0, size[axis] - 1))
        go_to(self.viewer, image, voxel)

    def _scrolled(self, i: int, by: int) -> None:
        image, view = self._choice.image, self._views.get(i)
        if image is None or view is None:
            return
        voxel = self.voxel(image)
        voxel[view.axis] = int(np.clip(voxel[view.axis] + by, 0, size_of(image)[view.axis] - 1))
        go_to(self.viewer, image, voxel)


def _seen(index: int, size: int, *, flipped: bool) -> int:
    """Return the row, or column, of an index as it is seen; and the index of a row."""
    return size - 1 - index if flipped else index
