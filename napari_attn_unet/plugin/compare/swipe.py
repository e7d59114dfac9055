"""Swipe: left of a line the prediction, right of it the truth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from napari.layers import Labels, Shapes
from psygnal import Signal

from napari_attn_unet.plugin.compare.state import State
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.kit.navigate import camera, to_layer, to_viewer
from napari_attn_unet.plugin.layers import OUTPUT, remove
from napari_attn_unet.plugin.placement import transforms

NEAR = 12
"""How many pixels from the line a press still takes it."""
OPACITY = 0.6
_SPATIAL = 3


class Swipe:
    """One Labels layer made of both, and a line to drag."""

    moved = Signal(int)
    """The line was dragged to this voxel."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._both: Labels | None = None
        self._line: Shapes | None = None
        self._looks = Looks()
        self._axis = 2
        self.position = 0
        state.changed.connect(self._changed)

    @property
    def is_on(self) -> bool:
        """Whether it is shown."""
        return self._both is not None

    @property
    def length(self) -> int:
        """How many positions the line has."""
        comparison = self._state.comparison
        return 0 if comparison is None else comparison.mask.shape[self._axis]

    def turn_on(self) -> None:
        """Show it, the line in the middle."""
        state = self._state
        viewer, comparison, mask = state.viewer, state.comparison, state.mask
        if self.is_on or comparison is None or mask is None or viewer.dims.ndisplay != 2:  # noqa: PLR2004
            return
        self._axis = viewer.dims.displayed[-1] - viewer.dims.ndim + _SPATIAL
        self.position = self.length // 2
        data = comparison.truth.copy()
        left = self._columns(0, self.position)
        data[left] = comparison.mask[left]
        place = transforms(mask, _SPATIAL)
        self._both = Labels(
            data,
            name=f"{mask.name} | truth",
            colormap=state.colormap(),
            opacity=OPACITY,  # the mask itself may be clear below its outline
            metadata={OUTPUT: {"effect": "swipe"}},
            **place,
        )
        self._line = Shapes(
            [self._ends()],
            shape_type="line",
            name="swipe line",
            edge_color="white",
            edge_width=max(data.shape) / 200,
            metadata={OUTPUT: {"effect": "swipe"}},
            **place,
        )
        for layer in (mask, state.truth):
            if layer is not None:
                self._looks.change(layer, visible=False)
        for layer in (self._both, self._line):
            viewer.add_layer(layer)
        viewer.layers.selection.active = self._both
        viewer.mouse_drag_callbacks.append(self._dragged)
        viewer.dims.events.current_step.connect(self._stepped)
        viewer.dims.events.order.connect(self.turn_off)
        viewer.dims.events.ndisplay.connect(self.turn_off)

    def turn_off(self, _: Any = None) -> None:
        """Show both layers as before."""
        viewer = self._state.viewer
        if self._both is None:
            return
        both, line, self._both, self._line = self._both, self._line, None, None
        viewer.mouse_drag_callbacks.remove(self._dragged)
        for event in (viewer.dims.events.order, viewer.dims.events.ndisplay):
            event.disconnect(self.turn_off)
        viewer.dims.events.current_step.disconnect(self._stepped)
        remove(viewer, (both, line))
        self._looks.restore()
        self.moved.emit(-1)

    def _columns(self, start: int, stop: int) -> tuple[slice, ...]:
        columns = [slice(None)] * _SPATIAL
        columns[self._axis] = slice(start, stop)
        return tuple(columns)

    def _ends(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the line's ends (2, 3) in voxels, on the slice on screen."""
        viewer, mask, comparison = self._state.viewer, self._state.mask, self._state.comparison
        assert mask is not None  # noqa: S101  (for the type checker: only while it is on)
        assert comparison is not None  # noqa: S101
        here = to_layer(viewer, mask, viewer.dims.point)[-_SPATIAL:]
        ends = np.stack([here, here])
        down = viewer.dims.displayed[-2] - viewer.dims.ndim + _SPATIAL
        ends[:, down] = -0.5, comparison.mask.shape[down] - 0.5
        ends[:, self._axis] = self.position - 0.5
        return ends

    def _stepped(self, _: Any = None) -> None:
        if self._line is not None:
            self._line.data = [self._ends()]

    def move(self, position: int) -> None:
        """Bring the line to a voxel: only the columns it passes are exchanged."""
        comparison = self._state.comparison
        if self._both is None or comparison is None:
            return
        position = int(np.clip(position, 0, self.length))
        passed = self._columns(*sorted((self.position, position)))
        source = comparison.mask if position > self.position else comparison.truth
        np.asarray(self._both.data)[passed] = source[passed]
        self.position = position
        self._both.refresh()
        self._stepped()

    def _changed(self, _: Any) -> None:
        comparison = self._state.comparison
        if self._both is None or comparison is None:
            return
        data = np.asarray(self._both.data)
        left, right = self._columns(0, self.position), self._columns(self.position, self.length)
        data[left], data[right] = comparison.mask[left], comparison.truth[right]
        self._both.refresh()

    def _dragged(self, viewer: Any, event: Any) -> Iterator[None]:
        mask = self._state.mask
        if mask is None or not self.is_on:
            return
        view = camera(viewer)

        def column() -> float:
            return float(to_layer(viewer, mask, event.position)[self._axis - _SPATIAL])

        voxel = np.zeros((2, mask.ndim))
        voxel[1, self._axis - _SPATIAL] = 1
        start, stop = (to_viewer(viewer, mask, index) for index in voxel)
        pixels = view.zoom * float(np.linalg.norm(stop - start))  # of the canvas, to a voxel
        if abs(column() - (self.position - 0.5)) > NEAR / pixels:
            return
        pans, view.mouse_pan = view.mouse_pan, False
        try:
            yield
            while event.type == "mouse_move":
                self.move(round(column() + 0.5))
                self.moved.emit(self.position)
                yield
        finally:
            view.mouse_pan = pans
