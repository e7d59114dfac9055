"""Boxes on screen: each is seen on every slice that it spans, whatever axis is looked along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

import numpy as np
from napari.layers import Shapes
from psygnal import Signal

from napari_attn_unet.plugin import boxes
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.navigate import to_layer
from napari_attn_unet.plugin.placement import placement_of

_SPATIAL = 3


class BoxesOnScreen:
    """Lays the rectangle of each box onto the slice on screen, until its dock closes.

    What the user drags of a rectangle changes the box along the two axes on screen; looked at
    along another axis, its depth can be dragged. A box has one rectangle, which moves; one on each
    slice would be as many shapes to select, drag and keep the same.

    Parameters
    ----------
    dock
        Of whose viewer.

    Attributes
    ----------
    depth_mm
        (z, y, x): how deep a rectangle is that is drawn into a layer of boxes; None for the mean
        of its sides.
    """

    changed = Signal(object)
    """Boxes of a layer were drawn, dragged, or made deeper."""

    def __init__(self, dock: Dock) -> None:
        self._viewer = dock.viewer
        dock.owns(self.changed)
        self._busy = False
        self._heard: WeakSet[Shapes] = WeakSet()
        self.depth_mm: Sequence[float] | None = None
        dims = self._viewer.dims.events
        for event in (dims.current_step, dims.order, dims.ndisplay):
            dock.connect(event, self.lay)
        dock.connect(self._viewer.layers.events.inserted, self._listed)
        dock.on_close(self._stop)
        self._listed()

    def _listed(self, _: Any = None) -> None:
        for layer in self._viewer.layers:
            if boxes.is_boxes(layer) and layer not in self._heard:
                self._heard.add(layer)
                layer.events.data.connect(self._edited)
        self.lay()

    def _stop(self) -> None:
        for layer in self._heard:
            layer.events.data.disconnect(self._edited)

    @property
    def _in_3d(self) -> bool:
        return bool(self._viewer.dims.ndisplay == _SPATIAL)

    # --- what the user draws --------------------------------------------------------------------
    def _edited(self, event: Any) -> None:
        """Take what was drawn or dragged along the axes on screen."""
        layer, action = event.source, str(event.action)
        if self._busy or self._in_3d or action not in ("added", "changed"):
            return
        known, shown = boxes.edges(layer), boxes.shown_axes(self._viewer)
        for index in event.data_indices:
            outline = np.asarray(layer.data[index], np.float64)[:, -_SPATIAL:]
            low, high = outline.min(axis=0), outline.max(axis=0)
            if action == "added":
                spacing = placement_of(layer).geometry.spacing_mm
                known[index] = np.stack(boxes.deepened(low, high, spacing, self.depth_mm), axis=1)
            else:
                known[index, list(shown)] = np.stack([low, high], axis=1)[list(shown)]
        boxes.set_edges(layer, known)
        self.changed.emit(layer)

    def set_depth(self, layer: Shapes, depth: int) -> None:
        """Make boxes so many slices deep along the axis across the screen.

        Those that are selected, or all; about the slice in the middle of each.
        """
        axis = self._across
        known = boxes.edges(layer)
        for index in layer.selected_data or range(len(known)):
            middle = known[index, axis].mean()
            low = np.round(middle - depth / 2 + 0.5) - 0.5
            known[index, axis] = low, low + depth
        boxes.set_edges(layer, known)
        self.lay()
        self.changed.emit(layer)

    def depth(self, layer: Shapes) -> int:
        """Return how many slices deep the selected box, or else the last, is; see `set_depth`."""
        known = boxes.edges(layer)
        index = next(iter(layer.selected_data), len(known) - 1)
        return int(np.round(np.ptp(known[index, self._across])))

    @property
    def _across(self) -> int:
        """The axis of Z, Y, X across the screen, as -3 … -1."""
        first, second = boxes.shown_axes(self._viewer)
        return -2 * _SPATIAL - first - second

    # --- where it is shown ----------------------------------------------------------------------
    def lay(self, _: Any = None) -> None:
        """Lay the boxes onto the slice on screen."""
        if self._busy:
            return
        for layer in self._viewer.layers:
            if boxes.is_boxes(layer) and len(layer.data):
                self._lay(layer)

    def _lay(self, layer: Shapes) -> None:
        here = to_layer(self._viewer, layer, self._viewer.dims.point)
        shown = boxes.shown_axes(self._viewer)
        kind = "path" if self._in_3d else "rectangle"
        wanted = [
            boxes.frame(box, here, layer.ndim)
            if self._in_3d
            else boxes.rectangle(box, shown, here, layer.ndim)
            for box in boxes.edges(layer)
        ]
        if all(
            now.shape == then.shape and np.allclose(now, then, rtol=0, atol=1e-6)
            for now, then in zip(layer.data, wanted, strict=True)
        ):
            return
        selected = set(layer.selected_data)
        self._busy = True
        layer.data = [(corners, kind) for corners in wanted]
        if selected:  # napari lets go of them with every change
            layer.selected_data = selected
        self._busy = False
