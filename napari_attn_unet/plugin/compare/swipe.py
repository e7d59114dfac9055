"""Swipe: left of a line the prediction, right of it the truth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from napari.layers import Labels, Layer
from psygnal import Signal

from napari_attn_unet.plugin.compare.pair import FILLED, Pair, classes_told
from napari_attn_unet.plugin.compare.state import State
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.kit.navigate import camera, plane_on_screen, to_layer, to_viewer
from napari_attn_unet.plugin.layers import OUTPUT, remove
from napari_attn_unet.plugin.overlay.front import Front, add_above
from napari_attn_unet.plugin.overlay.lines import Strokes, ruled
from napari_attn_unet.plugin.overlay.told import Line
from napari_attn_unet.plugin.placement import transforms
from napari_attn_unet.volume import Box

NEAR = 12
"""How many pixels from the line a press still takes it."""
_SPATIAL = 3


class Swipe:
    """One Labels layer made of both, and a line to drag.

    Parameters
    ----------
    state, pair
        What is compared, and the layers that show it.
    """

    moved = Signal(int)
    """The line was dragged to this voxel; -1: the view is another, and it was turned off."""

    def __init__(self, state: State, pair: Pair) -> None:
        self._state, self._pair = state, pair
        self._both: Labels | None = None
        self._line: Strokes | None = None
        self._looks, self._front = Looks(), Front(state.dock)
        self._selected: set[Layer] = set()
        self._axis = 2
        self.position = 0
        self.is_mirrored = False
        """Whether the last columns lie on the left of the screen."""
        state.dock.owns(self.moved)

    @property
    def is_on(self) -> bool:
        """Whether it is shown."""
        return self._both is not None

    @property
    def length(self) -> int:
        """How many positions the line has."""
        comparison = self._state.comparison
        return 0 if comparison is None else comparison.mask.shape[self._axis]

    @property
    def layers(self) -> list[Layer]:
        """What it shows, while it is on."""
        return [] if self._both is None else [self._both]

    def turn_on(self) -> str:
        """Show it, the line in the middle; return what is in the way of it."""
        state = self._state
        viewer, comparison, mask = state.viewer, state.comparison, state.mask
        if viewer.dims.ndisplay != 2:  # noqa: PLR2004
            return "Swipe is for the 2D view: press the cube button below."
        if self.is_on or comparison is None or mask is None:
            return ""
        self._face(mask)
        self.position = self.length // 2
        self._both = Labels(
            np.zeros_like(comparison.mask),
            name=f"swipe · {mask.name}",
            colormap=state.colormap(),
            opacity=FILLED,
            metadata={OUTPUT: {"effect": "swipe"}},
            **transforms(mask, _SPATIAL),
        )
        self._both.editable = False
        self._line = Strokes(state.dock, "swipe line")
        self.follow()
        for side in self._pair.sides:
            self._looks.change(side, visible=False)
        self._selected = set(viewer.layers.selection)
        add_above(viewer, self._both)
        viewer.layers.selection.active = self._both  # or a drag would paint on what is hidden
        self._front.keep([self._both])
        viewer.mouse_drag_callbacks.append(self._dragged)
        for event in self._ends_it():
            event.connect(self._other_view)
        return ""

    def _face(self, mask: Layer) -> None:
        """Find the columns of the screen: which axis of the mask counts them, and which way.

        That depends on how the mask lies as much as on the camera: its steps may be negative, as
        of a flipped array, or it may be turned by a right angle.
        """
        viewer = self._state.viewer
        rows, columns = viewer.dims.displayed[-2:]
        axes = [axis - viewer.dims.ndim for axis in (rows, columns)]
        start = to_viewer(viewer, mask, np.zeros(mask.ndim))
        steps = [
            to_viewer(viewer, mask, np.eye(mask.ndim)[axis])[-_SPATIAL:] - start[-_SPATIAL:]
            for axis in axes
        ]
        across = [step[axes[1]] / np.linalg.norm(step) for step in steps]
        if abs(across[0]) > abs(across[1]):
            axes, across = axes[::-1], across[::-1]
        self._axis = axes[1] + _SPATIAL
        faces_left = str(camera(viewer).orientation2d[1]) == "left"
        self.is_mirrored = bool(across[1] < 0) != faces_left

    def _ends_it(self) -> tuple[Any, ...]:
        viewer = self._state.viewer
        dims = viewer.dims.events
        return dims.order, dims.ndisplay, camera(viewer).events.orientation

    def _other_view(self, _: Any = None) -> None:
        """Leave: the line would lie across."""
        self.turn_off()
        self.moved.emit(-1)

    def turn_off(self) -> None:
        """Show both layers as before."""
        viewer = self._state.viewer
        if self._both is None:
            return
        both, line, self._both, self._line = self._both, self._line, None, None
        viewer.mouse_drag_callbacks.remove(self._dragged)
        for event in self._ends_it():
            event.disconnect(self._other_view)
        self._front.keep([])
        if line is not None:
            line.close()
        remove(viewer, [both])
        viewer.layers.selection = self._selected & set(viewer.layers)
        self._looks.restore()

    def told(self) -> list[Line]:
        """Say what lies on which side."""
        sides = Line("left of the line: prediction"), Line("right of it: truth")
        return [*classes_told(self._state), *sides]

    def _columns(self, start: int, stop: int) -> tuple[slice, ...]:
        columns = [slice(None)] * _SPATIAL
        columns[self._axis] = slice(start, stop)
        return tuple(columns)

    def _draw(self) -> None:
        """Draw the line where it is, on every slice."""
        mask, comparison, line = self._state.mask, self._state.comparison, self._line
        looking = None if mask is None else plane_on_screen(self._state.viewer, mask)
        if mask is not None and comparison is not None and line is not None and looking is not None:
            place = {self._axis: [self.position - 0.5]}
            lines = ruled(comparison.mask.shape, looking[0], place)
            line.show(lines, mask, np.ones((len(lines.pieces), 4), np.float32))

    def move(self, position: int) -> None:
        """Bring the line to a voxel: only the columns it passes are exchanged."""
        if self._both is None or self._state.comparison is None:
            return
        position = int(np.clip(position, 0, self.length))
        passed = self._columns(*sorted((self.position, position)))
        self.position = position
        self._fill(passed)
        self._both.refresh()
        self._draw()

    def _fill(self, where: tuple[slice, ...]) -> None:
        """Show what belongs into a part of the volume."""
        comparison = self._state.comparison
        if self._both is None or comparison is None:
            return
        first, last = comparison.mask, comparison.truth
        if self.is_mirrored:
            first, last = last, first
        start, stop, _ = where[self._axis].indices(self.length)
        middle = min(max(self.position, start), stop)
        data = np.asarray(self._both.data)
        for source, part in ((first, slice(start, middle)), (last, slice(middle, stop))):
            there = (*where[: self._axis], part, *where[self._axis + 1 :])
            data[there] = source[there]

    def follow(self, box: Box | None = None) -> None:
        """Show other voxels, in a box; without one, of whatever is compared now."""
        comparison = self._state.comparison
        if self._both is None or comparison is None:
            return
        if box is None:
            self._both.colormap = self._state.colormap()
            if self._both.data.shape != comparison.mask.shape:
                self._both.data = np.zeros_like(comparison.mask)
                self.position = min(self.position, self.length)
            self._draw()
        self._fill(box or (slice(None),) * _SPATIAL)
        self._both.refresh(extent=False, thumbnail=False)

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
